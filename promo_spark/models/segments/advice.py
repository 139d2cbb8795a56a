"""What to do for the users of a segment, from where its centre lies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from promo_spark.contracts.features import UserProfile
from promo_spark.contracts.vocabulary import NO_TRAIT


@dataclass(frozen=True)
class Rule:
    """What is advised where each feature is within its bounds, in standard deviations from the mean of all."""

    advice: str
    bounds: Mapping[str, tuple[float, float]]

    def holds(self, centre: Mapping[str, float]) -> bool:
        """A centre that lacks one of the features meets no rule about it."""
        return all(f in centre and low <= centre[f] <= high for f, (low, high) in self.bounds.items())


_MOST = float("inf")
# The first that holds counts: silence before value, coupons before reductions.
RULES = (
    Rule("win_back", {UserProfile.orders_90d: (-_MOST, -1.5)}),
    Rule("thank", {UserProfile.spend_90d: (0.8, _MOST)}),
    Rule("bring_again", {UserProfile.spend_90d: (-_MOST, -0.7)}),
    Rule("fill_baskets", {UserProfile.spend_90d: (0.3, _MOST)}),
    Rule("remind", {UserProfile.spend_90d: (-_MOST, _MOST)}),
    Rule("coupons", {UserProfile.coupons_redeemed: (1.0, _MOST)}),
    Rule("reductions", {UserProfile.discounted_lines_share: (0.5, _MOST)}),
    Rule("full_price", {UserProfile.discounted_lines_share: (-_MOST, -0.5)}),
    Rule("bundles", {UserProfile.basket_value: (0.5, _MOST)}),
    Rule("one_more", {UserProfile.basket_value: (-_MOST, -0.5)}),
    Rule("reward_visits", {UserProfile.orders_per_30d: (0.5, _MOST)}),
)


def segment_advice(features: Sequence[str], centre: Sequence[float]) -> str:
    """What is advised for a segment with such a centre, one of contracts.vocabulary.ADVICE.

    >>> segment_advice(["orders_90d", "spend_90d"], [1.2, 0.9])
    'thank'
    >>> segment_advice(["recency_days"], [1.2])
    'none_special'
    """
    of = dict(zip(features, centre, strict=True))
    return next((rule.advice for rule in RULES if rule.holds(of)), NO_TRAIT)
