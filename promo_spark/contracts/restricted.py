"""Direct identifiers: who is behind a pseudonym, and raw rows, which hold whatever a source holds.

A layer of its own, so that storage or catalogue can give it access rights of its own. Only jobs named in
promo_spark/runtime/job.py may declare its tables; no job that models or decides is among them.
"""

from __future__ import annotations

from pyspark.sql import types as T

from promo_spark.contracts.schema import RESTRICTED, Col, Personal, Table, WriteMode
from promo_spark.contracts.silver import Quarantined, Sourced, quarantine_of
from promo_spark.contracts.silver.sourced import control_character

_TEXT = T.StringType()


class Identities(Table):
    """One row per user that any source named: the pseudonym, and the id as the shop has it."""

    layer, name = RESTRICTED, "identities"
    key = ("user_id",)
    write_mode = WriteMode.MERGE
    user_id = Col(_TEXT, "the pseudonym, as in every other table", required=True, personal=Personal.IDENTIFIER)
    raw_id = Col(_TEXT, "the id as the shop has it", required=True, personal=Personal.DIRECT)
    key_id = Col(_TEXT, "which key made the pseudonym; tells nothing of the key", required=True)
    run_id = Col(_TEXT, "the ingest run that wrote the row")


class Persons(Sourced):
    """One row per user: what a message to the person needs."""

    layer, name = RESTRICTED, "persons"
    key = ("user_id",)
    write_mode = WriteMode.MERGE
    source_checks = (control_character("user_id"),)
    user_id = Col(_TEXT, "the pseudonym, as in every other table", required=True, personal=Personal.IDENTIFIER)
    person_name = Col(_TEXT, "name of the person; null where the shop does not say", personal=Personal.DIRECT)
    email = Col(_TEXT, "e-mail address; null where the shop does not say", personal=Personal.DIRECT)
    phone = Col(_TEXT, "phone number as written; null where the shop does not say", personal=Personal.DIRECT)
    address = Col(_TEXT, "postal address; null where the shop does not say", personal=Personal.DIRECT)
    birth_date = Col(T.DateType(), "day of birth; null where the shop does not say", personal=Personal.DIRECT)


class RawRows(Table):
    """One row per table, source, file and rejected raw row: the text that quarantine names by its digest.

    Replaced together with the rows of quarantine that name it.
    """

    layer, name = RESTRICTED, "raw_rows"
    key = ("table", "source", "source_file", "digest")
    partition = ("table", "source")
    write_mode = WriteMode.REPLACE_SLICE
    table = Col(_TEXT, "the table the row was meant for", required=True)
    source = Col(_TEXT, "the configured source the row came from", required=True)
    digest = Col(_TEXT, "keyed digest of the raw row, as quarantine has it", required=True)
    raw = Col(_TEXT, "the row as it came", required=True, personal=Personal.DIRECT)
    source_file = Col(_TEXT, "the file or table the row came from")
    run_id = Col(_TEXT, "the ingest run that rejected it", required=True)


class Suppressed(Table):
    """One row per id of an erased person: what a source delivers of it again is left out.

    A digest under a key of its own: it tells nobody who was erased, and whoever lost the key of the pseudonyms still
    keeps to it.
    """

    layer, name = RESTRICTED, "suppressed"
    key = ("digest",)
    write_mode = WriteMode.MERGE
    digest = Col(_TEXT, "keyed digest of an id as the shop has it, or of a pseudonym", required=True)
    person = Col(_TEXT, "the same for all ids of a person", required=True)
    erased_on = Col(T.DateType(), "the date of the run that erased the person", required=True)
    run_id = Col(_TEXT, "the run of maintain", required=True)


PERSONAL_SOURCES: tuple[type[Table], ...] = (Persons,)  # restricted tables that a mapping may feed

RESTRICTED_QUARANTINE: dict[type[Table], type[Quarantined]] = {t: quarantine_of(t) for t in PERSONAL_SOURCES}

RESTRICTED_TABLES: tuple[type[Table], ...] = (Identities, *PERSONAL_SOURCES, RawRows)
