"""The offers that a block's users hold on a day, and what they say to them."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from promo_spark.worlds import response
from promo_spark.worlds.catalogue import Catalogue, catalogue
from promo_spark.worlds.population import Population
from promo_spark.worlds.spec import WorldSpec
from promo_spark.worlds.streams import Bools, Floats, Ints, keyed_uniforms

_NOTHING = np.zeros(0, np.int64)
_LARGEST_SAVING = 0.95


@dataclass(frozen=True)
class Offers:
    """One row per offer that is valid on the day, and per product of an offer. Money in cents."""

    user: Ints  # row of the block
    mechanic: Ints  # into response.MECHANICS
    saving: Floats  # share off what it applies to
    amount: Ints  # off a basket
    min_spend: Ints
    first_day: Ints  # of the world, from which it is valid
    spent: Bools  # used before, and good for one order only: what it said is still in mind
    ids: pa.Array
    carriers: pa.Array  # the campaign that stands for the offers of one date
    offer: Ints  # per product of an offer: the offer
    product: Ints

    def __len__(self) -> int:
        return len(self.user)


NO_OFFERS = Offers(
    user=_NOTHING,
    mechanic=_NOTHING,
    saving=np.zeros(0),
    amount=_NOTHING,
    min_spend=_NOTHING,
    first_day=_NOTHING,
    spent=np.zeros(0, bool),
    ids=pa.array([], pa.string()),
    carriers=pa.array([], pa.string()),
    offer=_NOTHING,
    product=_NOTHING,
)


class Heard:
    """What the offers of a day say to their users: which were opened, their pull, and their word on each product."""

    def __init__(self, spec: WorldSpec, shop: Catalogue, users: Population, offers: Offers, day: int) -> None:
        self._shop, self._day, self._products = shop, day, shop.products
        self.key = offer_keys(offers)
        self.opened = opened_messages(spec, users, offers, self.key)
        self.pull = pull_of_offers(spec, shop, users, offers, day) * self.opened
        rows = np.flatnonzero(response.ON_PRODUCTS[offers.mechanic[offers.offer]])
        offer, product = offers.offer[rows], offers.product[rows]
        saving, mechanic = offers.saving[offer], offers.mechanic[offer]
        key = offers.user[offer] * shop.products + product
        order = np.argsort(key, kind="stable")
        self._key, first = np.unique(key[order], return_index=True)
        self._till = _largest(np.where(response.AT_THE_TILL[mechanic], saving, 0.0)[order], first)
        self._felt = _largest((response.FELT_PRICE[mechanic] * saving * self.opened[offer])[order], first)
        self._said = _largest((response.curve(spec.response_form, saving) * self.opened[offer])[order], first)

    def till(self, user: Ints, product: Ints) -> Floats:
        """The share off the list price; 0 where the user has no offer for the product."""
        return self._of(self._till, user, product)

    def felt(self, user: Ints, product: Ints) -> Floats:
        """The share off the list price as the user feels it."""
        return self._of(self._felt, user, product)

    def said(self, user: Ints, product: Ints) -> Floats:
        """The curve of the saving: how loudly the offer speaks for the product."""
        return self._of(self._said, user, product)

    def log_price(self, user: Ints, product: Ints) -> Floats:
        """Log of the felt price over the shop's price of the day; an offer never raises the price."""
        return log_felt_price(self.felt(user, product), self._shop.depth[product, self._day // 7])

    def _of(self, values: Floats, user: Ints, product: Ints) -> Floats:
        if not len(self._key):
            return np.zeros(len(user))
        wanted = user * self._products + product
        at = np.minimum(np.searchsorted(self._key, wanted), len(self._key) - 1)
        return np.where(self._key[at] == wanted, values[at], 0.0)


def offer_keys(offers: Offers) -> Ints:
    """A number per offer that follows from its id: what chance decides about it hangs on this and its user."""
    return np.array([zlib.crc32(name.encode()) for name in offers.ids.to_pylist()], np.int64)


def opened_messages(spec: WorldSpec, users: Population, offers: Offers, key: Ints) -> Bools:
    """Which offers' messages are opened. `key`: see offer_keys. Who lives on offers opens all."""
    opened: Bools = keyed_uniforms(spec.seed, "opened", users.numbers[offers.user], key) < response.SEEN
    return opened | users.only_offers[offers.user]


def log_felt_price(saving: Floats, shop_depth: np.ndarray) -> Floats:
    """Log of a price with this share off the list over the shop's own reduced one; at most 0.

    >>> log_felt_price(np.array([0.5, 0.1]), np.array([0.0, 0.2])).round(3).tolist()
    [-0.693, 0.0]
    """
    reduced = np.log1p(-np.minimum(saving, _LARGEST_SAVING)) - np.log1p(-shop_depth.astype(np.float64))
    lower: Floats = np.minimum(0.0, reduced)
    return lower


def pull_of_offers(spec: WorldSpec, shop: Catalogue, users: Population, offers: Offers, day: int) -> Floats:
    """Each offer's pull on its user's visits, were it opened and the user not tired."""
    own = users.answers.pull[offers.user, offers.mechanic].astype(np.float64)
    saving = response.curve(spec.response_form, offers.saving)
    drift = spec.drift_response if spec.has_drifted(day) else 1.0
    return own * drift * saving * response.relevance(spec.response_form, spend_shares(shop, users, offers))


def spend_shares(shop: Catalogue, users: Population, offers: Offers) -> Floats:
    """The share of a usual basket that each offer applies to; of one on baskets, less the further away it is."""
    user = offers.user[offers.offer]
    share = users.spend_share(shop, user, offers.product)
    most, least = np.zeros(len(offers)), np.full(len(offers), np.inf)
    np.maximum.at(most, offers.offer, share)
    np.minimum.at(least, offers.offer, share)
    of_products = np.where(offers.mechanic == response.BUNDLE, 2 * np.where(np.isinf(least), 0.0, least), most)
    in_reach = (users.basket_value(shop)[offers.user] / np.maximum(offers.min_spend, 1)) ** 2
    return np.where(response.ON_PRODUCTS[offers.mechanic], of_products, np.minimum(in_reach, 1.0))


def offers_from(spec: WorldSpec, rows: pa.Table) -> Offers:
    """Offers of a block's users from their rows' column `offers`, a list of structs per user (see frames)."""
    lists = rows.column("offers").combine_chunks()
    if isinstance(lists, pa.ChunkedArray):
        lists = pa.concat_arrays(lists.chunks) if lists.num_chunks else pa.array([], lists.type)
    lengths = lists.value_lengths().fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64)
    flat = lists.flatten()
    field = {name: flat.field(i) for i, name in enumerate(f.name for f in flat.type)}
    number = {name: place for place, name in enumerate(response.NAMES)}
    products = field["product_ids"]
    per_offer = products.value_lengths().fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64)
    made = Offers(
        user=np.repeat(np.arange(len(lengths)), lengths),
        mechanic=np.array([number[m] for m in field["mechanic"].to_pylist()], np.int64),
        saving=field["discount_rate"].cast(pa.float64()).fill_null(0).to_numpy(zero_copy_only=False),
        amount=_cents(field["coupon_amount"]),
        min_spend=_cents(field["min_spend"]),
        first_day=np.array([spec.day(d) for d in field["valid_from"].to_pylist()], np.int64),
        spent=field["spent"].fill_null(False).to_numpy(zero_copy_only=False),
        ids=field["promotion_id"],
        carriers=field["campaign_id"],
        offer=np.repeat(np.arange(len(flat)), per_offer),
        product=np.array([int(p[1:]) for p in products.flatten().to_pylist()], np.int64),
    )
    return with_savings(made, catalogue(spec))


def with_savings(offers: Offers, shop: Catalogue) -> Offers:
    """The same offers, with the saving of those on baskets: the amount, or the gift's price, over the basket.

    The basket is the minimum spend, or twice the amount where that is more.
    """
    gift = np.zeros(len(offers), np.int64)
    gift[offers.offer] = shop.price[offers.product]
    amount = np.where(offers.mechanic == response.GIFT, gift, offers.amount)
    of_basket = amount / np.maximum(offers.min_spend, np.maximum(amount * 2, 1))
    saving = np.where(response.ON_PRODUCTS[offers.mechanic], offers.saving, of_basket)
    on_basket = ~response.ON_PRODUCTS[offers.mechanic] & (offers.mechanic != response.GIFT)
    kept = ~on_basket[offers.offer]  # the products of a coupon are where it was shown, not what it is good for
    return replace(offers, saving=saving, offer=offers.offer[kept], product=offers.product[kept])


def chosen_offers(offers: Offers, rows: Ints) -> Offers:
    """The offers of these rows, in their order, with their products."""
    place = np.full(len(offers), -1)
    place[rows] = np.arange(len(rows))
    kept = np.flatnonzero(place[offers.offer] >= 0)
    columns: dict[str, Any] = {}
    for name in Offers.__dataclass_fields__:
        values = getattr(offers, name)
        if name in ("offer", "product"):
            columns[name] = values[kept]
        else:
            columns[name] = values.take(pa.array(rows)) if name in ("ids", "carriers") else values[rows]
    by_offer = np.argsort(place[columns["offer"]], kind="stable")
    columns["offer"], columns["product"] = place[columns["offer"]][by_offer], columns["product"][by_offer]
    return Offers(**columns)


def joined(parts: Sequence[Offers]) -> Offers:
    """The offers of all parts, one part after the other."""
    starts = np.cumsum([0, *(len(part) for part in parts)])
    columns: dict[str, Any] = {}
    for name in Offers.__dataclass_fields__:
        values = [getattr(part, name) for part in parts]
        if name == "offer":
            values = [value + start for value, start in zip(values, starts[:-1], strict=True)]
        columns[name] = pa.concat_arrays(values) if name in ("ids", "carriers") else np.concatenate(values)
    return Offers(**columns)


def _cents(money: pa.Array) -> Ints:
    cents: Ints = np.rint(money.cast(pa.float64()).fill_null(0).to_numpy(zero_copy_only=False) * 100).astype(np.int64)
    return cents


def _largest(values: Floats, first: Ints) -> Floats:
    """The largest value of each group; groups lie one after the other and begin at `first`."""
    return np.maximum.reduceat(values, first) if len(values) else values
