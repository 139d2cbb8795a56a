"""What signals say together: false alarms as they are promised, two signals for a suspension, absent ones."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from promo_spark.contracts.risk import SIGNALS
from promo_spark.contracts.vocabulary import RISK_TIERS
from promo_spark.models.risk.chances import median_and_mad, robust_z, tail_of_z
from promo_spark.models.risk.weighing import Thresholds, factor, weighed

AT = Thresholds(prior=0.001, innocent=0.003, scores=(0.2, 0.55, 0.9))
BAD, FINE = 1e-9, 0.8


def tiers(**chances: float) -> str:
    found = weighed({name: np.array([p]) for name, p in chances.items()}, AT)
    return RISK_TIERS[found.tier[0]]


def test_the_mean_factor_of_honest_accounts_is_no_more_than_one() -> None:
    uniform = (np.arange(1_000_000) + 0.5) / 1_000_000
    assert factor(uniform, AT.innocent).mean() <= 1.0


def test_no_more_honest_accounts_are_flagged_than_the_threshold_promises() -> None:
    """Signals that say nothing: at most one account in 1,222 comes to the score of 0.55 (Markov's inequality)."""
    draw = np.random.default_rng(1)
    found = weighed({name: draw.random(1_000_000) for name in SIGNALS}, AT)
    assert (found.tier >= RISK_TIERS.index("high")).mean() <= 1 / 1222


@pytest.mark.parametrize("one", SIGNALS)
def test_one_signal_however_strong_neither_flags_nor_limits(one: str) -> None:
    """J06 (suspension): what may have an innocent reason is no proof."""
    assert tiers(**{one: BAD}) == "low"
    assert tiers(**{name: BAD if name == one else FINE for name in SIGNALS}) == "low"


@pytest.mark.parametrize(
    ("first", "second"),
    [("equal_orders", "opened_together"), ("returned_at_once", "quiet_hours"), ("equal_orders", "quiet_hours")],
)
def test_two_independent_signals_flag_whether_the_others_can_be_measured_or_not(first: str, second: str) -> None:
    """J06 (suspension): whatever else is known."""
    assert tiers(**{first: BAD, second: BAD}) == "blocked"
    others = dict.fromkeys(SIGNALS, 0.5) | {first: BAD, second: BAD}
    assert tiers(**others) in ("high", "blocked")


def test_two_signals_of_one_group_are_one() -> None:
    found = weighed({"returned_at_once": np.array([BAD]), "returned_lines": np.array([BAD])}, AT)
    assert found.independent.tolist() == [1] and RISK_TIERS[found.tier[0]] == "low"


def test_outliers_are_no_signal_beside_those_they_are_made_of() -> None:
    found = weighed({"outlier": np.array([BAD]), "quiet_hours": np.array([BAD])}, AT)
    assert found.independent.tolist() == [1] and RISK_TIERS[found.tier[0]] == "low"


def test_an_account_of_which_nothing_is_known_keeps_the_prior() -> None:
    found = weighed({name: np.array([np.nan]) for name in SIGNALS}, AT)
    assert found.score[0] == pytest.approx(AT.prior) and found.independent.tolist() == [0]


def bursts(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """The chances of counts, judged by the median and MAD of all."""
    values, times = np.unique(counts, return_counts=True)
    return tail_of_z(robust_z(counts.astype(np.float64), *median_and_mad(values.astype(np.float64), times)))


@pytest.mark.parametrize("mean", [0.3, 2.0, 20.0])
def test_planted_bursts_are_flagged_and_hardly_any_usual_day(mean: float) -> None:
    """J01: all bursts, and no more than 1 % of the others, at a chance of 1 %, whatever is usual."""
    draw = np.random.default_rng(2)
    counts = 1 + draw.poisson(mean, 20_000)
    counts[:200] = 1 + np.rint((np.sqrt(mean + 1) + 4) ** 2)
    flagged = bursts(counts) < 0.01
    assert flagged[:200].all()
    assert flagged[200:].mean() <= 0.01
