"""Every environment's spark-submit line, and what is refused before a JVM starts."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from promo_spark.errors import PromoSparkError, RequirementError, SettingsError
from promo_spark.settings import Settings, load
from promo_spark.settings.spark import SparkSettings
from promo_spark.submission import jars, requirements, spark_submit
from promo_spark.submission.jars import delta_jars
from promo_spark.submission.local_mode import LOCAL_CONF
from promo_spark.submission.spark_submit import Cargo, job_application, spark_submit_command

PROJECT = Path(__file__).resolve().parents[2]
JARS = ["/jars/delta-spark.jar", "/jars/delta-storage.jar"]
APPLICATION = "~/promo_spark/runtime/application.py"
LOG = f"-Dlog4j2.configurationFile={(PROJECT / 'conf' / 'log4j2.properties').as_uri()}"


def line(settings: Settings, *, environment: Path | None = None, java_options: tuple[str, ...] = ()) -> list[str]:
    """The line's words from --master on, with the path of this Python as PYTHON and of the project as ~."""
    spark = settings.spark
    package = None if spark.master.startswith("local") else Path("/build/promo_spark-1.zip")
    cargo = Cargo(Path("/build/settings-1.json"), JARS, package, environment, java_options)
    application = job_application("baskets", ["--date", "2017-12-01"], spark, cargo)
    words = spark_submit_command("baskets", spark, cargo, spark.driver_memory, application)
    assert words[0].endswith("/bin/spark-submit")
    return [w.replace(sys.executable, "PYTHON").replace(str(PROJECT), "~") for w in words[1:]]


def options(words: list[str]) -> dict[str, str]:
    """--name → value and Spark property → value; the application under its own name."""
    start = words.index(APPLICATION)
    pairs = list(zip(words[:start:2], words[1:start:2], strict=True))
    found = {key: value for key, value in pairs if key != "--conf"}
    found |= dict(value.split("=", 1) for key, value in pairs if key == "--conf")
    return found | {"application": " ".join(words[start:])}


def test_local_mode_needs_no_files_and_puts_the_jars_on_the_class_path() -> None:
    assert options(line(load("demo"), java_options=("-XX:+UseParallelGC", "-XX:SharedArchiveFile=/cache/a.jsa"))) == {
        "--master": "local[2]",
        "--deploy-mode": "client",
        "--name": "baskets",
        "--driver-memory": "8g",
        "spark.driver.extraClassPath": "/jars/delta-spark.jar:/jars/delta-storage.jar",
        "spark.driver.extraJavaOptions": (
            f"{LOG} -XX:+UseParallelGC -XX:SharedArchiveFile=/cache/a.jsa".replace(str(PROJECT), "~")
        ),
        "spark.pyspark.python": "PYTHON",
        "spark.pyspark.driver.python": "PYTHON",
        "spark.executorEnv.OMP_NUM_THREADS": "1",
        "spark.executorEnv.OPENBLAS_NUM_THREADS": "1",
        **LOCAL_CONF,
        "application": f"{APPLICATION} baskets --date 2017-12-01 --settings-file /build/settings-1.json",
    }


def test_standalone_keeps_the_driver_here_and_sends_package_and_jars() -> None:
    assert options(line(load("standalone"))) == {
        "--master": "spark://spark-master:7077",
        "--deploy-mode": "client",
        "--name": "baskets",
        "--driver-memory": "4g",
        "--executor-memory": "4g",
        "--executor-cores": "2",
        "--total-executor-cores": "8",  # 4 executors of 2
        "--py-files": "/build/promo_spark-1.zip",
        "--jars": "/jars/delta-spark.jar,/jars/delta-storage.jar",
        "spark.driver.extraClassPath": "/jars/delta-spark.jar:/jars/delta-storage.jar",
        "spark.driver.extraJavaOptions": LOG.replace(str(PROJECT), "~"),
        "spark.pyspark.python": "PYTHON",
        "spark.pyspark.driver.python": "PYTHON",
        "spark.executorEnv.OMP_NUM_THREADS": "1",
        "spark.executorEnv.OPENBLAS_NUM_THREADS": "1",
        "spark.sql.shuffle.partitions": "64",
        "application": f"{APPLICATION} baskets --date 2017-12-01 --settings-file /build/settings-1.json",
    }


def test_yarn_runs_the_driver_in_the_cluster_with_the_environment_and_the_settings_in_its_folder() -> None:
    assert options(line(load("yarn"), environment=Path("/build/environment-1.tar.gz"))) == {
        "--master": "yarn",
        "--deploy-mode": "cluster",
        "--name": "baskets",
        "--driver-memory": "4g",
        "--executor-memory": "8g",
        "--executor-cores": "4",
        "--num-executors": "8",
        "--py-files": "/build/promo_spark-1.zip",
        "--archives": "/build/environment-1.tar.gz#environment",
        "--jars": "/jars/delta-spark.jar,/jars/delta-storage.jar",
        "--files": "/build/settings-1.json",
        "spark.pyspark.python": "./environment/bin/python",  # and none for the driver: it is there too
        "spark.executorEnv.OMP_NUM_THREADS": "1",
        "spark.executorEnv.OPENBLAS_NUM_THREADS": "1",
        "spark.executor.memoryOverhead": "3g",
        "spark.sql.shuffle.partitions": "128",
        "application": f"{APPLICATION} baskets --date 2017-12-01 --settings-file settings-1.json",
    }


def test_kubernetes_takes_python_from_the_image_and_files_through_the_upload_path() -> None:
    found = options(line(load("kubernetes")))
    assert found["--master"].startswith("k8s://https://") and found["--deploy-mode"] == "cluster"
    assert found["--num-executors"] == "8" and found["--files"] == "/build/settings-1.json"
    assert found["spark.kubernetes.container.image"] and found["spark.kubernetes.file.upload.path"]
    assert not {"spark.pyspark.python", "spark.driver.extraJavaOptions", "spark.driver.extraClassPath"} & set(found)
    assert found["application"].endswith(" --settings-file settings-1.json")


def test_a_shipped_environment_is_for_the_executors_where_the_driver_stays_here() -> None:
    found = options(line(load("standalone"), environment=Path("/build/environment-1.tar.gz")))
    assert found["spark.pyspark.python"] == "./environment/bin/python"
    assert found["spark.pyspark.driver.python"] == "PYTHON"


def test_the_users_properties_win_but_java_options_and_class_paths_add_up() -> None:
    settings = load(
        "demo",
        [
            'spark.conf={"spark.ui.enabled"="true", "spark.driver.extraJavaOptions"="-Da=b -XX:+UseG1GC", '
            '"spark.driver.extraClassPath"="/x.jar"}'
        ],
    )
    found = options(line(settings))
    assert found["spark.ui.enabled"] == "true"
    assert found["spark.driver.extraJavaOptions"] == f"{LOG} -Da=b -XX:+UseG1GC".replace(str(PROJECT), "~")
    assert found["spark.driver.extraClassPath"] == "/jars/delta-spark.jar:/jars/delta-storage.jar:/x.jar"


def test_jars_that_lie_elsewhere_are_left_to_spark_to_fetch() -> None:
    spark = load("demo", ['spark.jars=["hdfs:///jars/delta-spark.jar"]']).spark
    cargo = Cargo(Path("s.json"), delta_jars(spark))
    words = spark_submit_command("baskets", spark, cargo, "1g", [])
    assert words[words.index("--jars") + 1] == "hdfs:///jars/delta-spark.jar"
    assert not any(w.startswith("spark.driver.extraClassPath") for w in words)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["baskts", "--date", "2017-12-01"], "there is no job 'baskts'; there are: adjust, baskets"),
        ([], "there is no job ''"),
        (["baskets", "--env", "mars", "--date", "2017-12-01"], "there is no conf/mars.toml; there are: demo"),
        (["baskets", "--date", "2017-12-1"], "'2017-12-1' is not a date"),
        (["baskets"], "--date is missing"),
        (["baskets", "--set", "baskets.colour=red", "--date", "2017-12-01"], "baskets.colour: there is no such"),
        (["baskets", "--set", "spark.driver_memory=lots", "--date", "2017-12-01"], "spark.driver_memory"),
        (["baskets", "--set", "spark.master=mars", "--date", "2017-12-01"], "spark.master"),
        (["baskets", "--env", "standalone", "--set", "lake.root=lake", "--date", "2017-12-01"], "lake.root is 'lake'"),
        (
            ["baskets", "--env", "standalone", "--set", "spark.deploy_mode=cluster", "--date", "2017-12-01"],
            "client mode only",
        ),
        (
            [
                "baskets",
                "--env",
                "kubernetes",
                "--set",
                'spark.conf={"spark.kubernetes.container.image"=""}',
                "--date",
                "2017-12-01",
            ],
            "container.image",
        ),
    ],
)
def test_what_is_wrong_is_refused_by_name_before_anything_is_made(argv: list[str], message: str) -> None:
    with pytest.raises(SettingsError) as error:
        spark_submit.submit(argv)
    assert message in str(error.value)
    assert error.value.exit_code == 2


def test_jars_that_cannot_be_fetched_are_named_with_where_to_place_them(tmp_path: Path) -> None:
    """A proxy on this machine that nobody serves stands for a network without Maven Central."""
    closed = "-Dhttps.proxyHost=127.0.0.1 -Dhttps.proxyPort=9 -Dhttp.proxyHost=127.0.0.1 -Dhttp.proxyPort=9"
    spark = load().spark.model_copy(
        update={
            "conf": {"spark.driver.extraJavaOptions": closed},
            "repositories": ["http://127.0.0.1:9/maven2"],
        }
    )
    with pytest.raises(RequirementError) as error:
        delta_jars(spark, tmp_path)
    for expected in ("delta-spark_4.2_2.13-4.4.0.jar", "delta-storage-4.4.0.jar", "spark.jars = [", "repositories"):
        assert expected in str(error.value)
    assert list((tmp_path / "jars").iterdir()) == []  # nothing half-fetched is left to be taken for whole


def test_of_two_first_starts_one_fetches_the_jars_for_both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fetched: list[Path] = []

    def fetch(_spark: SparkSettings, _packages: object, _excludes: object, home: Path) -> None:
        fetched.append(home)
        time.sleep(0.2)  # the other one comes meanwhile
        home.mkdir()
        (home / "delta.jar").touch()

    monkeypatch.setattr(jars, "_fetch", fetch)
    with ThreadPoolExecutor(max_workers=2) as starts:
        first, second = starts.map(lambda _: delta_jars(load().spark, tmp_path), range(2))
    assert first == second == [str(fetched[0] / "delta.jar")]
    assert len(fetched) == 1


def test_jars_named_but_not_there_are_an_error(tmp_path: Path) -> None:
    spark = load().spark.model_copy(update={"jars": [str(tmp_path / "none.jar")]})
    with pytest.raises(RequirementError, match=r"none\.jar"):
        delta_jars(spark)


def submit(*arguments: str, cwd: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    """scripts/submit.sh as a user calls it, with the virtual environment of this test run."""

    return subprocess.run(
        [str(PROJECT / "scripts" / "submit.sh"), *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        env={**os.environ, "PROMO_SPARK_VENV": sys.prefix, **environ},
        check=False,
    )


def test_a_dry_run_prints_one_line_from_anywhere_and_starts_nothing(tmp_path: Path) -> None:
    jars = [tmp_path / "delta-spark.jar", tmp_path / "delta storage.jar"]
    for jar in jars:
        jar.touch()
    named = f"spark.jars={[str(j) for j in jars]}"
    lake = f"lake.root={tmp_path}/lake"
    ran = submit("baskets", "--date", "2017-12-01", "--dry-run", "--set", named, "--set", lake, cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.count("\n") == 1
    words = shlex.split(ran.stdout)
    variables = [w.partition("=")[0] for w in words[: words.index("--master") - 1]]
    assert variables == ["JAVA_HOME", "SPARK_HOME"]
    assert f"spark.driver.extraClassPath={jars[0]}:{jars[1]}" in words
    assert words[words.index(str(PROJECT / "promo_spark" / "runtime" / "application.py")) + 1] == "baskets"
    assert not (tmp_path / "lake").exists()


def test_an_unknown_job_is_refused_before_anything_is_installed(tmp_path: Path) -> None:
    ran = submit("nosuch", cwd=tmp_path, PROMO_SPARK_VENV=str(tmp_path / "venv"))
    assert (ran.returncode, ran.stderr) == (2, "error: there is no job nosuch; scripts/submit.sh --help lists them\n")
    assert not (tmp_path / "venv").exists()


def test_an_environment_that_two_checkouts_share_runs_the_code_of_the_one_that_was_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The driver's and the workers' Python look into this checkout before the one that was installed."""
    environments: list[Mapping[str, str]] = []

    def recorded(_command: Sequence[str], environment: Mapping[str, str], _stderr: object) -> int:
        environments.append(environment)
        return 0

    monkeypatch.setattr(spark_submit, "supervised", recorded)
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    quick = ["--set", "spark.class_archive=false", "--set", f"lake.root={tmp_path}"]
    assert spark_submit.submit(["baskets", "--date", "2017-12-01", *quick]) == 0
    assert environments[0]["PYTHONPATH"] == f"{PROJECT}{os.pathsep}/elsewhere"


def test_an_error_is_one_message_on_stderr_and_the_exit_code_says_its_kind(tmp_path: Path) -> None:
    ran = submit("baskets", "--date", "tomorrow", cwd=tmp_path)
    assert (ran.returncode, ran.stdout) == (SettingsError.exit_code, "")
    assert ran.stderr.startswith("error: --date 'tomorrow' is not a date") and "Traceback" not in ran.stderr


def test_help_lists_every_job_with_a_line_and_every_flag(tmp_path: Path) -> None:
    ran = submit("--help", cwd=tmp_path)
    assert ran.returncode == 0
    for job, description in spark_submit.job_descriptions().items():
        assert f"  {job:<12} {description.splitlines()[0]}" in ran.stdout
    for flag in ("--env", "--date", "--set", "--force", "--dry-run", "JAVA_HOME", "PROMO_SPARK_PYTHON"):
        assert flag in ran.stdout


def test_every_job_has_help_of_its_own_without_a_jvm(capsys: pytest.CaptureFixture[str]) -> None:
    for job, description in spark_submit.job_descriptions().items():
        with pytest.raises(SystemExit) as stopped:
            spark_submit.submit([job, "--help"])
        assert stopped.value.code == 0
        assert description.splitlines()[0] in capsys.readouterr().out


def test_a_driver_that_the_machine_cannot_hold_gets_less_and_the_user_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(requirements, "machine_memory", lambda: 8 << 30)
    assert spark_submit.driver_memory(load("demo").spark) == "5734m"
    assert "spark.driver_memory: 5734m instead of 8g" in capsys.readouterr().err
    monkeypatch.setattr(requirements, "machine_memory", lambda: 1 << 30)
    with pytest.raises(PromoSparkError, match="a job in local mode needs at least"):
        spark_submit.driver_memory(load("demo").spark)
