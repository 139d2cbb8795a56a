"""What differs when one machine does all the work."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from promo_spark.errors import SettingsError
from promo_spark.settings import Settings
from promo_spark.settings.dated_paths import fixed_folder
from promo_spark.settings.lake import LakeSettings

JAVA_OPTIONS = "spark.driver.extraJavaOptions"

# No web server, and no look-up of this machine's name.
LOCAL_CONF: dict[str, str] = {
    "spark.ui.enabled": "false",
    "spark.sql.ui.explainMode": "simple",  # each query's plan is written out for the pages; the long form takes longer
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
    # Guards a retried stage against rows in another order; here no executor can be lost, and it takes a third
    # of the time of a large shuffle.
    "spark.sql.shuffle.orderIndependentChecksum.enabled": "false",
    # Many files that a pattern or a list names are looked at by so many tasks, and not by a task each.
    "spark.sql.sources.parallelPartitionDiscovery.parallelism": "32",
}


# What pays where compiling and planning a query take longer than running it. Results are the same.
SMALL_INPUT_CONF: dict[str, str] = {
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.sql.adaptive.enabled": "false",  # a query of few rows is planned once, and not again after each shuffle
    "spark.sql.shuffle.partitions": "1",
    # What follows from filters and joins, such as that a key is not null: found again for each part of each plan,
    # and of few rows it spares next to nothing.
    "spark.sql.constraintPropagation.enabled": "false",
    # The least that an aggregation or a join takes of the memory. Spark's own choice of 64 MB is cleared thousands of
    # times, and collected as garbage.
    "spark.buffer.pageSize": "1m",
    "spark.databricks.delta.allFilesInCrc.enabled": "false",  # the list of files beside each commit: a query of its own
    "spark.databricks.delta.snapshotPartitions": "1",  # of the list of a table's files: a task in place of two
    # What is written goes by way of the driver, see storage/small_tables.py: half a second of planning less a table.
    "spark.promo_spark.rowsOfDriver": "true",
}
LARGER_INPUT_CONF: dict[str, str] = {"spark.buffer.pageSize": "16m"}
SMALL_INPUT_BYTES = 4 << 20  # sources and the rows of silver together
# Of what is read, so much becomes one part of a shuffle: some million rows, which a task sorts without a disk.
BYTES_PER_PARTITION = 64 << 20
PARTITIONS = (4, 64)  # the fewest and the most

# The JVM's own reserve of 240 MB for compiled code fills up: it then throws code away and compiles it again. Spark's
# classes take more than 20 MB, after which the JVM would collect all garbage to look for classes that can go.
LOCAL_JAVA_OPTIONS = ("-XX:ReservedCodeCacheSize=512m", "-XX:MetaspaceSize=512m")
# The JVM's second, costly compilation waits until code has run six times as often as by default: most of a daily run's
# code never does, and what works on millions of rows gets there in a second.
LARGER_INPUT_JAVA_OPTIONS = (
    "-XX:Tier4InvocationThreshold=30000",
    "-XX:Tier4MinInvocationThreshold=3600",
    "-XX:Tier4CompileThreshold=90000",
    "-XX:Tier4BackEdgeThreshold=240000",
)
# Compiled once and quickly, not a second time and better: a third of a small run was the second compilation. In a run
# of several dates each one after the first gains by it.
SMALL_INPUT_JAVA_OPTIONS = ("-XX:TieredStopAtLevel=1",)


def local_conf(settings: Settings) -> dict[str, str]:
    """The properties for one machine; more of them where the input is small, see docs/clusters.md."""
    size = input_size(settings)
    if size.is_small:
        return {**LOCAL_CONF, **SMALL_INPUT_CONF}
    return {**LOCAL_CONF, **LARGER_INPUT_CONF, "spark.sql.shuffle.partitions": str(size.partitions())}


def java_options(settings: Settings, dates: int = 1) -> tuple[str, ...]:
    """The options of the JVM that does all the work for so many dates. On a cluster: none.

    Those of [spark.conf] follow them, and win.
    """
    if not is_local(settings.spark.master):
        return ()
    small = input_size(settings, enough=SMALL_INPUT_BYTES + 1).is_small
    chosen = collector(settings.spark.conf.get(JAVA_OPTIONS, ""), small)
    compiled = SMALL_INPUT_JAVA_OPTIONS if small and dates == 1 else LARGER_INPUT_JAVA_OPTIONS
    return (*LOCAL_JAVA_OPTIONS, *compiled, *chosen)


@dataclass(frozen=True)
class InputSize:
    """What a run reads: the bytes of the sources' files here and of silver's, and whether no source lies elsewhere."""

    known_bytes: int
    all_known: bool

    @property
    def is_small(self) -> bool:
        return self.all_known and self.known_bytes <= SMALL_INPUT_BYTES

    def partitions(self) -> int:
        """Into how many parts a shuffle cuts its rows.

        >>> InputSize(10 << 20, True).partitions(), InputSize(1 << 30, True).partitions()
        (4, 16)
        """
        fewest, most = PARTITIONS
        return max(fewest, min(most, self.known_bytes // BYTES_PER_PARTITION))


def input_size(settings: Settings, enough: int = PARTITIONS[1] * BYTES_PER_PARTITION) -> InputSize:
    """How much a run reads. Files are counted until there are `enough` bytes, by default the most that matter."""
    ingest, lake = settings.ingest, settings.lake
    places = {fixed_folder(ingest.placed(source.path)) if source.path else "" for source in ingest.sources.values()}
    here = sorted(place for place in places if place and ":/" not in place and Path(place).exists())
    all_known = bool(places) and not lake.catalog and len(here) == len(places)
    rows = (file for file in Path(lake.root, "silver").rglob("*.parquet") if "_delta_log" not in file.parts)
    known_bytes = 0
    for file in itertools.chain(*(_files(Path(place)) for place in here), () if lake.catalog else rows):
        known_bytes += file.stat().st_size if file.is_file() else 0
        if known_bytes >= enough:
            break
    return InputSize(known_bytes, all_known)


def _files(place: Path) -> Iterable[Path]:
    return [place] if place.is_file() else place.rglob("*")


def collector(java_options: str, small: bool = False) -> tuple[str, ...]:
    """The JVM's option for its garbage collector; none where the user's own options choose one.

    One that works beside the program takes the cores that the program needs: with this one the daily run on
    two cores took a twelfth less time. For little garbage one thread is enough.
    """
    if re.search(r"-XX:\+Use\w+GC\b", java_options):
        return ()
    return ("-XX:+UseSerialGC",) if small else ("-XX:+UseParallelGC",)


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
