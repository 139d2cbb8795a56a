"""Rows as they leave a block: of the raw files' columns and of the truth's contracts."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest
from pyspark.sql.pandas.types import from_arrow_schema

from promo_spark.contracts.truth import (
    DirtyRows,
    SimulatedStates,
    TrueDemand,
    TrueNextPurchases,
    TrueOffers,
    TrueProducts,
    TrueUsers,
    Truth,
)
from promo_spark.worlds import records, truths
from promo_spark.worlds.browsing import events
from promo_spark.worlds.frames import drawn_columns
from promo_spark.worlds.orders import STORE
from promo_spark.worlds.shopping import history
from promo_spark.worlds.spec import DIRT, WorldSpec


@pytest.fixture(scope="module")
def spec(world: Callable[..., WorldSpec]) -> WorldSpec:
    return world("users=150", "products=80", "days=60", *(f"dirt.{kind}=0.02" for kind in DIRT))


def test_truth_rows_are_of_their_contracts(spec: WorldSpec) -> None:
    past = history(spec, 0)
    drawn: dict[type[Truth], pa.RecordBatch] = {
        TrueUsers: truths.users(spec, 0),
        TrueProducts: truths.products(spec, 0),
        TrueOffers: truths.offers(spec, 0),
        TrueNextPurchases: truths.next_purchases(spec, past, 0),
        DirtyRows: records.dirty_rows(spec, past, 0),
        TrueDemand: truths.demand(spec, truths.demand_counts(spec, past, 0)),
        SimulatedStates: truths.states(spec, past.users, past.state, 0, spec.days),
    }
    for table, rows in drawn.items():
        assert rows.num_rows > 0
        types = [(f.name, f.dataType) for f in from_arrow_schema(rows.schema)]
        assert types == [(f.name, f.dataType) for f in drawn_columns(table)], table.name
        nulls = {n for n, column in zip(rows.schema.names, rows.columns, strict=True) if column.null_count}
        assert not nulls & {n for n, c in table.columns().items() if c.required}


def test_lines_are_delivered_once_and_doubled_ones_twice(spec: WorldSpec) -> None:
    past = history(spec, 0)
    on_time, late = (records.order_lines(spec, past, 0, late=x).to_pandas() for x in (False, True))
    dirty = records.dirty_rows(spec, past, 0).to_pandas().kind.value_counts()
    assert len(on_time) + len(late) == len(past.lines) + dirty["duplicate_row"]
    assert len(late) == dirty["late_row"]
    assert on_time.duplicated().sum() == dirty["duplicate_row"]
    assert (on_time.quantity == 0).sum() == dirty["zero_quantity"]
    assert ((on_time.amount_paid < 0) & (on_time.quantity > 0)).sum() == dirty["negative_amount"]
    assert (on_time.product_id == "X-UNKNOWN").sum() == dirty["unknown_product"]
    assert on_time.product_id.isna().sum() == dirty["missing_product"]
    assert on_time.user_id.isna().sum() == dirty["missing_user"]
    assert on_time.ts.str.startswith("2024-02-31").sum() == dirty["broken_date"]
    clean = on_time[(on_time.quantity > 0) & (on_time.amount_paid >= 0)]
    off = clean.discount_retail + clean.discount_coupon_match
    assert np.abs(clean.list_amount - off - clean.amount_paid).max() < 0.005


def test_online_orders_are_browsed_before_they_are_bought(spec: WorldSpec) -> None:
    past = history(spec, 0)
    seen = events(spec, past, 0)
    frame = records.events(spec, past, 0).to_pandas()
    assert frame.event_id.is_unique and set(frame.event_type) == {"view", "search", "cart", "purchase", "review"}
    online = (past.orders.channel != STORE) & (past.orders.kind == 0)
    assert (seen.kind == 3).sum() == online.sum() + (past.orders.kind == 2).sum()
    first = frame.sort_values("ts").groupby("session_id")
    ends = frame[frame.event_type == "purchase"].set_index("session_id").ts
    assert (first.ts.min().reindex(ends.index) <= ends).all()
    assert frame[frame.event_type == "search"]["query"].notna().all()
    assert frame[frame.event_type == "review"].rating.between(1, 5).all()


def test_stock_is_told_for_every_empty_day(spec: WorldSpec) -> None:
    shelf = records.inventory(spec, 0).to_pandas()
    assert not shelf.duplicated(["product_id", "day"]).any()
    assert (shelf.on_hand == 0).sum() > 0
    last = shelf[shelf.day == spec.date(spec.days - 1).isoformat()]
    assert len(last) > 0.8 * spec.products
