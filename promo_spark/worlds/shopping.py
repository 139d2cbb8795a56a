"""What a block of users buys in the history: visits, baskets, staples, bundles, coupons, returns, fake orders.

One model throughout: a visit wants a log-normal number of items, each drawn by the user's tastes; a wanted item is
bought in proportion to the demand multiple of its product, segment and day (see Catalogue.demand). Up to WANTED
times the usual demand raises how many buy, beyond it how much they buy, so that expected units are the usual ones
times the multiple at any price.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from promo_spark.worlds import response
from promo_spark.worlds.assignments import Approached, approached
from promo_spark.worlds.catalogue import Catalogue, catalogue
from promo_spark.worlds.population import ITEMS_SIGMA, SECOND_PIECE, Population, liked_products
from promo_spark.worlds.spec import WorldSpec
from promo_spark.worlds.streams import Bools, Floats, Floats32, Ints, stream

WANTED = 2.0  # items are wanted so many times as often as they are bought on a usual day
MOST_ITEMS = 60  # bought at a visit, usual demand
MOST_UNITS = 12
STORE, WEB, APP = 0, 1, 2
CHANNELS = ("store", "web", "app")
NO_CAMPAIGN = -1
_NEVER = 1 << 20


@dataclass(frozen=True)
class Orders:
    """One row per order: who (row of the block), when, where."""

    user: Ints
    day: Ints
    second: Ints  # of the day, UTC
    channel: npt.NDArray[np.int64]
    kind: Ints  # 0 purchase, 1 return, 2 fake

    def __len__(self) -> int:
        return len(self.user)


@dataclass(frozen=True)
class Lines:
    """One row per order and line, sorted by order. Money in cents."""

    order: Ints
    product: Ints
    quantity: Ints
    listed: Ints  # at list price
    reduced: Ints  # taken off by promotion
    coupon: Ints  # taken off by a coupon
    campaign: Ints  # whose coupon; NO_CAMPAIGN: none

    def __len__(self) -> int:
        return len(self.order)


@dataclass(frozen=True)
class Lost:
    """One row per product that a visit wanted while it was out of stock."""

    product: Ints
    day: Ints
    segment: npt.NDArray[np.int32]
    units: Ints


@dataclass(frozen=True)
class History:
    """What a block did in the history, and where its users stand at the end."""

    users: Population
    orders: Orders
    lines: Lines
    lost: Lost
    state: State


@dataclass(frozen=True)
class State:
    """Where a block's users stand when a day begins; one row per user."""

    due: Floats32  # user × staple: day from which it is bought next; or × days that are equally likely
    habit: Floats  # log of the factor on visits that earlier offers left behind
    strain: Floats  # what offers added to the hazards of leaving; 1e9 or more: has left


def history(spec: WorldSpec, block: int) -> History:
    """The block's whole history, drawn from the block's own streams."""
    shop = catalogue(spec)
    natural = natural_picks(spec, block)
    users, user, day, picks = natural.users, natural.user, natural.day, natural.picks
    picks = _joined([picks, _attached(shop, stream(spec.seed, "bundles", block), day, picks)])
    in_stock = ~shop.stock_out[picks.product, day[picks.visit]]
    missed = picks.visit[~in_stock]
    lost = Lost(picks.product[~in_stock], day[missed], users.segment[user[missed]], picks.units[~in_stock])
    picks = Picks(picks.visit[in_stock], picks.product[in_stock], picks.units[in_stock])
    orders, lines = _receipts(spec, shop, users, block, user, day, picks, natural.approached)
    state = State(natural.due, natural.approached.habit, natural.approached.strain)
    return History(users, orders, lines, lost, state)


def natural_picks(spec: WorldSpec, block: int) -> Natural:
    """What the block's visits ask for by taste, need and campaigns: all but what the planted bundles add."""
    shop, told = catalogue(spec), approached(spec, block)
    users = told.users
    rates = users.visit_rate[:, None] * shop.visits[users.segment, : spec.days] * users.active(np.arange(spec.days))
    chance = response.visit_chance(spec.response_form, rates.astype(np.float64), told.pull)
    visited = stream(spec.seed, "visits", block).random(chance.shape, dtype=np.float32) < chance
    user, day = np.nonzero(visited)
    wanted = _wanted(spec, shop, users, block, user, day)
    staples, due = _staples(spec, shop, users, block, visited)
    mentioned = _mentioned(spec, shop, block, user, day, told)
    return Natural(users, told, user, day, _joined([wanted, staples, mentioned]), due)


@dataclass(frozen=True)
class Picks:
    """What visits ask for: visit, product, units."""

    visit: Ints
    product: Ints
    units: Ints


@dataclass(frozen=True)
class Natural:
    """A block's visits (`user` and `day` of each) and their picks, before planted bundles and stock-outs."""

    users: Population
    approached: Approached
    user: Ints
    day: Ints
    picks: Picks
    due: Floats32


def units_bought(multiple: Floats, u: Floats, second: Floats, wanted: float = WANTED) -> Ints:
    """Units per wanted item, 0 where it is left: expected (1 + SECOND_PIECE) · multiple / wanted, at any multiple.

    One number u decides both, so that a lower price never makes the same shopper buy less.

    >>> units_bought(np.array([0.5, 2.0, 5.0]), u=np.array([0.3, 0.3, 0.3]), second=np.array([0.9, 0.9, 0.1])).tolist()
    [0, 1, 4]
    """
    ratio = multiple / wanted
    bought = np.where(ratio < 1, u < ratio, np.floor(ratio + u)).astype(np.int64)
    units: Ints = np.minimum(bought, MOST_UNITS) * (1 + (second < SECOND_PIECE))
    return units


def _wanted(spec: WorldSpec, shop: Catalogue, users: Population, block: int, user: Ints, day: Ints) -> Picks:
    """Items wanted by taste, those that are bought."""
    draw = stream(spec.seed, "items", block)
    items = np.exp(users.log_items[user] + ITEMS_SIGMA * draw.standard_normal(len(user)))
    count = np.floor(WANTED * np.minimum(items, MOST_ITEMS) + draw.random(len(user))).astype(np.int64)
    visit = np.repeat(np.arange(len(user)), count)
    who, when = user[visit], day[visit]
    product = liked_products(shop, users, who, draw)
    multiple = shop.demand(product, when, users.sensitivity[who])
    units = units_bought(multiple, draw.random(len(visit)), draw.random(len(visit)))
    return _bought(visit, product, units)


def _staples(spec: WorldSpec, shop: Catalogue, users: Population, block: int, visited: Bools) -> tuple[Picks, Floats32]:
    """Staples, bought at the first visit from the day they are due; a reduced one is stocked up, and due later."""
    draw = stream(spec.seed, "staples", block)
    number = np.cumsum(visited.ravel()).reshape(visited.shape) - 1  # of a visit, by user and day
    days = np.where(visited, np.arange(spec.days), _NEVER)
    next_visit = np.minimum.accumulate(days[:, ::-1], axis=1)[:, ::-1]
    due = users.first_due.astype(np.float64)
    who, which = np.nonzero(users.staples >= 0)
    picks = []
    while len(who):
        at = np.ceil(due[who, which]).astype(np.int64)
        open_still = at < spec.days
        who, which, at = who[open_still], which[open_still], at[open_still]
        at = next_visit[who, at]
        met = at < _NEVER
        who, which, at = who[met], which[met], at[met]
        product = users.staples[who, which]
        multiple = shop.demand(product, at, users.sensitivity[who])
        units = units_bought(multiple, draw.random(len(who)), draw.random(len(who)), wanted=1.0)
        gap = users.staple_gaps[who, which] * draw.gamma(6.0, 1 / 6, len(who))
        in_stock = ~shop.stock_out[product, at]
        picks.append(_bought(number[who, at], product, units))
        due[who, which] = at + np.where(units > 0, np.where(in_stock, np.maximum(1.0, gap * units), 7.0), 2.0)
    return _joined(picks), due.astype(np.float32)


def _mentioned(spec: WorldSpec, shop: Catalogue, block: int, user: Ints, day: Ints, told: Approached) -> Picks:
    """More of a campaign's department, bought because the campaign brought it to mind."""
    draw, campaigns, picks = stream(spec.seed, "mentions", block), shop.campaigns, []
    users, seen = told.users, told.assigned.contacted & told.assigned.opened
    shares = users.tastes @ shop.topic_departments()
    for number in range(len(campaigns)):
        inside = np.flatnonzero(seen[user, number] & (day >= campaigns.start[number]) & (day < campaigns.end[number]))
        who, department = user[inside], int(campaigns.department[number])
        usual = np.exp(users.log_items[who] + ITEMS_SIGMA**2 / 2) * shares[who, department]
        saving = response.curve(spec.response_form, told.assigned.depth[who, number])
        more = np.maximum(np.expm1(users.answers.attention[who] * saving), 0)
        visit = np.repeat(inside, draw.poisson(usual * more))
        product = shop.department_choices.drawn(np.full(len(visit), department), draw.random(len(visit)))
        multiple = shop.demand(product, day[visit], users.sensitivity[user[visit]])
        units = units_bought(multiple, draw.random(len(visit)), draw.random(len(visit)), wanted=1.0)
        picks.append(_bought(visit, product, units))
    return _joined(picks)


def _attached(shop: Catalogue, draw: np.random.Generator, day: Ints, picks: Picks) -> Picks:
    """The planted bundles: once per visit that holds the antecedent, the consequent with the rule's chance."""
    rule = shop.rule_of[shop.subcategory[picks.product]]
    of_rule = np.flatnonzero(rule >= 0)
    pairs = np.unique(picks.visit[of_rule] * max(1, len(shop.rules[0])) + rule[of_rule])
    visit, rule = np.divmod(pairs, max(1, len(shop.rules[0])))
    drawn = draw.random((3, len(visit)))
    _, consequent, chance = shop.rules
    taken = np.flatnonzero(drawn[0] < chance[rule])
    product = shop.subcategory_choices.drawn(consequent[rule[taken]], drawn[1][taken])
    on_sale = shop.on_sale(product, day[visit[taken]])
    units = np.where(on_sale, 1 + (drawn[2][taken] < SECOND_PIECE), 0)
    return _bought(visit[taken], product, units)


def _receipts(
    spec: WorldSpec,
    shop: Catalogue,
    users: Population,
    block: int,
    user: Ints,
    day: Ints,
    picks: Picks,
    told: Approached,
) -> tuple[Orders, Lines]:
    """Orders and priced lines of the picks, then what comes back and what is only pretended."""
    draw = stream(spec.seed, "receipts", block)
    held = np.zeros(len(user), bool)
    held[picks.visit] = True
    order_of = np.cumsum(held) - 1
    by_order = np.argsort(picks.visit, kind="stable")
    lines = priced(
        shop,
        order_of[picks.visit[by_order]],
        picks.product[by_order],
        picks.units[by_order],
        day[picks.visit[by_order]],
    )
    who, when = user[held], day[held]
    orders = Orders(who, when, *_where_and_when(draw, users, who), np.zeros(len(who), np.int64))
    lines = _with_coupons(shop, lines, orders, told, draw)
    orders, lines = _with_returns(spec, draw, orders, lines)
    return _with_fakes(spec, shop, users, block, orders, lines)


def priced(shop: Catalogue, order: Ints, product: Ints, units: Ints, day: Ints) -> Lines:
    """Lines at the shop's prices of the day."""
    list_price = shop.list_price[product, day // 7].astype(np.int64)
    reduction = np.rint(list_price * shop.depth[product, day // 7]).astype(np.int64)
    none = np.zeros(len(order), np.int64)
    return Lines(order, product, units, list_price * units, reduction * units, none, none + NO_CAMPAIGN)


def shelf_price(shop: Catalogue, product: Ints, day: int) -> Floats:
    """What a piece costs at the shelf on the day, in cents."""
    listed = shop.list_price[product, day // 7].astype(np.float64)
    price: Floats = listed - np.rint(listed * shop.depth[product, day // 7])
    return price


def _where_and_when(draw: np.random.Generator, users: Population, who: Ints) -> tuple[Ints, Ints]:
    second = np.clip((users.hour[who] + draw.normal(0, 2, len(who))) * 3600, 0, 86399).astype(np.int64)
    u = draw.random(len(who))
    channel = np.where(u >= users.online[who], STORE, np.where(u < users.online[who] * 0.55, APP, WEB))
    return second, channel


def _with_coupons(shop: Catalogue, lines: Lines, orders: Orders, told: Approached, draw: np.random.Generator) -> Lines:
    """The first qualifying lines of who chooses to redeem carry the campaign's coupon; later ones do not."""
    coupon, campaign = lines.coupon.copy(), lines.campaign.copy()
    depth, redeem = told.assigned.depth, told.users.answers.redeem[:, None].astype(np.float64)
    used = (draw.random(depth.shape) < response.redeem_chance(redeem, depth)) & told.assigned.opened
    campaigns, user, day = shop.campaigns, orders.user[lines.order], orders.day[lines.order]
    department = shop.department[lines.product]
    for number in range(len(campaigns)):
        fits = np.flatnonzero(department == campaigns.department[number])
        fits = fits[(day[fits] >= campaigns.start[number]) & (day[fits] < campaigns.end[number])]
        fits = fits[used[user[fits], number]]
        _, firsts = np.unique(user[fits], return_index=True)  # orders are by user and day
        first_order = np.full(len(depth), -1)
        first_order[user[fits[firsts]]] = lines.order[fits[firsts]]
        fits = fits[(first_order[user[fits]] == lines.order[fits]) & (campaign[fits] == NO_CAMPAIGN)]
        paid = lines.listed[fits] - lines.reduced[fits]
        coupon[fits] = np.rint(paid * depth[user[fits], number]).astype(np.int64)
        campaign[fits] = number
    return Lines(lines.order, lines.product, lines.quantity, lines.listed, lines.reduced, coupon, campaign)


def _with_returns(spec: WorldSpec, draw: np.random.Generator, orders: Orders, lines: Lines) -> tuple[Orders, Lines]:
    """Some lines come back some days later, as an order of their own with negative quantity and money."""
    back = np.flatnonzero(draw.random(len(lines)) < spec.return_share)
    day = orders.day[lines.order[back]] + draw.integers(3, 15, len(back))
    back, day = back[day < spec.days], day[day < spec.days]
    source = lines.order[back]
    number = len(orders) + np.arange(len(back))
    is_return = np.ones(len(back), np.int64)
    returned = Orders(orders.user[source], day, orders.second[source], orders.channel[source], is_return)
    none = np.full(len(back), NO_CAMPAIGN)
    return _both_orders(orders, returned), both_lines(
        lines,
        Lines(
            number,
            lines.product[back],
            -lines.quantity[back],
            -lines.listed[back],
            -lines.reduced[back],
            -lines.coupon[back],
            none,
        ),
    )


def _with_fakes(
    spec: WorldSpec, shop: Catalogue, users: Population, block: int, orders: Orders, lines: Lines
) -> tuple[Orders, Lines]:
    """Rings order the same few products in the same night hours; lone accounts order much and return it at once."""
    draw = stream(spec.seed, "fakes", block)
    cheats = np.flatnonzero((users.fraud > 0) & (users.joined < spec.days - 1))
    count = draw.integers(8, 25, len(cheats)) * spec.days // 365 + 3
    user = np.repeat(cheats, count)
    earliest = np.maximum(users.joined[user], 0)
    ring = np.where(users.ring[user] >= 0, users.ring[user], spec.users + users.first + user)
    nth = np.arange(len(user)) - np.repeat(np.cumsum(count) - count, count)
    night = stream(spec.seed, "nights").integers(0, 1 << 40, 64)[nth % 64]  # shared by all of a ring
    day = np.maximum((ring * 7919 + night) % spec.days, earliest)
    product = (ring * 104729 + nth % 3) % shop.products
    on_sale = shop.on_sale(product, day)
    user, day, product, nth = user[on_sale], day[on_sale], product[on_sale], nth[on_sale]
    second = 2 * 3600 + draw.integers(0, 7200, len(user))
    units = np.ones(len(user), np.int64)
    number = len(orders) + np.arange(len(user))
    faked = Orders(user, day, second, np.full(len(user), WEB), np.full(len(user), 2))
    orders, lines = _both_orders(orders, faked), both_lines(lines, priced(shop, number, product, units, day))
    alone = np.flatnonzero((users.fraud[user] == 2) & (day < spec.days - 1))
    back = Orders(user[alone], day[alone] + 1, second[alone], faked.channel[alone], np.ones(len(alone), np.int64))
    made = priced(shop, len(orders) + np.arange(len(alone)), product[alone], units[alone], day[alone])
    return _both_orders(orders, back), both_lines(
        lines, Lines(made.order, made.product, -made.quantity, -made.listed, -made.reduced, made.coupon, made.campaign)
    )


def _bought(visit: Ints, product: Ints, units: Ints) -> Picks:
    taken = np.flatnonzero(units > 0)
    return Picks(visit[taken], product[taken], units[taken])


def _joined(picks: list[Picks]) -> Picks:
    nothing = np.zeros(0, np.int64)
    return Picks(
        np.concatenate([nothing, *(p.visit for p in picks)]),
        np.concatenate([nothing, *(p.product for p in picks)]),
        np.concatenate([nothing, *(p.units for p in picks)]),
    )


def _both_orders(first: Orders, second: Orders) -> Orders:
    return Orders(*(np.concatenate([getattr(first, n), getattr(second, n)]) for n in Orders.__dataclass_fields__))


def both_lines(first: Lines, second: Lines) -> Lines:
    return Lines(*(np.concatenate([getattr(first, n), getattr(second, n)]) for n in Lines.__dataclass_fields__))
