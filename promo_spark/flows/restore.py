"""The steps of the restore command: what was asked is a table and a version, then the table is brought back."""

from __future__ import annotations

from collections.abc import Mapping

from pyspark.sql import functions as F

from promo_spark.contracts.catalogue import QUARANTINE, SILVER, table_named
from promo_spark.contracts.decisions import Actions, Promotions
from promo_spark.contracts.ops import SourceFiles
from promo_spark.contracts.schema import Table
from promo_spark.errors import SettingsError
from promo_spark.flows.actions import restore_status
from promo_spark.measures.computed import computed
from promo_spark.settings import Settings
from promo_spark.storage.commits import Mark
from promo_spark.storage.damage import bring_back
from promo_spark.storage.lake import Lake


def refuse_impossible(arguments: Mapping[str, str], settings: Settings) -> None:
    """Raises SettingsError for a table or version that is none, or a table in a catalog."""
    _asked_for(arguments["table"], arguments["version"])
    if settings.lake.catalog:
        raise SettingsError(
            f"lake.catalog is {settings.lake.catalog}: restore the table with your catalog's own command"
        )


def _asked_for(name: str, version: str) -> tuple[type[Table], int]:
    if not version.isdecimal():
        raise SettingsError(f"--version {version!r} is not a version; write a number such as 12")
    return table_named(name), int(version)


def restored(lake: Lake, name: str, version: str) -> str:
    """Brings the table back to the version; what was done, in one sentence. Raises SettingsError, MissingDataError."""
    table, number = _asked_for(name, version)
    _forget_what_was_taken_in(lake, table)
    moved = bring_back(lake, table, number)
    if table in (Promotions, Actions):
        restore_status(lake, "restore")
    aside = f"; {moved} damaged commits were moved aside in its _delta_log" if moved else ""
    return f"{name} is as it was at version {number}{aside}. Run the jobs of the dates that came later again."


def _forget_what_was_taken_in(lake: Lake, table: type[Table]) -> None:
    """Takes the table's files out of ops.files: the next run of ingest reads them all, as rows of some will be gone."""
    fed = next((silver for silver in SILVER if table in (silver, QUARANTINE.get(silver))), None)
    if fed is None or not lake.exists(SourceFiles):
        return
    listed = lake.read(SourceFiles).filter(F.col(SourceFiles.table) == fed.full_name()).select(*SourceFiles.key)
    if not listed.isEmpty():
        nothing = SourceFiles.frame(lake.spark, [])
        lake.write(SourceFiles, nothing, gone=computed(listed), mark=Mark(run="restore", job="restore"))
