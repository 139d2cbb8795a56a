"""One more day of a world under given offers: who comes, what is bought, which offers are used.

Common random numbers: every user has numbers of its own for the day, laid out the same way whatever the offers are.
So under two policies a user whose offers are equal does exactly the same: two policies differ by what they offer,
not by chance.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from promo_spark.worlds import abuse, response, welcomes
from promo_spark.worlds.assignments import LEFT, contacts_before
from promo_spark.worlds.catalogue import Catalogue, catalogue
from promo_spark.worlds.offers import NO_OFFERS, Heard, Offers, joined, log_felt_price
from promo_spark.worlds.orders import (
    APP,
    MOST_ITEMS,
    PURCHASE,
    STORE,
    WANTED,
    WEB,
    Orders,
    priced,
    shelf_price,
    units_bought,
)
from promo_spark.worlds.population import (
    ITEMS_SIGMA,
    SECOND_PIECE,
    STAPLES,
    Population,
    drawn_topics,
    population,
)
from promo_spark.worlds.redemption import Uses, choices, receipts
from promo_spark.worlds.shopping import History, Lost, State
from promo_spark.worlds.spec import WorldSpec
from promo_spark.worlds.streams import Bools, Floats, Floats32, Ints, keyed_uniforms, stream

LIST_LENGTH = int(WANTED * MOST_ITEMS)
_NOTHING = np.zeros(0, np.int64)


@dataclass(frozen=True)
class Day:
    """What a block did on a simulated day. `past.state` is where its users stand when the day ends."""

    past: History
    offers: Offers  # those given, then the welcome coupons that hold
    uses: Uses
    pull: Floats  # of the day's offers on each user's visits
    opened: Bools  # by offer
    came: Bools  # by user: visited, whether or not something was bought; of rings: ordered


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
    spec: WorldSpec,
    block: int,
    day: int,
    state: State,
    offers: Offers = NO_OFFERS,
    recent: Floats | None = None,
) -> Day:
    """What the block's users do on a day of the future.

    `recent` are the offers that began in the 28 days before, by user; contacts of the history and welcomes come on top.
    """
    shop, users = catalogue(spec), population(spec, block)
    if spec.welcome_saving:
        offers = joined([offers, welcomes.held(spec, users, day, state.welcome_used)])
    numbers, heard = _numbers(spec, len(users), block, day), Heard(spec, shop, users, offers, day)
    tiring = contacts_before(spec, block, day) + (0.0 if recent is None else recent)
    here = users.stays(day, state.strain)
    pull = response.together(offers.user, response.tired(heard.pull, tiring[offers.user]), len(users))
    rate = users.visit_rate * shop.visits[users.segment, day] * here
    comes = numbers.visit < response.visit_chance(spec.response_form, rate.astype(np.float64), pull + state.habit)
    chosen = choices(spec, users, heard, offers, day)
    staples, due_after = _staples(shop, users, numbers, comes, day, state.due, heard)
    rest = [staples, _mentioned(spec, shop, users, comes, day, heard, offers)]

    def basket(stretch: Floats) -> Picked:
        picks = [_wanted(shop, users, numbers, comes, day, heard, stretch), *rest]
        return _in_stock(shop, numbers, day, picks)

    user, product, units = basket(np.ones(len(users)))
    reaching = (offers.min_spend > 0) & heard.opened & chosen
    if reaching.any():
        longer = basket(1.0 + users.answers.stretch.astype(np.float64))
        fills = _fills_up(shop, day, (user, product, units), longer, offers, reaching, len(users))
        parts = zip((user, product, units), longer, strict=True)
        kept, more = ~fills[user], fills[longer[0]]
        user, product, units = (np.concatenate([values[kept], added[more]]) for values, added in parts)
    keep = np.lexsort((product, user))
    customers, order = np.unique(user[keep], return_inverse=True)
    lines = priced(shop, order.ravel(), product[keep], units[keep], np.full(len(keep), day))
    lines, uses = receipts(shop, lines, customers, heard, chosen, offers, day)
    lost = Lost(_NOTHING, _NOTHING, _NOTHING.astype(np.int32), _NOTHING)
    orders = _orders(users, numbers, customers, day)
    if spec.welcome_saving:
        orders, lines, uses = abuse.with_abuse_of_day(spec, users, offers, day, orders, lines, uses)
        comes[orders.user[users.only_offers[orders.user]]] = True
    gone = (users.joined <= day) & ~here
    strain = state.strain + np.where(users.joined <= day, response.strain(users.hazard, pull, tiring), 0.0)
    spent = state.welcome_used.copy()
    spent[offers.user[uses.offer[welcomes.is_welcome(offers)[uses.offer]]]] = True
    after = State(due_after, response.habit_after(state.habit, pull), np.where(gone, LEFT, strain), spent)
    there = replace(users, churned=np.where(gone, np.minimum(users.churned, day), spec.all_days))
    return Day(History(there, orders, lines, lost, after), offers, uses, pull, heard.opened, comes)


Picked = tuple[Ints, Ints, Ints]  # user, product, units


def _numbers(spec: WorldSpec, n: int, block: int, day: int) -> _Numbers:
    draw, rules = stream(spec.seed, "day", block, day), max(1, spec.rules)
    return _Numbers(
        visit=draw.random(n),
        size=draw.standard_normal(n),
        rounding=draw.random(n),
        items=draw.random((4, n, LIST_LENGTH)),
        staples=draw.random((2, n, STAPLES)),
        gaps=draw.gamma(6.0, 1 / 6, (n, STAPLES)),
        bundles=draw.random((3, n, rules)),
        hour=draw.normal(0, 2, n),
        channel=draw.random(n),
    )


def _in_stock(shop: Catalogue, numbers: _Numbers, day: int, picks: list[Picked]) -> Picked:
    """What is bought of the picks and of what planted bundles add to them."""
    user, product, units = (np.concatenate(parts) for parts in zip(*picks, strict=True))
    bought = units > 0  # what was wanted and left draws nothing else into the basket
    more = attached(shop, numbers.bundles, day, user[bought], product[bought])
    user, product, units = (np.concatenate(both) for both in zip((user, product, units), more, strict=True))
    keep = (units > 0) & ~shop.stock_out[product, day]
    return user[keep], product[keep], units[keep]


def _fills_up(
    shop: Catalogue, day: int, plain: Picked, longer: Picked, offers: Offers, reaching: Bools, users: int
) -> Bools:
    """Users who fill the basket up because that reaches the minimum spend of an offer, and only then."""
    spent, more = (
        np.bincount(user, shelf_price(shop, product, day) * units, users) for user, product, units in (plain, longer)
    )
    rows = np.flatnonzero(reaching)
    user, least = offers.user[rows], offers.min_spend[rows]
    fills = np.zeros(users, bool)
    fills[user[(spent[user] < least) & (least <= more[user])]] = True
    return fills


def _wanted(
    shop: Catalogue, users: Population, numbers: _Numbers, comes: Bools, day: int, heard: Heard, stretch: Floats
) -> Picked:
    """Items by taste; an offer makes its products cheaper. With a stretch, the same items and more."""
    items = np.minimum(np.exp(users.log_items + ITEMS_SIGMA * numbers.size), MOST_ITEMS) * stretch
    count = np.minimum(np.floor(WANTED * items + numbers.rounding), LIST_LENGTH) * comes
    user, place = np.nonzero(np.arange(LIST_LENGTH) < count[:, None])
    topic_u, product_u, bought_u, second_u = numbers.items[:, user, place]
    product = shop.topic_choices.drawn(drawn_topics(users.tastes, user, topic_u), product_u)
    multiple = shop.demand(product, day, users.sensitivity[user], heard.log_price(user, product))
    put_off = np.minimum(users.answers.attention[user], 0)  # who is harmed passes by what is pressed on them
    multiple *= np.exp(put_off * heard.said(user, product))
    return user, product, units_bought(multiple, bought_u, second_u)


def _staples(
    shop: Catalogue, users: Population, numbers: _Numbers, comes: Bools, day: int, due: Floats32, heard: Heard
) -> tuple[Picked, Floats32]:
    """Staples that are due, and reduced ones that some buy before they are."""
    user, which = np.nonzero((users.staples >= 0) & comes[:, None])
    product = users.staples[user, which]
    early = users.answers.early[user] * heard.felt(user, product)
    is_due = np.ceil(due[user, which] - early) <= day
    user, which, product = user[is_due], which[is_due], product[is_due]
    multiple = shop.demand(product, day, users.sensitivity[user], heard.log_price(user, product))
    bought_u, second_u = numbers.staples[:, user, which]
    units = units_bought(multiple, bought_u, second_u, wanted=1.0)
    gap = users.staple_gaps[user, which] * numbers.gaps[user, which]
    in_stock = ~shop.stock_out[product, day]
    after = due.copy()
    after[user, which] = day + np.where(units > 0, np.where(in_stock, np.maximum(1.0, gap * units), 7.0), 2.0)
    return (user, product, units), after


def _mentioned(
    spec: WorldSpec, shop: Catalogue, users: Population, comes: Bools, day: int, heard: Heard, offers: Offers
) -> Picked:
    """Offered products that came to mind because they were offered; a bundle comes to mind as a whole."""
    rows = np.flatnonzero(response.ON_PRODUCTS[offers.mechanic[offers.offer]] & heard.opened[offers.offer])
    offer, product = offers.offer[rows], offers.product[rows]
    user = offers.user[offer]
    is_bundle = offers.mechanic[offer] == response.BUNDLE
    price, whole = heard.log_price(user, product), offers.saving[offer] * is_bundle
    usual, reduced = (
        users.items()[user] * users.taste_for(shop, user, product) * multiple
        for multiple in (
            shop.demand(product, day, users.sensitivity[user], lower)
            for lower in (price, np.minimum(price, log_felt_price(whole, shop.depth[product, day // 7])))
        )
    )
    spoken = users.answers.attention[user] * heard.said(user, product)
    chance = np.where(
        is_bundle,
        response.wanted_together(offer, usual, reduced, spoken),
        response.comes_to_mind(usual, spoken),
    )
    first = np.full(len(offers), shop.products)
    np.minimum.at(first, offer, product)
    lead = np.where(is_bundle, first[offer], product)
    taken = keyed_uniforms(spec.seed, "mention", np.array(day), users.numbers[user], lead) < chance
    chosen = np.flatnonzero(taken & comes[user] & shop.on_sale(product, day))
    return user[chosen], product[chosen], np.ones(len(chosen), np.int64)


def attached(shop: Catalogue, drawn: Floats, day: int, user: Ints, product: Ints) -> Picked:
    """What the planted bundles add to baskets, once per user and rule.

    `drawn`: random numbers, (taken, product, second piece) × user × rule.
    """
    rule = shop.rule_of[shop.subcategory[product]]
    rows = np.flatnonzero(rule >= 0)
    count = max(1, len(shop.rules[0]))
    who, which = np.divmod(np.unique(user[rows] * count + rule[rows]), count)
    taken_u, product_u, second_u = drawn[:, who, which]
    taken = taken_u < shop.rules[2][which]
    who, which, product_u, second_u = who[taken], which[taken], product_u[taken], second_u[taken]
    added = shop.subcategory_choices.drawn(shop.rules[1][which], product_u)
    return who, added, np.where(shop.on_sale(added, day), 1 + (second_u < SECOND_PIECE), 0)


def _orders(users: Population, numbers: _Numbers, customers: Ints, day: int) -> Orders:
    second = np.clip((users.hour + numbers.hour) * 3600, 0, 86399).astype(np.int64)[customers]
    u, online = numbers.channel[customers], users.online[customers]
    channel: npt.NDArray[np.int64] = np.where(u >= online, STORE, np.where(u < online * 0.55, APP, WEB))
    return Orders(customers, np.full(len(customers), day), second, channel, np.full(len(customers), PURCHASE))
