"""Where the project's own files lie: in a checkout, or bundled in what was installed or sent off as a zip.

A checkout holds `jobs/` and `conf/` beside `promo_spark/`. The wheel and the zip of --py-files hold them below
`promo_spark/_bundled/`, so that nothing called `jobs` or `conf` lands among other packages.
"""

from __future__ import annotations

import os
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

BUNDLE = "_bundled"


def checkout() -> Path | None:
    """The folder of the checkout that this code runs from; None: it is installed, or runs from a zip."""
    folder = Path(__file__).resolve().parents[1]
    return folder if (folder / "jobs" / "pipeline.py").is_file() else None


def launcher() -> str:
    """How a job is started from a shell."""
    return "scripts/submit.sh" if checkout() else "promo-spark"


def jobs_package() -> str:
    """The name by which the jobs are imported."""
    return "jobs" if checkout() else f"promo_spark.{BUNDLE}.jobs"


def jobs_folder() -> Traversable:
    return _part("jobs")


def settings_folders(own: str | None = None) -> list[Traversable]:
    """Where settings are looked for, first to last: the user's own folder, then the project's.

    `own` names the user's folder. Without it an installation looks into `conf` of the working folder, if there is one.
    """
    folder = Path(own) if own is not None else None
    if folder is None and checkout() is None:
        folder = Path.cwd() / "conf"
    return [*([folder] if folder is not None and folder.is_dir() else []), _part("conf")]


def cache_folder() -> Path:
    """Where fetched JARs and the class archive are kept: in the checkout, else in the user's cache folder."""
    folder = checkout()
    return folder / ".cache" if folder else _user_cache()


def build_folder() -> Path:
    """Where what a submission sends off is made."""
    folder = checkout()
    return folder / "build" if folder else _user_cache() / "build"


def _user_cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "promo_spark"


def _part(name: str) -> Traversable:
    folder = checkout()
    return folder / name if folder else files("promo_spark") / BUNDLE / name
