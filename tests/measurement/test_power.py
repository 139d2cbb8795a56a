"""How many users an experiment needs."""

from __future__ import annotations

import numpy as np
import pytest

from promo_spark.errors import SettingsError
from promo_spark.flows.power import needed
from promo_spark.measurement.power import users_needed


@pytest.mark.parametrize(
    ("base", "lift", "users"),
    [
        (0.02, 0.15, 36_693),
        (0.02, 0.20, 21_109),
        (0.05, 0.15, 14_193),
        (0.05, 0.20, 8_158),
        (0.10, 0.15, 6_693),
        (0.10, 0.20, 3_841),
    ],
)
def test_users_per_arm_are_those_of_the_textbook(base: float, lift: float, users: int) -> None:
    """K06: two-sided 5 %, power 80 %."""
    arms = users_needed(base, lift)
    assert (arms.control, arms.treated) == (users, users)


@pytest.mark.parametrize("share", [0.5, 0.9])
def test_the_effect_is_found_as_often_as_promised(share: float) -> None:
    """K06: 20,000 experiments of that size, compared by the pooled z test, find it in 80 %, ± 1 as errors are 0.3."""
    draw, arms = np.random.default_rng(5), users_needed(0.05, 0.2, share=share)
    without = draw.binomial(arms.control, 0.05, 20_000) / arms.control
    treated = draw.binomial(arms.treated, 0.06, 20_000) / arms.treated
    pooled = (without * arms.control + treated * arms.treated) / (arms.control + arms.treated)
    error = np.sqrt(pooled * (1 - pooled) * (1 / arms.control + 1 / arms.treated))
    found = float((np.abs(treated - without) > 1.959964 * error).mean())
    assert found == pytest.approx(0.80, abs=0.01)


def test_the_command_says_it_in_a_sentence() -> None:
    told = needed({"base": "0.05", "lift": "0.15", "share": "", "alpha": "", "power": ""})
    assert told.startswith("14,193 users per arm: a conversion of 0.05 that becomes 0.0575 is then seen in 0.8 of all")
    with_holdout = needed({"base": "0.05", "lift": "0.15", "share": "0.9", "alpha": "", "power": ""})
    assert with_holdout.startswith("8,045 users without offers and 72,405 with them: ")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"base": "5 %"}, "--base '5 %' is no number; write a share such as 0.05"),
        ({"base": "5"}, "--base must lie between 0 and 1, such as 0.05, found 5.0"),
        ({"lift": "0"}, "--lift 0: nothing would change"),
        ({"lift": "30"}, "--lift 30.0 of a conversion of 0.05 would make it 1.55"),
        ({"lift": "nan"}, "--lift nan of a conversion"),
        ({"power": "1"}, "--power must lie between 0 and 1"),
        ({"power": "0.04"}, "--power 0.04 is no more than --alpha 0.05, and so often"),
        ({"share": "0"}, "--share must lie between 0 and 1"),
    ],
)
def test_what_cannot_be_asked_is_said(changed: dict[str, str], message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        needed({"base": "0.05", "lift": "0.15", "share": "", "alpha": "", "power": ""} | changed)
    assert str(caught.value).startswith(message)
