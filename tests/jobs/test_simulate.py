"""A day played on the published promotions, and the loop that follows from it."""

from __future__ import annotations

import datetime
from pathlib import Path

import polars as pl
import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from jobs.generate import run as generate
from jobs.ingest import run as ingest
from jobs.simulate import run as simulate
from promo_spark.contracts.decisions import Promotions
from promo_spark.contracts.silver import OrderLines, Redemptions
from promo_spark.contracts.truth import SimulatedStates
from promo_spark.errors import MissingDataError, SettingsError
from promo_spark.runtime.pipeline import run_in_order
from promo_spark.runtime.progress import Progress
from promo_spark.runtime.run_log import RunLog
from promo_spark.settings import load, validated
from promo_spark.storage.lake import Lake
from promo_spark.worlds.catalogue import catalogue
from promo_spark.worlds.frames import recent_offers, users_with_offers
from promo_spark.worlds.offers import offers_from
from promo_spark.worlds.population import population
from promo_spark.worlds.response import GIFT
from promo_spark.worlds.spec import world_spec

DATE = datetime.date(2024, 6, 1)
NEXT = DATE + datetime.timedelta(days=1)


def test_an_offer_made_again_is_one_offer_and_a_spent_coupon_stays_in_mind(spark: SparkSession) -> None:
    def coupon(name: str, amount: int) -> dict[str, object]:
        return {"promotion_id": name, "mechanic": "coupon", "coupon_amount": amount, "min_spend": 9}

    def discount(name: str, product: str, rate: float) -> dict[str, object]:
        return {"promotion_id": name, "mechanic": "discount", "product_ids": [product], "discount_rate": rate}

    states = SimulatedStates.frame(spark, [{"user_id": "U1", "used": ["c1"]}, {"user_id": "U2", "used": []}])
    offered = Promotions.frame(
        spark,
        [
            {"user_id": "U1", **offer}
            for offer in (
                discount("d1", "P1", 0.1),
                discount("d2", "P1", 0.2),
                discount("d3", "P1", 0.2),  # d2 stands for all three
                discount("d4", "P2", 0.1),  # another product
                coupon("c1", 5),
                coupon("c2", 2),
                coupon("c3", 3),  # c1 is spent, and c3 is worth more than c2
            )
        ]
        + [{"user_id": "U2", **coupon("c1", 5)}],
    )
    spent = SimulatedStates.frame(spark, [{"user_id": "U2", "used": ["c1"]}])
    dated = offered.withColumn("date", F.lit(DATE))
    recent = recent_offers(dated, NEXT)
    held = {row.user_id: row for row in users_with_offers(states, offered.filter("user_id = 'U1'"), recent).collect()}
    assert [(offer.promotion_id, offer.spent) for offer in held["U1"].offers] == [
        ("c3", False),
        ("d2", False),
        ("d4", False),
    ]
    assert held["U2"].offers is None
    assert (held["U1"].recent, held["U2"].recent) == (7, 1)
    (of_spender,) = users_with_offers(spent, offered, recent).collect()
    assert [(offer.promotion_id, offer.spent) for offer in of_spender.offers] == [("c1", True)]
    assert recent_offers(dated, DATE).isEmpty()  # those of the day itself did not tire anybody yet


def test_a_gift_of_the_promotions_is_one_that_the_world_gives(spark: SparkSession) -> None:
    """I05: a row without a rate or an amount is a saving there: the gift's price over the minimum spend."""
    spec = world_spec(load("world", ["generate.users=20", "generate.products=60", "generate.days=30"]).generate, DATE)
    offer = {"promotion_id": "g", "mechanic": "gift", "product_ids": ["P000007"], "min_spend": 1000, "valid_from": DATE}
    offered = Promotions.frame(spark, [{"user_id": "U1", "date": DATE, **offer}])
    states = SimulatedStates.frame(spark, [{"user_id": "U1", "used": []}])
    rows = users_with_offers(states, offered, recent_offers(offered, NEXT)).select("offers").toArrow()
    made = offers_from(spec, rows)
    assert (made.mechanic.tolist(), made.product.tolist(), made.amount.tolist()) == ([GIFT], [7], [0])
    assert made.saving.tolist() == [catalogue(spec).price[7] / 100_000] and made.saving[0] > 0


def test_a_simulated_day_is_delivered_taken_in_and_goes_on_the_next_day(lake: Lake, tmp_path: Path) -> None:
    folder = tmp_path / "raw"
    values = load(
        "world",
        [
            "generate.users=200",
            "generate.products=60",
            "generate.days=30",
            "generate.partitions=2",
            "generate.users_per_block=100",
            "generate.truth=false",
            "generate.welcome_saving=0.0",
            f"ingest.folder={folder}",
            *(f"generate.dirt.{k}=0.0" for k in load("world").generate.dirt),
        ],
    ).model_dump(mode="json")
    kept = {n: m for n, m in values["ingest"]["sources"].items() if n in ("products", "order_lines", "redemptions")}
    values["ingest"]["sources"], values["ingest"]["gate"]["sources"] = kept, {}
    settings = validated(values)
    run_in_order([generate], lake, settings, DATE, Progress())

    with pytest.raises(MissingDataError, match="simulate the day before first"):
        run_in_order([simulate], lake, settings, NEXT, Progress())
    with pytest.raises(SettingsError, match="the world's history ends before 2024-06-01"):
        run_in_order([simulate], lake, settings, DATE - datetime.timedelta(days=1), Progress())

    # everyone gets a coupon worth having: some come, and use it
    lake.write(
        Promotions,
        Promotions.frame(
            lake.spark,
            [
                {
                    "date": DATE,
                    "user_id": f"U{u:08d}",
                    "promotion_id": f"o{u}",
                    "scenario": "win_back",
                    "mechanic": "coupon",
                    "coupon_amount": 2,
                    "min_spend": 5,
                    "valid_from": DATE,
                    "valid_to": DATE + datetime.timedelta(days=6),
                    "arm": "treatment",
                    "currency": "USD",
                }
                for u in range(200)
            ],
        ),
        {"date": DATE},
    )
    elsewhere = validated(values | {"generate": values["generate"] | {"folder": "nowhere", "format": "csv"}})
    for day, given in {DATE: settings, NEXT: elsewhere}.items():  # the world knows where its files lie
        run_in_order([simulate], lake, given, day, Progress())
    delivered = {d: pl.read_parquet(folder / f"order_lines/{d}/*.parquet") for d in (DATE, NEXT)}
    spent: set[str] = set()
    for day, lines in delivered.items():
        assert set(lines["ts"].str.slice(0, 10)) == {day.isoformat()}
        by_order = lines.group_by("order_id", "user_id").agg(
            (pl.col("amount_paid") + pl.col("discount_coupon_match")).sum().alias("before"),
            pl.col("discount_coupon_match").sum().round(2).alias("off"),
        )
        again = by_order.filter(pl.col("user_id").is_in(list(spent)))
        assert set(again["off"]) <= {0.0}  # valid still, but a coupon is used once
        first = by_order.filter(~pl.col("user_id").is_in(list(spent)))
        assert set(first.filter(pl.col("before") >= 5)["off"]) == {0.0, 2.0}  # redeeming is a choice
        assert set(first.filter(pl.col("before") < 4.99)["off"]) <= {0.0}
        spent |= set(first.filter(pl.col("off") > 0)["user_id"])
    contacted = pl.read_parquet(folder / f"contacts/{DATE}/*.parquet")
    assert len(contacted) == 200 and set(contacted["campaign_id"]) == {f"PROMOTIONS-{DATE}"}
    sent = pl.read_parquet(folder / f"exposures/{DATE}/*.parquet")
    assert sorted(sent["promotion_id"]) == sorted(f"o{u}" for u in range(200))
    opened = sent.filter(pl.col("opened_at").is_not_null())
    assert 0.6 < len(opened) / 200 < 0.95 and spent <= set(opened["user_id"])
    assert pl.read_parquet(folder / f"exposures/{NEXT}/*.parquet").is_empty()  # they were sent the day before

    assert lake.read(SimulatedStates).groupBy("date").count().count() == 2  # for the 2nd and the 3rd of June

    run_in_order([ingest], lake, settings, DATE + datetime.timedelta(days=2), Progress())
    sources = RunLog(lake).succeeded()[-1].sources
    assert {s.quarantined for s in sources.values()} == {0}
    taken_in = lake.read(OrderLines).filter(f"order_date >= '{DATE}'").count()
    assert taken_in == sum(len(lines) for lines in delivered.values())
    redeemed = lake.read(Redemptions).filter("coupon_id like 'o%'").toPandas()
    assert len(redeemed) > 8 and sorted(redeemed.user_id) == sorted(spent)


def test_rings_and_newcomers_act_on_simulated_days(lake: Lake, tmp_path: Path) -> None:
    """J04: every ring account redeems what it is offered; welcome coupons are delivered, and used once."""
    folder = tmp_path / "raw"
    small = ["users=120", "products=60", "days=30", "partitions=2", "users_per_block=60", "truth=false"]
    planted = ["fraud_share=0.4", "newcomer_share=0.9", "horizon_days=28", "welcome_saving=0.3"]
    settings = load("world", [*(f"generate.{c}" for c in (*small, *planted)), f"ingest.folder={folder}"])
    run_in_order([generate], lake, settings, DATE, Progress())
    spec = world_spec(settings.generate, DATE)
    blocks = [population(spec, block) for block in range(spec.user_blocks)]
    there = [n for users in blocks for n in users.numbers[users.only_offers & (users.joined <= spec.days)]]
    later = [n for users in blocks for n in users.numbers[users.joined == spec.days + 1] if n]
    offer = {"date": DATE, "scenario": "win_back", "mechanic": "coupon", "coupon_amount": 4, "min_spend": 20}
    valid = {"valid_from": DATE, "valid_to": NEXT, "arm": "treatment", "currency": "USD"}
    rows = [{"user_id": f"U{n:08d}", "promotion_id": f"o{n}", **offer, **valid} for n in there]
    lake.write(Promotions, Promotions.frame(lake.spark, rows), {"date": DATE})
    for day in (DATE, NEXT):
        run_in_order([simulate], lake, settings, day, Progress())
    used = pl.concat([pl.read_parquet(folder / f"redemptions/{day}/*.parquet") for day in (DATE, NEXT)])
    of_rings = used.filter(pl.col("coupon_id").str.starts_with("o"))
    assert len(there) >= 6 and sorted(of_rings["coupon_id"]) == sorted(f"o{n}" for n in there)
    assert set(of_rings["redeemed_on"]) == {DATE.isoformat()}
    before = pl.read_parquet(folder / "redemptions/*.parquet")
    welcomed = pl.concat([before, used]).filter(pl.col("coupon_id").str.starts_with("WELCOME-"))
    assert used["coupon_id"].str.starts_with("WELCOME-").sum() > 0 and welcomed["user_id"].is_unique().all()
    contacts = pl.read_parquet(folder / f"contacts/{NEXT}/*.parquet")
    campaigns = pl.read_parquet(folder / f"campaigns/{NEXT}/*.parquet")
    assert set(contacts["campaign_id"]) == {f"WELCOME-{NEXT}"} == set(campaigns["campaign_id"])
    assert 0 < len(contacts) <= len(later) and set(contacts["user_id"]) <= {f"U{n:08d}" for n in later}
