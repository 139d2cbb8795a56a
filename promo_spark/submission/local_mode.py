"""What differs when one machine does all the work."""

from __future__ import annotations

import re

from promo_spark.errors import SettingsError
from promo_spark.settings.lake import LakeSettings

# Few, larger tasks, no web server, and no look-up of this machine's name.
LOCAL_CONF: dict[str, str] = {
    "spark.sql.shuffle.partitions": "4",
    "spark.ui.enabled": "false",
    "spark.sql.ui.explainMode": "simple",  # each query's plan is written out for the pages; the long form takes longer
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
    # Guards a retried stage against rows in another order; here no executor can be lost, and it takes a third
    # of the time of a large shuffle.
    "spark.sql.shuffle.orderIndependentChecksum.enabled": "false",
}


def collector(java_options: str) -> tuple[str, ...]:
    """The JVM's option for its garbage collector; none where the user's own options choose one.

    One that works beside the program takes the cores that the program needs: with this one the daily run on
    two cores took a twelfth less time.
    """
    return () if re.search(r"-XX:\+Use\w+GC\b", java_options) else ("-XX:+UseParallelGC",)


def is_local(master: str) -> bool:
    return master.startswith("local")


def refuse_unshared_lake(master: str, lake: LakeSettings) -> None:
    """Raises SettingsError where machines of a cluster would each write a lake of their own."""
    shared = lake.catalog or lake.root.startswith("/") or ":/" in lake.root
    if not is_local(master) and not shared:
        raise SettingsError(
            f"lake.root is {lake.root!r}, a folder of this machine: on a cluster each machine would write its own. "
            "Set a path that all of them see, such as --set lake.root=hdfs:///promotions/lake"
        )
