"""On which dates a model is fitted again."""

from __future__ import annotations

import datetime

import pytest

from promo_spark.measures.refitting import refit_reason
from promo_spark.settings.sections import Refit

FIRST = datetime.date(2017, 11, 6)


def day(n: int) -> datetime.date:
    return FIRST + datetime.timedelta(n)


def fits(refit: Refit, days: list[int], drifted: frozenset[int] = frozenset()) -> list[int]:
    """The days on which it is fitted, where the dates are run in order; the first has nothing to keep."""
    fitted = [days[0]]
    for n in days[1:]:
        why = "users moved" if n in drifted else ""
        if refit_reason(refit, date=day(n), trained_on=day(fitted[-1]), same_maker=True, drifted=why):
            fitted.append(n)
    return fitted


def test_the_dates_of_a_fit_follow_from_the_policy() -> None:
    assert fits("daily", [0, 1, 2]) == [0, 1, 2]
    assert fits("weekly", list(range(16))) == [0, 7, 14]
    assert fits("weekly", [0, 3, 6, 9, 12, 20]) == [0, 9, 20]  # 7 days on no date: the first that is older
    assert fits("when it drifts", list(range(16)), drifted=frozenset({4, 5, 11})) == [0, 4, 5, 11]
    assert fits("weekly", [0, 1, 2], drifted=frozenset({1})) == [0]  # drift is not what weekly asks for


@pytest.mark.parametrize("refit", ["daily", "weekly", "when it drifts"])
def test_other_code_or_settings_fit_again_whatever_the_policy(refit: Refit) -> None:
    reason = refit_reason(refit, date=day(1), trained_on=day(0), same_maker=False)
    assert reason == "the code or the settings have changed"
