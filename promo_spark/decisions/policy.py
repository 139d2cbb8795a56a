"""The version of decisions.policy that a date is decided by: which one it is, and what it makes of the settings."""

from __future__ import annotations

import datetime
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from pyspark.sql import Column
from pyspark.sql import functions as F

from promo_spark.contracts.policy import ALL, BY_HAND, NONE, PAUSED, Policy, fault
from promo_spark.contracts.vocabulary import GIVING_MECHANICS
from promo_spark.errors import ContractError
from promo_spark.settings.promote import PromoteSettings

Values = Mapping[tuple[str, str], float]  # of a parameter and its scope


@dataclass(frozen=True)
class InForce:
    """What a date is decided by beside the settings: a version and its values. Without any, the settings alone."""

    version: str | None = None
    values: Values = field(default_factory=dict)

    def factor(self, parameter: str, scope: str) -> float:
        """A factor of a mechanic or scenario; 1 where the version does not name it."""
        return self.values.get((parameter, scope), 1.0)

    def pause(self, scope: str) -> int:
        """Whether a mechanic or scenario is paused: 0 no, PAUSED or CLOSED."""
        return int(self.values.get(("paused", scope), 0))

    def label(self, settings: PromoteSettings) -> str:
        """What decisions.promotions.policy_version says."""
        own = settings.policy_version
        return own if self.version is None else f"{own}+{self.version}"


AS_SET = InForce()  # the settings alone


@dataclass(frozen=True)
class Entry:
    """One parameter of a version, and why it has this value. value None: of the parameter `none` only."""

    parameter: str
    scope: str
    value: float | None
    evidence: str
    reason: str


def rows_in_force(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The rows of the version in force: of those given, that of the newest date. Policy → Policy.

    Of a date what a person said wins over what a job wrote; of what people said for it, the last, which is the one
    that no other came after.
    """
    if not rows:
        return []
    newest = max(row[Policy.valid_from] for row in rows)
    of_date = [row for row in rows if row[Policy.valid_from] == newest]
    said = [row for row in of_date if row[Policy.job] == BY_HAND] or of_date
    last = {row[Policy.version_id] for row in said} - {row[Policy.parent] for row in said}
    if len(last) != 1:
        found = ", ".join(sorted(last)) or "none"
        raise ContractError(f"decisions.policy has to have one last version for {newest}, found {found}")
    return [row for row in said if row[Policy.version_id] in last]


def in_force(rows: Sequence[Mapping[str, Any]]) -> InForce:
    """What is decided by. Policy of dates up to the one that is decided.

    Raises ContractError for a value that no version may have.
    """
    newest = rows_in_force(rows)
    return InForce(newest[0][Policy.version_id], values_of(newest)) if newest else AS_SET


def values_of(rows: Iterable[Mapping[str, Any]]) -> Values:
    """The values of the rows of one version. Policy. Raises ContractError for one that none may have."""
    values = {(row[Policy.parameter], row[Policy.scope]): row[Policy.value] for row in rows}
    return {name: _judged(*name, value) for name, value in values.items() if name[0] != NONE}


def version_rows(
    entries: Sequence[Entry], *, parent: InForce, valid_from: datetime.date, job: str
) -> list[dict[str, Any]]:
    """The rows of a new version, all that differs from the settings, without a run's id. → Policy.

    Without entries it has the one row that says so. Raises ContractError for a value that no version may have, and for
    one that is named twice.
    """
    entries = entries or [Entry(NONE, ALL, None, "nothing was found", "nothing differs from the settings")]
    by_name = {(one.parameter, one.scope): one for one in entries}
    nothing = (NONE, ALL) in by_name
    if len(by_name) != len(entries) or (nothing and len(entries) > 1):
        named = ", ".join(f"{one.parameter} of {one.scope}" for one in entries)
        raise ContractError(f"a version of decisions.policy names each parameter once, and `none` alone, found {named}")
    values = {} if nothing else {name: _judged(*name, one.value) for name, one in by_name.items()}
    same = {
        Policy.valid_from: valid_from,
        Policy.job: job,
        Policy.version_id: _version(valid_from, job, parent.version, values),
        Policy.parent: parent.version,
    }
    return [
        same
        | {
            Policy.parameter: one.parameter,
            Policy.scope: one.scope,
            Policy.value: values.get(name),
            Policy.previous: parent.values.get(name),
            Policy.evidence: one.evidence,
            Policy.reason: one.reason,
        }
        for name, one in sorted(by_name.items())
    ]


def _version(valid_from: datetime.date, job: str, parent: str | None, values: Values) -> str:
    """The same for the same values after the same version: another one where people go back and forth."""
    content = json.dumps([job, parent, sorted([*name, value] for name, value in values.items())])
    return f"{valid_from}-{hashlib.sha256(content.encode()).hexdigest()[:8]}"


def _judged(parameter: str, scope: str, value: float | None) -> float:
    """The value, if a version may have it. Raises ContractError."""
    if why := fault(parameter, scope, value):
        raise ContractError(f"decisions.policy: {why}")
    assert value is not None  # as it has no fault
    return float(value)


def settings_in_force(settings: PromoteSettings, policy: InForce) -> PromoteSettings:
    """The settings with what the version changes of them: depths, budgets, the explored share, and the label.

    Where there is no version they are as they are. Factors and pauses are no settings: the valuation applies them. A
    shop that explores nobody goes on to explore nobody.
    """
    if policy.version is None:
        return settings
    daily = _times(settings.daily_budget, policy.factor("budget_factor", ALL))
    mechanics = {
        mechanic: _times(settings.mechanic_budgets.get(mechanic, daily), policy.values["budget_factor", scope])
        for mechanic, scope in ((mechanic, f"mechanic:{mechanic}") for mechanic in GIVING_MECHANICS)
        if ("budget_factor", scope) in policy.values
    }
    explored = policy.values.get(("explore_share", ALL), settings.explore_share)
    return settings.model_copy(
        update={
            "daily_budget": daily,
            "mechanic_budgets": settings.mechanic_budgets | mechanics,
            "depth": {name: _up_to(policy, name, *bounds) for name, bounds in settings.depth.items()},
            "explore_share": explored if settings.explore_share else 0.0,
            "policy_version": policy.label(settings),
        }
    )


def _times(amount: float, factor: float) -> float:
    """An amount of the settings times a factor, in decimals: 500 × 0.85 is 425, not a hair less."""
    return float(Decimal(str(amount)) * Decimal(str(factor)))


def _up_to(policy: InForce, scenario: str, least: float, greatest: float) -> list[float]:
    """The bounds of a scenario's depth: the greatest as the version says, within those of the settings."""
    most = policy.values.get(("depth_most", f"scenario:{scenario}"), greatest)
    return [least, min(greatest, max(least, most))]


def is_paused(policy: InForce, *, mechanic: Column, scenario: Column, least: int = PAUSED) -> Column:
    """Whether an offer's mechanic or scenario is paused at least so far: PAUSED or CLOSED."""
    scopes = [scope for (parameter, scope), value in policy.values.items() if parameter == "paused" and value >= least]
    if not scopes:
        return F.lit(False)
    of_mechanic = F.concat(F.lit("mechanic:"), mechanic).isin(scopes)
    return of_mechanic | F.concat(F.lit("scenario:"), scenario).isin(scopes)


def changes(before: Values, after: Values) -> list[str]:
    """What a version changes of another, a text each.

    >>> changes({("paused", "mechanic:gift"): 1.0}, {("cost_factor", "mechanic:coupon"): 1.2})
    ['cost_factor of mechanic:coupon: as in the settings → 1.2', 'paused of mechanic:gift: 1 → as in the settings']
    """

    def told(values: Values, name: tuple[str, str]) -> str:
        return f"{values[name]:g}" if name in values else "as in the settings"

    names = sorted(name for name in {*before, *after} if before.get(name) != after.get(name))
    return [f"{name[0]} of {name[1]}: {told(before, name)} → {told(after, name)}" for name in names]
