"""Who is meant by the ids in a file: all ids of each person, as tables and texts may have them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from promo_spark.contracts.catalogue import QUARANTINE
from promo_spark.contracts.restricted import Identities, Persons, RawRows
from promo_spark.contracts.schema import Table
from promo_spark.contracts.silver import IdentityMap, Quarantined
from promo_spark.errors import SettingsError
from promo_spark.settings.business import PrivacySettings
from promo_spark.sources.persons import pseudonyms
from promo_spark.sources.persons.encryption import decrypted, encryption_key
from promo_spark.storage import erasure
from promo_spark.storage.files import Files
from promo_spark.storage.lake import Lake

# Where persons stand in texts: rejected rows as they came.
TEXTS: Mapping[type[Table], str] = {RawRows: RawRows.raw, **dict.fromkeys(QUARANTINE.values(), Quarantined.raw)}
_LEAST_CONTACT = 5  # characters; a shorter one would be found in the texts of others


@dataclass(frozen=True)
class Meant:
    """The persons that are meant. `lines`: number of a line → its person; `ids`: person → all ids, the shop's too.

    A person is named by the id that tables have. `contacts` are their e-mail addresses and phone numbers.
    """

    lines: Mapping[int, str]
    ids: Mapping[str, frozenset[str]]
    contacts: frozenset[str]

    @property
    def all_ids(self) -> list[str]:
        return sorted(frozenset[str]().union(*self.ids.values()))

    @property
    def texts(self) -> list[str]:
        """What tells of a person in a raw row."""
        return sorted({*self.all_ids, *(c for c in self.contacts if len(c) >= _LEAST_CONTACT)})


def lines_of(lake: Lake, path: str, setting: str) -> dict[int, str]:
    """The lines of a file with something in them, by number. Raises SettingsError where there are none."""
    files = Files(lake.spark)
    if not files.exists(path):
        raise no_such_file(setting, path)
    lines = {n: line.strip() for n, line in enumerate(files.text(path).removeprefix("\ufeff").splitlines(), start=1)}
    found = {n: line for n, line in lines.items() if line}
    if not found:
        raise SettingsError(f"{setting}: {path} is empty: write an id in each line; nothing was done")
    return found


def no_such_file(setting: str, path: str) -> SettingsError:
    return SettingsError(f"{setting}: there is no file {path}; nothing was done")


def numbered(lines: Sequence[int]) -> str:
    """
    >>> numbered([3]), numbered([3, 5])
    ('line 3', 'each of the lines 3, 5')
    """
    shown = ", ".join(map(str, lines[:20])) + (f" and {len(lines) - 20} more" if len(lines) > 20 else "")
    return f"line {shown}" if len(lines) == 1 else f"each of the lines {shown}"


def user_id_of(privacy: PrivacySettings, an_id: str) -> str:
    """The id as the tables have it: of an id of the shop its pseudonym, where ids are pseudonyms."""
    if not privacy.pseudonymise or pseudonyms.is_pseudonym(an_id):
        return an_id
    return pseudonyms.pseudonym(an_id, pseudonyms.pseudonym_key(privacy.key_secret))


def meant_persons(lake: Lake, privacy: PrivacySettings, lines: Mapping[int, str]) -> Meant:
    """Who is meant by lines with ids, of the shop or pseudonyms: with the ids that channels know the persons by."""
    given = {n: user_id_of(privacy, line) for n, line in lines.items()}
    owners, channels = _channels(lake, set(given.values()))
    persons = {n: owners.get(user_id, user_id) for n, user_id in given.items()}
    ids = {person: {person, *channels.get(person, ())} for person in persons.values()}
    for n, person in persons.items():
        ids[person] |= {given[n], lines[n]}
    person_of = {one: person for person, theirs in ids.items() for one in theirs}
    contacts, key = set[str](), encryption_key(privacy.encryption_key_secret)
    for table in (Identities, Persons):
        if lake.exists(table):
            rows = decrypted(table, erasure.rows_about(lake, table, sorted(person_of)), key)
            for row in rows.collect():  # of these persons alone
                if table is Identities:
                    ids[person_of[row.user_id]].add(row.raw_id)
                else:
                    contacts |= {text for text in (row.email, row.phone) if text}
    return Meant(persons, {person: frozenset(theirs) for person, theirs in ids.items()}, frozenset(contacts))


def _channels(lake: Lake, ids: Collection[str]) -> tuple[dict[str, str], dict[str, set[str]]]:
    """Of the persons who have one of these ids: channel's id → person, and person → the ids that channels have."""
    if not lake.exists(IdentityMap):
        return {}, {}
    named = erasure.rows_about(lake, IdentityMap, sorted(ids)).collect()  # of these persons alone
    every = erasure.rows_about(lake, IdentityMap, sorted({*ids, *(row.user_id for row in named)})).collect()
    channels: dict[str, set[str]] = {}
    for row in every:
        channels.setdefault(row.user_id, set()).add(row.channel_user_id)
    return {row.channel_user_id: row.user_id for row in every}, channels
