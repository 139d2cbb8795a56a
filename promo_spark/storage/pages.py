"""Pages for people, beside the tables: one file each, whole or not at all."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Protocol

FOLDER = "reports"


class LakeAddress(Protocol):
    """Where a lake lies: in a folder, or in a catalog."""

    @property
    def root(self) -> str: ...

    @property
    def catalog(self) -> str: ...


def why_no_pages(lake: LakeAddress) -> str | None:
    """Why the lake cannot hold pages; None where it can: in a folder that this machine reaches as files."""
    if lake.catalog:
        return f"the tables lie in the catalog {lake.catalog}, which holds no files"
    if "://" in lake.root or (":" in lake.root and not lake.root.startswith("file:")):
        return f"{lake.root} is not a folder of this machine"
    return None


def write_page(lake: LakeAddress, name: str, html: str) -> str:
    """Writes `<lake.root>/reports/<name>.html` in place of what was there, and gives its path."""
    folder = Path(lake.root.removeprefix("file://").removeprefix("file:")) / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=folder, suffix=".part", delete=False) as part:
        part.write(html)
    whole = folder / f"{name}.html"
    Path(part.name).chmod(0o644)
    Path(part.name).replace(whole)
    return str(whole)
