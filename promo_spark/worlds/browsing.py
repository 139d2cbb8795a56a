"""What users look at: sessions that end in an online order, sessions that do not, and reviews."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from promo_spark.worlds.catalogue import catalogue
from promo_spark.worlds.orders import STORE
from promo_spark.worlds.population import liked_products
from promo_spark.worlds.shopping import History
from promo_spark.worlds.spec import WorldSpec
from promo_spark.worlds.streams import Bools, Floats, Ints, stream

EVENTS = ("view", "search", "cart", "purchase", "review")
VIEW, SEARCH, CART, PURCHASE, REVIEW = range(5)
_DECOYS = 1.0  # products looked at per session and left
_BROWSING_ONLY = 0.5  # sessions without an order per online order
_SEARCHES, _REVIEWS = 0.5, 0.02
NOTHING = -1


@dataclass(frozen=True)
class Events:
    """One row per event; `product`, `rating` and `query` (a subcategory) are NOTHING where there is none."""

    kind: Ints
    user: Ints
    product: Ints
    query: Ints
    rating: Ints
    session: Ints
    day: Ints
    second: Ints
    channel: Ints
    seconds_viewed: Ints


def events(spec: WorldSpec, past: History, block: int, day: int | None = None) -> Events:
    """The block's events; of one simulated day where `day` is given."""
    shop, users, orders, lines = catalogue(spec), past.users, past.orders, past.lines
    draw = stream(spec.seed, "browsing", block, *([] if day is None else [day]))
    online = (orders.kind != 1) & (orders.channel != STORE)
    of_line = np.flatnonzero(online[lines.order])
    honest = orders.kind[lines.order[of_line]] == 0
    session_orders = np.flatnonzero(online)
    bought = lines.order[of_line], lines.product[of_line]
    ends = orders.second
    browsed = session_orders[draw.random(len(session_orders)) < _BROWSING_ONLY]
    first_day, last_day = (0, spec.days) if day is None else (day, day + 1)
    idle_day = draw.integers(first_day, last_day, len(browsed))
    active = users.active(np.arange(spec.all_days))[orders.user[browsed], idle_day]
    browsed, idle_day = browsed[active], idle_day[active]
    session = np.concatenate([session_orders, len(orders) + np.arange(len(browsed))])
    who = np.concatenate([orders.user[session_orders], orders.user[browsed]])
    when = np.concatenate([orders.day[session_orders], idle_day])
    second = np.concatenate([ends[session_orders], ends[browsed]])
    channel = np.concatenate([orders.channel[session_orders], orders.channel[browsed]])
    at = np.full(int(session.max(initial=0)) + 1, NOTHING)
    at[session] = np.arange(len(session))  # row of a session
    decoy = np.repeat(np.arange(len(session)), draw.poisson(_DECOYS, len(session)))
    liked = liked_products(shop, users, who[decoy], draw)
    on_sale = shop.on_sale(liked, when[decoy])
    decoy, liked = decoy[on_sale], liked[on_sale]
    searched = np.flatnonzero(draw.random(len(session)) < _SEARCHES)
    sought = liked_products(shop, users, who[searched], draw)
    own = at[bought[0]]
    reviewed = (draw.random(len(of_line)) < _REVIEWS) | ~honest
    rating = _ratings(draw, bought[1], honest)
    parts = [  # kind, row of the session, product, query, rating, earliest second before its end
        (VIEW, own[honest], bought[1][honest], NOTHING, NOTHING, 900),
        (CART, own, bought[1], NOTHING, NOTHING, 300),
        (VIEW, decoy, liked, NOTHING, NOTHING, 900),
        (SEARCH, searched, NOTHING, shop.subcategory[sought], NOTHING, 1200),
        (PURCHASE, at[session_orders], NOTHING, NOTHING, NOTHING, 0),
        (REVIEW, own[reviewed], bought[1][reviewed], NOTHING, rating[reviewed], 0),
    ]
    columns: list[list[Ints]] = [[], [], [], [], [], []]
    for part in parts:
        for column, value in zip(columns, part, strict=True):
            column.append(np.broadcast_to(value, np.shape(part[1])).astype(np.int64))
    kind, row, product, query, stars, before = (np.concatenate(c) for c in columns)
    return Events(
        kind=kind,
        user=who[row],
        product=product,
        query=query,
        rating=stars,
        session=session[row],
        day=when[row],
        second=np.clip(second[row] - before * (1 - 0.9 * draw.random(len(row))), 0, 86399).astype(np.int64),
        channel=channel[row],
        seconds_viewed=np.where(kind == VIEW, draw.geometric(1 / 40, len(row)), NOTHING),
    )


def _ratings(draw: np.random.Generator, product: Ints, honest: Bools) -> Ints:
    """Stars by a product's quality; who only pretends to have bought gives five."""
    quality: Floats = 3.2 + 1.6 * ((product * 2654435761) % 1000) / 1000
    stars = np.clip(np.rint(quality + draw.normal(0, 0.8, len(product))), 1, 5).astype(np.int64)
    return np.where(honest, stars, 5)
