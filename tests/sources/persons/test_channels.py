"""Events, stock, feedback, market and who is who: the tables beside orders, by the real ingest job."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from pathlib import Path
from typing import Any

from chispa import assert_df_equality
from pyspark.sql import SparkSession

from jobs.ingest import run as ingest
from promo_spark.contracts.silver import Events, Feedback, Holidays, IdentityMap, Inventory, Market, OrderLines, Users
from promo_spark.runtime.job import Context
from promo_spark.sources.persons.channels import with_persons

FILES = {
    "orders.csv": (
        "order,who,where,sku,n,paid,at\n"
        "o1,w7,web,p1,1,9.50,2024-06-01T10:00:00Z\n"  # Ann on the web
        "o2,card-3,store,p1,1,9.50,2024-06-01T11:00:00Z\n"  # Ann in the shop
        "o3,w7,store,p1,1,9.50,2024-06-01T12:00:00Z\n"  # another w7: the shop's ids are not the web's
        "o4,any-1,app,p1,1,9.50,2024-06-01T13:00:00Z\n"  # Bob, whatever the channel
        "o5,,store,p1,1,9.50,2024-06-01T14:00:00Z\n"  # nobody known
    ),
    "products.csv": "sku\np1\n",
    "clicks.csv": "who,where,what,at\nw7,web,view,2024-06-01T09:59:00Z\nw7,,view,2024-06-01T09:58:00Z\n",
    "ids.csv": "channel,id,person\nweb,w7,Ann\nstore,card-3,Ann\n*,any-1,Bob\nweb,,Nobody\n",
    "users.csv": "id,city\nw7,Berlin\ncard-3,Berlin\nnew,Paris\n",
    "stock.csv": "sku,day,left\np1,2024-06-01,0\np1,2024-06-02,-3\n",  # less than nothing is no stock
    "answers.csv": "who,stars,said,at\ncard-3,4,good,2024-06-02T10:00:00Z\ncard-3,9,,2024-06-02T10:00:00Z\n",
    "market.csv": "day,category,sales,best\n2024-06-01,tea,1000.00,\n",
}

SOURCES = {
    "order_lines": (
        "orders.csv",
        {
            "order_id": "order",
            "user_id": "who",
            "channel": "where",
            "product_id": "sku",
            "quantity": "n",
            "amount_paid": "paid",
            "ts": "at",
        },
    ),
    "products": ("products.csv", {"product_id": "sku"}),
    "events": ("clicks.csv", {"user_id": "who", "channel": "where", "event_type": "what", "ts": "at"}),
    "identity_map": (
        "ids.csv",
        {
            "channel": "channel",
            "channel_user_id": "id",
            "user_id": "person",
        },
    ),
    "users": ("users.csv", {"user_id": "id", "region": "city"}),
    "inventory": ("stock.csv", {"product_id": "sku", "day": "day", "on_hand": "left"}),
    "feedback": ("answers.csv", {"user_id": "who", "score": "stars", "text": "said", "ts": "at"}),
    "market": (
        "market.csv",
        {
            "day": "day",
            "category": "category",
            "market_sales": "sales",
            "competitor_price": "best",
        },
    ),
}


def _toml(columns: dict[str, str]) -> str:
    return ", ".join(f'{ours} = "{theirs}"' for ours, theirs in columns.items())


def test_channel_ids_become_persons_and_every_table_is_a_target(
    run_job: Callable[..., Context[Any]], tmp_path: Path
) -> None:
    """A09, A10, A11, A18: one person with two channel ids is one user_id; without an entry the ids stay apart."""
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    columns = [
        f'ingest.sources.{table}={{path="{file}",format="csv",columns={{{_toml(theirs)}}}}}'
        for table, (file, theirs) in SOURCES.items()
    ]
    ctx = run_job(
        ingest,
        datetime.date(2024, 6, 3),
        f"ingest.folder={tmp_path}",
        *columns,
        'business.holiday_countries=["CN"]',
        "business.holiday_years=0",
        "business.privacy.pseudonymise=false",
    )
    lake = ctx.lake

    assert {r.order_id: r.user_id for r in lake.read(OrderLines).collect()} == {
        "o1": "Ann",
        "o2": "Ann",
        "o3": "w7",
        "o4": "Bob",
        "o5": None,
    }
    # The second click names no channel: all that is known of w7 is Ann.
    assert {(r.user_id, r.ts.minute) for r in lake.read(Events).collect()} == {("Ann", 59), ("Ann", 58)}
    assert {r.user_id: r.region for r in lake.read(Users).collect()} == {"Ann": "Berlin", "new": "Paris"}
    stock = lake.read(Inventory).collect()
    assert [(r.product_id, r.store_id, float(r.on_hand)) for r in stock] == [("p1", "all", 0.0)]
    assert [(r.user_id, r.score, r.text) for r in lake.read(Feedback).collect()] == [("Ann", 4.0, "good")]
    assert [(float(r.market_sales), r.competitor_price) for r in lake.read(Market).collect()] == [(1000.0, None)]
    assert {str(r.day) for r in lake.read(Holidays).filter("holiday = 'Double 11'").collect()} == {
        "2024-11-11",
        "2025-11-11",
    }

    reasons = {name: dict(c.reasons) for name, c in ctx.sources.items()}
    assert reasons["identity_map"] == {"missing_channel_user_id": 1}
    assert reasons["users"] == {"duplicate_row": 1}  # two ids, one person, the same city
    assert reasons["inventory"] == {"on_hand_negative": 1}
    assert reasons["feedback"] == {"score_out_of_range": 1}


def test_an_id_becomes_the_person_of_its_own_channel_first(spark: SparkSession) -> None:
    """A09: by channel, then for every channel, then by whom all channels agree on; else the id stays."""
    entries = [
        {"channel": "web", "channel_user_id": "7", "user_id": "Ann"},
        {"channel": "app", "channel_user_id": "7", "user_id": "Ben"},
        {"channel": "*", "channel_user_id": "8", "user_id": "Cid"},
        {"channel": "web", "channel_user_id": "9", "user_id": "Dee"},
    ]
    persons = IdentityMap.frame(spark, entries)
    delivered = [
        ("web", "7", "Ann"),
        ("app", "7", "Ben"),
        (None, "7", "7"),  # the channels of 7 do not agree
        ("store", "8", "Cid"),
        (None, "9", "Dee"),
        ("app", "9", "9"),  # known on the web only
        ("web", None, None),
    ]
    columns = [Events.channel, Events.user_id]
    rows = Events.frame(spark, [{"channel": channel, "user_id": user} for channel, user, _ in delivered])
    expected = Events.frame(spark, [{"channel": channel, "user_id": person} for channel, _, person in delivered])
    assert_df_equality(
        with_persons(Events, rows, persons).select(*columns),
        expected.select(*columns),
        ignore_row_order=True,
        ignore_metadata=True,
    )
