"""What a segment is called, from where its centre lies: ids play no part, so permuting them changes no name."""

from __future__ import annotations

from collections.abc import Sequence

from promo_spark.contracts.features import UserProfile

NO_ORDERS = "no orders yet"
AVERAGE = "average customers"

# feature → what its low and its high end are called
PHRASES: dict[str, tuple[str, str]] = {
    UserProfile.recency_days: ("recently active", "not recently active"),
    UserProfile.tenure_days: ("new", "long-standing"),
    UserProfile.orders: ("few orders", "many orders"),
    UserProfile.orders_90d: ("few recent orders", "many recent orders"),
    UserProfile.orders_per_30d: ("infrequent", "frequent"),
    UserProfile.cadence_days: ("short intervals", "long intervals"),
    UserProfile.spend: ("low total spend", "high total spend"),
    UserProfile.spend_90d: ("low-spending", "high-spending"),
    UserProfile.basket_value: ("small baskets", "large baskets"),
    UserProfile.basket_median: ("small usual baskets", "large usual baskets"),
    UserProfile.basket_lines: ("few items per basket", "many items per basket"),
    UserProfile.categories: ("narrow range", "wide range"),
    UserProfile.products: ("few products", "many products"),
    UserProfile.discount_share: ("low discounts", "deep discounts"),
    UserProfile.discounted_lines_share: ("full-price", "deal-seeking"),
    UserProfile.coupons_redeemed: ("no coupons", "coupon users"),
    UserProfile.campaigns_received: ("rarely contacted", "often contacted"),
}
# Features that say much the same: a name mentions one of them. Any other stands for itself.
THEMES: dict[str, str] = {
    UserProfile.orders: "frequency",
    UserProfile.orders_90d: "frequency",
    UserProfile.orders_per_30d: "frequency",
    UserProfile.active_days_30d: "frequency",
    UserProfile.cadence_days: "frequency",
    UserProfile.spend: "spend",
    UserProfile.spend_90d: "spend",
    UserProfile.power_band: "spend",
    UserProfile.basket_value: "basket",
    UserProfile.basket_median: "basket",
    UserProfile.basket_lines: "basket",
    UserProfile.categories: "range",
    UserProfile.products: "range",
    UserProfile.discount_share: "discounts",
    UserProfile.discounted_lines_share: "discounts",
}
_GRADED = ("frequency", "spend", "basket")
VERY = "very "
_SPECIAL = 0.4  # standard deviations from the mean of all, from which on a name mentions a feature
_FAR = 1.2  # from which on it says very
_PHRASES_PER_NAME = 3


def segment_names(features: Sequence[str], centres: Sequence[Sequence[float]]) -> list[str]:
    """One name per centre (in standard deviations from the mean of all), different within the call.

    A name mentions the up to three features that are farthest from the mean, of those that say much the same the
    farthest, in the order of `features`, so that a small drift does not reword it. Where two centres would be called
    the same, both mention one feature more; if that never parts them, they are numbered in the order of their centres.

    >>> features = ["recency_days", "orders_per_30d", "spend_90d", "basket_value"]
    >>> segment_names(features, [[-0.9, 1.1, 1.2, 0.1], [0.1, 0.0, -0.3, 0.2]])
    ['recently active, frequent, very high-spending', 'average customers']
    """
    farthest = [_farthest(features, centre) for centre in centres]
    phrases = [
        min(sum(abs(centre[i]) >= _SPECIAL for i in of), _PHRASES_PER_NAME)
        for centre, of in zip(centres, farthest, strict=True)
    ]
    for _ in features:
        names = [_name(features, *one) for one in zip(centres, farthest, phrases, strict=True)]
        twins = {i for i, name in enumerate(names) if names.count(name) > 1}
        phrases = [n + (i in twins) for i, n in enumerate(phrases)]
    names = [_name(features, *one) for one in zip(centres, farthest, phrases, strict=True)]
    numbered = list(names)
    for name in {name for name in names if names.count(name) > 1}:
        alike = sorted((tuple(centres[i]), i) for i, other in enumerate(names) if other == name)
        for number, (_, i) in enumerate(alike, start=1):
            numbered[i] = f"{name} ({number})"
    return numbered


def _farthest(features: Sequence[str], centre: Sequence[float]) -> list[int]:
    """Places of features, the farthest from the mean first, one per theme."""
    of_themes: dict[str, int] = {}
    for i in sorted(range(len(features)), key=lambda i: (-abs(centre[i]), i)):
        of_themes.setdefault(THEMES.get(features[i], features[i]), i)
    return list(of_themes.values())


def _name(features: Sequence[str], centre: Sequence[float], farthest: Sequence[int], phrases: int) -> str:
    if phrases == 0:
        return AVERAGE
    return ", ".join(_phrase(features[i], centre[i]) for i in sorted(farthest[:phrases]))


def _phrase(feature: str, z: float) -> str:
    plain = feature.replace("_", " ")
    low, high = PHRASES.get(feature, (f"low {plain}", f"high {plain}"))
    very = VERY if abs(z) >= _FAR and THEMES.get(feature) in _GRADED else ""
    return very + (high if z > 0 else low)
