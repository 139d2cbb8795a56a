"""Catalogs that name the tables of a lake: Spark's own with a Hive metastore, or one that a platform brings."""

from __future__ import annotations

from pyspark.errors import AnalysisException
from pyspark.sql import SparkSession

from promo_spark.errors import SettingsError

SPARK_CATALOG = "spark_catalog"
_METASTORE = "spark.sql.catalogImplementation"


def refuse_unknown_catalog(spark: SparkSession, catalog: str) -> None:
    """Raises SettingsError where Spark knows no such catalog, or one that forgets its tables when Spark ends."""
    if catalog == SPARK_CATALOG and spark.conf.get(_METASTORE, "in-memory") == "in-memory":
        raise SettingsError(
            f'lake.catalog is "{SPARK_CATALOG}", which keeps its tables in memory and forgets them when the job ends: '
            f'set "{_METASTORE}" = "hive" in [spark.conf], see docs/databases.md'
        )
    try:
        spark.sql(f"SHOW SCHEMAS IN {catalog}").count()
    except AnalysisException as error:
        raise SettingsError(
            f'lake.catalog is "{catalog}", which Spark does not know: set "spark.sql.catalog.{catalog}" in '
            f'[spark.conf] to the class of the catalog, or use lake.catalog = "{SPARK_CATALOG}". Spark said: '
            f"{str(error).splitlines()[0]}"
        ) from None
