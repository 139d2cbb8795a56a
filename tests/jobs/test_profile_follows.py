"""Profile goes on from an earlier date and writes what it writes from all history, to the bit, on a real lake."""

from __future__ import annotations

import datetime
import io
import random
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from rich.console import Console

from jobs.profile import run as profile
from promo_spark.contracts.features import DailySales, ProductProfile, UserProfile
from promo_spark.contracts.schema import Table
from promo_spark.contracts.silver import Campaigns, Contacts, OrderLines, Products, Users
from promo_spark.runtime.pipeline import run_in_order
from promo_spark.runtime.progress import Progress
from promo_spark.settings import load
from promo_spark.storage.commits import Mark
from promo_spark.storage.lake import Lake

FIRST, BASE = datetime.date(2017, 6, 1), datetime.date(2017, 6, 15)
FEATURES: tuple[type[Table], ...] = (UserProfile, ProductProfile, DailySales)
# Windows so short that days leave them, and so few series that they change.
SMALL = (
    "profile.recent_days=6",
    "profile.activity_days=3",
    "profile.interest_half_life_days=5",
    "profile.top_products=3",
    "profile.top_stores=2",
    'profile.series_levels=["product", "category", "store", "all"]',
    'business.excluded_categories=["shoes"]',
)
USERS, PRODUCTS, STORES = "abcdefgh", ["milk", "tea", "cap", "boots", "unlisted", "rare"], ["s1", "s2", "s3", None]
CATALOGUE = {"milk": "dairy", "tea": None, "cap": "hats", "boots": "shoes", "rare": "hats", "never": "none sold"}
Line = dict[str, Any]


def day(n: int) -> datetime.date:
    return FIRST + datetime.timedelta(n)


class Shop:
    """A lake of a small shop, and what it would be asked to hold: its lines by day."""

    def __init__(self, lake: Lake, lines: Mapping[datetime.date, Sequence[Line]] | None = None) -> None:
        self.lake = lake
        self.lines = {d: list(rows) for d, rows in (lines or {}).items()}
        self._runs = 0

    def deliver(self, days: Mapping[datetime.date, Sequence[Line]]) -> None:
        """The days as ingest would write them: whole, in one commit."""
        self.lines |= {d: list(rows) for d, rows in days.items()}
        self._write(OrderLines, [row for rows in days.values() for row in rows], list(days))

    def know(self, table: type[Table], *rows: dict[str, Any], gone: Sequence[dict[str, Any]] = ()) -> None:
        """Master data: rows that are new or changed, and keys that are gone."""
        self._write(table, rows, gone=table.frame(self.lake.spark, gone) if gone else None)

    def _write(
        self,
        table: type[Table],
        rows: Sequence[dict[str, Any]],
        days: Sequence[datetime.date] = (),
        gone: DataFrame | None = None,
    ) -> None:
        self._runs += 1
        run = f"ingest-{self._runs}"
        frame = table.frame(self.lake.spark, rows).withColumn("run_id", F.lit(run))
        given = {OrderLines.order_date: days} if days else None
        self.lake.write(table, frame, given, gone=gone, mark=Mark(run=run, job="ingest"))

    def profile(self, date: datetime.date, *overrides: str, force: bool = False) -> list[str]:
        """Profiles the date; what was said of an earlier date that it went on from."""
        screen = io.StringIO()
        console = Console(file=screen, width=500)
        run_in_order([profile], self.lake, load(None, [*SMALL, *overrides]), date, Progress(console), force)
        return [line for line in screen.getvalue().splitlines() if "goes on from" in line]

    def follows(self, date: datetime.date, since: datetime.date, users: int | None = None) -> None:
        """The date goes on from an earlier one, and its three tables are those that all history gives."""
        [note] = self.profile(date)
        assert f"goes on from {since}" in note
        anew = re.search(r"(\d+) users are profiled anew", note)
        assert anew
        assert users is None or int(anew[1]) == users
        followed = {table: self.stored(table, date) for table in FEATURES}
        assert self.profile(date, force=True) == []
        for table, rows in followed.items():
            rebuilt = self.stored(table, date)
            assert rebuilt
            assert [row for row in rows if row not in rebuilt] == []
            assert rows == rebuilt

    def stored(self, table: type[Table], date: datetime.date) -> list[dict[str, Any]]:
        """The rows of a date as they lie on the disk, read without Spark, in order."""
        rows = DeltaTable(self.lake.path(table)).to_pyarrow_table([(str(table.dated_by), "=", date.isoformat())])
        found: list[dict[str, Any]] = rows.sort_by([(column, "ascending") for column in table.key]).to_pylist()
        return found

    def profiled(self, date: datetime.date) -> set[str]:
        return {row["user_id"] for row in self.stored(UserProfile, date)}


def some_lines(chance: random.Random, date: datetime.date, users: Sequence[str | None]) -> list[Line]:
    """Orders of users on a day: some without a price or a shop, some of two days, some given back."""
    lines = []
    for user in users:
        order = f"{user}-{date.day}" if chance.random() < 0.8 else f"{user}-{date.day - 1}"  # goes on with an order
        for n in range(chance.randint(1, 3)):
            back = chance.random() < 0.2
            paid, off = chance.choice([0, 1, 2.5, 7.99]), chance.choice([0, 0, 0.5])
            lines.append(
                {
                    "order_id": order,
                    "line_no": date.day * 10 + n,
                    "user_id": user,
                    "product_id": chance.choice(PRODUCTS),
                    "store_id": chance.choice(STORES),
                    "channel": chance.choice(["web", "store"]),
                    "quantity": -1 if back else chance.choice([1, 1, 2]),
                    "amount_paid": -paid if back else paid,
                    "list_amount": chance.choice([1, 1, 0]) * (-paid - off if back else paid + off),
                    "discount_retail": -off if back else off,
                    "order_date": date,
                }
            )
    return lines


def deliver_weeks(shop: Shop, chance: random.Random) -> None:
    shop.know(Products, *[{"product_id": p, "category": c} for p, c in CATALOGUE.items()])
    long_ago = datetime.datetime(2017, 5, 1, tzinfo=datetime.timezone.utc)
    consents = zip(USERS, [True, True, None, False, False, True, None, True], strict=True)
    shop.know(
        Users,
        *[{"user_id": u, "consent_profiling": may, "registered_at": long_ago, "region": u} for u, may in consents],
        {"user_id": "only registered", "registered_at": long_ago},
    )
    shop.know(Campaigns, {"campaign_id": "c", "start_date": FIRST, "end_date": FIRST})
    shop.know(Contacts, {"campaign_id": "c", "user_id": "a"}, {"campaign_id": "c", "user_id": "only contacted"})
    shop.deliver(
        {day(n): some_lines(chance, day(n), chance.sample([*USERS, "stranger", None], 4)) for n in range(14) if n != 7}
    )


@pytest.fixture(scope="module")
def base(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """Two weeks of a shop, profiled for the day after them."""
    shop = Shop(Lake(spark, str(tmp_path_factory.mktemp("base") / "lake")))
    deliver_weeks(shop, random.Random(1))
    assert shop.profile(BASE) == []  # there is nothing to go on from
    return shop


@pytest.fixture
def shop(base: Shop, tmp_path: Path) -> Iterator[Shop]:
    shutil.copytree(base.lake.root, tmp_path / "lake")
    yield Shop(Lake(base.lake.spark, str(tmp_path / "lake")), base.lines)


def line(user: str | None, order: str, product: str, date: datetime.date, **more: Any) -> Line:
    return {
        "order_id": order,
        "line_no": 1,
        "user_id": user,
        "product_id": product,
        "quantity": 1,
        "amount_paid": 3,
        "list_amount": 4,
        "discount_retail": 1,
        "order_date": date,
        **more,
    }


def test_the_next_day_profiles_those_anew_who_bought_on_it(shop: Shop) -> None:
    """C09: one new day; of nine users with orders two are read, the others leave windows or stay."""
    shop.deliver({day(14): [line("a", "a-new", "milk", day(14)), line("f", "f-new", "rare", day(14))]})
    shop.follows(day(15), since=BASE, users=2)


def test_a_gap_with_late_and_corrected_days_and_a_catalogue_that_changes(shop: Shop) -> None:
    """C09: what changed at once: three days without a run, of them one without sales; orders that go on; a late day; a
    day that loses a user; products that are new, that come to another category, that are gone.
    """
    begun = next(row for row in shop.lines[day(13)] if row["user_id"])
    lost = next(row["user_id"] for row in shop.lines[day(3)] if row["user_id"])
    rest = [row for row in shop.lines[day(3)] if row["user_id"] != lost]
    shop.deliver(
        {
            day(14): [line("b", "b-new", "brand new", day(14)), line(None, "x", "cap", day(14), store_id="s3")],
            day(16): [{**begun, "line_no": 999, "order_date": day(16)}, line("new", "n", "boots", day(16))],
            day(7): [line("g", "late", "boots", day(7))],
        }
    )
    shop.deliver({day(3): [{**rest[0], "amount_paid": 99, "list_amount": 99}, *rest[1:]]})
    shop.know(
        Products,
        {"product_id": "unlisted", "category": "found"},  # was sold before
        {"product_id": "brand new", "category": "found"},
        {"product_id": "milk", "category": "drinks", "list_price": 5},
        gone=[{"product_id": "rare"}],
    )
    shop.follows(day(18), since=BASE)


def test_products_that_come_to_what_is_excluded_and_leave_it(shop: Shop) -> None:
    """Boots were excluded, and caps will be: the series of stores change on all their days."""
    assert not {"product:boots", "category:shoes"} & {row["series_id"] for row in shop.stored(DailySales, BASE)}
    shop.know(Products, {"product_id": "boots", "category": "hats"}, {"product_id": "cap", "category": "shoes"})
    shop.follows(day(15), since=BASE)
    series = {row["series_id"] for row in shop.stored(DailySales, day(15))}
    assert "category:hats" in series and "store" in {one.split(":")[0] for one in series}
    assert not {"product:cap", "category:shoes"} & series


def test_consent_given_and_withdrawn_and_a_user_erased(shop: Shop) -> None:
    """C09, N04: no state outlives a withdrawal, and who allows it is profiled from all that is there."""
    erased = "h"
    shop.know(Users, {"user_id": "a", "consent_profiling": False}, {"user_id": "d", "consent_profiling": True})
    shop.know(Users, gone=[{"user_id": "e"}, {"user_id": erased}])  # e had refused: now nothing is known of it
    without = {d: [row for row in rows if row["user_id"] != erased] for d, rows in shop.lines.items()}
    shop.deliver({d: rows for d, rows in without.items() if len(rows) < len(shop.lines[d])})
    shop.follows(day(15), since=BASE)
    assert {"d", "e"} <= shop.profiled(day(15))
    assert not {"a", erased} & shop.profiled(day(15))


@pytest.mark.parametrize("seed", [3])
def test_any_deliveries_give_what_all_history_gives(shop: Shop, seed: int) -> None:
    """C09: the incremental build over days equals the full rebuild; random deliveries, late, corrected and repeated."""
    chance, date = random.Random(seed), BASE
    for _ in range(2):
        since, date = date, date + datetime.timedelta(chance.randint(1, 4))
        new = [since + datetime.timedelta(n) for n in range((date - since).days)]
        late = chance.sample(sorted(shop.lines), chance.randint(0, 2))
        for d in chance.sample([*new, *late], len(new) + len(late)):
            kept = [row for row in shop.lines.get(d, []) if chance.random() < 0.7]
            more = some_lines(chance, d, chance.sample([*USERS, None, f"new {d.day}"], chance.randint(0, 3)))
            keys = {(row["order_id"], row["line_no"]) for row in kept}
            shop.deliver({d: [*kept, *[row for row in more if (row["order_id"], row["line_no"]) not in keys]]})
        shop.know(Users, {"user_id": chance.choice(USERS), "consent_profiling": chance.choice([True, False, None])})
        shop.know(Products, {"product_id": chance.choice(PRODUCTS), "category": chance.choice(["hats", "dairy", None])})
        shop.follows(date, since=since)


def test_where_older_versions_are_gone_all_is_read(shop: Shop) -> None:
    """C09: the files of a corrected day as it was are gone."""
    shop.deliver({day(3): [line("a", "a-other", "milk", day(3))]})
    spark = shop.lake.spark
    spark.conf.set("spark.databricks.delta.retentionDurationCheck.enabled", "false")
    spark.sql(f"VACUUM {shop.lake.address(OrderLines)} RETAIN 0 HOURS")
    assert shop.profile(day(15)) == []
