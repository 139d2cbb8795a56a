"""Whether users were lost on the way: arms that are not of the size that was drawn make every comparison doubtful."""

from __future__ import annotations

from collections.abc import Mapping

from scipy.stats import chisquare

ALARM = 0.001  # probability below which chance is not believed any more (Fabijan et al. 2019)


def sample_ratio_p(seen: Mapping[str, int], drawn: Mapping[str, float]) -> float | None:
    """The probability of arms as unequal as seen, or more, were users drawn with these shares; None: nobody was seen.

    Pearson's chi-square test. Arms without a share, or with one of 0, must be empty: else it is 0.

    >>> round(sample_ratio_p({"a": 5050, "b": 4950}, {"a": 0.5, "b": 0.5}), 3)
    0.317
    >>> sample_ratio_p({"a": 495_000, "b": 500_000}, {"a": 0.5, "b": 0.5}) < ALARM  # one in a hundred of an arm is lost
    True
    """
    total = sum(seen.values())
    if total == 0:
        return None
    possible = [arm for arm, share in drawn.items() if share > 0]
    if any(count for arm, count in seen.items() if arm not in possible):
        return 0.0
    if len(possible) < 2:
        return 1.0
    whole = sum(drawn[arm] for arm in possible)
    expected = [total * drawn[arm] / whole for arm in possible]
    return float(chisquare([seen.get(arm, 0) for arm in possible], expected).pvalue)
