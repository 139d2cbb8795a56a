"""A world's raw files row by row, as a retailer's systems would export them: Arrow batches by block.

Dates and times are text, money is in units of currency; ids are text with leading zeros.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from promo_spark.worlds import browsing, devices, stock, welcomes
from promo_spark.worlds.catalogue import DEPARTMENTS, catalogue
from promo_spark.worlds.dirt import CLEAN, REASONS, dirt_of_lines
from promo_spark.worlds.orders import CHANNELS, NO_CAMPAIGN, STORE
from promo_spark.worlds.population import REGIONS, population
from promo_spark.worlds.raw_columns import (
    batch,
    date_texts,
    in_currency,
    moments,
    product_ids,
    store_ids,
    taken,
    user_ids,
)
from promo_spark.worlds.shopping import History
from promo_spark.worlds.spec import DIRT, WorldSpec
from promo_spark.worlds.streams import Bools, Ints

PRODUCTS_PER_BLOCK = 500

_AGES = ("18-24", "25-34", "35-44", "45-54", "55-64", "65+")
_INCOMES = ("Under 25K", "25-34K", "35-49K", "50-74K", "75-99K", "100K+")
_GENDERS = ("F", "M", None)


# blocks of users


def users(spec: WorldSpec, block: int, first_day: int = -1500, end: int | None = None) -> pa.RecordBatch:
    """Accounts opened from a day of the world to another; by default those of the history."""
    people = population(spec, block)
    chosen = np.flatnonzero((people.joined >= first_day) & (people.joined < (spec.days if end is None else end)))
    opened = [spec.date(int(d)).isoformat() + " 12:00:00" for d in people.joined[chosen]]
    gender, age, income, region, size = people.demography[chosen].T
    consent = people.consent[chosen]
    consents = pa.array(consent == 1, mask=consent < 0)
    return batch(
        "users",
        {
            "user_id": user_ids(people.numbers[chosen]),
            "registered_at": opened,
            "gender": taken(pa.array(_GENDERS), gender),
            "age_band": taken(pa.array(_AGES), age),
            "income_band": taken(pa.array(_INCOMES), income),
            "region": taken(pa.array(REGIONS), region),
            "household_size": pa.array(size).cast(pa.string()),
            "device": devices.devices(spec, people).take(pa.array(chosen)),
            "address": devices.addresses(spec, people).take(pa.array(chosen)),
            "consent_marketing": consents,
            "consent_profiling": consents,
        },
    )


def order_ids(past: History, day: int | None = None) -> pa.Array:
    """By user and number within the block's history, or within the simulated day."""
    owners = user_ids(past.users.numbers).take(pa.array(past.orders.user))
    mark = "-" if day is None else f"-D{day}-"
    return pc.binary_join_element_wise(owners, pa.array(np.arange(len(past.orders))).cast(pa.string()), mark)


def line_numbers(past: History) -> Ints:
    order = past.lines.order
    starts = np.flatnonzero(np.diff(order, prepend=-1))
    return np.arange(len(order)) - np.repeat(starts, np.diff(np.append(starts, len(order)))) + 1


def order_lines(
    spec: WorldSpec,
    past: History,
    block: int,
    *,
    late: bool = False,
    day: int | None = None,
    coupon_ids: pa.Array | None = None,
) -> pa.RecordBatch:
    """The lines as delivered, dirt included; with `late`, only those that are delivered later than the rest.

    `coupon_ids` are what the lines' campaign numbers stand for, by default the coupons of the history.
    """
    shop, orders, lines = catalogue(spec), past.orders, past.lines
    kind = dirt_of_lines(spec, orders, lines, block, day)
    is_late = kind == DIRT.index("late_row")
    rows = np.flatnonzero(is_late if late else ~is_late)
    rows = np.concatenate([rows, rows[kind[rows] == DIRT.index("duplicate_row")]])
    kind, order = kind[rows], lines.order[rows]

    def dirty(name: str) -> Bools:
        return np.asarray(kind == DIRT.index(name))

    listed, reduced, coupon = lines.listed[rows], lines.reduced[rows], lines.coupon[rows]
    paid = listed - reduced - coupon
    per_order = pa.array(order)
    channel, store = orders.channel[order], past.users.home_store[orders.user[order]]
    # what stands in the place of a dirty value comes after the true ones
    delivered_ids = pa.concat_arrays([product_ids(np.arange(shop.products)), pa.array(["X-UNKNOWN"])])
    delivered_times = pa.concat_arrays([moments(spec, orders.day, orders.second), pa.array(["2024-02-31 25:61:00"])])
    product = np.where(dirty("unknown_product"), shop.products, lines.product[rows])
    carried = lines.campaign[rows]
    return batch(
        "order_lines",
        {
            "order_id": order_ids(past, day).take(per_order),
            "line_no": line_numbers(past)[rows],
            "user_id": taken(user_ids(past.users.numbers), orders.user[order], dirty("missing_user")),
            "product_id": taken(delivered_ids, product, dirty("missing_product")),
            "store_id": taken(store_ids(spec), store, channel != STORE),
            "channel": taken(pa.array(CHANNELS), channel),
            "quantity": np.where(dirty("zero_quantity"), 0, lines.quantity[rows]),
            "amount_paid": in_currency(np.where(dirty("negative_amount"), -paid, paid)),
            "list_amount": in_currency(listed),
            "discount_retail": in_currency(reduced),
            "discount_coupon_match": in_currency(coupon),
            "coupon_id": taken(
                welcomes.carriers_of_history(spec) if coupon_ids is None else coupon_ids,
                np.maximum(carried, 0),
                carried == NO_CAMPAIGN,
            ),
            "ts": taken(delivered_times, np.where(dirty("broken_date"), len(orders), order)),
        },
    )


def dirty_rows(spec: WorldSpec, past: History, block: int) -> pa.RecordBatch:
    """The truth about the history's dirty lines: contracts' DirtyRows."""
    kind = dirt_of_lines(spec, past.orders, past.lines, block)
    rows = np.flatnonzero(kind != CLEAN)
    return pa.RecordBatch.from_arrays(
        [
            order_ids(past).take(pa.array(past.lines.order[rows])),
            pa.array(line_numbers(past)[rows].astype(np.int32)),
            taken(pa.array(DIRT), kind[rows]),
            taken(pa.array([REASONS[k] for k in DIRT], pa.string()), kind[rows]),
        ],
        names=["order_id", "line_no", "kind", "reason"],
    )


def events(spec: WorldSpec, past: History, block: int, day: int | None = None) -> pa.RecordBatch:
    shop, browsed = catalogue(spec), browsing.events(spec, past, block, day)
    prefix = f"E{block}" if day is None else f"E{block}-D{day}"
    numbers = pa.array(np.arange(len(browsed.kind))).cast(pa.string())
    days = date_texts(spec)
    return batch(
        "events",
        {
            "event_id": pc.binary_join_element_wise(prefix, numbers, "-"),
            "user_id": taken(user_ids(past.users.numbers), browsed.user),
            "event_type": taken(pa.array(browsing.EVENTS), browsed.kind),
            "product_id": taken(
                product_ids(np.arange(shop.products)),
                np.maximum(browsed.product, 0),
                browsed.product == browsing.NOTHING,
            ),
            "ts": moments(spec, browsed.day, browsed.second),
            "event_date": taken(days, browsed.day),
            "channel": taken(pa.array(CHANNELS), browsed.channel),
            "session_id": pc.binary_join_element_wise(
                prefix.replace("E", "V", 1), pa.array(browsed.session).cast(pa.string()), "-"
            ),
            "duration_s": pa.array(
                browsed.seconds_viewed.astype(np.float64), mask=browsed.seconds_viewed == browsing.NOTHING
            ),
            "query": taken(
                pc.utf8_lower(pa.array(shop.subcategory_names)),
                np.maximum(browsed.query, 0),
                browsed.query == browsing.NOTHING,
            ),
            "rating": pa.array(browsed.rating.astype(np.float64), mask=browsed.rating == browsing.NOTHING),
        },
    )


# blocks of products


def products_in(spec: WorldSpec, block: int) -> Ints:
    return np.arange(block * PRODUCTS_PER_BLOCK, min(spec.products, (block + 1) * PRODUCTS_PER_BLOCK))


def products(spec: WorldSpec, block: int) -> pa.RecordBatch:
    shop, chosen = catalogue(spec), products_in(spec, block)
    launched = shop.launched[chosen]
    kinds = pa.array([n.rsplit(" ", 1)[1].lower() for n in shop.subcategory_names])
    brand = pa.array([f"BRAND {n:03d}" for n in range(int(shop.brand.max()) + 1)])
    names = [
        f"{brand[int(b)]} {shop.category_names[c].lower()} {kinds[int(s)]} {p}"
        for p, b, c, s in zip(chosen, shop.brand[chosen], shop.category[chosen], shop.subcategory[chosen], strict=True)
    ]
    return batch(
        "products",
        {
            "product_id": product_ids(chosen),
            "department": taken(pa.array(DEPARTMENTS), shop.department[chosen]),
            "category": taken(pa.array(shop.category_names), shop.category[chosen]),
            "subcategory": taken(pa.array(shop.subcategory_names), shop.subcategory[chosen]),
            "brand": taken(brand, shop.brand[chosen]),
            "manufacturer_id": pa.array(shop.brand[chosen] // 4).cast(pa.string()),
            "title": names,
            "list_price": in_currency(shop.list_price[chosen, spec.days // 7]),
            "unit_cost": in_currency(shop.cost[chosen]),
            "launched_on": taken(date_texts(spec), launched, launched <= 0),
            "shelf_life_days": pa.array(shop.shelf_life[chosen].astype(np.int64), mask=shop.shelf_life[chosen] == 0),
        },
    )


def promo_calendar(spec: WorldSpec, block: int) -> pa.RecordBatch:
    """Reductions hold a week and in all stores alike; the calendar reaches as far as the world does."""
    shop, chosen = catalogue(spec), products_in(spec, block)
    product, week = np.nonzero(shop.depth[chosen] > 0)
    product = np.repeat(chosen[product], spec.stores)
    week, store = np.repeat(week, spec.stores), np.tile(np.arange(spec.stores), len(week))
    days, depth = date_texts(spec), shop.depth[product, week]
    price = shop.list_price[product, week] - np.rint(shop.list_price[product, week] * depth)
    return batch(
        "promo_calendar",
        {
            "product_id": taken(product_ids(np.arange(shop.products)), product),
            "store_id": taken(store_ids(spec), store),
            "start_date": taken(days, week * 7),
            "end_date": taken(days, np.minimum(week * 7 + 6, spec.all_days - 1)),
            "display": taken(pa.array(["front"]), np.zeros(len(product), int), ~shop.on_display[product, week]),
            "mailer": taken(pa.array(["cover"]), np.zeros(len(product), int), ~shop.in_mailer[product, week]),
            "price": in_currency(price),
            "discount_depth": np.round(depth.astype(np.float64), 6),
        },
    )


def inventory(spec: WorldSpec, block: int, day: int | None = None) -> pa.RecordBatch:
    """The last days for every product on sale, before them only the days without stock; or one day after them."""
    shop, chosen = catalogue(spec), products_in(spec, block)
    days = np.arange(spec.days) if day is None else np.array([day])
    empty = shop.stock_out[np.ix_(chosen, days)]
    listed = empty | (days >= spec.days - spec.inventory_days)
    listed &= (shop.launched[chosen, None] <= days) & (shop.dies[chosen, None] > days)
    product, column = np.nonzero(listed)
    out = empty[product, column]
    level = stock.on_hand(spec, chosen[product], days[column])
    return batch(
        "inventory",
        {
            "product_id": product_ids(chosen[product]),
            "store_id": pa.array(["all"] * len(product), pa.string()),
            "day": taken(date_texts(spec), days[column]),
            "on_hand": np.where(out, 0.0, level),
        },
    )
