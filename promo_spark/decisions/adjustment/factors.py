"""Factors of what offers are told to bring and to give, from what they brought and gave: believed, then stepped to.

A factor is believed as a normal posterior: before anything is measured it is 1 with a stated doubt; each measurement
counts by its error, and half as much after a stated number of days. First all offers together (users with offers
against those held out; what receipts say), then each mechanic and scenario around them: for few offers of a kind it
stays near that of all. What was told then had the factors in it that were in force: they are multiplied back.
"""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

from promo_spark.contracts.policy import BY_NAME
from promo_spark.contracts.vocabulary import GIVING_MECHANICS
from promo_spark.decisions.adjustment.findings import OF_KINDS, Finding, Findings, dates_back
from promo_spark.decisions.policy import Entry, InForce
from promo_spark.settings.adjust import AdjustSettings

InForceOn = Callable[[datetime.date], InForce]
DECIMALS = 4
_SAME = 0.005  # a factor that would change by less stays
_LEAST_OF_ALL = 0.25  # of what was told: that all offers together bring or give, where kinds are seen beside them


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

    def cost(self) -> list[tuple[str, Belief]]:
        """What is believed of cost_factor, by mechanic and scenario: what receipts say over what was told."""
        days = self._dates()
        kinds = {name for day in days for name in self.findings.slices(day, "counted", "given")}
        return self._beliefs(
            "cost_factor",
            [self.findings.cost(day, "all") for day in days],
            {name: [self.findings.cost(day, name) for day in days] for name in kinds},
            {},
        )

    def value(self, cost: Sequence[tuple[str, Belief]]) -> list[tuple[str, Belief]]:
        """What is believed of value_factor, by mechanic and scenario, from what is believed of cost_factor.

        Before it is measured: the same. Offers that are used more often than was told give more, and bring
        more: were cost alone known so soon, those that are used most would look worst.
        """
        kinds = {name for method in OF_KINDS for name in self.findings.slices(self.date, method, "margin")}
        return self._beliefs(
            "value_factor",
            [self.findings.gain(day, "holdout", "all") for day in self._dates()],
            {name: [self.findings.gain(self.date, method, name) for method in OF_KINDS] for name in kinds},
            {scope: belief.mean for scope, belief in cost},
        )

    def _dates(self) -> Sequence[datetime.date]:
        return dates_back(self.date, every=self.window_days, memory_days=self.settings.memory_days)

    def _beliefs(
        self,
        parameter: str,
        of_all: Sequence[Finding | None],
        kinds: Mapping[str, Sequence[Finding | None]],
        before: Mapping[str, float],
    ) -> list[tuple[str, Belief]]:
        """By mechanic and scenario. `of_all`: of all offers together; `before`: what is believed without a finding."""
        told = []
        doubt = self.settings.doubt
        together = self._after(Belief(1.0, doubt**2), of_all, parameter, None)
        beside = max(together.mean, _LEAST_OF_ALL)
        mechanics = [f"mechanic:{name}" for name in GIVING_MECHANICS]
        for scope in sorted({*mechanics, *kinds}):
            if scope in mechanics:
                known = (f"before that {before[scope]:.3f}, as is believed of cost_factor",) if scope in before else ()
                of_each = self._after(Belief(before.get(scope, 1.0), doubt**2, known), of_all, parameter, scope)
                belief = of_each.around(self.settings.doubt_of_kinds)
                belief = self._after(belief, kinds.get(scope, ()), parameter, scope)
            else:  # what a scenario's mechanics do not explain: beside the ratio of all
                belief = Belief(1.0, self.settings.doubt_of_kinds**2)
                belief = self._after(belief, kinds[scope], parameter, scope, beside)
            if belief.evidence or scope in before:
                told.append((scope, belief))
        return told

    def _after(
        self,
        belief: Belief,
        found: Sequence[Finding | None],
        parameter: str,
        scope: str | None,
        beside: float = 1.0,
    ) -> Belief:
        """What is believed after the findings, the older ones counting less. `scope` None: of ratios as they are."""
        for one in found:
            if one is not None:
                was = 1.0 if scope is None else self._mean_factor(parameter, scope, one)
                days = (self.date - one.last).days - 1
                older = 2 ** (max(days, 0) / (2 * self.settings.half_life_days))
                belief = belief.after(was * one.ratio / beside, was * one.ratio_error * older / beside, one.text)
        return belief

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
    bounds = BY_NAME[parameter]
    entries = []
    for scope, belief in beliefs:
        aim = belief.mean
        if week is not None and scope.startswith("mechanic:"):
            aim += settings.chance * belief.variance**0.5 * normal_draw(f"{week} {scope}")
        wanted, aim = aim, min(max(aim, bounds.least), bounds.most)
        now = current.factor(parameter, scope)
        value = stepped(now, aim, settings.step)
        if value == 1.0 and now == 1.0:
            continue
        what = "bring" if parameter == "value_factor" else "give"
        drawn = f", drawn around {belief.mean:.2f}" if wanted != belief.mean and week else ""
        bounded = f", the {'least' if aim > wanted else 'most'} that is believed" if aim != wanted else ""
        reason = f"such offers {what} {aim:.2f} of what is told{drawn}{bounded}; at most {settings.step:.0%} a day"
        rests_on = (*belief.evidence[:1], *belief.evidence[1:][-2:])  # what it began with, and what came last
        evidence = f"believed {belief.mean:.3f} ± {belief.variance**0.5:.3f}; {'; '.join(rests_on)}"
        entries.append(Entry(parameter, scope, value, evidence, reason))
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
