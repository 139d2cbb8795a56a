"""From a retailer's orders to tomorrow's promotions, as spark-submit jobs on Delta Lake.

For Python programs and notebooks: `open_lake` reads tables, `run` runs a job. See docs/notebooks.md.
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from promo_spark.api import LakeTables, open_lake, run

__version__ = "0.2.0"
__all__ = ["LakeTables", "__version__", "open_lake", "run"]

# spark-submit puts the folder of a job's file first on the path, where jobs/profile.py would stand in for Python's
# own module `profile`, which pyspark imports.
if getattr(sys.modules.get("__main__"), "__file__", None) and sys.path[0].rstrip("/").endswith("/jobs"):
    sys.path[:] = [folder for folder in sys.path if folder != sys.path[0]]


def __getattr__(name: str) -> Any:
    """The functions for programs, loaded when they are asked for: a submission starts without Arrow and Spark."""
    if name not in __all__:
        raise AttributeError(f"module 'promo_spark' has no attribute {name!r}")
    return getattr(importlib.import_module("promo_spark.api"), name)
