"""Delta's JARs: fetched once from a Maven repository by Spark's own Ivy, then used from the cache."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pyspark

from promo_spark.errors import RequirementError
from promo_spark.settings import SparkSettings

CACHE = Path(__file__).resolve().parents[2] / ".cache"


def delta_jars(spark: SparkSettings, cache: Path = CACHE) -> list[Path]:
    """Paths of the JARs that `spark.packages` or `spark.jars` stand for, fetching them where needed.

    Raises RequirementError saying which file to place where when they cannot be had.
    """
    if spark.jars:
        missing = [j for j in spark.jars if "://" not in j and not Path(j).is_file()]
        if missing:
            raise RequirementError(f"spark.jars names files that are not there: {', '.join(missing)}")
        return [Path(j) for j in spark.jars]
    wanted = hashlib.sha256("\n".join([*spark.packages, *spark.excludes]).encode()).hexdigest()[:12]
    home = cache / "jars" / wanted
    done = home / "complete"
    if not done.exists():
        _fetch(spark, home)
        done.touch()
    return sorted((home / "jars").glob("*.jar"))


def spark_home() -> Path:
    """Where the pip-installed Spark lies."""
    return Path(pyspark.__file__).parent


def _fetch(spark: SparkSettings, home: Path) -> None:
    home.mkdir(parents=True, exist_ok=True)
    nothing = home / "nothing.py"
    nothing.write_text("", encoding="utf-8")
    command = [
        str(spark_home() / "bin" / "spark-submit"), "--master", "local[1]",
        "--conf", f"spark.jars.ivy={home}", "--packages", ",".join(spark.packages),
        "--exclude-packages", ",".join(spark.excludes),
    ]  # fmt: skip
    if spark.repositories:
        command += ["--repositories", ",".join(spark.repositories)]
    environment = os.environ | {"SPARK_HOME": str(spark_home()), "PYSPARK_PYTHON": sys.executable}
    ran = subprocess.run([*command, str(nothing)], capture_output=True, text=True, env=environment, check=False)
    if ran.returncode != 0:
        raise RequirementError(
            f"Delta's JARs ({', '.join(spark.packages)}) could not be fetched from Maven Central.\n"
            "Behind a mirror: set spark.repositories = [\"https://your.mirror/maven2\"] in conf/<env>.toml.\n"
            "Without any network: place delta-spark_4.2_2.13-4.4.0.jar and delta-storage-4.4.0.jar in a folder "
            'and set spark.jars = ["FOLDER/delta-spark_4.2_2.13-4.4.0.jar", "FOLDER/delta-storage-4.4.0.jar"].\n'
            f"What Spark said:\n{_tail(ran.stderr)}"
        )


def _tail(text: str, lines: int = 15) -> str:
    return "\n".join(text.strip().splitlines()[-lines:])
