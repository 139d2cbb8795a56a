"""Raw files of a synthetic retailer, written where its owner would deliver them."""

from __future__ import annotations

from pyspark.sql import DataFrame, Observation
from pyspark.sql import functions as F

_ROWS = "rows"


def write_raw(rows: DataFrame, folder: str, name: str, file_format: str) -> int:
    """The rows as the only content of `folder/name`, in place of whatever is there; gives their number.

    Spark moves the files into place when all are written: a killed run leaves none, not half of them.
    """
    seen = Observation(name.replace("/", "_"))
    writer = rows.observe(seen, F.count(F.lit(1)).alias(_ROWS)).write.mode("overwrite")
    if file_format == "csv":
        writer = writer.option("header", "true").option("escape", '"').option("emptyValue", "")
    writer.format(file_format).save(f"{folder.rstrip('/')}/{name}")
    return int(seen.get[_ROWS])
