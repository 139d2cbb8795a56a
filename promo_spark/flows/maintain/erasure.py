"""Erasing persons: what the lake holds about them, and that nothing of it is left or comes back."""

from __future__ import annotations

import sys
from typing import Any

from pyspark.sql import functions as F

from promo_spark.contracts.catalogue import ALL_TABLES, QUARANTINE
from promo_spark.contracts.exports import Exports
from promo_spark.contracts.housekeeping import ERASURE, Maintenance
from promo_spark.contracts.restricted import Identities, Persons, RawRows, Suppressed
from promo_spark.contracts.schema import Table
from promo_spark.contracts.silver import IdentityMap
from promo_spark.errors import MissingDataError, SettingsError
from promo_spark.flows.maintain.housekeeping import mark_of, row_of
from promo_spark.flows.maintain.persons import TEXTS, Meant, lines_of, meant_persons, numbered, user_id_of
from promo_spark.reports.sections.decided import shortened_id
from promo_spark.runtime.context import Context
from promo_spark.settings.export import ExportSettings
from promo_spark.settings.maintain import MaintainSettings
from promo_spark.sources.persons import suppression
from promo_spark.sources.persons.encryption import decrypted, encryption_key
from promo_spark.storage import erasure, pages
from promo_spark.storage.lake import Lake
from promo_spark.storage.maintenance import delete_leftovers, stored
from promo_spark.storage.sinks.files import EXPORTED

# Who is who goes last: a run that was killed can then be run again.
_LAST: tuple[type[Table], ...] = (Persons, IdentityMap, Identities)

Done = list[dict[str, Any]]


def erased(ctx: Context[MaintainSettings]) -> None:
    """Erases the persons of the file from every table, page and export below the lake's root.

    Run again after it was stopped, it does what is missing; once all is done, it finds nothing more.
    Raises SettingsError for a file that is not there or empty, MissingDataError for an id that the lake does not know.
    """
    lake, privacy, path = ctx.every_table, ctx.business.privacy, ctx.settings.persons
    _refuse_catalog(lake)
    key = suppression.suppression_key(privacy.suppression_key_secret)
    meant = meant_persons(lake, privacy, lines_of(lake, path, "maintain.persons"))
    holding = _tables_naming(ctx, meant)
    before = _suppressed(lake)
    _refuse_unknown(meant, {i for ids in holding.values() for i in ids}, before, key, path)
    _suppress(ctx, meant, before, key)
    done = [_without_rows(ctx, table, meant) for table in holding if table not in _LAST]
    done += _without_raw_rows(ctx, meant)
    done += [_without_rows(ctx, table, meant) for table in _LAST if table in holding]
    for table in ALL_TABLES:
        if lake.exists(table) and (table.personal() or table in QUARANTINE.values()):
            ctx.say(f"deleting earlier versions of {table.full_name()}")
            erasure.delete_earlier_versions(lake, table)
    delete_leftovers(lake, 0, sys.maxsize)
    _without_pages(ctx, meant)
    _without_exports(ctx, meant)
    rows = sum(row[Maintenance.rows_removed] for row in done)
    if done:
        ctx.note(f"persons erased: {len(meant.ids):,}; {rows:,} of their rows in {len(done)} tables")
        ctx.write(Maintenance, done)
    else:
        ctx.note(f"persons erased: no table has a row of any of the {len(meant.ids):,}: they were erased before")


def readmitted(ctx: Context[MaintainSettings]) -> None:
    """Takes the persons of the file out of those whose rows are left out: they are customers again.

    Raises MissingDataError for an id of a person who was not erased.
    """
    lake, privacy, path = ctx.every_table, ctx.business.privacy, ctx.settings.readmit
    key = suppression.suppression_key(privacy.suppression_key_secret)
    digests = {
        n: {suppression.suppression_digest(i, key) for i in (line, user_id_of(privacy, line))}
        for n, line in lines_of(lake, path, "maintain.readmit").items()
    }
    listed = lake.read(Suppressed).collect() if lake.exists(Suppressed) else []  # as many as were erased
    person_of = {row.digest: row.person for row in listed}
    unknown = [n for n, theirs in digests.items() if not theirs & set(person_of)]
    if unknown:
        raise MissingDataError(
            f"maintain.readmit: {numbered(unknown)} of {path} names nobody who was erased; nobody was readmitted"
        )
    persons = {person_of[d] for theirs in digests.values() for d in theirs if d in person_of}
    gone = lake.read(Suppressed).filter(F.col(Suppressed.person).isin(sorted(persons)))
    erasure.delete_rows(lake, Suppressed, gone, Suppressed.key, mark_of(ctx), ERASURE)
    ctx.note(
        f"{len(persons):,} persons are taken in again by the next delivery that names them; what sources still have of "
        "their past, ingest --force takes in"
    )


def _refuse_catalog(lake: Lake) -> None:
    if lake.catalog:
        raise SettingsError(
            f"lake.catalog is {lake.catalog}: there maintain cannot tell whether a run is open, nor delete files at "
            "once; delete by a join and VACUUM with your catalog's own commands, see docs/maintain.md"
        )


def _tables_naming(ctx: Context[MaintainSettings], meant: Meant) -> dict[type[Table], set[str]]:
    """The tables that name one of the persons, and by which ids."""
    found = {}
    for table in ALL_TABLES:
        if erasure.id_columns(table) and ctx.every_table.exists(table):
            ctx.say(f"looking into {table.full_name()}")
            named = erasure.named_in(ctx.every_table, table, meant.all_ids)
            if named:
                found[table] = named
    return found


def _suppressed(lake: Lake) -> set[str]:
    """The digests of those who were erased before: as many as were."""
    if not lake.exists(Suppressed):
        return set()
    return {row.digest for row in lake.read(Suppressed).select(Suppressed.digest).collect()}


def _refuse_unknown(meant: Meant, named: set[str], before: set[str], key: bytes, path: str) -> None:
    """Raises MissingDataError, with the numbers of lines and no id, before anything is done."""

    def is_known(ids: frozenset[str]) -> bool:
        return bool(ids & named or before & {suppression.suppression_digest(i, key) for i in ids})

    unknown = [n for n, person in meant.lines.items() if not is_known(meant.ids[person])]
    if unknown:
        raise MissingDataError(
            f"maintain.persons: {numbered(unknown)} of {path} names nobody whom the lake knows or who was erased "
            "before; nothing was erased: write the id as the shop has it, or take the line out"
        )


def _suppress(ctx: Context[MaintainSettings], meant: Meant, before: set[str], key: bytes) -> None:
    """Writes first who is erased, so that no delivery brings them back, and a run that was killed knows them."""
    rows = {
        suppression.suppression_digest(i, key): suppression.suppression_digest(person, key)
        for person, ids in meant.ids.items()
        for i in ids
    }
    same = {Suppressed.erased_on: ctx.date, Suppressed.run_id: ctx.run_id}
    new = [
        same | {Suppressed.digest: digest, Suppressed.person: person}
        for digest, person in sorted(rows.items())
        if digest not in before
    ]
    if new:
        ctx.every_table.write(Suppressed, new, mark=mark_of(ctx))


def _without_rows(ctx: Context[MaintainSettings], table: type[Table], meant: Meant) -> dict[str, Any]:
    ctx.say(f"erasing from {table.full_name()}")
    lake, before = ctx.every_table, stored(ctx.every_table, table)
    rows = erasure.rows_about(lake, table, meant.all_ids)
    count = erasure.delete_rows(lake, table, rows, erasure.id_columns(table), mark_of(ctx), ERASURE)
    return row_of(ctx, ERASURE, table, before.of_newest(), stored(lake, table).of_newest(), count)


def _without_raw_rows(ctx: Context[MaintainSettings], meant: Meant) -> Done:
    """Takes out rejected rows in whose text a person stands, and the rows of quarantine that name them."""
    lake, done, digests = ctx.every_table, Done(), list[str]()
    key = encryption_key(ctx.business.privacy.encryption_key_secret)
    for table, column in TEXTS.items():
        if not lake.exists(table):
            continue
        ctx.say(f"erasing from {table.full_name()}")
        before = stored(lake, table)
        rows = decrypted(table, lake.read(table), key)
        rows = erasure.rows_with_texts(rows, column, [*meant.texts, *digests])
        if table is RawRows:
            digests = [row.digest for row in rows.select(RawRows.digest).distinct().collect()]  # of these persons alone
        count = erasure.delete_rows(lake, table, rows, table.key or (column,), mark_of(ctx), ERASURE)
        if count:
            done.append(row_of(ctx, ERASURE, table, before.of_newest(), stored(lake, table).of_newest(), count))
    return done


def _without_pages(ctx: Context[MaintainSettings], meant: Meant) -> None:
    """Deletes pages that show an offer of one of them, by the short form of the id that pages have."""
    lake = ctx.every_table
    short = {shortened_id(i) for i in meant.all_ids}
    found = erasure.files_with_texts(lake, f"{lake.root}/{pages.FOLDER}", [*meant.all_ids, *short])
    erasure.delete_files(lake, found)
    if found:
        ctx.note(f"{len(found)} pages showed an offer of theirs and are deleted; the next run makes that of its date")


def _without_exports(ctx: Context[MaintainSettings], meant: Meant) -> None:
    """Deletes exported files below the lake's root that name them, and says where else offers went.

    Targets change their names and go: files of those that no setting names are looked for below the whole root.
    """
    lake, elsewhere = ctx.every_table, []
    targets = ctx.beside(ExportSettings).targets
    for name, target in sorted(targets.items()):
        if target.path and erasure.is_below(lake, target.path):
            found = erasure.files_with_texts(lake, target.path, meant.all_ids)
            erasure.delete_files(lake, found)
            if found:
                ctx.note(f"target {name}: {len(found)} files named them and are deleted; export --force writes it anew")
        else:
            elsewhere.append(name)
    found = erasure.files_with_texts(lake, lake.root, meant.all_ids, EXPORTED)
    erasure.delete_files(lake, found)
    if found:
        ctx.note(f"{len(found)} exported files of targets that no setting names are deleted: they named them")
    if lake.exists(Exports):
        told = lake.read(Exports).select(Exports.target).distinct().collect()  # as many as there were targets
        deleted = {EXPORTED.sub("", file.rsplit("/", 1)[-1]) for file in found}
        elsewhere += sorted({row[Exports.target] for row in told} - set(targets) - deleted)
    if elsewhere:
        ctx.note(f"what went to {', '.join(elsewhere)} is out of the lake's reach: have it erased there, too")
