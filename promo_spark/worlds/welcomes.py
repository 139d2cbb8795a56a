"""Welcome coupons: every account that is opened with consent is sent one on its first day, off a whole basket.

Nobody draws who gets it, so it is no experiment. Users answer to it as to any coupon; see `response`.
"""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from promo_spark.worlds import response
from promo_spark.worlds.catalogue import Catalogue, catalogue
from promo_spark.worlds.offers import Offers, offer_keys, opened_messages, pull_of_offers, with_savings
from promo_spark.worlds.orders import (
    MOST_ITEMS,
    NO_CAMPAIGN,
    WANTED,
    Lines,
    Picks,
    both_picks,
    bought_picks,
    shelf_price,
    units_bought,
)
from promo_spark.worlds.population import SECOND_PIECE, Population, liked_products
from promo_spark.worlds.raw_columns import campaign_ids
from promo_spark.worlds.redemption import parts_of_lines, redeems
from promo_spark.worlds.spec import WorldSpec
from promo_spark.worlds.streams import Bools, Floats, Ints, stream

VALID_DAYS = 14
NEVER = 1 << 20  # first day of who gets none
_PREFIX = "WELCOME-"


@functools.lru_cache(maxsize=4)
def terms(spec: WorldSpec) -> tuple[int, int]:
    """What the coupon takes off and what has to be spent for it, in cents: a usual basket of the whole shop."""
    shop = catalogue(spec)
    items = sum(s.share * s.items_per_visit for s in spec.segments)
    basket = items * (1 + SECOND_PIECE) * float(shop.popularity @ shop.price)
    least = max(100, round(basket / 100) * 100)
    return round(least * spec.welcome_saving), least


def first_days(spec: WorldSpec, users: Population) -> Ints:
    """The day from which each user's coupon holds; NEVER: the user gets none."""
    gets = (users.joined >= 0) & (users.consent == 1) & (spec.welcome_saving > 0)
    return np.where(gets, users.joined, NEVER).astype(np.int64)


def coupon_ids(spec: WorldSpec, days: npt.NDArray[np.integer]) -> pa.Array:
    """The name of the coupon, and of the campaign that carries it, of those who registered on a day."""
    return pa.array([f"{_PREFIX}{spec.date(int(day)).isoformat()}" for day in days], pa.string())


def is_welcome(offers: Offers) -> Bools:
    """Which of the offers are welcome coupons."""
    told: Bools = pc.starts_with(offers.ids, _PREFIX).to_numpy(zero_copy_only=False).astype(bool)
    return told


def carriers_of_history(spec: WorldSpec) -> pa.Array:
    """What the campaign numbers on the history's lines stand for: its campaigns, then the coupons of each day."""
    named = campaign_ids(len(catalogue(spec).campaigns))
    days = np.arange(spec.days if spec.welcome_saving else 0)
    return pa.concat_arrays([named, coupon_ids(spec, days)])


def carrier(spec: WorldSpec, first_day: Ints) -> Ints:
    """The campaign number of coupons from that day."""
    return len(catalogue(spec).campaigns) + first_day


def welcome_offers(spec: WorldSpec, users: Population, rows: Ints, spent: Bools | None = None) -> Offers:
    """The coupons of these users."""
    (amount, least), n = terms(spec), len(rows)
    first_day = first_days(spec, users)[rows]
    ids, nothing = coupon_ids(spec, first_day), np.zeros(0, np.int64)
    made = Offers(
        user=rows,
        mechanic=np.full(n, response.COUPON),
        saving=np.zeros(n),
        amount=np.full(n, amount),
        min_spend=np.full(n, least),
        first_day=first_day,
        spent=np.zeros(n, bool) if spent is None else spent[rows],
        ids=ids,
        carriers=ids,
        offer=nothing,
        product=nothing,
    )
    return with_savings(made, catalogue(spec))


def held(spec: WorldSpec, users: Population, day: int, used: Bools) -> Offers:
    """The coupons that hold on the day. `used`: by user, was redeemed before."""
    return welcome_offers(spec, users, np.flatnonzero(holds(first_days(spec, users), day)), used)


def holds(first_day: Ints, day: Ints | int) -> Bools:
    """Whether coupons from that day hold on the day."""
    inside: Bools = (first_day <= day) & (day < first_day + VALID_DAYS)
    return inside


def welcome_pulls(spec: WorldSpec, users: Population) -> Floats:
    """What the coupon does to each user's visits while it holds; 0: the user has none, or did not open it."""
    rows = np.flatnonzero(first_days(spec, users) < NEVER)
    offers, pulls = welcome_offers(spec, users, rows), np.zeros(len(users))
    before_drift = pull_of_offers(spec, catalogue(spec), users, offers, -1)
    drifted = np.array([spec.has_drifted(int(day)) for day in offers.first_day], bool)
    opened = opened_messages(spec, users, offers, offer_keys(offers))
    pulls[rows] = before_drift * np.where(drifted, spec.drift_response, 1.0) * opened
    return pulls


# in the history


def with_fuller_baskets(
    spec: WorldSpec, block: int, users: Population, user: Ints, day: Ints, items: Floats, picks: Picks
) -> tuple[Picks, Ints]:
    """The picks with what is bought more to reach a coupon's minimum spend; and the visits that redeem one.

    `user`, `day` and `items` are of the visits: who, when, how many items a usual day would see bought. A user redeems
    once, at the first visit that reaches the minimum spend on a day on which the user would.
    """
    shop, (_, least) = catalogue(spec), terms(spec)
    visits = np.flatnonzero(holds(first_days(spec, users)[user], day))
    offers = welcome_offers(spec, users, user[visits])
    key = offer_keys(offers)
    willing = opened_messages(spec, users, offers, key)
    willing &= redeems(spec, users, offers.user, day[visits], key, offers.saving)
    visits = visits[willing]
    spent = _spent(shop, day, picks, len(user))
    short = visits[spent[visits] < least]
    more = _more_picks(spec, shop, block, users, user, day, items, short)
    filled = (spent + _spent(shop, day, more, len(user)) >= least) & (spent < least)
    reaching = visits[(spent[visits] >= least) | filled[visits]]
    _, first = np.unique(user[reaching], return_index=True)  # visits are by user and day
    redeeming = reaching[first]
    kept = np.isin(more.visit, redeeming[filled[redeeming]])
    return both_picks(picks, Picks(more.visit[kept], more.product[kept], more.units[kept])), redeeming


def with_welcome_coupons(
    spec: WorldSpec, users: Population, lines: Lines, customers: Ints, orders: Ints
) -> tuple[Lines, Bools]:
    """Lines with the coupons that these orders redeem; and by user, whether it is spent.

    It comes off what no other coupon is on, and only where that reaches the minimum spend.
    """
    amount, least = terms(spec)
    open_still = lines.campaign == NO_CAMPAIGN
    paid = np.where(open_still, lines.listed - lines.reduced, 0)
    reached = np.bincount(lines.order, paid, len(customers)) >= least
    redeeming = np.zeros(len(customers), bool)
    redeeming[orders] = reached[orders]
    off = parts_of_lines(np.where(redeeming, amount, 0), paid, lines.order)
    carried = redeeming[lines.order] & open_still
    number = carrier(spec, first_days(spec, users)[customers])[lines.order]
    used = np.zeros(len(users), bool)
    used[customers[redeeming]] = True
    coupon, campaign = lines.coupon + np.where(carried, off, 0), np.where(carried, number, lines.campaign)
    return Lines(lines.order, lines.product, lines.quantity, lines.listed, lines.reduced, coupon, campaign), used


def _spent(shop: Catalogue, day: Ints, picks: Picks, visits: int) -> Floats:
    """What each visit's picks cost at the shelf, in cents."""
    cost = shelf_price(shop, picks.product, day[picks.visit]) * picks.units
    spent: Floats = np.bincount(picks.visit, cost, visits).astype(np.float64)
    return spent


def _more_picks(
    spec: WorldSpec,
    shop: Catalogue,
    block: int,
    users: Population,
    user: Ints,
    day: Ints,
    items: Floats,
    visits: Ints,
) -> Picks:
    """What these visits would buy more if they filled up their baskets: more by taste, by the user's stretch."""
    draw, who = stream(spec.seed, "fuller baskets", block), user[visits]
    wanted = WANTED * np.minimum(items[visits], MOST_ITEMS) * users.answers.stretch[who]
    count = np.floor(wanted + draw.random(len(visits))).astype(np.int64)
    visit = np.repeat(visits, count)
    product = liked_products(shop, users, user[visit], draw)
    multiple = shop.demand(product, day[visit], users.sensitivity[user[visit]])
    units = units_bought(multiple, draw.random(len(visit)), draw.random(len(visit)))
    return bought_picks(visit, product, units * ~shop.stock_out[product, day[visit]])
