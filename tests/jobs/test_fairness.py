"""Promote compares groups of users: a biased strategy is stopped or told of, a fair one passes, nobody pays more."""

from __future__ import annotations

from typing import Any

import pandas as pd
import polars as pl
import pytest

from jobs.promote import run
from promo_spark.contracts.decisions import Promotions
from promo_spark.contracts.features import UserProfile
from promo_spark.contracts.measurement import Fairness
from promo_spark.contracts.silver import Users
from promo_spark.decisions.eligibility import UserEligibility
from promo_spark.decisions.held import HeldOffers
from promo_spark.errors import InvariantError
from promo_spark.flows.fairness import fairness_of_date
from promo_spark.runtime.job import Context
from promo_spark.runtime.progress import Progress, Step
from promo_spark.settings import Settings
from promo_spark.settings.promote import PromoteSettings
from promo_spark.storage.lake import Lake
from tests.jobs.shop_of_rows import DAY, LakeOfRows, Rows, decide, shop

RICH: dict[str, Any] = {"daily_budget": 5000.0, "mechanic_budgets": {}, "explore_share": 0.0, "least_gain": 0.01}


def asked(settings: Settings, gate: str, **changes: Any) -> PromoteSettings:
    """Groups of 20 are told of; the genders are compared, and loyal customers with others."""
    whole = {"gate": gate, "least_users": 20, "attributes": ["gender"], **changes}
    return settings.promote.model_copy(update={"fairness": settings.promote.fairness.model_copy(update=whole)})


def with_genders(rows: Rows, *, members: str) -> Rows:
    """Every second twelve users are women, as many of each kind; the members of the shop are all of them, or men."""
    gender = {u["user_id"]: "f" if n // 12 % 2 else "m" for n, u in enumerate(rows[UserProfile])}
    tiers = {user_id: "gold" if members in (of, "all") else None for user_id, of in gender.items()}
    return rows | {
        Users: [{"user_id": user_id, "gender": of} for user_id, of in gender.items()],
        UserProfile: [u | {"member_tier": tiers[u["user_id"]]} for u in rows[UserProfile]],
    }


def test_a_strategy_that_leaves_a_group_out_is_stopped_before_anything_is_written(
    lake: Lake, settings: Settings
) -> None:
    """N07: offers for members only, where only men are members: women get none."""
    biased, strict = with_genders(shop(), members="m"), asked(settings, "stop").fairness
    told = (
        r"so nothing was written:\n  0\.0% of gender=f have an offer, .*least_ratio is 0\.8\n"
        r'promote\.fairness\.gate is "stop"\. Change scenarios or budgets, '
        r"give groups their share by promote\.group_shares"
    )
    with pytest.raises(InvariantError, match=told):
        decide(lake, settings, biased, scenarios=["members_only"], fairness=strict, **RICH)
    assert not lake.exists(Promotions) and not lake.exists(Fairness)


def test_a_fair_strategy_passes_everyone_is_decided_for_and_nobody_pays_more(lake: Lake, settings: Settings) -> None:
    """N07: the same for members who are men and women passes the gate; with an offer nobody pays more than without.

    What the rows say is what the promotions say. Everybody has an offer, or a none with its reason. What is charged for
    a product is one price for all, loyal or new: an offer takes off it, and adds to it for nobody.
    """
    fair, strict = with_genders(shop(), members="all"), asked(settings, "stop").fairness
    scenarios = ["members_only", "recommended_item", "win_back"]
    promotions, _, _ = decide(lake, settings, fair, scenarios=scenarios, fairness=strict, **RICH)
    rows = pl.read_delta(lake.path(Fairness)).to_pandas()
    rows.index = pd.Index(rows.group_name + " " + rows.metric)
    of_genders = rows[rows.attribute == "gender"]
    assert set(of_genders.outcome) == {"ok"} and {"f", "m"} == set(of_genders.group_name)

    gender = {u["user_id"]: u["gender"] for u in fair[Users]}
    excluded = {"no_consent", "unknown_consent", "risk_blocked", "holdout"}
    may = promotions[[not excluded & set(codes) for codes in promotions.reason_codes]]
    women = may[may.user_id.map(gender) == "f"]
    served = women[women.scenario != "none"].user_id.nunique()
    rate = rows.loc["f offer_rate"]
    assert (rate.n, rate.estimate) == (women.user_id.nunique(), pytest.approx(served / women.user_id.nunique()))
    off = (women.coupon_amount / women.min_spend).astype(float)
    depth = women.assign(depth=women.discount_rate.astype(float).fillna(off)).groupby("user_id").depth.mean()
    assert rows.loc["f mean_depth"].estimate == pytest.approx(depth.mean(), abs=1e-5) and served > 30

    assert set(promotions.user_id) == {u["user_id"] for u in fair[UserProfile]}
    assert all(len(codes) for codes in promotions.reason_codes)
    priced = promotions[promotions.charged_price.notna()].assign(product=lambda p: p.product_ids.map(tuple))
    lifecycle = {u["user_id"]: u["lifecycle"] for u in fair[UserProfile]}
    loyal = priced.user_id.map(lifecycle).isin(strict.loyal_lifecycles)
    assert (priced.offer_price < priced.charged_price).all() and (priced.charged_price <= priced.list_price).all()
    assert (priced.groupby("product").charged_price.nunique() == 1).all()
    assert set(priced[loyal]["product"]) & set(priced[~loyal]["product"])  # there are such that both are offered


def test_what_is_unequal_is_said_and_what_is_held_counts(lake: Lake, settings: Settings) -> None:
    """N07 (part): of 40 men 30 get 20% off, of 40 women 3 hold an offer and 3 that they withdrew from: 3 of 37.

    With "warn" that is a note and a row; users without a profile have no row; without attributes nothing is read.
    """
    spark = lake.spark
    reasons = {n: ["no_consent"] for n in (43, 44, 45)}
    users = [{"user_id": f"u{n}", "profiled": n < 80, "exclusions": reasons.get(n, [])} for n in range(81)]
    made = [
        {"user_id": f"u{n}", "scenario": "repurchase" if n < 30 else "none", "discount_rate": 0.2} for n in range(80)
    ]
    held = HeldOffers.frame(spark, [{"user_id": f"u{n}", "held_offers": 1} for n in range(40, 46)])
    rows: Rows = {Users: [{"user_id": f"u{n}", "gender": "m" if n < 40 else "f"} for n in range(81)]}
    notes: list[str] = []

    def audited(chosen: PromoteSettings) -> dict[str, dict[str, Any]]:
        step = Step(Progress(), "promote")
        inputs = LakeOfRows(lake, rows, date=DAY, parts=1)
        ctx: Context[PromoteSettings] = Context(run, DAY, chosen, settings.business, "r1", inputs, step)
        object.__setattr__(ctx, "note", notes.append)
        found = fairness_of_date(ctx, UserEligibility.frame(spark, users), held, Promotions.frame(spark, made))
        return {f"{row['group_name']} {row['metric']}": row for row in found if row["attribute"] == "gender"}

    found = audited(asked(settings, "warn"))
    assert notes == [found["f disparate_impact"]["message"]]
    assert notes[0].startswith("8.1% of gender=f have an offer, 75.0% of gender=m: 0.11 times as many")
    coverage = found["f coverage"]
    assert (coverage["n"], coverage["estimate"]) == (40, 3 / 40)  # what they withdrew from is no offer any more
    assert (found["m mean_depth"]["n"], found["m mean_depth"]["estimate"]) == (30, 0.2)
    assert audited(asked(settings, "stop", attributes=[], loyal_lifecycles=[])) == {}
