"""Where the files of a mapping lie."""

from __future__ import annotations

import datetime

from promo_spark.errors import SettingsError
from promo_spark.settings.dated_paths import dated_path
from promo_spark.settings.ingest import IngestSettings


def in_folder(settings: IngestSettings, path: str, date: datetime.date) -> str:
    """A path of a mapping, with the date in it: relative ones lie in the folder, without one in the working folder."""
    return dated_path(undated(settings, path), date)


def undated(settings: IngestSettings, path: str) -> str:
    """A path of a mapping as the settings have it, in the folder."""
    placed = settings.placed(path)
    if settings.mapping and not settings.folder and not (placed.startswith("/") or ":/" in placed):
        raise SettingsError(f"ingest.folder is empty: say where the files of the mapping {settings.mapping} lie")
    return placed
