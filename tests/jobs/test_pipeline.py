"""The whole daily run on a tiny retailer in Complete Journey's format: every job, twice, and what it promises."""

from __future__ import annotations

import datetime
import importlib.util
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import polars as pl
import pytest
from pyspark.sql import functions as F

from jobs.pipeline import run as pipeline
from promo_spark.contracts.decisions import Promotions
from promo_spark.contracts.models import Forecasts, Metrics, Recommendations, Segments
from promo_spark.contracts.ops import Runs
from promo_spark.reports.screen import print_summary
from promo_spark.runtime.pipeline import run_in_order
from promo_spark.runtime.progress import Progress
from promo_spark.runtime.registry import all_commands
from promo_spark.runtime.run_log import RunLog
from promo_spark.settings import load
from promo_spark.storage.lake import Lake
from promo_spark.storage.local_logs import logs_of

DATE = datetime.date(2017, 12, 1)
HOUSEHOLDS, PRODUCTS, DAYS = 24, 12, 120
SMALL = [
    "profile.top_products=6",
    "segment.k=[2, 3]",
    "segment.starts=1",
    "baskets.min_baskets=5",
    "recommend.min_buyers=2",
    "recommend.rank=4",
    "recommend.iterations=2",
    "recommend.top_n=5",
    "forecast.top_series=0",
    "forecast.backtest_windows=2",
    "forecast.partitions=2",
]


def retailer(folder: Path) -> None:
    """24 households shop every 3 to 6 days for 120 days; each product is always bought with its neighbour."""
    lines: list[dict[str, Any]] = []
    for household in range(1, HOUSEHOLDS + 1):
        for visit, n in enumerate(range(household % 5, DAYS, 3 + household % 4)):
            at = datetime.datetime(2017, 12, 1, 17) - datetime.timedelta(days=DAYS - n)
            first = (household + visit) % PRODUCTS
            for product in (first, (first + 1) % PRODUCTS, (household * 5) % PRODUCTS):
                line = {
                    "household_id": household,
                    "store_id": 1 + household % 2,
                    "basket_id": household * 1000 + visit,
                    "product_id": product,
                    "quantity": 1 + visit % 2,
                    "sales_value": 2.0 + product,
                    "retail_disc": 0.5 * (visit % 3),
                    "coupon_disc": 0.0,
                    "coupon_match_disc": 0.0,
                    "week": 1,
                    "transaction_timestamp": at,
                }
                if not lines or (line["basket_id"], product) not in {
                    (known["basket_id"], known["product_id"]) for known in lines[-3:]
                }:
                    lines.append(line)
    day = datetime.datetime(2017, 10, 1)
    files: dict[str, list[dict[str, Any]]] = {
        "transactions": lines,
        "products": [
            {
                "product_id": p,
                "manufacturer_id": 1,
                "department": "GROCERY",
                "brand": "Private",
                "product_category": f"CATEGORY {p % 3}",
                "product_type": f"KIND {p}",
                "package_size": "1 LB",
            }
            for p in range(PRODUCTS)
        ],
        "demographics": [
            {
                "household_id": 1,
                "age": "35-44",
                "income": "50-74K",
                "home_ownership": "Renter",
                "marital_status": "Married",
                "household_size": "2",
                "household_comp": "2 Adults",
                "kids_count": "0",
            }
        ],
        "campaign_descriptions": [
            {"campaign_id": 1, "campaign_type": "A", "start_date": day, "end_date": day + datetime.timedelta(30)}
        ],
        # household 99 was written to and has never bought: the one to welcome
        "campaigns": [{"campaign_id": 1, "household_id": h} for h in (*range(1, HOUSEHOLDS + 1, 2), 99)],
        "coupons": [{"coupon_upc": 5, "product_id": 1, "campaign_id": 1}],
        "coupon_redemptions": [
            {"household_id": 1, "coupon_upc": 5, "campaign_id": 1, "redemption_date": day + datetime.timedelta(3)}
        ],
        "promotions": [
            {"product_id": p, "store_id": 1, "display_location": "1", "mailer_location": "A", "week": 45 + p % 3}
            for p in range(PRODUCTS)
        ],
    }
    for name, rows in files.items():
        pl.DataFrame(rows).write_parquet(folder / f"{name}.parquet")


def script(name: str) -> ModuleType:
    path = Path(__file__).resolve().parents[2] / "scripts" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_one_call_runs_every_job_keeps_every_promise_and_a_second_changes_nothing(
    lake: Lake, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """O09, L05 (one command, jobs in order), I28 (one row per user and slot): the whole loop of one date."""
    folder = tmp_path / "journey"
    folder.mkdir()
    retailer(folder)
    settings = load("demo", [f"ingest.folder={folder}", *SMALL])
    jobs = list(pipeline.named(settings).values())

    def outcomes() -> Mapping[str, str]:
        ended = run_in_order(jobs, lake, settings, DATE, Progress())
        return {name: done.outcome for name, done in ended.items()}

    assert set(outcomes().values()) == {"written"}
    tables = [table for job in jobs for table in job.writes if lake.exists(table)] + [Runs]
    versions = {table: lake.version(table) for table in tables}

    # Every household has one decision set, and every promise holds when recomputed without Spark.
    broken = script("check_promotions").broken_promises(Path(lake.root), DATE, settings)
    assert broken == dict.fromkeys(broken, 0)
    decided = lake.read(Promotions).select(Promotions.user_id).distinct().count()
    assert decided == HOUSEHOLDS + 1
    for modelled in (Segments, Recommendations, Forecasts):
        assert lake.read(modelled).count() > 0
    measured = {r.job for r in lake.read(Metrics).select("job").distinct().collect()}
    assert measured == {
        "segment",
        "baskets",
        "recommend",
        "forecast",
        "propensity",
        "uplift",
        "elasticity",
        "risk",
        "promote",
    }

    # Whoever was offered something, or nothing, is told why, and by the logs just the same is found again.
    sets = lake.read(Promotions).orderBy(F.col(Promotions.scenario) == "none", Promotions.user_id).collect()
    for user in (sets[0][Promotions.user_id], sets[-1][Promotions.user_id]):
        why = {"user": user, "date": DATE.isoformat()}
        told = all_commands()["explain"].start(lake, settings, why, Progress())
        assert told.startswith(f"{user} on {DATE}, arm ") and "not found again" not in told
    assert {table: lake.version(table) for table in tables[:-1]} == dict(list(versions.items())[:-1])
    versions[Runs] = lake.version(Runs)

    # Keys are unique in every table that has one.
    for table in tables:
        if table.key:
            rows = pl.read_delta(lake.path(table)).select(table.key)
            assert rows.n_unique() == rows.height, table.full_name()

    assert set(outcomes().values()) == {"current"}
    assert {table: lake.version(table) for table in tables} == versions
    assert all(r.outcome == "succeeded" for r in RunLog(lake).succeeded())

    print_summary(logs_of(lake), settings, DATE, written=[], seconds=1.0)
    shown = capsys.readouterr().out
    for heading in ("Taken in", "Segments", "Forecasts", "Recommendations", "Promotions", "Budget (USD)"):
        assert heading in shown
    assert "nothing changed: every table is current" in shown
