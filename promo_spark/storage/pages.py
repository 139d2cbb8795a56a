"""Pages for people, beside the tables: one file each, whole or not at all."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import Protocol

FOLDER = "reports"
UNFINISHED = ".part"
_MARK = "promo_spark.run"
_HEAD = 2_000  # characters of a page within which its mark stands


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


def page_path(lake: LakeAddress, name: str) -> Path:
    """Where the page of that name lies, or would lie, in a lake that can hold pages."""
    return _file(Path(lake.root.removeprefix("file://").removeprefix("file:")), name)


def write_page(lake: LakeAddress, name: str, html: str, run_id: str = "") -> str:
    """Writes `<lake.root>/reports/<name>.html` in place of what was there, and gives its path.

    With the id of a run the page says in its head which run wrote it.
    """
    whole = page_path(lake, name)
    whole.parent.mkdir(parents=True, exist_ok=True)
    mark = f'<meta name="{_MARK}" content="{run_id}">'
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=whole.parent, suffix=UNFINISHED, delete=False) as part:
        part.write(html.replace("<head>", f"<head>\n{mark}", 1) if run_id else html)
    Path(part.name).chmod(0o644)
    Path(part.name).replace(whole)
    return str(whole)


def page_run(lake: LakeAddress, name: str) -> str | None:
    """The id of the run that wrote a page; None where there is no such page, or no run's id in it."""
    return None if why_no_pages(lake) else _run_of(page_path(lake, name))


def local_page_run(folder: Path, name: str) -> str | None:
    """The same, of the lake in a folder."""
    return _run_of(_file(folder, name))


def _file(folder: Path, name: str) -> Path:
    return folder / FOLDER / f"{name}.html"


def _run_of(page: Path) -> str | None:
    try:
        with page.open(encoding="utf-8") as text:
            found = re.search(rf'<meta name="{re.escape(_MARK)}" content="(\w+)">', text.read(_HEAD))
    except (OSError, UnicodeDecodeError):
        return None
    return found.group(1) if found else None
