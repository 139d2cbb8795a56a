"""Which version of decisions.policy decides a date, and what it makes of the settings and of what offers bring."""

from __future__ import annotations

import datetime
from typing import Any

import numpy as np
import pytest

from promo_spark.contracts.policy import BY_HAND, CLOSED, PAUSED, Policy
from promo_spark.decisions.gains import Gains, calibrated
from promo_spark.decisions.policy import AS_SET, Entry, InForce, in_force, settings_in_force, version_rows
from promo_spark.errors import ContractError
from promo_spark.settings import Settings

DAY = datetime.date(2017, 12, 1)
NEXT_DAY = datetime.date(2017, 12, 2)


def entry(parameter: str, scope: str, value: float | None) -> Entry:
    return Entry(parameter, scope, value, "effects of 2017-11-30: -0.2 (-0.3 to -0.1), n 900", "it loses")


def rows(
    *values: tuple[str, str, float], parent: InForce = AS_SET, valid_from: datetime.date = DAY, job: str = "adjust"
) -> list[dict[str, Any]]:
    return version_rows([entry(*value) for value in values], parent=parent, valid_from=valid_from, job=job)


def under(settings: Settings, *values: tuple[str, str, float], **changes: Any) -> Any:
    return settings_in_force(settings.promote.model_copy(update=changes), in_force(rows(*values)))


def test_the_newest_version_up_to_the_date_is_in_force() -> None:
    """L01 (versions): what was evaluated on a date is what the next one is decided by; versions stay."""
    first = rows(("cost_factor", "mechanic:coupon", 1.2))
    second = rows(("cost_factor", "mechanic:coupon", 1.3), parent=in_force(first), valid_from=NEXT_DAY)
    assert in_force(first).values == {("cost_factor", "mechanic:coupon"): 1.2}
    newest = in_force([*second, *first])
    assert newest.values == {("cost_factor", "mechanic:coupon"): 1.3}
    assert second[0][Policy.parent] == first[0][Policy.version_id] and newest.version == second[0][Policy.version_id]
    assert [row[Policy.previous] for row in (*first, *second)] == [None, 1.2]
    assert in_force([]) is AS_SET


def test_a_version_is_named_by_its_values_and_the_one_before() -> None:
    """The same values in any order are the same version; there and back again are two."""
    a, b = ("cost_factor", "mechanic:coupon", 1.2), ("paused", "scenario:bundle", 1.0)
    names = {rows(a, b)[0][Policy.version_id], rows(b, a)[0][Policy.version_id]}
    assert len(names) == 1 and names.pop().startswith("2017-12-01-")
    there = rows(a)
    back = rows(a, parent=in_force(rows(b, parent=in_force(there))))
    assert back[0][Policy.version_id] != there[0][Policy.version_id]


def test_a_version_that_changes_nothing_has_one_row_that_says_so(settings: Settings) -> None:
    (row,) = version_rows([], parent=AS_SET, valid_from=DAY, job="adjust")
    assert (row[Policy.parameter], row[Policy.scope], row[Policy.value]) == ("none", "all", None)
    policy = in_force([row])
    assert policy.version == row[Policy.version_id] and not policy.values
    # but for the label all is as it was set
    found = settings_in_force(settings.promote, policy)
    assert found.policy_version == f"base-1+{policy.version}"
    assert found.model_copy(update={"policy_version": "base-1"}) == settings.promote
    assert settings_in_force(settings.promote, AS_SET) is settings.promote


def test_what_a_person_said_has_the_last_word_on_its_date() -> None:
    """Also where the job writes its version once more; of two things that were said, the later one."""
    by_job = rows(("paused", "mechanic:gift", 1.0))
    said = rows(parent=in_force(by_job), job=BY_HAND)
    assert in_force([*by_job, *said]).values == {}
    again = rows(("explore_share", "all", 0.1), parent=in_force(said), job=BY_HAND)
    assert in_force([*again, *by_job, *said]).values == {("explore_share", "all"): 0.1}
    made_anew = rows(("paused", "mechanic:gift", 2.0))
    assert in_force([*made_anew, *said, *again]).values == {("explore_share", "all"): 0.1}
    # the next date's version is newer, whoever wrote it
    later = rows(("paused", "mechanic:gift", 2.0), parent=in_force(again), valid_from=NEXT_DAY)
    assert in_force([*again, *later]).pause("mechanic:gift") == CLOSED
    with pytest.raises(ContractError, match="one last version for 2017-12-01"):
        in_force([*by_job, *made_anew])


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (
            ("discount", "mechanic:coupon", 1.0),
            "no parameter discount; there are: value_factor, cost_factor, depth_most",
        ),
        (("cost_factor", "all", 1.0), "cost_factor is of mechanic:NAME, scenario:NAME, found all"),
        (("cost_factor", "mechanic:coupons", 1.0), "found mechanic:coupons"),
        (("depth_most", "mechanic:coupon", 0.1), "depth_most is of scenario:NAME, found mechanic:coupon"),
        (("explore_share", "all:", 0.05), "explore_share is of all, found all:"),
        (("cost_factor", "mechanic:coupon", 4.1), "has to be 0.25 to 4, found 4.1"),
        (("value_factor", "scenario:bundle", 0.2), "has to be 0.25 to 4, found 0.2"),
        (("explore_share", "all", 0.11), "has to be 0.002 to 0.1, found 0.11"),
        (("budget_factor", "all", 0.05), "has to be 0.1 to 1, found 0.05"),
        (("budget_factor", "all", float("nan")), "has to be 0.1 to 1, found nan"),
        (("paused", "mechanic:coupon", 1.5), "has to be 1 to 2, found 1.5"),
        (("depth_most", "scenario:bundle", None), "has to be 0 to 1, found None"),
    ],
)
def test_a_value_outside_its_bounds_is_refused(value: tuple[str, str, float], message: str) -> None:
    """L02 (bounds): no change leaves its bounds: where a version is made, and where one is read that others wrote."""
    with pytest.raises(ContractError, match=message.replace("(", r"\(")):
        rows(value)
    stored = rows(("paused", "mechanic:gift", 1.0))[0]
    parameter, scope, number = value
    with pytest.raises(ContractError, match=message):
        in_force([stored | {Policy.parameter: parameter, Policy.scope: scope, Policy.value: number}])


def test_a_version_names_each_parameter_once() -> None:
    one = entry("paused", "mechanic:gift", 1.0)
    for entries in ([one, one], [one, entry("none", "all", None)]):
        with pytest.raises(ContractError, match="names each parameter once"):
            version_rows(entries, parent=AS_SET, valid_from=DAY, job="adjust")


@pytest.mark.parametrize(("most", "greatest"), [(0.1, 0.1), (0.5, 0.3), (0.0, 0.15), (0.3, 0.3), (0.15, 0.15)])
def test_the_greatest_depth_stays_within_the_settings(settings: Settings, most: float, greatest: float) -> None:
    """L02 (bounds): never leaves [min, max]: of win_back these are 0.15 and 0.30; of the first the least is 0.05."""
    depth = {"win_back": [0.05 if most == 0.1 else 0.15, 0.30], "bundle": [0.05, 0.15]}
    found = under(settings, ("depth_most", "scenario:win_back", most), depth=depth)
    assert found.depth == {"win_back": [depth["win_back"][0], greatest], "bundle": [0.05, 0.15]}


def test_budgets_are_paced_in_exact_decimals(settings: Settings) -> None:
    """500 × 0.85 = 425; of the coupon's 200 a half; a mechanic without a budget has that of the day: 425 × 0.1."""
    values = [("budget_factor", "all", 0.85), ("budget_factor", "mechanic:coupon", 0.5)]
    found = under(
        settings,
        *values,
        ("budget_factor", "mechanic:gift", 0.1),
        daily_budget=500.0,
        mechanic_budgets={"coupon": 200.0, "bundle": 100.0},
    )
    assert found.daily_budget == 425.0
    assert found.mechanic_budgets == {"coupon": 100.0, "bundle": 100.0, "gift": 42.5}


@pytest.mark.parametrize(("as_set", "in_force_"), [(0.05, 0.08), (0.02, 0.08), (0.0, 0.0)])
def test_a_shop_that_explores_nobody_goes_on_so(settings: Settings, as_set: float, in_force_: float) -> None:
    assert under(settings, ("explore_share", "all", 0.08), explore_share=as_set).explore_share == in_force_


def test_a_pause_is_of_a_mechanic_or_of_a_scenario() -> None:
    policy = in_force(rows(("paused", "mechanic:gift", 1.0), ("paused", "scenario:bundle", 2.0)))
    scopes = ("mechanic:gift", "scenario:bundle", "mechanic:bundle")
    assert [policy.pause(scope) for scope in scopes] == [PAUSED, CLOSED, 0]


def told(**figures: float) -> Gains:
    """Two offers of the same figures."""
    names = [*("visits", "uses", "given", "sold", "value", "error", "revenue", "freed", "first_pieces")]
    return Gains(**{n: np.full(2, figures.get(n, 0.7)) for n in names}, second_pieces=np.zeros(2))


def test_what_offers_bring_and_give_is_multiplied_each_by_its_own() -> None:
    """The second is paid for by a fund to a quarter; of both 4 are given and 6 brought beyond what the shop gives.

    First: 6 + 4 = 10 are brought: × 0.8 − 4 × 1.5 = 2. The shop's uses err by 0.25 × 4 = 1, all else by
    √(5 − 1) = 2: √((2 × 0.8)² + (1 × 1.5)²). Customers pay 3 more, 7 before what is given: 7 × 0.8 − 6.
    Second: the shop gives 3: (6 + 3) × 0.8 − 3 × 1.5 = 2.7. Of what it is used for 3 × 0.5 less is left.
    """
    of = told(given=4.0, value=6.0, error=5**0.5, revenue=3.0, freed=5.0, sold=9.0)
    found = calibrated(of, np.array([0.0, 0.25]), value=np.full(2, 0.8), cost=np.full(2, 1.5))
    assert found.given == pytest.approx([6.0, 6.0])
    assert found.value == pytest.approx([2.0, 2.7])
    assert found.error[0] == pytest.approx((1.6**2 + 1.5**2) ** 0.5)
    assert found.error[1] == pytest.approx(((5 - 0.5625) * 0.64 + 0.5625 * 2.25) ** 0.5)  # 0.25 × 3 squared
    assert found.revenue == pytest.approx([-0.4, -0.4])
    assert found.freed == pytest.approx([4.0, 4.0])
    assert found.sold == pytest.approx([7.0, 7.5])
    assert found.visits is of.visits and found.uses is of.uses and found.first_pieces is of.first_pieces


def test_factors_of_one_leave_every_bit() -> None:
    draw = np.random.default_rng(3)
    of = Gains(*(draw.uniform(-3, 9, 10_000) for _ in range(5)), *(draw.uniform(0, 9, 10_000) for _ in range(5)))
    found = calibrated(of, draw.uniform(0, 1, 10_000), value=np.ones(10_000), cost=np.ones(10_000))
    for name in ("given", "sold", "value", "error", "revenue", "freed"):
        assert np.array_equal(getattr(found, name), getattr(of, name)), name
