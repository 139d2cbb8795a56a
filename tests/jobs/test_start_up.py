"""A shop that begins: no data of its own yet, two cores, one file of settings."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from promo_spark.contracts.decisions import Promotions
from promo_spark.contracts.features import UserProfile
from promo_spark.contracts.silver import Events, OrderLines
from promo_spark.runtime.pipeline import run_in_order
from promo_spark.runtime.progress import Progress
from promo_spark.runtime.registry import single_jobs
from promo_spark.settings import load
from promo_spark.storage.lake import Lake

DATE = datetime.date(2024, 6, 1)
SMALL = [
    "generate.users=60",
    "generate.products=50",
    "generate.days=70",
    "generate.topics=4",
    "generate.stores=2",
    "generate.rules=2",
    "generate.partitions=2",
    "generate.truth=false",
    "profile.top_products=6",
    "segment.k=[2, 3]",
    "segment.starts=1",
    "baskets.min_baskets=5",
    "recommend.min_buyers=2",
    "recommend.rank=4",
    "recommend.iterations=2",
    "forecast.top_series=0",
    "forecast.partitions=2",
]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_sample_is_generated_and_decided_on_two_cores_by_one_file_of_settings(
    spark: SparkSession, lake: Lake, tmp_path: Path
) -> None:
    """O10: generate, then every job of the daily run on local[2], by conf/world.toml alone: no data, no cluster."""
    assert spark.sparkContext.master == "local[2]"
    settings = load("world", [f"ingest.folder={tmp_path / 'raw'}", *SMALL])
    jobs = single_jobs()
    run_in_order([jobs["generate"]], lake, settings, DATE, Progress())
    ended = run_in_order([jobs[name] for name in settings.pipeline.jobs], lake, settings, DATE, Progress())
    assert set(ended) == set(settings.pipeline.jobs)
    assert lake.read(OrderLines).count() > 500 and lake.read(Events).count() > 500
    users = {r.user_id for r in lake.read(UserProfile).select(UserProfile.user_id).collect()}
    decided = {r.user_id: r.reason_codes for r in lake.read(Promotions).collect()}
    assert users <= set(decided), "every user has a decision"
    # Whoever may not be profiled has no profile, and one `none` that says so.
    assert all("not_profiled" in reasons for user, reasons in decided.items() if user not in users)
