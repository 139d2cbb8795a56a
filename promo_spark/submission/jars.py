"""Delta's JARs, drivers of databases and Kafka: fetched once from Maven Central by Spark's Ivy, then from the cache."""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from promo_spark.errors import RequirementError
from promo_spark.installation import cache_folder
from promo_spark.settings import Settings
from promo_spark.settings.spark import SparkSettings

PROXY_AND_IVY = ("spark.driver.extraJavaOptions", "spark.jars.ivySettings")  # how a closed network is left
# What drivers name beside themselves and do not need for reading tables.
NOT_FOR_DRIVERS = ("com.google.protobuf:protobuf-java", "org.checkerframework:checker-qual")
KAFKA = "kafka"
IN_SPARK = (  # what Kafka's connector names beside itself and Spark brings
    "org.apache.hadoop:hadoop-client-api",
    "org.apache.hadoop:hadoop-client-runtime",
    "org.slf4j:slf4j-api",
    "org.scala-lang.modules:scala-parallel-collections_2.13",
    "com.google.code.findbugs:jsr305",
    "at.yawk.lz4:lz4-java",
    "org.xerial.snappy:snappy-java",
)


def suite_jars(settings: Settings, cache: Path | None = None) -> list[str]:
    """All JARs that a job of these settings needs: Delta's, and the drivers of what its sources and targets name.

    Raises RequirementError saying which file to place where when they cannot be had.
    """
    needed = {*settings.ingest.databases(), *settings.export.drivers(), *settings.stream.drivers()}
    return delta_jars(settings.spark, cache) + driver_jars(settings.spark, sorted(needed), cache)


def driver_jars(spark: SparkSettings, kinds: Sequence[str], cache: Path | None = None) -> list[str]:
    """Paths of the drivers' JARs, fetched where needed; none with `spark.jars`, which lists every JAR there is.

    `kinds` are keys of spark.drivers: databases, and kafka.
    """
    if spark.jars or not kinds:
        return []
    missing = sorted(set(kinds) - set(spark.drivers))
    if missing:
        raise RequirementError(f"spark.drivers names no driver for {', '.join(missing)}: see conf/base.toml")
    wanted = {kind: coordinates for kind, coordinates in sorted(spark.drivers.items()) if kind in kinds}
    kafka = [coordinates for kind, coordinates in wanted.items() if kind == KAFKA]
    databases = [coordinates for kind, coordinates in wanted.items() if kind != KAFKA]
    found = _fetched(spark, databases, NOT_FOR_DRIVERS, cache) if databases else []
    return found + (_fetched(spark, kafka, IN_SPARK, cache) if kafka else [])


def delta_jars(spark: SparkSettings, cache: Path | None = None) -> list[str]:
    """Paths (or addresses) of the JARs that `spark.packages` or `spark.jars` stand for, fetched where needed.

    Raises RequirementError saying which file to place where when they cannot be had.
    """
    if spark.jars:
        missing = [jar for jar in spark.jars if "://" not in jar and not Path(jar).is_file()]
        if missing:
            raise RequirementError(f"spark.jars names files that are not there: {', '.join(missing)}")
        return [jar if "://" in jar else str(Path(jar).absolute()) for jar in spark.jars]
    return _fetched(spark, spark.packages, spark.excludes, cache)


def spark_home() -> Path:
    """Where the pip-installed Spark lies. Finds it without importing it: that takes longer than all else here."""
    found = importlib.util.find_spec("pyspark")
    if found is None or found.origin is None:
        raise RequirementError(
            "pyspark is not installed in this Python: pip install 'promo-spark[spark]', or run scripts/submit.sh, "
            "which installs it"
        )
    return Path(found.origin).parent


def _fetched(spark: SparkSettings, packages: Sequence[str], excludes: Sequence[str], cache: Path | None) -> list[str]:
    cache = cache or cache_folder()
    wanted = hashlib.sha256("\n".join([*packages, "excludes", *excludes]).encode()).hexdigest()[:16]
    home = cache / "jars" / wanted
    if not home.exists():
        home.parent.mkdir(parents=True, exist_ok=True)
        with (cache / "fetching.lock").open("w") as alone:  # of several first starts, one fetches for all
            fcntl.flock(alone, fcntl.LOCK_EX)
            if not home.exists():
                _fetch(spark, packages, excludes, home)
    return sorted(str(jar) for jar in home.glob("*.jar"))


def _fetch(spark: SparkSettings, packages: Sequence[str], excludes: Sequence[str], home: Path) -> None:
    """Ivy's result, laid at `home` in one rename: a killed fetch leaves no half of it."""
    print(f"Fetching {', '.join(packages)} (once)", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory(dir=home.parent, prefix="fetching-") as folder:
        nothing = Path(folder) / "nothing.py"
        nothing.write_text("", encoding="utf-8")
        command = [
            str(spark_home() / "bin" / "spark-submit"),
            "--master",
            "local[1]",
            "--conf",
            f"spark.jars.ivy={folder}",
            "--packages",
            ",".join(packages),
            "--exclude-packages",
            ",".join(excludes),
        ]
        for key in PROXY_AND_IVY:
            if key in spark.conf:
                command += ["--conf", f"{key}={spark.conf[key]}"]
        if spark.repositories:
            command += ["--repositories", ",".join(spark.repositories)]
        environment = os.environ | {"SPARK_HOME": str(spark_home()), "PYSPARK_PYTHON": sys.executable}
        ran = subprocess.run([*command, str(nothing)], capture_output=True, text=True, env=environment, check=False)
        if ran.returncode != 0:
            raise RequirementError(_unreachable(spark, packages, ran.stderr))
        shutil.move(Path(folder) / "jars", home)


def _unreachable(spark: SparkSettings, packages: Sequence[str], told: str) -> str:
    names = []
    for package in packages:
        _, name, version = package.split(":")
        names += [f"{name}-{version}.jar"] + [f"delta-storage-{version}.jar"] * name.startswith("delta-spark_")
    listed = ", ".join(f'"FOLDER/{name}"' for name in names)
    problems = [line.strip() for line in told.splitlines() if "not found" in line or "rror" in line]
    return (
        f"the JARs of {', '.join(packages)} could not be fetched from Maven Central"
        f"{' or ' + ', '.join(spark.repositories) if spark.repositories else ''}.\n"
        'Behind a mirror:      set spark.repositories = ["https://your.mirror/maven2"] in conf/<env>.toml.\n'
        'Behind a proxy:       set "spark.driver.extraJavaOptions" = "-Dhttps.proxyHost=… -Dhttps.proxyPort=…" '
        "in [spark.conf].\n"
        f"Without any network:  place {', '.join(names)} in a folder and set\n"
        f"                      spark.jars = [{listed}], with every other JAR that the job needs.\n"
        "What Spark said:\n  " + "\n  ".join((problems or told.strip().splitlines())[-8:])
    )
