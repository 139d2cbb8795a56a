"""What the treated did beyond the others, per user, and how sure that is; from sums over the users of each arm.

Every user of an arm counts, whether the offer was seen or not (intent to treat). A covariate from before the test, such
as earlier spend (CUPED, Deng et al. 2013) or a forecast made before it (CUPAC, Tang et al. 2020), takes out what of the
outcome it explains: the difference stays what it is on average, its error shrinks by √(1 − ρ²).
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class ArmSums:
    """Sums over the users of an arm: of the outcome y, of the covariate x, of their squares and their product."""

    users: int
    y: float
    yy: float
    x: float = 0.0
    xx: float = 0.0
    xy: float = 0.0

    def within(self) -> tuple[float, float, float]:
        """Sums of squares around the arm's own means: of y, of x, and of both."""
        n = self.users
        return self.yy - self.y**2 / n, self.xx - self.x**2 / n, self.xy - self.x * self.y / n


@dataclass(frozen=True)
class Difference:
    """The difference of means per user and its standard error; `explained`: share of the variance that x took out."""

    estimate: float
    error: float
    explained: float = 0.0


def adjusted_difference(treated: ArmSums, control: ArmSums) -> Difference | None:
    """Treated less control, per user, adjusted by the covariate; None: an arm has fewer than two users.

    The arms' variances may differ (Welch). The slope on x is that of both arms together, within each.

    Outcomes 3 and 5 against 1 and 2; x says nothing, as it is 0 for all:

    >>> told = adjusted_difference(ArmSums(2, 8.0, 34.0), ArmSums(2, 3.0, 5.0))
    >>> (told.estimate, round(told.error, 4), told.explained)  # variances 2 and 0.5: √(2 / 2 + 0.5 / 2)
    (2.5, 1.118, 0.0)

    Where x tells y but for a constant, nothing is left to chance. 3 = 2 + 1, 5 = 4 + 1; 1 = 1 + 0, 2 = 2 + 0:

    >>> told = adjusted_difference(ArmSums(2, 8.0, 34.0, 6.0, 20.0, 26.0), ArmSums(2, 3.0, 5.0, 3.0, 5.0, 5.0))
    >>> (told.estimate, told.error, told.explained)
    (1.0, 0.0, 1.0)
    """
    if min(treated.users, control.users) < 2:
        return None
    arms = (treated, control)
    yy, xx, xy = (sum(parts) for parts in zip(*(arm.within() for arm in arms), strict=True))
    slope = xy / xx if xx > 0 else 0.0
    means = [arm.y / arm.users - slope * arm.x / arm.users for arm in arms]
    variance = 0.0
    for arm in arms:
        own_yy, own_xx, own_xy = arm.within()
        left = max(own_yy - 2 * slope * own_xy + slope**2 * own_xx, 0.0)
        variance += left / (arm.users - 1) / arm.users
    explained = min(max(slope * xy / yy, 0.0), 1.0) if yy > 0 else 0.0
    return Difference(means[0] - means[1], math.sqrt(variance), explained)


@dataclass(frozen=True)
class RatioSums:
    """Sums over the users of an arm: of a ratio's numerator, of its denominator, of their squares and their product."""

    users: int
    top: float
    bottom: float
    top_top: float
    bottom_bottom: float
    top_bottom: float


def ratio_difference(treated: RatioSums, control: RatioSums) -> Difference | None:
    """The difference of two ratios of sums, such as margin per order; None: fewer than two users, or nothing below.

    Users are drawn, not orders: the error is by the delta method (Deng, Knoblich and Lu 2018).

    Users with 1 and 3 orders of 10 each against two with 2 orders of 5 each: margins of 10 and 5 an order, the same
    for all, so that there is no error:

    >>> told = ratio_difference(RatioSums(2, 40, 4, 1000, 10, 100), RatioSums(2, 20, 4, 200, 8, 40))
    >>> (told.estimate, told.error)
    (5.0, 0.0)
    """
    if min(treated.users, control.users) < 2 or min(treated.bottom, control.bottom) <= 0:
        return None
    ratios, variance = [], 0.0
    for arm in (treated, control):
        n, ratio = arm.users, arm.top / arm.bottom
        squares = arm.top_top - 2 * ratio * arm.top_bottom + ratio**2 * arm.bottom_bottom  # of top − ratio × bottom
        variance += max(squares, 0.0) * n / (n - 1) / arm.bottom**2
        ratios.append(ratio)
    return Difference(ratios[0] - ratios[1], math.sqrt(variance))
