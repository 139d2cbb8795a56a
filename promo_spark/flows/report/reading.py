"""How report reads: frames that have few rows come to the driver as plain rows."""

from __future__ import annotations

from typing import Any

from pyspark.sql import DataFrame

from promo_spark.runtime.job import Context
from promo_spark.settings.report import ReportSettings
from promo_spark.storage.refused_rows import collected

Ctx = Context[ReportSettings]


def rows_of(few: DataFrame) -> list[dict[str, Any]]:
    """The rows of a frame that does not grow with the users."""
    return [row.asDict() for row in collected(few)]
