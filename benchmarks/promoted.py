"""What the job promote would say of the candidates: its own valuation, fed with what was learnt of the world.

Effects on visits, pieces and elasticities are those of the jobs uplift, propensity and elasticity, as `ours` has them;
how many more pieces an offer sells, and what it gives, follows from these alone: nothing is fitted to the week of
random offers.
"""

from __future__ import annotations

import numpy as np
from assembled import Assembled
from learned import Learned
from lifts import shelf_elasticities

from promo_spark.decisions.gains import Curves, Offered, Pieces, gains
from promo_spark.decisions.mechanics import NAMES
from promo_spark.models.uplift.effects import SAVINGS, SHARES
from promo_spark.models.uplift.response_model import FEATURES
from promo_spark.worlds import response
from promo_spark.worlds.streams import Floats, Ints

_AT_ONCE = 1.2  # pieces of a product in a basket that holds it


def promoted(parts: Assembled) -> tuple[Floats, Floats]:
    """User × candidate: the value, and the amount expected to be given."""
    of = parts.of
    if NAMES != response.NAMES:
        raise ValueError(f"the job knows {NAMES}, the world {response.NAMES}: they have to be the same, in this order")
    told = gains(_offered(parts), _curves(of))
    has = of.candidates.mechanic >= 0
    return of.shaped(np.where(has, told.value, 0.0)), of.shaped(np.where(has, told.given, 0.0))


def _curves(of: Learned) -> Curves:
    known = of.model.known
    uses = np.array(known.use_savings), np.array(known.use_levels)
    return Curves(SAVINGS, of.effects.savings, SHARES, of.effects.shares, *uses)


def _offered(parts: Assembled) -> Offered:
    """The candidates with their users, as the job's tables would have them."""
    of = parts.of
    offer, shop, week = of.candidates, of.seen.shop, of.world.day // 7
    user, mechanic = offer.user, np.maximum(offer.mechanic, 0)
    on_products, bundle = response.ON_PRODUCTS[mechanic], offer.mechanic == response.BUNDLE
    elasticity = shelf_elasticities(of.seen)
    price = shop.list_price[:, week] / 100 * (1 - shop.depth[:, week])

    def shelf(values: Floats, product: Ints) -> Floats:
        return np.where(product >= 0, values[np.maximum(product, 0)], 0.0)

    def pieces(product: Ints) -> Pieces:
        usual = parts.pieces(of.now, user, product, of.world.day)
        left, of_category = shelf(price - shop.cost / 100, product), shelf(elasticity, product)
        return Pieces(usual, left, shelf(shop.cost / 100, product), of_category, np.full(len(user), _AT_ONCE))

    second = np.where(bundle, offer.second, -1)
    reduced = [  # what is left of the listed price, below what the shelf asks
        np.maximum(shelf(price, one) - shelf(shop.list_price[:, week] / 100, one) * (1 - offer.saving), 0.0)
        for one in (offer.product, second)
    ]
    after = shelf(price, offer.product) * offer.saving
    after = after * np.where(offer.mechanic == response.POINTS, response.POINTS_SPENT, 1.0)
    of_products = np.where(response.AT_THE_TILL[mechanic], reduced[0] + reduced[1], after)
    gift = offer.mechanic == response.GIFT
    of_baskets = np.where(gift, shelf(shop.cost / 100, offer.product), offer.amount)
    log, spread = of.seen.log_baskets()
    pull, mention, readiness = (of.now[:, FEATURES.index(name)] for name in ("pull", "mention", "readiness"))
    return Offered(
        mechanic=mechanic,
        saving=offer.saving,
        off=np.where(on_products, of_products, of_baskets),
        least=np.maximum(offer.min_spend, np.where(gift, 0.0, offer.amount)),
        worth=np.where(on_products, shelf(price, offer.product) + shelf(price, second), 0.0),
        first=pieces(np.where(gift, -1, offer.product)),
        second=pieces(second),
        chance=np.zeros(len(user)),
        visits=of.weekly_visits(of.now)[user],
        effect=of.effects.own(pull)[user] * of.effects.size[mechanic],
        error=np.zeros(len(user)),
        mention=mention[user],
        readiness=readiness[user],
        margin=parts.margins(of.now)[user],
        basket=np.exp(log)[user],
        spread=spread[user],
        funded=np.zeros(len(user)),
    )
