"""Where the files of a mapping lie."""

from __future__ import annotations

from promo_spark.errors import SettingsError
from promo_spark.settings.ingest import IngestSettings


def in_folder(settings: IngestSettings, path: str) -> str:
    """A path of a mapping: relative ones lie in the folder, or in the working folder where there is none."""
    if path.startswith("/") or ":/" in path:
        return path
    if settings.mapping and not settings.folder:
        raise SettingsError(f"ingest.folder is empty: say where the files of the mapping {settings.mapping} lie")
    return f"{settings.folder.rstrip('/')}/{path}" if settings.folder else path
