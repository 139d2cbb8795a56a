"""Whether the executors run the driver's Python, with its packages."""

from __future__ import annotations

import platform
import re
import sys

from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from promo_spark.errors import RequirementError


def check_executor_python(spark: SparkSession) -> None:
    """Starts one Python worker where the executors are. On local masters driver and workers share one Python.

    Raises RequirementError if executors run another minor version of Python, or lack a package.
    """
    if spark.conf.get("spark.master", "").startswith("local"):  # type: ignore[union-attr]  # a default is given
        return
    try:
        spark.range(1, numPartitions=1).mapInArrow(lambda batches: batches, "id long").collect()
    except PySparkException as error:
        told = str(error)
        if not re.search(r"PYTHON_VERSION_MISMATCH|ModuleNotFoundError|Cannot run program", told):
            raise
        cause = re.search(r".*(?:PYTHON_VERSION_MISMATCH|ModuleNotFoundError|Cannot run program).*", told)
        raise RequirementError(
            f"the executors cannot run this job's Python (driver: {platform.python_version()}): "
            f"{cause.group(0).strip() if cause else told}\n"
            "Set spark.ship_environment = true to send this environment along, or point spark.conf's "
            f'"spark.pyspark.python" at a Python {sys.version_info[0]}.{sys.version_info[1]} with the same '
            "packages on every machine."
        ) from None
