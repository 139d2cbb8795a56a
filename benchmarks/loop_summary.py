"""What many months of benchmarks/loop.py say together: by day, against the goals, as text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from loop_days import SCOPES

from promo_spark.decisions.policy import InForce
from promo_spark.worlds.streams import Floats

DRIFT_DAY, FOUND_WITHIN = 10, 14
SURE = -3.3  # standard errors
WAYS = ("frozen", "adjusting", "known", "oracle")
GOALS = {
    "stationary": "value of adjusting over frozen ≥ 0.97",
    "drift": "regret of adjusting over frozen, days 10 to 29, ≤ 0.7",
    "two_lose": "regret of adjusting over frozen, days 10 to 29, ≤ 0.7",
    "planted": "paused within 14 days in ≥ 0.95 of the runs",
    "aa": "nothing paused, no greatest depth raised in ≥ 0.95 of the runs",
}


def by_day(months: Sequence[dict[str, Any]], way: str, figure: str) -> Floats:
    """Replication × day."""
    return np.array([one[way][figure] for one in months])


def summary(name: str, months: Sequence[dict[str, Any]], planted: str | None) -> dict[str, Any]:
    """The figures of a scenario's goals."""
    value = {way: by_day(months, way, "value") for way in WAYS}
    regret = {w: float((value["oracle"] - value[w])[:, DRIFT_DAY:].sum(axis=1).mean()) for w in WAYS[:3]}
    late = {way: [one[way]["late_told"] / max(one[way]["late_given"], 1e-9) for one in months] for way in WAYS[:2]}
    paused = [one["adjusting"]["paused_on"] for one in months]
    raised = [bool(one["adjusting"]["depth_raised"]) for one in months]
    told: dict[str, Any] = {
        "months": len(months),
        "goal": GOALS[name],
        **{f"value_{way}": round(float(value[way].sum(axis=1).mean()), 4) for way in WAYS},
        "value_ratio": _ratio(value["adjusting"].sum(), value["frozen"].sum()),
        "value_ratio_same_money": _ratio(value["adjusting"].sum(), sum(one["paced"] for one in months)),
        "regret_ratio": _ratio(regret["adjusting"], regret["frozen"]),
        "regret_ratio_known": _ratio(regret["known"], regret["frozen"]),
        **{f"regret_{way}": round(value_, 4) for way, value_ in regret.items()},
        "nothing_paused_or_raised": round(
            float(np.mean([not p and not r for p, r in zip(paused, raised, strict=True)])), 3
        ),
        "paused_share": {
            s: round(float(np.mean([s in p for p in paused])), 3) for s in SCOPES if any(s in p for p in paused)
        },
    }
    if name != "aa":
        told |= {f"told_over_given_{w}": round(float(np.mean(v)), 4) for w, v in late.items()}
        told["within_5_percent"] = round(float(np.mean(np.abs(np.array(late["adjusting"]) - 1) <= 0.05)), 3)
    if planted:
        within = [p.get(planted, 10**6) <= FOUND_WITHIN for p in paused]
        told |= {"planted": planted, "paused_within_14_days": round(float(np.mean(within)), 3)}
        told["others_paused"] = round(float(np.mean([bool(set(p) - {planted}) for p in paused])), 3)
        if "power" in months[0]:
            told["power"] = _found_by_day(months)
    told["met"] = _met(name, told)
    return told


def last_factors(months: Sequence[dict[str, Any]], truly: InForce) -> dict[str, str]:
    """The factors at the end, mean and standard deviation over the months, beside those that are known to be true."""
    told = {}
    for scope in SCOPES:
        parts = []
        for name in ("value_factor", "cost_factor"):
            found = [one["adjusting"]["last"].get(f"{name} of {scope}", 1.0) for one in months]
            parts.append(f"{name} {np.mean(found):.2f} ± {np.std(found):.2f}, true {truly.factor(name, scope):.2f}")
        told[scope] = "; ".join(parts)
    return told


def _ratio(one: float, other: float) -> float | None:
    return round(float(one / other), 4) if abs(other) > 1e-9 else None


def _met(name: str, told: dict[str, Any]) -> bool:
    if name == "stationary":
        return bool(told["value_ratio"] >= 0.97)
    if name == "planted":
        return bool(told["paused_within_14_days"] >= 0.95)
    if name == "aa":
        return bool(told["nothing_paused_or_raised"] >= 0.95)
    return bool(told["regret_ratio"] <= 0.7)


def _found_by_day(months: Sequence[dict[str, Any]]) -> dict[str, list[float]]:
    """By day from day 8 on: the share of runs in which the planted mechanic was below 0 for sure on it or before."""
    return {
        kind: [
            round(float(v), 3)
            for v in np.mean([np.minimum.accumulate(one["power"][kind]) < SURE for one in months], axis=0)
        ]
        for kind in ("withheld", "explore")
    }


def table(months: Sequence[dict[str, Any]]) -> list[dict[str, float]]:
    """One row per day: means over the replications, per treated user."""
    mean = {(way, f): by_day(months, way, f).mean(axis=0) for way in WAYS for f in ("value", "given", "told_given")}
    low, high = (np.quantile(by_day(months, "adjusting", "value"), q, axis=0) for q in (0.05, 0.95))
    factors = {f: by_day(months, "adjusting", f).mean(axis=0) for f in ("value_factor", "cost_factor")}
    rows = []
    for day in range(len(low)):
        told = {way: mean[way, "told_given"][day] for way in WAYS}
        rows.append(
            {
                "day": day,
                **{way: round(float(mean[way, "value"][day]), 5) for way in WAYS},
                "adjusting_low": round(float(low[day]), 5),
                "adjusting_high": round(float(high[day]), 5),
                "given_over_told_frozen": round(float(mean["frozen", "given"][day] / told["frozen"]), 4),
                "given_over_told_adjusting": round(float(mean["adjusting", "given"][day] / told["adjusting"]), 4),
                **{name: round(float(values[day]), 4) for name, values in factors.items()},
            }
        )
    return rows


def printed(name: str, rows: Sequence[dict[str, float]], told: dict[str, Any]) -> None:
    print(f"\n{name}: per treated user and day, mean of {told['months']} months")
    print("                                                        given / told       factor of")
    print("day   frozen  adjusting (5 to 95 %)      known   oracle  frozen  adjusting   value   cost")
    for row in rows:
        spread = f"({row['adjusting_low']:.4f} to {row['adjusting_high']:.4f})"
        over_told = f"{row['given_over_told_frozen']:6.3f}  {row['given_over_told_adjusting']:9.3f}"
        factors = f"{row['value_factor']:6.3f} {row['cost_factor']:6.3f}"
        print(
            f"{row['day']:3}  {row['frozen']:7.4f}  {row['adjusting']:7.4f} {spread:20} {row['known']:7.4f}  "
            f"{row['oracle']:7.4f}  {over_told}  {factors}"
        )
    for key, value in told.items():
        if isinstance(value, dict):
            print(f"  {key}:", *(f"    {name}: {one}" for name, one in value.items()), sep="\n")
        else:
            print(f"  {key}: {value}")
