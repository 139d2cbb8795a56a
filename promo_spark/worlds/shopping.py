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

from promo_spark.worlds import abuse, response, welcomes
from promo_spark.worlds.assignments import Approached, approached
from promo_spark.worlds.catalogue import Catalogue, catalogue
from promo_spark.worlds.orders import (
    APP,
    MOST_ITEMS,
    NO_CAMPAIGN,
    PURCHASE,
    RETURN,
    STORE,
    WANTED,
    WEB,
    Lines,
    Orders,
    Picks,
    both_lines,
    both_orders,
    bought_picks,
    priced,
    units_bought,
)
from promo_spark.worlds.population import ITEMS_SIGMA, SECOND_PIECE, Population, liked_products, with_rings
from promo_spark.worlds.spec import WorldSpec
from promo_spark.worlds.streams import Bools, Floats, Floats32, Ints, stream

_NEVER = 1 << 20


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
    welcome_used: Bools  # the welcome coupon is spent


def history(spec: WorldSpec, block: int) -> History:
    """The block's whole history, drawn from the block's own streams."""
    shop = catalogue(spec)
    natural = natural_picks(spec, block)
    user, day, picks = natural.user, natural.day, natural.picks
    users = with_rings(spec, natural.users)
    picks = _joined([picks, _attached(shop, stream(spec.seed, "bundles", block), day, picks)])
    in_stock = ~shop.stock_out[picks.product, day[picks.visit]]
    rows = np.flatnonzero(~in_stock & ~users.only_offers[user[picks.visit]])
    missed = picks.visit[rows]
    lost = Lost(picks.product[rows], day[missed], users.segment[user[missed]], picks.units[rows])
    picks = Picks(picks.visit[in_stock], picks.product[in_stock], picks.units[in_stock])
    redeeming = np.zeros(0, np.int64)
    if spec.welcome_saving:
        picks, redeeming = welcomes.with_fuller_baskets(spec, block, natural.users, user, day, natural.items, picks)
    orders, lines, used = _receipts(spec, shop, block, natural, picks, redeeming)
    orders, lines, used_by_rings = abuse.with_abuse(spec, block, users, orders, lines)
    told, rings = natural.approached, users.only_offers
    habit, strain = (np.where(rings, 0.0, values) for values in (told.habit, told.strain))
    return History(users, orders, lines, lost, State(natural.due, habit, strain, np.where(rings, used_by_rings, used)))


def natural_picks(spec: WorldSpec, block: int) -> Natural:
    """What the block's visits ask for by taste, need and campaigns: all but what the planted bundles add."""
    shop, told = catalogue(spec), approached(spec, block)
    users = told.users
    rates = users.visit_rate[:, None] * shop.visits[users.segment, : spec.days] * users.active(np.arange(spec.days))
    chance = response.visit_chance(spec.response_form, rates.astype(np.float64), told.pull)
    visited = stream(spec.seed, "visits", block).random(chance.shape, dtype=np.float32) < chance
    user, day = np.nonzero(visited)
    wanted, items = _wanted(spec, shop, users, block, user, day)
    staples, due = _staples(spec, shop, users, block, visited)
    mentioned = _mentioned(spec, shop, block, user, day, told)
    return Natural(users, told, user, day, items, _joined([wanted, staples, mentioned]), due)


@dataclass(frozen=True)
class Natural:
    """A block's visits and their picks, before planted bundles and stock-outs, of rings as if they were customers."""

    users: Population
    approached: Approached
    user: Ints  # who came
    day: Ints  # when
    items: Floats  # how many items are wanted on a usual day, those that are bought
    picks: Picks
    due: Floats32


def _wanted(
    spec: WorldSpec, shop: Catalogue, users: Population, block: int, user: Ints, day: Ints
) -> tuple[Picks, Floats]:
    """Items wanted by taste, those that are bought; and by visit, how many a usual day would see bought."""
    draw = stream(spec.seed, "items", block)
    items = np.exp(users.log_items[user] + ITEMS_SIGMA * draw.standard_normal(len(user)))
    count = np.floor(WANTED * np.minimum(items, MOST_ITEMS) + draw.random(len(user))).astype(np.int64)
    visit = np.repeat(np.arange(len(user)), count)
    who, when = user[visit], day[visit]
    product = liked_products(shop, users, who, draw)
    multiple = shop.demand(product, when, users.sensitivity[who])
    units = units_bought(multiple, draw.random(len(visit)), draw.random(len(visit)))
    return bought_picks(visit, product, units), items


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
        picks.append(bought_picks(number[who, at], product, units))
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
        picks.append(bought_picks(visit, product, units))
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
    return bought_picks(visit[taken], product, units)


def _receipts(
    spec: WorldSpec, shop: Catalogue, block: int, natural: Natural, picks: Picks, redeeming: Ints
) -> tuple[Orders, Lines, Bools]:
    """Orders and priced lines of the picks, then what comes back; and by user, whether the welcome coupon is spent.

    `redeeming`: visits at which a welcome coupon is redeemed.
    """
    users, user, day = natural.users, natural.user, natural.day
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
    orders = Orders(who, when, *_where_and_when(draw, users, who), np.full(len(who), PURCHASE))
    lines, used = _with_coupons(shop, lines, orders, natural.approached, draw), np.zeros(len(users), bool)
    if spec.welcome_saving:
        lines, used = welcomes.with_welcome_coupons(spec, users, lines, who, order_of[redeeming])
    return *_with_returns(spec, draw, orders, lines), used


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
    returned = Orders(
        orders.user[source], day, orders.second[source], orders.channel[source], np.full(len(back), RETURN)
    )
    none = np.full(len(back), NO_CAMPAIGN)
    return both_orders(orders, returned), both_lines(
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


def _joined(picks: list[Picks]) -> Picks:
    nothing = np.zeros(0, np.int64)
    return Picks(
        np.concatenate([nothing, *(p.visit for p in picks)]),
        np.concatenate([nothing, *(p.product for p in picks)]),
        np.concatenate([nothing, *(p.units for p in picks)]),
    )
