"""A synthetic retailer, written as files and taken in by the real ingest job: nothing lost, all dirt found."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from jobs.generate import run as generate
from jobs.ingest import run as ingest
from promo_spark.contracts.silver import (
    QUARANTINE,
    SILVER,
    Assignments,
    Campaigns,
    Contacts,
    Events,
    OrderLines,
    Products,
    Redemptions,
    Users,
)
from promo_spark.contracts.truth import (
    DirtyRows,
    TrueDemand,
    TrueElasticities,
    TrueNextPurchases,
    TrueOffers,
    TrueProducts,
    TrueRules,
    TrueUsers,
)
from promo_spark.models.uplift.experiments import experiments
from promo_spark.runtime.pipeline import run_in_order
from promo_spark.runtime.progress import Progress
from promo_spark.runtime.run_log import RunLog
from promo_spark.settings import Settings, load, validated
from promo_spark.storage.lake import Lake
from promo_spark.storage.raw_files import write_raw
from promo_spark.worlds.frames import raw_table, truth_table
from promo_spark.worlds.spec import DIRT, WorldSpec, world_spec

DATE = datetime.date(2024, 6, 1)
SMALL = [
    "generate.users=120",
    "generate.products=60",
    "generate.days=90",
    "generate.topics=4",
    "generate.partitions=2",
    "generate.users_per_block=50",
    "generate.rules=3",
    "generate.fraud_share=0.1",
    "generate.inventory_days=7",
    "generate.stores=2",
    "generate.campaign_every_days=20",
    *(f"generate.dirt.{kind}=0.01" for kind in DIRT),
]


def world_settings(folder: Path) -> Settings:
    """conf/world.toml with its raw files in a folder of the test's own."""
    return load("world", [*SMALL, f"ingest.folder={folder}"])


@pytest.fixture(scope="module")
def made(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Lake, Settings, WorldSpec]]:
    folder = tmp_path_factory.mktemp("world")
    settings, lake = world_settings(folder / "raw"), Lake(spark, str(folder / "lake"))
    run_in_order([generate], lake, settings, DATE, Progress())
    yield lake, settings, world_spec(settings.generate, DATE)


Made = tuple[Lake, Settings, WorldSpec]


def test_ingest_takes_in_every_file_and_quarantines_just_what_was_made_dirty(made: Made) -> None:
    """A13, B05, J04: every source is balanced, each kind of planted dirt is rejected for its own reason; shared devices
    and addresses and welcome coupons come in, and these are no experiments."""
    lake, settings, _ = made
    run_in_order([ingest], lake, settings, DATE, Progress())
    sources = RunLog(lake).succeeded()[-1].sources
    assert {t.name for t in SILVER} - {
        "channel_consents",
        "holidays",
        "identity_map",
        "market",
        "promotion_calendar",
        "promotion_exclusions",
        "promotion_funds",
        "point_redemptions",
        "segment_strategies",
    } <= set(sources)
    assert {name: s.quarantined for name, s in sources.items() if name != "order_lines" and s.quarantined} == {}
    files = Path(settings.generate.folder) / "order_lines" / "**/*.parquet"
    delivered = pl.scan_parquet(files).select(pl.len()).collect()
    found, dirty = sources["order_lines"], lake.read(DirtyRows).toPandas()
    assert found.rows_in == delivered.item() == found.accepted + found.quarantined
    planted = dirty.reason.value_counts().to_dict()
    assert set(planted) == {
        "duplicate_row",
        "unparsable_ts",
        "unknown_product",
        "quantity_zero",
        "amount_negative",
        "missing_product_id",
    }
    assert found.quarantined == sum(planted.values())
    assert {reason: found.reasons[reason] for reason in planted} == planted
    assert lake.read(QUARANTINE[OrderLines]).count() == found.quarantined
    lines = lake.read(OrderLines)
    accepted = dirty[dirty.reason.isna()].kind.value_counts()
    assert lines.filter(F.col("user_id").isNull()).count() == accepted["missing_user"]
    assert lines.filter(F.col("source_file").contains("/late/")).count() == accepted["late_row"]
    assert lake.read(Events).select("event_type").distinct().count() == 5
    users = lake.read(Users).toPandas()
    for shared in (users.device_digest.dropna(), users.address_digest.dropna()):
        assert shared.str.fullmatch("[0-9a-f]{32}").all() and 0 < shared.duplicated().sum() < len(shared) / 2
    welcomed = lake.read(Contacts).filter("campaign_id like 'WELCOME-%'")
    kinds = (
        lake.read(Campaigns).join(welcomed.select("campaign_id").distinct(), "campaign_id").select("kind").distinct()
    )
    assert [row.kind for row in kinds.collect()] == ["welcome"] and welcomed.count() > 10
    assert lake.read(Redemptions).filter("campaign_id like 'WELCOME-%'").count() > 0
    drawn = {row.campaign_id for row in experiments(lake.read(Assignments)).collect()}  # the evidence of uplift
    assert drawn and not any(name.startswith("WELCOME-") for name in drawn)
    known = lake.read(Products).select("product_id")
    assert lake.read(Events).filter("product_id is not null").join(known, "product_id", "left_anti").isEmpty()


def test_rows_do_not_depend_on_the_number_of_tasks(made: Made) -> None:
    lake, _, spec = made

    def checksum(partitions: int) -> list[tuple[int, int]]:
        raw = ("order_lines", "events", "users", "promo_calendar")
        frames = [raw_table(lake.spark, spec, table, partitions) for table in raw]
        frames.append(truth_table(lake.spark, spec, TrueDemand, partitions))
        sums = [f.agg(F.count("*"), F.sum(F.xxhash64(*f.columns).cast("decimal(38,0)"))).collect()[0] for f in frames]
        return [(int(s[0]), int(s[1])) for s in sums]

    assert checksum(1) == checksum(8) == checksum(64)


def test_the_truth_is_complete_and_agrees_with_the_files(made: Made) -> None:
    lake, settings, _ = made
    users = lake.read(TrueUsers).toPandas().set_index("user_id")
    assert len(users) == 120 and set(users.segment) == set(settings.generate.segments)
    assert {"ring", "fake_orders"} <= set(users.fraud.dropna())
    assert ((users.tastes.map(sum) - 1).abs() < 1e-6).all()
    assert lake.read(TrueProducts).count() == 60
    assert lake.read(TrueRules).count() == 3 and lake.read(TrueRules).filter("lift <= 1").isEmpty()
    assert lake.read(TrueElasticities).count() == 5 * 6  # segments × categories
    offers = lake.read(TrueOffers).toPandas().merge(users[["response"]], left_on="user_id", right_index=True)
    assert len(offers) == 50 * 8 * 3  # users of the first block × mechanics × savings
    change, here = offers.visits - offers.visits_without, offers.visits_without > 1e-6
    assert (change[here & (offers.response == "persuadable")] > 0).all()
    assert (change[here & (offers.response == "sleeping_dog")] < 0).all()
    assert (offers.given >= 0).all() and offers.margin.notna().all()
    chances = lake.read(TrueNextPurchases).toPandas()
    assert chances.chance.between(0, 1).all() and chances.chance.max() > 0.5
    wanted = lake.read(TrueDemand).agg(F.sum("units_wanted"), F.sum("units_lost")).collect()[0]
    assert 0 < wanted[1] < 0.1 * wanted[0]
    joined = users[users.joined < DATE].index
    assert set(pl.read_parquet(Path(settings.generate.folder) / "users/*.parquet")["user_id"]) == set(joined)


def test_files_may_be_text(made: Made, lake: Lake, tmp_path: Path) -> None:
    """A13: the same rows as CSV and JSON lines are the same silver rows."""
    _, settings, spec = made
    values = settings.model_dump(mode="json")
    kept = {n: values["ingest"]["sources"][n] for n in ("products", "order_lines", "users")}
    values["ingest"]["sources"], values["ingest"]["gate"]["sources"] = kept, {}
    for name, mapping in kept.items():
        mapping |= {"format": "csv" if name == "order_lines" else "json", "path": str(tmp_path / name)}
        write_raw(raw_table(lake.spark, spec, name, 1), str(tmp_path), name, mapping["format"])
    run_in_order([ingest], lake, validated(values), DATE, Progress())
    dirty = truth_table(lake.spark, spec, DirtyRows, 1).filter("reason is not null").count()
    sources = RunLog(lake).succeeded()[-1].sources
    assert sources["order_lines"].quarantined == dirty
    assert {sources[n].quarantined for n in ("products", "users")} == {0}
    assert lake.read(Users).filter("consent_marketing").count() > 10
