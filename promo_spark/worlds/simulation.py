"""One more day of a world under given offers: who comes, what is bought, which offers are used.

Common random numbers: every user has numbers of its own for the day, laid out the same way whatever the offers are.
So under two policies a user whose offers are equal does exactly the same: two policies differ by what they offer,
not by chance.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from promo_spark.worlds.catalogue import Catalogue, catalogue
from promo_spark.worlds.population import ITEMS_SIGMA, STAPLES, Population, drawn_topics, population
from promo_spark.worlds.shopping import (
    APP,
    MOST_ITEMS,
    NO_CAMPAIGN,
    SECOND_PIECE,
    STORE,
    WANTED,
    WEB,
    History,
    Lines,
    Lost,
    Orders,
    priced,
    units_bought,
)
from promo_spark.worlds.spec import MECHANICS, WorldSpec
from promo_spark.worlds.streams import Bools, Floats, Floats32, Ints, keyed_uniforms, stream

_LIST_LENGTH = int(WANTED * MOST_ITEMS)
_MOST_PULL = 1.5  # log of the factor on visits, all offers of a user together
_COUPON = MECHANICS.index("coupon")
_BUNDLE = MECHANICS.index("bundle")


@dataclass(frozen=True)
class Offers:
    """One row per offer that is valid on the day, and per product of an offer. Money in cents."""

    user: Ints  # row of the block
    mechanic: Ints
    depth: Floats  # share off; of a coupon: its amount over the minimum spend
    amount: Ints  # of a coupon
    min_spend: Ints
    ids: pa.Array
    carriers: pa.Array  # the campaign that stands for the offers of one date
    offer: Ints  # per product of an offer: the offer
    product: Ints

    def __len__(self) -> int:
        return len(self.user)


_NOTHING = np.zeros(0, np.int64)
NO_OFFERS = Offers(
    user=_NOTHING,
    mechanic=_NOTHING,
    depth=np.zeros(0),
    amount=_NOTHING,
    min_spend=_NOTHING,
    ids=pa.array([], pa.string()),
    carriers=pa.array([], pa.string()),
    offer=_NOTHING,
    product=_NOTHING,
)


@dataclass(frozen=True)
class _Numbers:
    """Every random number of a block's day, by user."""

    visit: Floats
    size: Floats
    rounding: Floats
    items: Floats  # topic, product, bought, second piece × user × place in the list
    staples: Floats  # bought, second piece × user × staple
    gaps: Floats  # user × staple
    bundles: Floats  # taken, product, second piece × user × rule
    hour: Floats
    channel: Floats


def simulated_day(
    spec: WorldSpec, block: int, day: int, due: Floats32, offers: Offers = NO_OFFERS
) -> tuple[History, Floats32]:
    """What the block's users buy on a day of the future, and their staples' due days when it ends."""
    shop, users = catalogue(spec), population(spec, block)
    numbers, reach = _numbers(spec, len(users), block, day), _Reach(shop, offers, day)
    comes = numbers.visit < -np.expm1(-_rate(shop, users, offers, day))
    picks = [_wanted(shop, users, numbers, comes, day, reach, offers)]
    staples, due_after = _staples(shop, users, numbers, comes, day, due, reach)
    picks += [staples, _mentioned(spec, shop, users, comes, day, reach, offers)]
    user, product, units = (np.concatenate(parts) for parts in zip(*picks, strict=True))
    bought = units > 0  # what was wanted and left draws nothing else into the basket
    more = _attached(shop, numbers, day, user[bought], product[bought])
    user, product, units = (np.concatenate(both) for both in zip((user, product, units), more, strict=True))
    keep = np.flatnonzero((units > 0) & ~shop.stock_out[product, day])
    keep = keep[np.lexsort((product[keep], user[keep]))]
    customers, order = np.unique(user[keep], return_inverse=True)
    lines = priced(shop, order.ravel(), product[keep], units[keep], np.full(len(keep), day))
    lines = _with_offers(lines, customers, reach, offers)
    lost = Lost(_NOTHING, _NOTHING, _NOTHING.astype(np.int32), _NOTHING)
    past = History(users, _orders(users, numbers, customers, day), lines, lost, due_after)
    return past, due_after


class _Reach:
    """What the offers say of a user and product: by how much they are reduced, if at all."""

    def __init__(self, shop: Catalogue, offers: Offers, day: int) -> None:
        self._shop, self._day, self._products = shop, day, shop.products
        key = offers.user[offers.offer] * shop.products + offers.product
        order = np.lexsort((-offers.depth[offers.offer], key))
        key, first = np.unique(key[order], return_index=True)
        self._key, self._depth = key, offers.depth[offers.offer][order][first]

    def depth(self, user: Ints, product: Ints) -> Floats:
        """The share off the list price; 0 where the user has no offer for the product."""
        if not len(self._key):
            return np.zeros(len(user))
        wanted = user * self._products + product
        at = np.minimum(np.searchsorted(self._key, wanted), len(self._key) - 1)
        return np.where(self._key[at] == wanted, self._depth[at], 0.0)

    def log_price(self, user: Ints, product: Ints) -> Floats:
        """Log of the personal price over the shop's price of the day; an offer never raises the price."""
        shop_depth = self._shop.depth[product, self._day // 7].astype(np.float64)
        log_price: Floats = np.minimum(
            0.0, np.log1p(-np.minimum(self.depth(user, product), 0.95)) - np.log1p(-shop_depth)
        )
        return log_price


Picked = tuple[Ints, Ints, Ints]  # user, product, units


def _numbers(spec: WorldSpec, n: int, block: int, day: int) -> _Numbers:
    draw, rules = stream(spec.seed, "day", block, day), max(1, spec.rules)
    return _Numbers(
        visit=draw.random(n),
        size=draw.standard_normal(n),
        rounding=draw.random(n),
        items=draw.random((4, n, _LIST_LENGTH)),
        staples=draw.random((2, n, STAPLES)),
        gaps=draw.gamma(6.0, 1 / 6, (n, STAPLES)),
        bundles=draw.random((3, n, rules)),
        hour=draw.normal(0, 2, n),
        channel=draw.random(n),
    )


def _rate(shop: Catalogue, users: Population, offers: Offers, day: int) -> Floats:
    """Expected visits on the day; offers draw some users and put off others."""
    pull = np.zeros(len(users))
    np.add.at(pull, offers.user, users.pull[offers.user, offers.mechanic] * offers.depth)
    active = users.active(np.array([day]))[:, 0]
    usual = users.visit_rate * shop.visits[users.segment, day] * active
    rate: Floats = usual * np.exp(np.clip(pull, -_MOST_PULL, _MOST_PULL))
    return rate


def _wanted(
    shop: Catalogue, users: Population, numbers: _Numbers, comes: Bools, day: int, reach: _Reach, offers: Offers
) -> Picked:
    """Items by taste; a coupon stretches the list, an offer makes its products cheaper."""
    stretch = np.ones(len(users))
    has_coupon = offers.user[offers.mechanic == _COUPON]
    stretch[has_coupon] += users.stretch[has_coupon]
    items = np.minimum(np.exp(users.log_items + ITEMS_SIGMA * numbers.size), MOST_ITEMS) * stretch
    count = np.minimum(np.floor(WANTED * items + numbers.rounding), _LIST_LENGTH) * comes
    user, place = np.nonzero(np.arange(_LIST_LENGTH) < count[:, None])
    topic_u, product_u, bought_u, second_u = numbers.items[:, user, place]
    product = shop.topic_choices.drawn(drawn_topics(users.tastes, user, topic_u), product_u)
    multiple = shop.demand(product, day, users.segment[user], reach.log_price(user, product))
    put_off = np.minimum(users.attention[user], 0)  # who is harmed passes by what is pressed on them
    multiple *= np.where(reach.depth(user, product) > 0, np.exp(put_off), 1.0)
    return user, product, units_bought(multiple, bought_u, second_u)


def _staples(
    shop: Catalogue,
    users: Population,
    numbers: _Numbers,
    comes: Bools,
    day: int,
    due: Floats32,
    reach: _Reach,
) -> tuple[Picked, Floats32]:
    """Staples that are due, and reduced ones that some buy before they are."""
    user, which = np.nonzero((users.staples >= 0) & comes[:, None])
    product = users.staples[user, which]
    early = users.early[user] * reach.depth(user, product)
    is_due = np.ceil(due[user, which] - early) <= day
    user, which, product = user[is_due], which[is_due], product[is_due]
    multiple = shop.demand(product, day, users.segment[user], reach.log_price(user, product))
    bought_u, second_u = numbers.staples[:, user, which]
    units = units_bought(multiple, bought_u, second_u, wanted=1.0)
    gap = users.staple_gaps[user, which] * numbers.gaps[user, which]
    in_stock = ~shop.stock_out[product, day]
    after = due.copy()
    after[user, which] = day + np.where(units > 0, np.where(in_stock, np.maximum(1.0, gap * units), 7.0), 2.0)
    return (user, product, units), after


def _mentioned(
    spec: WorldSpec, shop: Catalogue, users: Population, comes: Bools, day: int, reach: _Reach, offers: Offers
) -> Picked:
    """Offered products that came to mind because they were offered; a bundle comes to mind as a whole."""
    offer, product = offers.offer, offers.product
    user = offers.user[offer]
    usual = np.exp(users.log_items[user] + ITEMS_SIGMA**2 / 2) * users.taste_for(shop, user, product)
    multiple = shop.demand(product, day, users.segment[user], reach.log_price(user, product))
    more = usual * multiple * np.maximum(np.expm1(users.attention[user]), 0)
    together = np.full(len(offers), np.inf)  # a bundle is as likely as its less likely product
    np.minimum.at(together, offer, more)
    first = np.full(len(offers), shop.products)
    np.minimum.at(first, offer, product)
    is_bundle = offers.mechanic[offer] == _BUNDLE
    chance = -np.expm1(-np.where(is_bundle, together[offer], more))
    lead = np.where(is_bundle, first[offer], product)
    taken = keyed_uniforms(spec.seed, "mention", np.array(day), users.numbers[user], lead) < chance
    rows = np.flatnonzero(taken & comes[user] & shop.on_sale(product, day))
    return user[rows], product[rows], np.ones(len(rows), np.int64)


def _attached(shop: Catalogue, numbers: _Numbers, day: int, user: Ints, product: Ints) -> Picked:
    """The planted bundles, once per user and rule."""
    rule = shop.rule_of[shop.subcategory[product]]
    rows = np.flatnonzero(rule >= 0)
    count = max(1, len(shop.rules[0]))
    who, which = np.divmod(np.unique(user[rows] * count + rule[rows]), count)
    taken_u, product_u, second_u = numbers.bundles[:, who, which]
    taken = taken_u < shop.rules[2][which]
    who, which, product_u, second_u = who[taken], which[taken], product_u[taken], second_u[taken]
    added = shop.subcategory_choices.drawn(shop.rules[1][which], product_u)
    return who, added, np.where(shop.on_sale(added, day), 1 + (second_u < SECOND_PIECE), 0)


def _orders(users: Population, numbers: _Numbers, customers: Ints, day: int) -> Orders:
    second = np.clip((users.hour + numbers.hour) * 3600, 0, 86399).astype(np.int64)[customers]
    u, online = numbers.channel[customers], users.online[customers]
    channel: npt.NDArray[np.int64] = np.where(u >= online, STORE, np.where(u < online * 0.55, APP, WEB))
    return Orders(customers, np.full(len(customers), day), second, channel, np.zeros(len(customers), np.int64))


def _with_offers(lines: Lines, customers: Ints, reach: _Reach, offers: Offers) -> Lines:
    """Personal prices where they are below the shop's, bundles where complete, coupons where enough was spent."""
    user = customers[lines.order]
    depth = reach.depth(user, lines.product) * _bundles_complete(lines, user, offers)
    reduced = np.maximum(lines.reduced, np.rint(lines.listed * depth).astype(np.int64))
    coupon, campaign = np.zeros_like(reduced), np.full(len(lines), NO_CAMPAIGN)
    if len(customers) and np.any(offers.mechanic == _COUPON):
        paid = lines.listed - reduced
        spent = np.bincount(lines.order, paid, len(customers)).astype(np.int64)
        order_of = np.full(int(max(customers.max(), offers.user.max())) + 1, -1)
        order_of[customers] = np.arange(len(customers))
        fits = np.flatnonzero((offers.mechanic == _COUPON) & (order_of[offers.user] >= 0))
        fits = fits[spent[order_of[offers.user[fits]]] >= np.maximum(offers.min_spend[fits], offers.amount[fits])]
        used = np.full(len(customers), NO_CAMPAIGN)
        best = fits[np.argsort(offers.amount[fits], kind="stable")]  # one coupon an order: the highest
        used[order_of[offers.user[best]]] = best
        amount = np.where(used >= 0, offers.amount[np.maximum(used, 0)], 0)[lines.order]
        before = np.cumsum(paid) - paid
        starts = np.searchsorted(lines.order, np.arange(len(customers)))
        before -= before[starts][lines.order]
        total = np.maximum(spent, 1)[lines.order]
        coupon = amount * (before + paid) // total - amount * before // total  # to the cent, over the lines
        campaign = used[lines.order]
    return Lines(lines.order, lines.product, lines.quantity, lines.listed, reduced, coupon, campaign)


def _bundles_complete(lines: Lines, user: Ints, offers: Offers) -> Bools:
    """False for lines of products that a bundle reduces only together, where one is missing in the basket."""
    complete = np.ones(len(lines), bool)
    rows = np.flatnonzero(offers.mechanic[offers.offer] == _BUNDLE)
    if not len(rows) or not len(lines):
        return complete
    span = int(max(lines.product.max(), offers.product.max())) + 1
    bought = np.unique(user * span + lines.product)
    key = offers.user[offers.offer[rows]] * span + offers.product[rows]
    in_basket = np.isin(key, bought)
    missing = np.zeros(len(offers), bool)
    missing[offers.offer[rows[~in_basket]]] = True
    broken = key[missing[offers.offer[rows]]]
    return ~np.isin(user * span + lines.product, broken)


def offers_from(rows: pa.Table) -> Offers:
    """Offers of a block's users from their rows' column `offers`, a list of structs per user (see frames)."""
    lists = rows.column("offers").combine_chunks()
    if isinstance(lists, pa.ChunkedArray):
        lists = pa.concat_arrays(lists.chunks) if lists.num_chunks else pa.array([], lists.type)
    lengths = lists.value_lengths().fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64)
    flat = lists.flatten()
    field = {name: flat.field(i) for i, name in enumerate(f.name for f in flat.type)}
    cents = {
        name: np.rint(field[name].cast(pa.float64()).fill_null(0).to_numpy(zero_copy_only=False) * 100).astype(np.int64)
        for name in ("coupon_amount", "min_spend")
    }
    rate = field["discount_rate"].cast(pa.float64()).fill_null(0).to_numpy(zero_copy_only=False)
    mechanics = {m: i for i, m in enumerate(MECHANICS)}
    mechanic = np.array([mechanics[m] for m in field["mechanic"].to_pylist()], np.int64)
    share = cents["coupon_amount"] / np.maximum(cents["min_spend"], np.maximum(cents["coupon_amount"] * 2, 1))
    products = field["product_ids"]
    per_offer = products.value_lengths().fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64)
    numbers = np.array([int(p[1:]) for p in products.flatten().to_pylist()], np.int64)
    offer = np.repeat(np.arange(len(flat)), per_offer)
    priced_by_product = mechanic[offer] != _COUPON
    return Offers(
        user=np.repeat(np.arange(len(lengths)), lengths),
        mechanic=mechanic,
        depth=np.where(mechanic == _COUPON, share, rate),
        amount=cents["coupon_amount"],
        min_spend=cents["min_spend"],
        ids=field["promotion_id"],
        carriers=field["campaign_id"],
        offer=offer[priced_by_product],
        product=numbers[priced_by_product],
    )
