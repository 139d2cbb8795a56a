"""How long job evaluate takes: seconds and CPU seconds of each of its steps, beside reading alone.

    PYTHONPATH=. .venv/bin/python benchmarks/evaluate_scale.py [--users 1000000] [--before 0.05] [--memory 6g]
        [--keep FOLDER] [--rows FOLDER]

A lake of so many users is made of hashes (`evaluate_lake`): decisions of 28 days, 3 % of the users with an offer a day,
an order every fourth day of four lines each; before offers began 84 days with `--before` order days a day. Then the
steps of evaluate run on two cores, in a session set up as for so much input. Reading alone takes the same columns of
the same rows, each once, and does nothing with them. Memory is that of this process, the JVM and the Python workers
together, sampled. --keep: the lake stays there, and is not made again. --rows: the rows of Effects, Checks and KpiDaily
are written there as Parquet, for comparing two versions.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl
from engine_works.processes import cpu_seconds
from evaluate_lake import DATE, DAYS, EVENT_DAYS, START, Size, written_lake
from generate import MIB, Memory
from local_session import local_session

from jobs import evaluate
from promo_spark.contracts.decisions import Explored, Promotions
from promo_spark.contracts.features import UserProfile
from promo_spark.contracts.measurement import Checks, Effects, KpiDaily
from promo_spark.contracts.models import Recommendations
from promo_spark.contracts.predictions import Propensity
from promo_spark.contracts.risk import Risk
from promo_spark.contracts.schema import Table
from promo_spark.contracts.silver import Events, Exposures, Feedback, OrderLines
from promo_spark.flows.evaluate.effects import effects_and_checks
from promo_spark.flows.evaluate.inputs import input_checks
from promo_spark.flows.evaluate.key_figures import key_figures
from promo_spark.measurement.drift import GROUPS, NUMBERS
from promo_spark.runtime.freshness import sections_beside
from promo_spark.runtime.job import Context
from promo_spark.runtime.progress import Progress, Step
from promo_spark.settings import load
from promo_spark.storage.lake import Lake
from promo_spark.submission.local_mode import (
    JAVA_OPTIONS,
    LARGER_INPUT_CONF,
    LARGER_INPUT_JAVA_OPTIONS,
    LOCAL_JAVA_OPTIONS,
    InputSize,
)

BYTES_OF_LINE = 60  # on the disk, about: how many parts a shuffle has follows from it
USED: dict[type[Table], tuple[str, ...]] = {  # the columns of large tables that evaluate looks at
    Promotions: (
        Promotions.date,
        Promotions.user_id,
        Promotions.promotion_id,
        Promotions.scenario,
        Promotions.mechanic,
        Promotions.product_ids,
        Promotions.discount_rate,
        Promotions.coupon_amount,
        Promotions.valid_from,
        Promotions.valid_to,
        Promotions.segment_id,
        Promotions.expected_conversion,
        Promotions.expected_uplift,
        Promotions.incremental_margin,
        Promotions.expected_cost,
        Promotions.fund_cost,
        Promotions.arm,
        Promotions.arm_propensity,
        Promotions.reason_codes,
        Promotions.status,
        Promotions.stopped_on,
        Promotions.revokes,
    ),
    OrderLines: (
        OrderLines.user_id,
        OrderLines.product_id,
        OrderLines.order_id,
        OrderLines.order_date,
        OrderLines.quantity,
        OrderLines.amount_paid,
        OrderLines.list_amount,
        OrderLines.discount_retail,
        OrderLines.discount_coupon,
        OrderLines.discount_coupon_match,
        OrderLines.coupon_id,
    ),
    Explored: tuple(Explored.columns()),
    Exposures: (Exposures.promotion_id, Exposures.user_id, Exposures.sent_at, Exposures.opened_at),
    Feedback: (Feedback.feedback_id, Feedback.user_id, Feedback.promotion_id, Feedback.score, Feedback.ts),
    Events: (Events.user_id, Events.event_date),
    UserProfile: (UserProfile.user_id, UserProfile.first_order_date, *NUMBERS, *GROUPS),
    Propensity: (Propensity.as_of, Propensity.user_id, Propensity.target, Propensity.p, Propensity.amount),
    Risk: (Risk.user_id, Risk.tier),
    Recommendations: (Recommendations.as_of, Recommendations.user_id, Recommendations.product_id),
}


class Meter:
    """Prints what each step took: seconds, CPU seconds of all processes, both over those of reading alone."""

    def __init__(self) -> None:
        self.reading: tuple[float, float] | None = None

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        began, used = time.perf_counter(), cpu_seconds(os.getpid())
        yield
        took = time.perf_counter() - began, cpu_seconds(os.getpid()) - used
        self.reading = self.reading or took
        self.told(name, *took)

    def told(self, name: str, wall: float, cpu: float) -> None:
        assert self.reading is not None
        beside = f"{wall / self.reading[0]:6.2f} × reading, in CPU seconds {cpu / self.reading[1]:6.2f} ×"
        print(f"  {name:20}{wall:8.1f} s {cpu:8.1f} CPU s   {beside}", flush=True)


def read_alone(lake: Lake) -> int:
    """Reads what evaluate reads of large tables, and does nothing with it; how many order lines these are."""
    for table, columns in USED.items():
        rows = lake.read(table).select(*columns)
        rows.write.format("noop").mode("overwrite").save()
    return lake.read(OrderLines).count()


def measured(lake: Lake, rows: Path | None) -> None:
    """Runs the steps of evaluate one by one, and prints what each took."""
    settings, memory, meter = load(), Memory(), Meter()
    ctx: Context[Any] = Context(
        evaluate.run,
        DATE,
        settings.evaluate,
        settings.business,
        "run",
        lake,
        Step(Progress(), "evaluate"),
        sections=sections_beside(evaluate.run, settings),
    )
    memory.start()
    with meter.step("reading alone"):
        lines = read_alone(lake)
    print(f"  {lines:,} order lines; {EVENT_DAYS} days of events; decisions of {DAYS} days since {START}")
    began, used = time.perf_counter(), cpu_seconds(os.getpid())
    with meter.step("effects"):
        effects, of_experiment = effects_and_checks(ctx)
    with meter.step("checks of inputs"):
        checks = [*of_experiment, *input_checks(ctx)]
    with meter.step("key figures"):
        figures = [row.asDict() for row in key_figures(ctx).collect()]
    meter.told("all three", time.perf_counter() - began, cpu_seconds(os.getpid()) - used)
    ctx.release()
    memory.ended.set()
    memory.join()
    print(
        f"  peak memory {memory.peak / MIB:,.0f} MiB; {len(effects)} effects, {len(checks)} checks, {len(figures)} kpis"
    )
    if rows is not None:
        rows.mkdir(parents=True, exist_ok=True)
        for table, told in ((Effects, effects), (Checks, checks), (KpiDaily, figures)):
            of_key = [name for name in table.key if name != "date"]
            pl.DataFrame(told, infer_schema_length=None).sort(of_key).write_parquet(rows / f"{table.name}.parquet")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=1_000_000)
    parser.add_argument("--before", type=float, default=0.05)
    parser.add_argument("--memory", default="6g")
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--rows", type=Path)
    asked = parser.parse_args()
    size = Size(asked.users, asked.before)
    folder = asked.keep or Path(tempfile.mkdtemp(prefix="evaluate_scale_"))
    options = ("-XX:+UseParallelGC", *LOCAL_JAVA_OPTIONS, *LARGER_INPUT_JAVA_OPTIONS)
    parts = InputSize(size.lines() * BYTES_OF_LINE, True).partitions()
    conf = {**LARGER_INPUT_CONF, JAVA_OPTIONS: " ".join(options), "spark.sql.shuffle.partitions": str(parts)}
    spark = local_session("evaluate_scale", memory=asked.memory, conf=conf)
    try:
        lake = Lake(spark, str(folder))
        if not lake.exists(Promotions):
            began = time.perf_counter()
            written_lake(lake, size)
            print(f"made the lake in {time.perf_counter() - began:.0f} s", flush=True)
        print(f"{size.users:,} users, {parts} parts of a shuffle")
        measured(lake, asked.rows)
    finally:
        spark.stop()
        if asked.keep is None:
            shutil.rmtree(folder)


if __name__ == "__main__":
    main()
