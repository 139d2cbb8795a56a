"""What differs when one machine does all the work."""

from __future__ import annotations

from promo_spark.settings import SparkSettings

# Few, larger tasks, no web server, and no look-up of this machine's name.
LOCAL_CONF: dict[str, str] = {
    "spark.sql.shuffle.partitions": "4",
    "spark.ui.enabled": "false",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
    # Guards a retried stage against rows in another order; here no executor can be lost, and it takes a third
    # of the time of a large shuffle.
    "spark.sql.shuffle.orderIndependentChecksum.enabled": "false",
}


def is_local(spark: SparkSettings) -> bool:
    return spark.master.startswith("local")
