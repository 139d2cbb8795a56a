"""What a week of offers brought, in words for a marketer: from rows of decisions and measurement. Read with polars."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from promo_spark.contracts.decisions import Promotions
from promo_spark.contracts.measurement import Checks, Effects
from promo_spark.contracts.policy import NONE, Policy

Rows = Iterable[Mapping[str, Any]]
OF_ALL = {  # metric → its name, and whether it is an amount
    "orders": ("orders", False),
    "paid": ("paid", True),
    "margin": ("margin, all that is given taken off", True),
    "given": ("given by the shop", True),
    "roi": ("margin brought by each unit of money given", False),
}
MEANING = {
    "ship": "it rose for sure: go on with it",
    "stop": "it fell for sure: end it",
    "hold": "nobody can tell yet, as 0 lies between",
}


def report(lake: Path, date: datetime.date, valid_days: int, window: int) -> list[str]:
    """The lines of the whole report, of what was measured on the date."""
    promotions = pl.read_delta(str(lake / "decisions" / "promotions")).filter(pl.col("date") < date)
    effects, checks = (
        pl.read_delta(str(lake / "measurement" / name)).filter(pl.col("date") == date).to_dicts()
        for name in ("effects", "checks")
    )
    policy = lake / "decisions" / "policy"
    changed = pl.read_delta(str(policy)).to_dicts() if policy.exists() else []
    parts = {
        f"Offers made, each for {valid_days} days": offers_by_day(promotions),
        "What was reserved for an offer, and what it gave": plans(effects),
        "What all offers together brought, against customers who were held out": together(effects),
        f"What single offers brought in {window} days, where chance drew who gets them": singly(effects),
        "Can it be believed": alarms(checks),
        "What was changed for the next days, by itself": adjusted(changed),
    }
    told = []
    for title, lines in parts.items():
        told += ["", title, *[f"  {line}" for line in lines]]
    return told


def offers_by_day(promotions: pl.DataFrame) -> list[str]:
    """A line per day: offers, users with one, users by arm, what was reserved. Promotions → lines."""
    offered = pl.col(Promotions.mechanic) != "none"
    users = pl.col(Promotions.user_id)
    of_days = (
        promotions.group_by(Promotions.date)
        .agg(
            offered.sum().alias("offers"),
            users.filter(offered).n_unique().alias("to"),
            users.filter(pl.col(Promotions.arm) == "explore").n_unique().alias("explored"),
            users.filter(pl.col(Promotions.arm) == "holdout").n_unique().alias("held"),
            pl.col(Promotions.expected_cost).filter(offered).sum().alias("reserved"),
            pl.col(Promotions.currency).first(),
        )
        .sort(Promotions.date)
    )
    return [
        f"{row['date']}  {row['offers']:,} offers to {row['to']:,} customers, {row['reserved']:,.2f} {row['currency']} "
        f"reserved; explored by chance: {row['explored']:,} customers, held out: {row['held']:,}"
        for row in of_days.iter_rows(named=True)
    ]


def plans(effects: Rows) -> list[str]:
    """Per offer: expected against seen, of all and by mechanic. Effects of the method counted → lines."""
    counted = [row for row in effects if row[Effects.method] == "counted"]
    counted.sort(key=lambda row: row[Effects.window_days])  # of several windows the longest is told
    slices = sorted({row[Effects.slice] for row in counted if not row[Effects.slice].startswith("scenario:")})
    told = []
    for slice_ in slices:
        of = {row[Effects.metric]: row for row in counted if row[Effects.slice] == slice_}
        if "given" not in of or "redeemed" not in of:
            continue
        given, used = of["given"], of["redeemed"]
        users = f"{_of_what(slice_)} ({_customers(given[Effects.n_treated])})"
        if given[Effects.estimate] is None or used[Effects.estimate] is None:
            told.append(f"{users}: {given[Effects.reason] or used[Effects.reason]}")
            continue
        told.append(
            f"{users}: reserved {given[Effects.expected]:.2f}, given {given[Effects.estimate]:.2f}"
            f"{_between(given, '.2f')}; used {used[Effects.estimate]:.0%} of the offers, "
            f"expected were {used[Effects.expected]:.0%}{_judged(given)}"
        )
    return told or ["No offer has ended yet."]


def _judged(row: Mapping[str, Any]) -> str:
    """Whether what was reserved lies outside of what receipts say. Where all gave the same, nobody knows how sure."""
    if not row[Effects.se]:
        return ""
    if row[Effects.ci_low] > row[Effects.expected]:
        return ". More was given than reserved"
    return ". Less was given than reserved" if row[Effects.ci_high] < row[Effects.expected] else ""


def together(effects: Rows) -> list[str]:
    """Per user and window, by metric: the effect, how sure it is, what it means. Effects of holdout, all → lines."""
    rows = [row for row in effects if row[Effects.method] == "holdout" and row[Effects.slice] == "all"]
    told = []
    for days, first in sorted({(row[Effects.window_days], row[Effects.first_day]) for row in rows}, reverse=True):
        of = {row[Effects.metric]: row for row in rows if row[Effects.window_days] == days}
        any_row = next(iter(of.values()))
        told.append(
            f"In the {days} days from {first}, {any_row[Effects.n_treated]:,} customers who may get offers against "
            f"{any_row[Effects.n_control]:,} held out, per customer:"
        )
        if len({row[Effects.reason] for row in of.values()}) == 1 and any_row[Effects.reason] is not None:
            told.append(f"  {any_row[Effects.verdict]}: {any_row[Effects.reason]}")
            continue
        told += [f"  {_effect(of[metric], name, money)}" for metric, (name, money) in OF_ALL.items() if metric in of]
    return told or ["Nothing was measured."]


def _effect(row: Mapping[str, Any], name: str, money: bool) -> str:
    if row[Effects.estimate] is None:
        return f"{name}: {row[Effects.verdict]}, {row[Effects.reason]}"
    form = "+.2f" if money else "+.3f"
    beside = f" on {format(row[Effects.control], form[1:])}" if row[Effects.control] is not None else ""
    verdict = row[Effects.verdict]
    means = f". {verdict}: {MEANING[verdict]}" if verdict in MEANING else ""
    return f"{name}: {row[Effects.estimate]:{form}}{beside}{_between(row, form)}{means}"


def singly(effects: Rows) -> list[str]:
    """What is told of single offers, by scenario, mechanic and depth. Effects of explore and policies → lines."""
    rows = [
        row
        for row in effects
        if row[Effects.metric] == "margin" and row[Effects.method] in ("explore", "dr_policy", "snips_policy")
    ]
    sure = [row for row in rows if row[Effects.verdict] in ("ship", "stop")]
    told = [f"{_of_what(row[Effects.slice])}: {_effect(row, 'margin per customer', True)}" for row in sure]
    for verdict, why in (("hold", "nobody can tell yet"), ("insufficient", "too few customers drew it")):
        of = sorted({_of_what(row[Effects.slice]) for row in rows if row[Effects.verdict] == verdict})
        if of:
            told.append(f"{verdict}, {why}: {', '.join(of)}")
    return told or ["Chance drew nothing whose days are over."]


def alarms(checks: Rows) -> list[str]:
    """A line per alarm; how many checks are well, and how many cannot tell. Checks → lines."""
    of: dict[str, list[Mapping[str, Any]]] = {}
    for row in checks:
        of.setdefault(row[Checks.outcome], []).append(row)
    told = [f"ALARM {row[Checks.check]} ({row[Checks.slice]}): {row[Checks.message]}" for row in of.get("alarm", [])]
    unknown = sorted({str(row[Checks.check]) for row in of.get("insufficient", [])})
    told.append(f"Of {sum(map(len, of.values()))} checks {len(of.get('ok', []))} find all well")
    return [*told, f"Nobody can tell yet of: {', '.join(unknown)}"] if unknown else told


def adjusted(policy: Rows) -> list[str]:
    """A line per parameter of a version that differs from the version before. Policy → lines."""
    told = []
    by_day = sorted(policy, key=lambda r: (r[Policy.valid_from], r[Policy.parameter], r[Policy.scope]))
    for row in by_day:
        if row[Policy.parameter] == NONE or row[Policy.value] == row[Policy.previous]:
            continue
        before = "the settings" if row[Policy.previous] is None else f"{row[Policy.previous]:g}"
        told.append(
            f"from {row[Policy.valid_from]}: {row[Policy.parameter]} of {_of_what(row[Policy.scope])} is "
            f"{row[Policy.value]:g} instead of {before}: {row[Policy.reason]}"
        )
    return told or ["Nothing."]


def _between(row: Mapping[str, Any], form: str) -> str:
    """The interval that the verdict goes by: the one that holds however often people look, where there is one."""
    ends = (row[Effects.cs_low], row[Effects.cs_high])
    low, high = ends if ends[0] is not None else (row[Effects.ci_low], row[Effects.ci_high])
    return "" if low is None or low == high else f" (between {low:{form}} and {high:{form}})"


def _of_what(slice_: str) -> str:
    """A slice or scope for people.

    >>> _of_what("all"), _of_what("mechanic:flash"), _of_what("depth:0.2"), _of_what("policy:prices")
    ('all offers', 'mechanic flash', 'depth 0.2', 'choosing as it was done')
    """
    if slice_.startswith("policy:"):
        return "choosing as it was done"
    return {"all": "all offers"}.get(slice_, slice_.replace(":", " ", 1))


def _customers(n: int) -> str:
    return "1 customer" if n == 1 else f"{n:,} customers"
