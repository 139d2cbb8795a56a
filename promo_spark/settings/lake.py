"""Where the tables lie."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from promo_spark.settings.sections import Folder, Location, Section


class LakeSettings(Section):
    """Where the tables lie: a path, or a catalog when one is configured."""

    root: Folder
    catalog: Annotated[str, Field(pattern=r"^([A-Za-z_][A-Za-z0-9_]*)?$"), Location()]
    schema_prefix: Annotated[str, Field(pattern=r"^([A-Za-z_][A-Za-z0-9_]*)?$"), Location()]
    wait_seconds: Annotated[int, Field(ge=0, le=86400), Location()]
