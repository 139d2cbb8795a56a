"""The truth of a world, row by row: expected values from its parameters, and what was wanted in its history."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from promo_spark.worlds.catalogue import catalogue
from promo_spark.worlds.population import FRAUD_KINDS, ITEMS_SIGMA, Population, population
from promo_spark.worlds.raw_columns import product_ids, user_ids
from promo_spark.worlds.records import products_in
from promo_spark.worlds.shopping import SECOND_PIECE, History, natural_picks
from promo_spark.worlds.spec import MECHANICS, RESPONSES, WorldSpec
from promo_spark.worlds.streams import Floats, Floats32, Ints

EFFECT_DEPTHS = (0.1, 0.2, 0.3)
EFFECT_DAYS, NEXT_DAYS = 7, 28


def expected_visits(spec: WorldSpec, users: Population, first: int, last: int) -> Floats:
    """User × day from `first` to before `last`: rate of visits without any offer."""
    days = np.arange(first, min(last, spec.all_days))
    rates = users.visit_rate[:, None] * catalogue(spec).visits[users.segment][:, days] * users.active(days)
    return rates.astype(np.float64)


def basket_value(spec: WorldSpec, users: Population) -> Floats:
    """Expected value of a visit's items by taste, at usual demand and start prices, in currency."""
    shop = catalogue(spec)
    topic_price = shop.topic_weights @ (shop.price / 100.0)
    value: Floats = np.exp(users.log_items + ITEMS_SIGMA**2 / 2) * (1 + SECOND_PIECE) * (users.tastes @ topic_price)
    return value


def users(spec: WorldSpec, block: int) -> pa.RecordBatch:
    """Contract TrueUsers."""
    people, names = population(spec, block), [s.name for s in spec.segments]
    rows = len(people)
    user, which = np.nonzero(people.staples >= 0)
    staples = pa.StructArray.from_arrays(
        [product_ids(people.staples[user, which]), pa.array(people.staple_gaps[user, which].astype(np.float64))],
        ["product_id", "cadence_days"],
    )
    churned = people.churned >= spec.all_days
    return _batch(
        user_id=user_ids(people.numbers),
        segment=pa.array(names).take(pa.array(people.segment)),
        response=pa.array(RESPONSES).take(pa.array(people.response)),
        joined=_dates(spec, people.joined),
        churned=_dates(spec, np.where(churned, 0, people.churned), churned),
        visits_per_week=pa.array(people.visit_rate.astype(np.float64) * 7),
        items_per_visit=pa.array(np.exp(people.log_items + ITEMS_SIGMA**2 / 2)),
        tastes=_lists(people.tastes.astype(np.float64)),
        staples=pa.ListArray.from_arrays(_offsets(np.bincount(user, minlength=rows)), staples),
        fraud=pa.array(FRAUD_KINDS).take(pa.array(people.fraud, mask=people.fraud == 0)),
        ring=pa.array(people.ring.astype(np.int64), mask=people.ring < 0),
    )


def effects(spec: WorldSpec, block: int) -> pa.RecordBatch:
    """Contract TrueEffects: offers valid from the end of the history, by the response model of `population`."""
    people = population(spec, block)
    rates = expected_visits(spec, people, spec.days, spec.days + EFFECT_DAYS)
    value = basket_value(spec, people)
    without, visits = -np.expm1(-rates.sum(axis=1)), -np.expm1(-rates).sum(axis=1)
    ids, parts = user_ids(people.numbers), []
    for number, mechanic in enumerate(MECHANICS):
        for depth in EFFECT_DEPTHS:
            offered = rates * np.exp(people.pull[:, number].astype(np.float64) * depth)[:, None]
            parts.append(
                _batch(
                    user_id=ids,
                    mechanic=pa.array([mechanic] * len(people)),
                    depth=pa.array([depth] * len(people)),
                    visit_without=pa.array(without),
                    visit_with=pa.array(-np.expm1(-offered.sum(axis=1))),
                    spend_effect=pa.array((-np.expm1(-offered).sum(axis=1) - visits) * value),
                    attention=pa.array(np.exp(people.attention.astype(np.float64))),
                )
            )
    return pa.Table.from_batches(parts).combine_chunks().to_batches()[0]


def products(spec: WorldSpec, block: int) -> pa.RecordBatch:
    """Contract TrueProducts."""
    shop, chosen = catalogue(spec), products_in(spec, block)
    launched, dies = shop.launched[chosen], shop.dies[chosen]
    stays = dies >= spec.all_days
    return _batch(
        product_id=product_ids(chosen),
        topic_weights=_lists(shop.topic_weights[:, chosen].T.astype(np.float64)),
        start_price=pa.array(shop.price[chosen] / 100.0),
        cadence_days=pa.array(shop.cadence[shop.subcategory[chosen]]),
        cannibalisation=pa.array(shop.cannibalisation[shop.category[chosen]]),
        launched=_dates(spec, launched, launched <= 0),
        dies=_dates(spec, np.where(stays, 0, dies), stays),
        intermittent=pa.array(shop.intermittent[chosen]),
    )


def next_purchases(spec: WorldSpec, past: History, _block: int) -> pa.RecordBatch:
    """Contract TrueNextPurchases: visits before the due day buy the staple by taste, later ones by need as well."""
    people, shop = past.users, catalogue(spec)
    active = (people.churned > spec.days) & (people.joined < spec.days)
    user, which = np.nonzero((people.staples >= 0) & active[:, None])
    product = people.staples[user, which]
    due = np.maximum(np.ceil(past.due[user, which]).astype(np.int64), spec.days)
    days = np.arange(spec.days, min(spec.days + NEXT_DAYS, spec.all_days))
    rates = expected_visits(spec, people, spec.days, spec.days + NEXT_DAYS)[user]
    multiple = shop.demand(product[:, None], days[None, :], people.segment[user][:, None])
    by_taste = np.exp(people.log_items[user] + ITEMS_SIGMA**2 / 2) * people.taste_for(shop, user, product)
    left = np.exp(-by_taste[:, None] * multiple) * np.where(days >= due[:, None], 1 - np.minimum(multiple, 1), 1.0)
    return _batch(
        user_id=user_ids(people.numbers).take(pa.array(user)),
        product_id=product_ids(product),
        due=_dates(spec, due),
        chance=pa.array(-np.expm1(-(rates * (1 - left)).sum(axis=1))),
    )


def demand_counts(spec: WorldSpec, past: History, _block: int) -> pa.RecordBatch:
    """One row per product, segment and day of the block, as numbers: units wanted, units lost."""
    shop, orders, lines, lost = catalogue(spec), past.orders, past.lines, past.lost
    bought = np.flatnonzero(orders.kind[lines.order] == 0)
    segment = past.users.segment[orders.user[lines.order[bought]]]
    product = np.concatenate([lines.product[bought], lost.product])
    day = np.concatenate([orders.day[lines.order[bought]], lost.day])
    segments = np.concatenate([segment, lost.segment])
    key, group = np.unique((product * spec.days + day) * len(spec.segments) + segments, return_inverse=True)
    units = np.concatenate([lines.quantity[bought], lost.units])
    missed = np.concatenate([np.zeros(len(bought), np.int64), lost.units])
    rest, number = np.divmod(key, len(spec.segments))
    product, day = np.divmod(rest, spec.days)
    assert product.max(initial=0) < shop.products
    return _batch(
        product=pa.array(product),
        segment=pa.array(number),
        day=pa.array(day),
        wanted=pa.array(_summed(group, units, len(key))),
        lost=pa.array(_summed(group, missed, len(key))),
    )


def demand(spec: WorldSpec, counts: pa.RecordBatch) -> pa.RecordBatch:
    """Contract TrueDemand, from counts added up over all blocks."""
    shop = catalogue(spec)
    product, number, day = (counts.column(c).to_numpy() for c in ("product", "segment", "day"))
    price = shop.price[product] / 100.0 * np.exp(shop.log_price[product, day // 7].astype(np.float64))
    return _batch(
        product_id=product_ids(np.arange(shop.products)).take(pa.array(product)),
        segment=pa.array([s.name for s in spec.segments]).take(pa.array(number)),
        day=_dates(spec, day),
        price=pa.array(np.round(price, 2)),
        units_wanted=counts.column("wanted"),
        units_lost=counts.column("lost"),
    )


def units_at_price(units_wanted: Floats, price: Floats, other_price: Floats, elasticity: Floats) -> Floats:
    """Expected demand had the price been another: by TrueDemand and TrueElasticities, row by row.

    >>> units_at_price(np.array([8.0]), price=np.array([2.0]), other_price=np.array([4.0]), elasticity=np.array([2.0]))
    array([2.])
    """
    units: Floats = units_wanted * (other_price / price) ** -elasticity
    return units


def rules(spec: WorldSpec) -> list[dict[str, Any]]:
    """Contract TrueRules. How often things meet by themselves is counted in the first block, without bundles."""
    shop, natural = catalogue(spec), natural_picks(spec, 0)
    subcategory, visits = shop.subcategory[natural.picks.product], len(np.unique(natural.picks.visit))
    rows = []
    for antecedent, consequent, chance in zip(*shop.rules, strict=True):
        left = np.unique(natural.picks.visit[subcategory == antecedent])
        right = np.unique(natural.picks.visit[subcategory == consequent])
        both = len(np.intersect1d(left, right, assume_unique=True))
        by_itself = both / max(1, len(left))
        confidence = by_itself + (1 - by_itself) * chance
        share = (len(right) + (len(left) - both) * chance) / max(1, visits)
        rows.append(
            {
                "antecedent": shop.subcategory_names[antecedent],
                "consequent": shop.subcategory_names[consequent],
                "chance": float(chance),
                "confidence": float(confidence),
                "lift": float(confidence / share),
            }
        )
    return rows


def elasticities(spec: WorldSpec) -> list[dict[str, Any]]:
    """Contract TrueElasticities."""
    shop = catalogue(spec)
    return [
        {"category": category, "segment": segment.name, "elasticity": float(shop.elasticity[c, s])}
        for c, category in enumerate(shop.category_names)
        for s, segment in enumerate(spec.segments)
    ]


def states(
    spec: WorldSpec, users: Population, due: Floats32, block: int, day: int, used: Sequence[Sequence[str]] | None = None
) -> pa.RecordBatch:
    """Contract SimulatedStates: all users of a block when a day begins; nobody has used a coupon by default."""
    rows = len(users)
    return _batch(
        date=_dates(spec, np.full(rows, day)),
        world=pa.array([spec.digest] * rows),
        block=pa.array(np.full(rows, block)),
        user_number=pa.array(np.arange(rows)),
        user_id=user_ids(users.numbers),
        due=_lists(due.astype(np.float32)),
        used=pa.array([[]] * rows if used is None else used, pa.list_(pa.string())),
    )


def _summed(group: Ints, values: Ints, groups: int) -> Ints:
    return np.bincount(group.ravel(), values, groups).astype(np.int64)


def _dates(spec: WorldSpec, day: Sequence[int] | np.ndarray[Any, Any], missing: Any = None) -> pa.Array:
    epoch = spec.start.toordinal() - 719163  # 1970-01-01
    return pa.array((np.asarray(day) + epoch).astype(np.int32), pa.int32(), mask=missing).cast(pa.date32())


def _lists(table: np.ndarray[Any, Any]) -> pa.Array:
    return pa.ListArray.from_arrays(_offsets(np.full(len(table), table.shape[1])), pa.array(table.ravel()))


def _offsets(lengths: np.ndarray[Any, Any]) -> pa.Array:
    return pa.array(np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32))


def _batch(**columns: pa.Array) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))
