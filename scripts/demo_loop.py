"""A small world, a week of offers that hold two days, and what they brought: see scripts/demo_loop.sh, which calls it.

    PYTHONPATH=. .venv/bin/python scripts/demo_loop.py [FOLDER]

For each day the daily run decides offers and `simulate` plays them, all in one Spark session: starting one takes longer
than a job. FOLDER/demo.json says what the world is and which steps are done, so that another call goes on after them.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import demo_report
from rich.console import Console

from promo_spark.errors import PromoSparkError, SettingsError, printable
from promo_spark.runtime.pipeline import run_in_order
from promo_spark.runtime.progress import Progress, Step
from promo_spark.runtime.registry import single_jobs
from promo_spark.runtime.session import started_session
from promo_spark.settings import Settings, load, validated
from promo_spark.storage.lake import Lake
from promo_spark.submission import requirements
from promo_spark.submission.local_mode import SMALL_INPUT_CONF
from promo_spark.submission.spark_submit import WORKER_CONF

ROOT = Path(__file__).resolve().parents[1]
FIRST = datetime.date(2024, 6, 1)
DAYS, VALID_DAYS, WINDOW, USERS = 7, 2, 3, 800
MECHANICS = ("discount", "coupon", "bundle", "threshold", "flash", "rebate", "points", "gift")
# What so small a world can do without: promote decides without these, and no job after ingest reads these sources.
LEFT_OUT = ("baskets", "propensity", "elasticity", "risk")
NOT_READ = ("events", "inventory", "feedback")
LOOKING_BACK = ("evaluate", "adjust")
MEASURED = (4, DAYS)  # days after the first: once in between, so that the days after it know what was adjusted
LAST_DAY = ("ingest", "profile", *LOOKING_BACK)  # nobody plays the day after the last
# The same jobs and code as ever, with less to fit and to measure than the defaults ask for.
SMALLER: dict[str, object] = {
    "generate.users": USERS,
    "generate.products": 120,
    "generate.days": 42,
    "generate.horizon_days": DAYS + 1,
    "generate.users_per_block": 400,
    "generate.partitions": 2,
    "generate.truth": False,
    "simulate.partitions": 2,
    "profile.top_products": 5,
    "profile.follow_days": 0,
    "segment.k": [4],
    "segment.starts": 1,
    "segment.stability_rounds": 2,
    "recommend.rank": 8,
    "recommend.iterations": 3,
    "recommend.blocks": 1,
    "recommend.holdout_days": 14,
    "forecast.horizon_days": 14,
    "forecast.min_history_days": 28,
    "forecast.backtest_windows": 1,
    "forecast.top_series": 5,
    "forecast.partitions": 1,
    "uplift.classes": 4,
    "uplift.rounds": 40,
    "uplift.trees": 30,
    "evaluate.before_days": 42,
}
# Offers that can be told from nothing within a week: users answer twice as much as in other worlds, and experiments of
# the past say so; more of them are held out and explored than a shop would; budgets let most offers pass.
SEEN: dict[str, object] = {
    "generate.drift_day": 1,
    "generate.drift_response": 2.0,
    "generate.campaign_every_days": 7,
    "generate.contact_share": 0.6,
    "promote.scenarios": [
        "repurchase",
        "recommended_item",
        "win_back",
        "spend_and_save",
        "flash_sale",
        "new_user_welcome",
    ],
    "promote.valid_days": VALID_DAYS,
    "promote.flash_days": VALID_DAYS,
    "promote.holiday_lead_days": VALID_DAYS - 1,
    "recommend.offer_days": VALID_DAYS,
    "promote.holdout_share": 0.25,
    "promote.explore_share": 0.1,
    "promote.explore_budget_share": 0.4,
    "promote.daily_budget": 1.0 * USERS,
    **{f"promote.mechanic_budgets.{mechanic}": 0.5 * USERS for mechanic in MECHANICS},
    "evaluate.windows": [WINDOW],
    "evaluate.explored_days": DAYS,
    "evaluate.least_users": 30,
}
JAVA = ("-XX:+UseParallelGC",)
PARTITIONS = {"spark.sql.shuffle.partitions": "2"}  # weeks of sales are enough for a second core


@dataclass
class World:
    """The world of a folder: its settings, and the steps that are done, such as `2024-06-01 played`."""

    folder: Path
    made_by: dict[str, object]
    done: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, folder: Path, made_by: dict[str, object]) -> World:
        """The world that the folder holds, or is to hold. Raises SettingsError where it holds something else."""
        file = folder / "demo.json"
        if not file.exists():
            if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
                raise SettingsError(f"{folder} holds something else: name another folder, or one that is new")
            return cls(folder, made_by)
        try:
            kept = json.loads(file.read_text(encoding="utf-8"))
            others, done = kept["made_by"], kept["done"]
        except (ValueError, TypeError, KeyError):
            raise SettingsError(f"{file} cannot be read: remove {folder}, or name another folder") from None
        if others != json.loads(json.dumps(made_by)):
            raise SettingsError(f"{folder} holds another world: remove it, or name another folder")
        return cls(folder, made_by, done)

    def keep(self, step: str) -> None:
        """The step is done, and stays so: the file is replaced as a whole."""
        self.done.append(step)
        self.folder.mkdir(parents=True, exist_ok=True)
        new = self.folder / "demo.json.new"
        new.write_text(json.dumps({"made_by": self.made_by, "done": self.done}, indent=1), encoding="utf-8")
        new.replace(self.folder / "demo.json")

    def settings(self) -> Settings:
        """The settings of the world's jobs."""
        logging = f"-Dlog4j2.configurationFile={(ROOT / 'conf' / 'log4j2.properties').as_uri()}"
        values = load(
            "world",
            {
                **self.made_by,
                "ingest.folder": str(self.folder / "raw"),
                "lake.root": str(self.folder / "lake"),
                "spark.driver_memory": "3g",
            },
        ).model_dump(mode="json")
        values["spark"]["conf"] |= {
            **SMALL_INPUT_CONF,
            **PARTITIONS,
            **WORKER_CONF,
            "spark.driver.extraJavaOptions": " ".join([logging, *JAVA]),
        }
        for part in (values["ingest"]["sources"], values["ingest"]["gate"]["sources"]):
            for name in NOT_READ:
                part.pop(name, None)
        values["pipeline"]["jobs"] = [name for name in values["pipeline"]["jobs"] if name not in LEFT_OUT]
        return validated(values)


def steps(settings: Settings) -> list[tuple[str, datetime.date, list[str]]]:
    """What there is to do, in order: the name of the step, its date, its jobs."""
    found = [("generated", FIRST, ["generate"])]
    for n in range(DAYS + 1):
        day = FIRST + datetime.timedelta(days=n)
        jobs = [name for name in settings.pipeline.jobs if n in MEASURED or name not in LOOKING_BACK]
        if n == DAYS:
            found.append(("measured", day, [name for name in jobs if name in LAST_DAY]))
        else:
            found += [("decided", day, jobs), ("played", day, ["simulate"])]
    return found


class Lines(Progress):
    """A line per job that ended, for the reader; what jobs say meanwhile goes to the log."""

    def __init__(self, log: Console, day: datetime.date) -> None:
        super().__init__(log)
        self._day = day

    @contextmanager
    def step(self, name: str, position: int = 1, of: int = 1) -> Iterator[Step]:
        begun = time.monotonic()
        with super().step(name, position, of) as step:
            yield step
        print(f"  {self._day}  {name:<10} {time.monotonic() - begun:5.0f} s", flush=True)


def play(world: World) -> None:
    """Does the steps that are left."""
    settings = world.settings()
    left = [step for step in steps(settings) if f"{step[1]} {step[0]}" not in world.done]
    if not left:
        return
    jobs = single_jobs()
    world.folder.mkdir(parents=True, exist_ok=True)
    with (world.folder / "demo.log").open("a", encoding="utf-8") as log:
        os.environ["JAVA_HOME"] = str(requirements.java_home(os.environ))
        with _stderr_to(log.fileno()):  # Spark's JVM keeps it: what Java says of itself is for the log
            spark = started_session("demo_loop", settings, DAYS)
        try:
            lake = Lake(spark, settings.lake.root)
            for name, day, of_step in left:
                begun = time.monotonic()
                progress = Lines(Console(file=log, width=132), day)
                run_in_order([jobs[job] for job in of_step], lake, settings, day, progress)
                world.keep(f"{day} {name}")
                print(f"{day} {name} in {time.monotonic() - begun:.0f} s", flush=True)
        finally:
            spark.stop()


@contextmanager
def _stderr_to(file: int) -> Iterator[None]:
    sys.stderr.flush()
    kept = os.dup(2)
    os.dup2(file, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def main(arguments: Sequence[str] | None = None) -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("folder", type=Path, nargs="?", default=Path("world/demo"))
    folder = (ROOT / options.parse_args(arguments).folder).resolve()
    begun = time.monotonic()
    try:
        world = World.of(folder, {**SMALLER, **SEEN})
        print(f"{USERS:,} customers, {DAYS} days of offers, in {folder}", flush=True)
        play(world)
        told = demo_report.report(folder / "lake", FIRST + datetime.timedelta(days=DAYS), VALID_DAYS, WINDOW)
    except PromoSparkError as error:
        print("\n".join(printable(f"error: {error}").split("\n")), file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print(f"stopped; scripts/demo_loop.sh {folder} goes on from here", file=sys.stderr)
        return 130
    print("\n".join(printable(line) for line in told))
    print(f"\n{time.monotonic() - begun:.0f} s. Tables: {folder}/lake/<layer>/<table>, their columns: docs/tables.md")
    return 0


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):
        sys.exit(main())
