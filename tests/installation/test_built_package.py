"""What is built runs from an empty folder: the wheel, its commands, its notebook, and the zip of --py-files."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import pyarrow as pa
import pytest
from deltalake import DeltaTable
from nbclient import NotebookClient

from promo_spark.runtime.freshness import code_version
from promo_spark.settings import load
from promo_spark.submission.jars import delta_jars, spark_home
from promo_spark.submission.requirements import java_home

PROJECT = Path(__file__).resolve().parents[2]
DATE = "2024-06-01"  # the notebook's

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


@dataclass(frozen=True)
class Installed:
    """An installation of the wheel, the zip beside it, and an empty folder to work in."""

    site: Path
    zip: Path
    folder: Path

    def environment(self, python_path: Path | None) -> dict[str, str]:
        """Without the checkout: what is to be found is found in the installation, or in the zip that a line names."""
        found = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHONPATH", "PYSPARK", "SPARK"))}
        found |= {"JAVA_HOME": str(java_home(os.environ)), "XDG_CACHE_HOME": str(self.folder / "cache")}
        found |= {"PYSPARK_PYTHON": sys.executable, "PYSPARK_DRIVER_PYTHON": sys.executable}
        return found | ({"PYTHONPATH": str(python_path)} if python_path else {})

    def ran(self, *command: str, python_path: Path | None = None) -> subprocess.CompletedProcess[str]:
        environment = self.environment(python_path)
        return subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False)

    def spark_submit(self, job: Path, *arguments: str, options: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
        submit = str(spark_home() / "bin" / "spark-submit")
        return self.ran(submit, "--py-files", str(self.zip), *options, str(job), *arguments)


def notebook() -> Any:
    path = PROJECT / "docs" / "notebooks" / "first_look.ipynb"
    return nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]  # it ships no types


def few() -> list[str]:
    """The settings of the notebook, as options."""
    cell = notebook().cells[1].source
    return [f"--set={key}={value}" for key, value in ast.literal_eval(cell.split("FEW = ")[1]).items()]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """scripts/package.sh, then pip: what the wheel needs is here already, so only the wheel itself is installed."""
    root = tmp_path_factory.mktemp("installed")
    environment = {**os.environ, "PROMO_SPARK_VENV": sys.prefix}
    package = [str(PROJECT / "scripts" / "package.sh")]
    built = subprocess.run(package, env=environment, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    wheel, zipped = (PROJECT / line for line in built.stdout.split())
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(root / "site"), str(wheel)]
    subprocess.run(pip, check=True)
    folder = root / "empty folder"
    (folder / "cache" / "promo_spark").mkdir(parents=True)
    (folder / "cache" / "promo_spark" / "jars").symlink_to(PROJECT / ".cache" / "jars")  # fetched already
    return Installed(root / "site", Path(shutil.copy(zipped, root)), folder)


@pytest.fixture(scope="module")
def shop(installed: Installed) -> Path:
    """The lake of the notebook, which generates a retailer and runs the pipeline on it, all by the installed wheel."""
    cells = notebook()
    proof = f"import promo_spark\nassert promo_spark.__file__.startswith({str(installed.site)!r}), promo_spark.__file__"
    cells.cells[1].source = f"{proof}\n{cells.cells[1].source}"
    before = dict(os.environ)
    os.environ.clear()
    os.environ |= installed.environment(installed.site)
    try:
        NotebookClient(cells, timeout=900, resources={"metadata": {"path": str(installed.folder)}}).execute()
    finally:
        os.environ.clear()
        os.environ |= before
    return installed.folder / "world" / "lake"


def test_nothing_of_the_wheel_lies_at_the_top_but_the_package(installed: Installed) -> None:
    with zipfile.ZipFile(next((PROJECT / "dist").glob("*.whl"))) as wheel:
        tops = {name.split("/")[0] for name in wheel.namelist()}
        names = wheel.namelist()
    assert {top for top in tops if not top.endswith(".dist-info")} == {"promo_spark"}
    assert "promo_spark/_bundled/conf/base.toml" in names and "promo_spark/py.typed" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    with zipfile.ZipFile(installed.zip) as zipped:
        # The zip holds the same code and settings.
        assert {n for n in names if ".dist-info/" not in n} == set(zipped.namelist())


def test_the_notebook_makes_a_shop_and_reads_its_offers(installed: Installed, shop: Path) -> None:
    """M05: every cell of the documentation's notebook runs, in a folder that holds nothing but what it makes."""
    offers = (installed.folder / "promotions.csv").read_text(encoding="utf-8").splitlines()
    assert offers[0].startswith("date,user_id,promotion_id") and len(offers) > 60
    assert DeltaTable(str(shop / "decisions" / "promotions")).to_pyarrow_table().num_rows == len(offers) - 1


def test_a_sample_is_generated_and_decided_on_two_cores_by_one_file_of_settings(shop: Path) -> None:
    """O10: generate, then every job of the daily run on local[2], by conf/world.toml alone: no data, no cluster."""
    settings = load("world")
    assert settings.spark.master == "local[2]"

    def rows(table: str) -> pa.Table:
        return DeltaTable(str(shop / table)).to_pyarrow_table()

    done = [run["job"] for run in rows("ops/runs").to_pylist() if run["outcome"] == "succeeded"]
    # Without a target there is nothing to export.
    assert {"generate", *settings.pipeline.jobs} - {"export"} <= set(done)
    assert rows("silver/order_lines").num_rows > 500 and rows("silver/events").num_rows > 500
    users = set(rows("features/user_profile")["user_id"].to_pylist())
    decided = {row["user_id"]: row["reason_codes"] for row in rows("decisions/promotions").to_pylist()}
    assert users <= set(decided), "every user has a decision"
    # Whoever may not be profiled has no profile, and one `none` that says so.
    assert all("not_profiled" in reasons for user, reasons in decided.items() if user not in users)


@pytest.mark.usefixtures("shop")
def test_the_installed_command_runs_a_job(installed: Installed) -> None:
    command = str(installed.site / "bin" / "promo-spark")
    helped = installed.ran(command, "--help", python_path=installed.site)
    assert helped.stdout.startswith("usage: promo-spark JOB") and "  promote " in helped.stdout
    options = ["--env", "world", "--date", DATE, "--force", "--set", "spark.class_archive=false", *few()]
    ran = installed.ran(command, "segment", *options, python_path=installed.site)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "segment done" in ran.stdout + ran.stderr
    assert (installed.folder / "cache" / "promo_spark" / "build").is_dir(), "nothing is written into the installation"


def test_a_plain_spark_submit_line_runs_from_the_zip_and_finds_what_the_wheel_wrote_current(
    installed: Installed, shop: Path
) -> None:
    """M06: jobs/pipeline.py from a folder that holds profile.py too, and the user's own settings in conf/ beside."""
    jobs = shutil.copytree(PROJECT / "jobs", installed.folder / "jobs", dirs_exist_ok=True)
    (installed.folder / "conf").mkdir(exist_ok=True)
    shutil.copy(PROJECT / "conf" / "world.toml", installed.folder / "conf" / "shop.toml")
    jars = ("--jars", ",".join(delta_jars(load().spark)))
    ran = installed.spark_submit(jobs / "pipeline.py", "--env", "shop", "--date", DATE, *few(), options=jars)
    assert ran.returncode == 0, ran.stderr
    assert "every table is current" in ran.stdout + ran.stderr
    runs = DeltaTable(str(shop / "ops" / "runs")).to_pyarrow_table()["code_version"].to_pylist()
    assert set(runs) == {code_version()}, "checkout, wheel and zip are one code"


def test_without_deltas_jars_the_option_that_brings_them_is_named(installed: Installed) -> None:
    ran = installed.spark_submit(PROJECT / "jobs" / "segment.py", "--env", "world", "--date", DATE, options=())
    assert ran.returncode == 7, ran.stdout + ran.stderr
    assert "without Delta's JARs" in ran.stdout and "--packages io.delta:delta-spark_4.2_2.13:4.4.0" in ran.stdout
