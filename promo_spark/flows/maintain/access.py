"""The steps of the command access: who is meant, and every row that tells of that person."""

from __future__ import annotations

import json
from typing import Any

from pyspark.sql import functions as F

from promo_spark.contracts.catalogue import ALL_TABLES
from promo_spark.contracts.schema import Table
from promo_spark.errors import MissingDataError
from promo_spark.flows.maintain.persons import TEXTS, Meant, meant_persons
from promo_spark.runtime.command import Asked
from promo_spark.sources.persons.encryption import decrypted, encryption_key
from promo_spark.storage.erasure import id_columns, rows_about, rows_with_texts
from promo_spark.storage.private_files import write_private

_ROW = "row"


def written_about(asked: Asked) -> str:
    """Writes all that the lake holds about the person to the file; what was done, in one sentence.

    Raises MissingDataError where it holds nothing.
    """
    lake, file = asked.lake, asked.arguments["to"]
    meant = meant_persons(lake, asked.settings.business.privacy, {1: asked.arguments["person"]})
    found: dict[str, Any] = {}
    for table in ALL_TABLES:
        if lake.exists(table):
            rows = _rows(asked, table, meant)
            if rows:
                columns = {name: column.comment for name, column in table.columns().items()}
                found[table.full_name()] = {"what": table.grain(), "columns": columns, "rows": rows}
    if not found:
        raise MissingDataError(f"the lake {lake.catalog or lake.root} holds nothing about this person: check the id")
    about = {"ids": meant.all_ids, "tables": found}
    write_private(file, json.dumps(about, ensure_ascii=False, indent=1, sort_keys=True) + "\n")
    return f"{sum(len(t['rows']) for t in found.values()):,} rows of {len(found)} tables are in {file}."


def _rows(asked: Asked, table: type[Table], meant: Meant) -> list[Any]:
    """The rows of a table that tell of the person, in a fixed order."""
    key = encryption_key(asked.settings.business.privacy.encryption_key_secret)
    if id_columns(table):
        rows = decrypted(table, rows_about(asked.lake, table, meant.all_ids), key)
    elif table in TEXTS:
        rows = rows_with_texts(decrypted(table, asked.lake.read(table), key), TEXTS[table], meant.texts)
    else:
        return []
    whole = F.to_json(F.struct(*table.columns()), {"ignoreNullFields": "false"}).alias(_ROW)
    return [json.loads(text) for text in sorted(row[_ROW] for row in rows.select(whole).collect())]  # of one person
