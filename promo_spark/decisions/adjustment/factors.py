"""Factors of what offers are told to bring and to give, from what they brought and gave: believed, then stepped to.

A factor is believed as a normal posterior: before anything is measured it is 1 with a stated doubt; each measurement
counts by its error, and half as much after a stated number of days. First all offers together (users with offers
against those held out; what receipts say), then each mechanic and scenario around them: for few offers of a kind it
stays near that of all. What was told then had the factors in it that were in force: they are multiplied back.
"""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

from promo_spark.contracts.policy import PARAMETERS
from promo_spark.contracts.vocabulary import GIVING_MECHANICS
from promo_spark.decisions.adjustment.findings import Finding, Findings, dates_back
from promo_spark.decisions.policy import Entry, InForce
from promo_spark.settings.adjust import AdjustSettings

InForceOn = Callable[[datetime.date], InForce]
DECIMALS = 4
_SAME = 0.005  # a factor that would change by less stays


@dataclass(frozen=True)
class Belief:
    """A normal posterior: the mean, its variance, and what it rests on."""

    mean: float
    variance: float
    evidence: tuple[str, ...] = ()

    def after(self, seen: float, error: float, text: str) -> Belief:
        """The posterior after a measurement.

        >>> told = Belief(1.0, 0.04).after(2.0, 0.2, "seen")  # as sure as before: half way
        >>> round(told.mean, 3), round(told.variance, 3)
        (1.5, 0.02)
        """
        variance = max(error**2, 1e-9)
        weight = self.variance / (self.variance + variance)
        mean = self.mean + weight * (seen - self.mean)
        return Belief(mean, self.variance * (1 - weight), (*self.evidence, text))

    def around(self, doubt: float) -> Belief:
        """What is believed of one of several that differ so much (standard deviation)."""
        return Belief(self.mean, self.variance + doubt**2, self.evidence)


@dataclass(frozen=True)
class Calibration:
    """What factors follow from: the findings, which versions were in force, and how to believe them."""

    findings: Findings
    in_force: InForceOn
    date: datetime.date
    settings: AdjustSettings
    window_days: int  # of the holdout's shortest

    def value(self) -> list[tuple[str, Belief]]:
        """What is believed of value_factor, by mechanic and scenario."""
        days = dates_back(self.date, every=self.window_days, memory_days=self.settings.memory_days)
        of_all = [(day, self.findings.gain(day, "holdout", "all")) for day in days]
        of_all = [(day, found) for day, found in of_all if found is not None]
        kinds = {
            name: self.findings.gain(self.date, "explore", name)
            for name in self.findings.slices(self.date, "explore", "margin")
        }
        return self._beliefs("value_factor", of_all, kinds)

    def cost(self) -> list[tuple[str, Belief]]:
        """What is believed of cost_factor, by mechanic and scenario."""
        found = self.findings.cost(self.date, "all")
        of_all = [] if found is None else [(self.date, found)]
        kinds = {
            name: self.findings.cost(self.date, name) for name in self.findings.slices(self.date, "counted", "given")
        }
        return self._beliefs("cost_factor", of_all, kinds)

    def _beliefs(
        self,
        parameter: str,
        of_all: Sequence[tuple[datetime.date, Finding | None]],
        kinds: dict[str, Finding | None],
    ) -> list[tuple[str, Belief]]:
        if not of_all and not any(kinds.values()):
            return []
        together = self._ratio_of_all(of_all)
        told = []
        mechanics = [f"mechanic:{name}" for name in GIVING_MECHANICS]
        for scope in sorted({*mechanics, *kinds}):
            is_mechanic = scope.startswith("mechanic:")
            belief = (self._of_all(parameter, scope, of_all) if is_mechanic else Belief(1.0, 0.0)).around(
                self.settings.doubt_of_kinds
            )
            found = kinds.get(scope)
            if found is not None:
                # of a scenario what its mechanics do not explain: beside the ratio of all
                beside = 1.0 if is_mechanic else together
                was = self._mean_factor(parameter, scope, found)
                belief = belief.after(was * found.ratio / beside, was * found.ratio_error / beside, found.text)
            if belief.evidence:
                told.append((scope, belief))
        return told

    def _of_all(self, parameter: str, scope: str, of_all: Sequence[tuple[datetime.date, Finding | None]]) -> Belief:
        belief = Belief(1.0, self.settings.doubt**2)
        for day, found in of_all:
            if found is not None:
                was = self._mean_factor(parameter, scope, found)
                older = 2 ** ((self.date - day).days / (2 * self.settings.half_life_days))
                belief = belief.after(was * found.ratio, was * found.ratio_error * older, found.text)
        return belief

    def _ratio_of_all(self, of_all: Sequence[tuple[datetime.date, Finding | None]]) -> float:
        """What all offers brought or gave over what was told of them; at least a quarter."""
        belief = Belief(1.0, self.settings.doubt**2)
        for _, found in of_all:
            if found is not None:
                belief = belief.after(found.ratio, found.ratio_error, found.text)
        return max(belief.mean, 0.25)

    def _mean_factor(self, parameter: str, scope: str, found: Finding) -> float:
        """The factor that was in force when what was seen had been told: the mean over the dates."""
        days = max((found.last - found.first).days + 1, 1)
        dates = [found.first + datetime.timedelta(n) for n in range(days)]
        return sum(self.in_force(day).factor(parameter, scope) for day in dates) / days


def factor_entries(
    parameter: str, beliefs: Sequence[tuple[str, Belief]], current: InForce, settings: AdjustSettings, week: str | None
) -> list[Entry]:
    """A step towards what is believed of each factor, by at most `adjust.step`; none for those that stay at 1.

    `week`: of the draw that is aimed at instead of the mean (Thompson 1933), which widens with the doubt, so that what
    nobody knows much of is tried; None: the mean.
    """
    bounds = next(one for one in PARAMETERS if one.name == parameter)
    entries = []
    for scope, belief in beliefs:
        aim = belief.mean
        if week is not None and scope.startswith("mechanic:"):
            aim += settings.chance * belief.variance**0.5 * normal_draw(f"{week} {scope}")
        aim = min(max(aim, bounds.least), bounds.most)
        now = current.factor(parameter, scope)
        value = stepped(now, aim, settings.step)
        if value == 1.0 and now == 1.0:
            continue
        what = "bring" if parameter == "value_factor" else "give"
        drawn = f", drawn around {belief.mean:.2f}" if aim != belief.mean and week else ""
        reason = f"such offers {what} {aim:.2f} of what is told{drawn}; at most {settings.step:.0%} a day"
        spread = belief.variance**0.5
        entries.append(
            Entry(
                parameter,
                scope,
                value,
                f"believed {belief.mean:.3f} ± {spread:.3f}; " + "; ".join(belief.evidence[-2:]),
                reason,
            )
        )
    return entries


def stepped(now: float, aim: float, step: float) -> float:
    """As near to the aim as one step leads, up or down by the same share; as it is where little would change.

    >>> stepped(1.0, 2.0, 0.1), stepped(1.0, 0.5, 0.1), stepped(1.0, 1.05, 0.1), stepped(1.0, 1.003, 0.1)
    (1.1, 0.9091, 1.05, 1.0)
    """
    if abs(aim - now) < _SAME * now:
        return now
    return round(min(max(aim, now / (1 + step)), now * (1 + step)), DECIMALS)


def normal_draw(seed: str) -> float:
    """A draw from the standard normal distribution, the same for the same text.

    >>> round(normal_draw("2024-W22 mechanic:coupon"), 3) == round(normal_draw("2024-W22 mechanic:coupon"), 3)
    True
    """
    digest = int.from_bytes(hashlib.sha256(seed.encode()).digest()[:8], "big")
    return NormalDist().inv_cdf((digest + 0.5) / 2**64)
