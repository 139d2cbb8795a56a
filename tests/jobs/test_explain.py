"""The explain command on a decided day: the same offers are found again, and what was not offered has its reason."""

from __future__ import annotations

import datetime
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from promo_spark.contracts.decisions import Explored, Promotions
from promo_spark.contracts.features import UserProfile
from promo_spark.contracts.ops import Runs
from promo_spark.errors import MissingDataError
from promo_spark.flows.explain import as_logged
from promo_spark.runtime.progress import Progress
from promo_spark.runtime.registry import all_commands
from promo_spark.settings import Settings
from promo_spark.settings.promote import PromoteSettings
from promo_spark.storage.lake import Lake
from tests.jobs.shop_of_rows import DAY, LakeOfRows, decide, shop

# Offers of products and of a basket, some of which run out; every scenario is explained in test_pipeline.
SOME = ["repurchase", "win_back", "recommended_item", "bundle", "spend_and_save"]
CHANGES: dict[str, Any] = {"daily_budget": 60.0, "mechanic_budgets": {"coupon": 30.0}, "explore_share": 0.3}
CHANGES["scenarios"] = SOME


def test_a_decision_is_found_again_with_what_lost_and_by_what(lake: Lake, settings: Settings) -> None:
    """N08: of a user with offers, one whom the budget did not reach, and one in the holdout."""
    rows = shop()
    rows[UserProfile] = [u | {"basket_value": 30.0 + n % 50} for n, u in enumerate(rows[UserProfile])]  # none as usual
    promotions, _, _ = decide(lake, settings, rows, **CHANGES)
    same = settings.model_copy(update={"promote": settings.promote.model_copy(update=CHANGES)})
    decided = LakeOfRows(lake, rows, date=DAY, parts=3)

    def told(user: str) -> list[str]:
        arguments = {"user": user, "date": DAY.isoformat()}
        return all_commands()["explain"].start(decided, same, arguments, Progress(Console(file=StringIO()))).split("\n")

    treated = promotions[promotions.arm == "treatment"]
    offered = treated[treated.scenario != "none"].groupby("user_id").size()
    user, offers = str(offered.idxmax()), int(offered.max())
    heading, *lines = told(user)
    assert heading == f"{user} on {DAY}, arm treatment: {offers} offers" and offers == 2
    assert [line.startswith("  offered: ") for line in lines[:3]] == [True, True, False]
    own = promotions[promotions.user_id == user].sort_values("rank")
    for line, (_, offer) in zip(lines, own.iterrows(), strict=False):
        assert f"brings {offer.incremental_margin:.2f} ± " in line and f"gives {offer.expected_cost:.2f}" in line
    assert not any("not found again" in line for line in lines)

    [unreached, *_] = treated[treated.reason_codes.map(lambda codes: list(codes) == ["budget_exhausted"])].user_id
    heading, *lines = told(str(unreached))
    assert heading.endswith("arm treatment: no offer (budget_exhausted)")
    assert lines and all(line.startswith("  not offered: ") for line in lines)
    assert any(" brings more elsewhere, " in line or "did not reach" in line for line in lines)

    [held_out, *_] = promotions[promotions.reason_codes.map(lambda codes: list(codes) == ["holdout"])].user_id
    assert told(str(held_out)) == [
        f"{held_out} on {DAY}, arm holdout: no offer (holdout)",
        "  nothing could be offered",
    ]

    with pytest.raises(MissingDataError, match=f"{Promotions.full_name()} has no row of user 'nobody' for {DAY}"):
        told("nobody")


def test_of_an_explored_user_what_could_have_been_drawn_is_told(lake: Lake, settings: Settings) -> None:
    tea = {"date": DAY, "user_id": "u", "promotion_id": "a", "scenario": "repurchase", "mechanic": "discount"}
    tea |= {"product_ids": ["tea"], "action_propensity": "0.75"}
    none = tea | {"promotion_id": "n", "scenario": "none", "mechanic": "none", "product_ids": []}
    none["action_propensity"] = "0.25"
    lake.write(Promotions, [tea | {"rank": 1, "arm": "explore"}], {"date": DAY})
    before = DAY - datetime.timedelta(1)
    held = {
        "arm": "treatment",
        "promotion_id": "b",
        "mechanic": "coupon",
        "product_ids": [],
        "valid_from": before,
        "valid_to": DAY,
    }
    over = held | {"promotion_id": "c", "valid_to": before}  # it ended with the day before
    lake.write(Promotions, [tea | {"date": before, "rank": 1} | one for one in (held, over)], {"date": before})
    lake.write(Explored, [tea | {"chosen": True}, none | {"chosen": False}], {"date": DAY})
    arguments = {"user": "u", "date": DAY.isoformat()}
    told = all_commands()["explain"].start(lake, settings, arguments, Progress(Console(file=StringIO())))
    assert told.split("\n") == [
        f"u on {DAY}, arm explore: 1 offer",
        f"  held until {DAY}, since {before}: repurchase, coupon of the whole basket",
        "  drawn: repurchase, discount of tea, probability 0.750000",
        "  not drawn: none, no offer, probability 0.250000",
    ]
    assert "not recorded" in lake.read(Runs).collect()[0].settings


def test_a_decision_of_before_a_setting_was_there_is_explained_by_what_the_setting_is_today(settings: Settings) -> None:
    """The run knew another budget, no rings, and a setting that is gone."""
    logged = settings.promote.model_dump() | {"daily_budget": 7.0, "gone": 1}
    del logged["max_offers_per_ring"]
    by = PromoteSettings.model_validate(as_logged(settings.promote, logged))
    assert by == settings.promote.model_copy(update={"daily_budget": 7.0})
