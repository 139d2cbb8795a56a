"""The session of a benchmark: Spark on two cores of this machine, with the settings of the suite's local mode."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

from pyspark.sql import SparkSession

from promo_spark.runtime.session import spark_session
from promo_spark.settings import load
from promo_spark.submission.jars import delta_jars
from promo_spark.submission.local_mode import LOCAL_CONF


def local_session(name: str, *, memory: str = "4g", conf: Mapping[str, str] | None = None) -> SparkSession:
    """`memory`: of the driver, as Spark writes it. `conf`: what else is to be set."""
    os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"  # two task slots, two threads
    os.environ["PYSPARK_PYTHON"] = sys.executable
    own = {
        "spark.master": "local[2]",
        "spark.driver.memory": memory,
        "spark.driver.extraClassPath": os.pathsep.join(str(path) for path in delta_jars(load().spark)),
    }
    return spark_session(name, {**LOCAL_CONF, **own, **(conf or {})})
