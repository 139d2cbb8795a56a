"""The truth of a world, row by row: expected values from its parameters, and what was wanted in its history."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from promo_spark.measures.arrow_lists import lists_of_rows
from promo_spark.worlds import response, welcomes
from promo_spark.worlds.assignments import approached
from promo_spark.worlds.catalogue import Catalogue, catalogue
from promo_spark.worlds.offers import Offers, joined, with_savings
from promo_spark.worlds.population import FRAUD_KINDS, Population, population, with_rings
from promo_spark.worlds.raw_columns import product_ids, user_ids
from promo_spark.worlds.records import products_in
from promo_spark.worlds.shopping import History, State, history, natural_picks
from promo_spark.worlds.spec import RESPONSES, WorldSpec
from promo_spark.worlds.streams import Floats, Ints
from promo_spark.worlds.true_offers import TrueOffer, true_offers

NEXT_DAYS = 28
OFFER_SAVINGS = (0.1, 0.2, 0.3)


def expected_visits(spec: WorldSpec, users: Population, habit: Floats, first: int, last: int) -> Floats:
    """User × day from `first` to before `last`: chance of a visit without any offer. `habit` is as `first` begins."""
    days = np.arange(first, min(last, spec.all_days))
    rates = users.visit_rate[:, None] * catalogue(spec).visits[users.segment][:, days] * users.active(days)
    left = np.zeros((len(users), len(days)))
    for place in range(len(days)):
        left[:, place] = habit
        habit = response.habit_after(habit, np.zeros(len(users)))
    return response.visit_chance(spec.response_form, rates.astype(np.float64), left)


def users(spec: WorldSpec, block: int) -> pa.RecordBatch:
    """Contract TrueUsers."""
    people, names = with_rings(spec, approached(spec, block).users), [s.name for s in spec.segments]
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
        response=pa.array(RESPONSES).take(pa.array(people.answers.response)),
        joined=_dates(spec, people.joined),
        churned=_dates(spec, np.where(churned, 0, people.churned), churned),
        price_sensitivity=pa.array(people.sensitivity.astype(np.float64)),
        visits_per_week=pa.array(people.visit_rate.astype(np.float64) * 7),
        items_per_visit=pa.array(people.items()),
        tastes=lists_of_rows(people.tastes.astype(np.float64)),
        staples=pa.ListArray.from_arrays(_offsets(np.bincount(user, minlength=rows)), staples),
        fraud=pa.array(FRAUD_KINDS).take(pa.array(people.fraud, mask=people.fraud == 0)),
        ring=pa.array(people.ring.astype(np.int64), mask=people.ring < 0),
    )


def offers(spec: WorldSpec, block: int) -> pa.RecordBatch:
    """Contract TrueOffers: to each user, for the first day after the history, every mechanic at some savings."""
    state, people, shop = history(spec, block).state, population(spec, block), catalogue(spec)
    every = range(len(response.MECHANICS))
    offered = joined([usual_offers(people, shop, m, saving, spec.days) for m in every for saving in OFFER_SAVINGS])
    return told_offers(people, offered, true_offers(spec, block, spec.days, state, offered))


def usual_offers(people: Population, shop: Catalogue, mechanic: int, saving: float, day: int) -> Offers:
    """One offer per user: off the favourite product, or off a basket of the user's usual size."""
    n, first = len(people), favourites(people, shop)
    basket = np.maximum(np.rint(people.basket_value(shop) / 100) * 100, 500).astype(np.int64)
    of_offer = [first[:, 0]]
    if mechanic == response.BUNDLE:
        of_offer.append(first[:, 1])
    if mechanic == response.GIFT:
        by_price = np.argsort(shop.price, kind="stable")
        place = np.searchsorted(shop.price[by_price], basket * saving)
        of_offer = [by_price[np.minimum(place, shop.products - 1)]]
    on_products = bool(response.ON_PRODUCTS[mechanic])
    amount = np.zeros(n, np.int64) if on_products else np.rint(basket * saving).astype(np.int64)
    name = f"{response.NAMES[mechanic]}-{saving:.2f}-"
    made = Offers(
        user=np.arange(n),
        mechanic=np.full(n, mechanic),
        saving=np.full(n, saving),
        amount=amount,
        min_spend=np.zeros(n, np.int64) if on_products else basket,
        first_day=np.full(n, day),
        spent=np.zeros(n, bool),
        ids=pc.binary_join_element_wise(name, user_ids(people.numbers), ""),
        carriers=pa.array(["truth"] * n, pa.string()),
        offer=np.repeat(np.arange(n), len(of_offer)),
        product=np.column_stack(of_offer).ravel().astype(np.int64),
    )
    return with_savings(made, shop)


def favourites(people: Population, shop: Catalogue) -> Ints:
    """User × 2: the products that the user spends most on among the staples, and the first of the topic liked most."""
    liked = people.tastes.argmax(axis=1)
    of_topics = np.argsort(-shop.topic_weights, axis=1, kind="stable")[:, :2]
    choice = np.column_stack([of_topics[liked], people.staples])
    every = np.repeat(np.arange(len(people)), choice.shape[1])
    share = people.spend_share(shop, every, np.maximum(choice, 0).ravel()).reshape(choice.shape)
    again = np.zeros(choice.shape, bool)
    again[:, 2:] = (choice[:, 2:, None] == choice[:, None, :2]).any(axis=2)
    order = np.argsort(np.where((choice >= 0) & ~again, -share, np.inf), axis=1, kind="stable")[:, :2]
    return np.take_along_axis(choice, order, axis=1)


def told_offers(people: Population, offered: Offers, truth: TrueOffer) -> pa.RecordBatch:
    """Contract TrueOffers: offers beside their truth, money in units of currency."""
    products = pa.ListArray.from_arrays(
        _offsets(np.bincount(offered.offer, minlength=len(offered))), product_ids(offered.product)
    )
    return _batch(
        user_id=user_ids(people.numbers).take(pa.array(offered.user)),
        promotion_id=offered.ids,
        mechanic=pa.array(response.NAMES).take(pa.array(offered.mechanic)),
        saving=pa.array(offered.saving),
        product_ids=products,
        min_spend=pa.array(offered.min_spend / 100.0),
        visits_without=pa.array(truth.visits_without),
        visits=pa.array(truth.visits),
        units_without=pa.array(truth.units_without),
        units=pa.array(truth.units),
        uses=pa.array(truth.uses),
        given=pa.array(truth.given / 100),
        margin=pa.array(truth.margin / 100),
    )


def products(spec: WorldSpec, block: int) -> pa.RecordBatch:
    """Contract TrueProducts."""
    shop, chosen = catalogue(spec), products_in(spec, block)
    launched, dies = shop.launched[chosen], shop.dies[chosen]
    stays = dies >= spec.all_days
    return _batch(
        product_id=product_ids(chosen),
        topic_weights=lists_of_rows(shop.topic_weights[:, chosen].T.astype(np.float64)),
        elasticity=pa.array(shop.elasticity[chosen].astype(np.float64)),
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
    active = (people.churned > spec.days) & (people.joined < spec.days) & ~people.only_offers
    user, which = np.nonzero((people.staples >= 0) & active[:, None])
    product = people.staples[user, which]
    due = np.maximum(np.ceil(past.state.due[user, which]).astype(np.int64), spec.days)
    days = np.arange(spec.days, min(spec.days + NEXT_DAYS, spec.all_days))
    visits = expected_visits(spec, people, past.state.habit, spec.days, spec.days + NEXT_DAYS)[user]
    multiple = shop.demand(product[:, None], days[None, :], people.sensitivity[user][:, None])
    by_taste = people.items()[user] * people.taste_for(shop, user, product)
    left = np.exp(-by_taste[:, None] * multiple) * np.where(days >= due[:, None], 1 - np.minimum(multiple, 1), 1.0)
    return _batch(
        user_id=user_ids(people.numbers).take(pa.array(user)),
        product_id=product_ids(product),
        due=_dates(spec, due),
        chance=pa.array(1 - np.prod(1 - visits * (1 - left), axis=1)),
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
    """Contract TrueElasticities: the mean over a category's products, each by its popularity."""
    shop = catalogue(spec)
    of_category = np.bincount(shop.category, shop.popularity * shop.elasticity) / np.bincount(
        shop.category, shop.popularity
    )
    return [
        {"category": category, "segment": segment.name, "elasticity": float(of_category[c] * segment.price_sensitivity)}
        for c, category in enumerate(shop.category_names)
        for segment in spec.segments
    ]


def states(
    spec: WorldSpec, users: Population, state: State, block: int, day: int, used: list[list[str]] | None = None
) -> pa.RecordBatch:
    """Contract SimulatedStates: all users of a block when a day begins; by default welcome coupons alone are spent."""
    rows = len(users)
    if used is None:
        spent = np.flatnonzero(state.welcome_used)
        used = [[] for _ in range(rows)]
        for row, name in zip(spent, welcomes.coupon_ids(spec, users.joined[spent]).to_pylist(), strict=True):
            used[row].append(name)
    return _batch(
        date=_dates(spec, np.full(rows, day)),
        world=pa.array([spec.digest] * rows),
        block=pa.array(np.full(rows, block)),
        user_number=pa.array(np.arange(rows)),
        user_id=user_ids(users.numbers),
        due=lists_of_rows(state.due.astype(np.float32)),
        habit=pa.array(state.habit),
        strain=pa.array(state.strain),
        used=pa.array(used, pa.list_(pa.string())),
    )


def _summed(group: Ints, values: Ints, groups: int) -> Ints:
    return np.bincount(group.ravel(), values, groups).astype(np.int64)


def _dates(spec: WorldSpec, day: Sequence[int] | np.ndarray[Any, Any], missing: Any = None) -> pa.Array:
    epoch = spec.start.toordinal() - 719163  # 1970-01-01
    return pa.array((np.asarray(day) + epoch).astype(np.int32), pa.int32(), mask=missing).cast(pa.date32())


def _offsets(lengths: np.ndarray[Any, Any]) -> pa.Array:
    return pa.array(np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32))


def _batch(**columns: pa.Array) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))
