"""From a job's command line to the spark-submit line of its environment, and over to it.

    scripts/submit.sh JOB …  ─►  settings resolved and checked  ─►  build/, .cache/  ─►  exec spark-submit

Everything that can be known to be wrong is refused here, before a JVM starts. Imports stay few: no
pyspark, so that this adds a fraction of a second to each start.
"""

from __future__ import annotations

import ast
import contextlib
import importlib.metadata
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from promo_spark.errors import PromoSparkError, RequirementError, SettingsError, printable
from promo_spark.installation import cache_folder, jobs_folder, launcher, settings_folders
from promo_spark.settings import Settings, load
from promo_spark.settings.spark import SparkSettings
from promo_spark.submission import class_archive, requirements, shipment
from promo_spark.submission.arguments import PIPELINE, job_options, parser, requested_dates
from promo_spark.submission.jars import spark_home, suite_jars
from promo_spark.submission.local_mode import (
    JAVA_OPTIONS,
    LOCAL_CONF,
    collector,
    is_local,
    java_options,
    refuse_unshared_lake,
)
from promo_spark.submission.supervision import supervised

PACKAGE = Path(__file__).resolve().parents[1]
SHIPPED_PYTHON = "./environment/bin/python"
# Lines that no option silences: the JVM's at every start, and of native libraries that MLlib can do without.
NO_NEWS = "^WARNING: Using incubator modules: jdk.incubator.vector$|^netlib-[a-z]+: JNI_OnLoad: dlopen"

_SECRET_PROPERTY = re.compile(
    r"^spark\.hadoop\..*(secret[.]?key|access[.]?key|session[.]?token|account[.]key|password$|secret$)", re.IGNORECASE
)

# One thread per Python worker: there are as many workers as cores.
WORKER_CONF = {f"spark.executorEnv.{name}": "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")}


@dataclass(frozen=True)
class Cargo:
    """The files a spark-submit line names."""

    settings: Path
    jars: Sequence[str]
    package: Path | None = None
    environment: Path | None = None
    java_options: Sequence[str] = ()


def job_descriptions() -> dict[str, str]:
    """The docstring of every job and command by its name, read without importing them and with them Spark."""
    descriptions = {}
    for folder in (jobs_folder(), jobs_folder() / "commands"):
        for file in sorted(folder.iterdir(), key=lambda f: f.name):
            if file.name.endswith(".py") and not file.name.startswith("_"):
                tree = ast.parse(file.read_text(encoding="utf-8"))
                descriptions[file.name.removesuffix(".py")] = ast.get_docstring(tree) or ""
    return descriptions


def overview() -> str:
    """What `promo-spark --help` shows; scripts/submit.sh has a text of its own, that needs nothing installed."""
    lines = [f"usage: {launcher()} JOB [--env NAME] [--date YYYY-MM-DD] [--set section.key=value]… [--conf DIR]", ""]
    for name, description in job_descriptions().items():
        lines.append(f"  {name:12} {description.splitlines()[0]}")
    return "\n".join([*lines, "", f"{launcher()} JOB --help says more of one."])


def command_arguments(name: str) -> dict[str, str] | None:
    """The arguments of a command with their meanings, as its file states them; None: it is a job."""
    file = jobs_folder() / "commands" / f"{name}.py"
    if not file.is_file():
        return None
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and [ast.unparse(t) for t in node.targets] == ["ARGUMENTS"]:
            return {str(k): str(v) for k, v in ast.literal_eval(node.value).items()}
    return {}


def refuse_impossible(settings: Settings) -> None:
    """Raises SettingsError for settings that Spark would refuse late, or that would lose data silently."""
    spark = settings.spark
    cluster_mode = spark.deploy_mode == "cluster"
    if cluster_mode and (is_local(spark.master) or spark.master.startswith("spark://")):
        raise SettingsError(
            f'spark.deploy_mode = "cluster" does not go with spark.master = "{spark.master}": Spark runs the '
            'driver of a Python job there in client mode only; set spark.deploy_mode = "client"'
        )
    if spark.master.startswith("k8s://"):
        needed = ["spark.kubernetes.container.image"]
        needed += ["spark.kubernetes.file.upload.path"] if cluster_mode else []
        missing = [key for key in needed if not spark.conf.get(key)]
        if missing:
            raise SettingsError(f"spark.conf lacks {' and '.join(missing)}, needed on Kubernetes: see docs/clusters.md")
    named = sorted(key for key in spark.conf if _SECRET_PROPERTY.search(key))
    if named:
        raise SettingsError(
            f"spark.conf.{named[0]} would stand on the command line for all to see: give it as a reference, "
            f'[spark.hadoop_secret] "{named[0].removeprefix("spark.hadoop.")}" = "env:NAME" or "file:PATH"'
        )
    refuse_unshared_lake(spark.master, settings.lake)


def _refuse_unknown_jobs(settings: Settings, jobs: Sequence[str]) -> None:
    unknown = [name for name in settings.pipeline.jobs if name not in jobs]
    if unknown:
        raise SettingsError(f"pipeline.jobs: there is no job {', '.join(unknown)}; there are: {', '.join(jobs)}")


def spark_submit_command(
    name: str, spark: SparkSettings, cargo: Cargo, memory: str, application: Sequence[str]
) -> list[str]:
    """The spark-submit line: resources, files, properties, then the application and its own arguments."""
    command = [str(spark_home() / "bin" / "spark-submit"), "--master", spark.master, "--deploy-mode", spark.deploy_mode]
    command += ["--name", name, "--driver-memory", memory, *_executors(spark)]
    if cargo.package:
        command += ["--py-files", str(cargo.package)]
    if cargo.environment:
        command += ["--archives", f"{cargo.environment}#environment"]
    if not is_local(spark.master) or any("://" in jar for jar in cargo.jars):
        command += ["--jars", ",".join(cargo.jars)]
    if spark.deploy_mode == "cluster":
        command += ["--files", str(cargo.settings)]
    for key, value in sorted(_properties(spark, cargo).items()):
        command += ["--conf", f"{key}={value}"]
    return [*command, *application]


def job_application(job: str, options: Sequence[str], spark: SparkSettings, cargo: Cargo) -> list[str]:
    """The primary file and the arguments that the job itself gets."""
    # A driver in the cluster finds its settings in the working folder, where --files lays them.
    settings = cargo.settings.name if spark.deploy_mode == "cluster" else str(cargo.settings)
    primary = PACKAGE / "runtime" / "application.py"
    return [str(primary), job, *options, "--settings-file", settings]


def _executors(spark: SparkSettings) -> list[str]:
    if is_local(spark.master):
        return []
    sized = ["--executor-memory", spark.executor_memory, "--executor-cores", str(spark.executor_cores)]
    if spark.master.startswith("spark://"):  # standalone counts cores, not executors
        return [*sized, "--total-executor-cores", str(spark.executor_cores * spark.executor_instances)]
    return [*sized, "--num-executors", str(spark.executor_instances)]


def _properties(spark: SparkSettings, cargo: Cargo) -> dict[str, str]:
    """What the suite sets, then [spark.conf]: the user's value wins, but options and class paths add up."""
    found = dict(WORKER_CONF)
    if is_local(spark.master):
        found |= LOCAL_CONF
    if spark.deploy_mode == "client":
        found["spark.pyspark.driver.python"] = found["spark.pyspark.python"] = sys.executable
        logging = f"-Dlog4j2.configurationFile={_logging_file().as_uri()}"
        found[JAVA_OPTIONS] = " ".join(_quoted(o) for o in (logging, *cargo.java_options))
        # On the driver's class path rather than added to it later: only so the class archive covers them.
        found["spark.driver.extraClassPath"] = os.pathsep.join(jar for jar in cargo.jars if "://" not in jar)
    if cargo.environment:
        found["spark.pyspark.python"] = SHIPPED_PYTHON
    joined = {JAVA_OPTIONS: " ", "spark.driver.extraClassPath": os.pathsep}
    for key, value in spark.conf.items():
        found[key] = joined[key].join(v for v in (found.get(key), value) if v) if key in joined else value
    return {key: value for key, value in found.items() if value}


def _quoted(option: str) -> str:
    """An option as Spark's launcher splits them: a space inside needs quotes."""
    return f'"{option}"' if " " in option else option


def prepared(
    settings: Settings, environ: Mapping[str, str], dates: int = 1, dry_run: bool = False
) -> tuple[Cargo, dict[str, str]]:
    """The files a submission for so many dates needs, made where missing, and the environment variables it needs.

    Raises RequirementError where Java, the JARs or the packed environment cannot be had.
    """
    spark = settings.spark
    java = requirements.java_home(environ)
    variables = {"JAVA_HOME": str(java), "SPARK_HOME": str(spark_home())}
    jars = suite_jars(settings)
    options = [*java_options(settings, dates)]
    if spark.class_archive and spark.deploy_mode == "client":
        archive = class_archive.archive_path(java, importlib.metadata.version("pyspark"), jars, cache_folder())
        if not archive.exists() and not dry_run:
            _train(archive, settings, jars, {**environ, **variables})
        options += class_archive.reading(archive)
    remote = not is_local(spark.master)
    cargo = Cargo(
        settings=shipment.settings_file(settings),
        jars=jars,
        package=shipment.package_zip() if remote else None,
        environment=shipment.environment_archive(make=not dry_run) if remote and spark.ship_environment else None,
        java_options=options,
    )
    return cargo, variables


def _train(archive: Path, settings: Settings, jars: Sequence[str], environ: Mapping[str, str]) -> None:
    _tell("Preparing faster starts (once; half a minute)")
    local = settings.spark.model_copy(update={"master": "local[2]", "conf": {}})

    def command(options: list[str]) -> list[str]:
        cargo = Cargo(settings=Path(), jars=jars, java_options=[*collector(""), *options])
        application = [str(PACKAGE / "runtime" / "training.py")]
        return spark_submit_command("training", local, cargo, "1g", application)

    class_archive.make(archive, command, environ)


def driver_memory(spark: SparkSettings) -> str:
    """The driver's heap; on this machine no more than it can spare, saying so."""
    if spark.deploy_mode == "cluster" or not is_local(spark.master):
        return spark.driver_memory
    wanted = spark.driver_memory
    granted = requirements.local_driver_memory(wanted, requirements.machine_memory())
    if granted != wanted:
        _tell(f"spark.driver_memory: {granted} instead of {wanted}, which is more than this machine can spare")
    return granted


def submit(argv: Sequence[str]) -> int:
    """Runs the job's spark-submit to its end; its exit code. Signals reach the job, see supervision.py.

    Raises SettingsError or RequirementError for what can be known to be wrong before a JVM starts.
    """
    descriptions = job_descriptions()
    if not argv or argv[0] not in descriptions:
        raise SettingsError(
            f"there is no job {argv[0] if argv else ''!r}; there are: {', '.join(descriptions)} "
            f"({launcher()} --help says what they do)"
        )
    job = argv[0]
    own = command_arguments(job)
    arguments = parser(job, descriptions[job], own).parse_args(argv[1:])
    settings = load(arguments.env, arguments.overrides, arguments.conf)
    refuse_impossible(settings)
    _refuse_unknown_jobs(settings, [name for name in descriptions if name != PIPELINE])
    memory = driver_memory(settings.spark)
    dates = len(requested_dates(arguments, settings)) if own is None else 1
    cargo, variables = prepared(settings, os.environ, dates, arguments.dry_run)
    application = job_application(job, job_options(arguments, settings), settings.spark, cargo)
    command = spark_submit_command(job, settings.spark, cargo, memory, application)
    if arguments.dry_run:
        print(" ".join([*(f"{k}={shlex.quote(v)}" for k, v in variables.items()), shlex.join(command)]))
        return 0
    if settings.spark.master == "yarn" and not {"HADOOP_CONF_DIR", "YARN_CONF_DIR"} & set(os.environ):
        raise RequirementError("set HADOOP_CONF_DIR to the folder of the YARN cluster's configuration files")
    variables["PYTHONPATH"] = os.pathsep.join(p for p in (str(PACKAGE.parent), os.environ.get("PYTHONPATH")) if p)
    with _without_no_news() as stderr:
        return supervised(command, {**os.environ, **variables, **_terminal()}, stderr)


def _terminal() -> dict[str, str]:
    """Tells the job that it has a terminal: spark-submit puts a pipe between a Python driver and it."""
    if not sys.stdout.isatty():
        return {}
    return {"FORCE_COLOR": "1", "COLUMNS": str(shutil.get_terminal_size().columns)}


@contextlib.contextmanager
def _without_no_news() -> Iterator[IO[bytes]]:
    """A stream to stderr that leaves out lines that tell a user nothing."""
    filtering = subprocess.Popen(
        ["grep", "--line-buffered", "-vE", NO_NEWS],
        stdin=subprocess.PIPE,
        stdout=sys.stderr,
        start_new_session=True,  # Ctrl-C is for the job; its last words are still wanted
    )
    assert filtering.stdin is not None
    try:
        yield filtering.stdin
    finally:
        filtering.stdin.close()
        filtering.wait()


def _logging_file() -> Path:
    return Path(str(settings_folders()[-1])) / "log4j2.properties"


def _tell(text: str) -> None:
    print("\n".join(printable(line) for line in text.split("\n")), file=sys.stderr, flush=True)


def main() -> None:
    if sys.argv[1:] in ([], ["-h"], ["--help"]):
        print(overview())
        return
    try:
        sys.exit(submit(sys.argv[1:]))
    except PromoSparkError as error:
        _tell(f"error: {error}")
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
