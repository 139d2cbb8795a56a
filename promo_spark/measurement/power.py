"""How many users an experiment needs, so that an effect of a given size is found."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

from promo_spark.errors import SettingsError


@dataclass(frozen=True)
class Arms:
    """Users of both arms."""

    control: int
    treated: int


def users_needed(base: float, lift: float, *, share: float = 0.5, alpha: float = 0.05, power: float = 0.8) -> Arms:
    """The fewest users with whom a conversion that rises from `base` by the share `lift` of it is found.

    `share` of the users is treated. `alpha`: how often an effect is seen where there is none, two-sided; `power`: how
    often one of this size is seen. Both arms' conversions are compared by the pooled z test of two proportions (Fleiss,
    Levin and Paik 2003, chapter 4), without a correction for continuity. Raises SettingsError for what is no share, and
    for a conversion that would rise above 1.

    >>> users_needed(0.05, 0.15)
    Arms(control=14193, treated=14193)
    >>> users_needed(0.05, 0.15, share=0.9)  # a holdout of a tenth
    Arms(control=8045, treated=72405)
    """
    treated = base * (1 + lift)
    asked = (("base", base, 0.05), ("share", share, 0.9), ("alpha", alpha, 0.05), ("power", power, 0.8))
    for name, value, usual in asked:
        if not 0 < value < 1:
            raise SettingsError(f"--{name} must lie between 0 and 1, such as {usual}, found {value}")
    if power <= alpha:
        raise SettingsError(
            f"--power {power} is no more than --alpha {alpha}, and so often a rise is seen where there is none: give "
            "more, such as 0.8"
        )
    if lift == 0:
        raise SettingsError("--lift 0: nothing would change; give a share such as 0.15 for 15 % more, or -0.15")
    if not 0 < treated < 1:
        raise SettingsError(
            f"--lift {lift} of a conversion of {base} would make it {treated:g}: give a share such as 0.15 for 15 % "
            "more, so that it stays between 0 and 1"
        )
    pooled = (1 - share) * base + share * treated
    under_none = math.sqrt(pooled * (1 - pooled) / (share * (1 - share)))
    under_effect = math.sqrt(base * (1 - base) / (1 - share) + treated * (1 - treated) / share)
    normal = NormalDist()
    total = (
        (normal.inv_cdf(1 - alpha / 2) * under_none + normal.inv_cdf(power) * under_effect) / (treated - base)
    ) ** 2
    return Arms(math.ceil(total * (1 - share)), math.ceil(total * share))
