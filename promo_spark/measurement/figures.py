"""The figures of a user that effects are made of, and how a metric is made of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pyspark.sql import Column
from pyspark.sql import functions as F

from promo_spark.measurement.differences import Difference, difference, ratio_of_differences
from promo_spark.measurement.moments import Moments
from promo_spark.measurement.outcomes import DayOutcome, figure

USERS: Final = "users"  # 1 of every user, or the weight of those whom chance did not choose all alike
ACTIVE: Final = "active"  # had ordered before
BEFORE: Final = "before"  # the span before offers began, see outcomes_of_users
BEFORE_WINDOW: Final = "prior"  # as many days just before the shortest window
_CENT, _PART = 100, 10_000
Figures = Mapping[str, tuple[Column, int]]


@dataclass(frozen=True)
class Metric:
    """How a metric is made of figures: a sum per user, or per another figure; `over`: per difference of these together.

    `rises`: more of it is better, so that it has a verdict.
    """

    of: str
    per: str = USERS
    over: tuple[str, ...] = ()
    known_before: bool = False  # what users did before explains some of it
    rises: bool = True

    def told(self, treated: Moments, control: Moments, covariates: tuple[str, ...]) -> Difference | None:
        """Treated less control; None: nothing can be told."""
        known = covariates if self.known_before else ()
        if self.over:
            return ratio_of_differences(
                treated, control, {self.of: 1.0}, dict.fromkeys(self.over, 1.0), per=self.per, covariates=known
            )
        return difference(treated, control, {self.of: 1.0}, per=self.per, covariates=known)


METRICS: Final[Mapping[str, Metric]] = {
    "conversion": Metric("conversion", known_before=True),
    "orders": Metric(DayOutcome.orders, known_before=True),
    "paid": Metric(DayOutcome.paid, known_before=True),
    "margin": Metric(DayOutcome.margin, known_before=True),
    "given": Metric(DayOutcome.given, rises=False),
    "roi": Metric(DayOutcome.margin, over=(DayOutcome.given, DayOutcome.cost), known_before=True),
    "redeemed": Metric("redeemed", rises=False),
    "retained": Metric("retained", per=ACTIVE),
    "satisfaction": Metric(DayOutcome.score, per=DayOutcome.scores),
}
PLACEBOS: Final = {  # figure of the days before offers by metric
    "orders": f"{BEFORE}_{DayOutcome.orders}",
    "paid": f"{BEFORE}_{DayOutcome.paid}",
    "margin": f"{BEFORE}_{DayOutcome.margin}",
}
FORECASTS: Final = ("order_14d", "spend_30d")  # targets of models.propensity, told before offers began
PRIOR: Final = {name: f"{BEFORE_WINDOW}_{name}" for name in PLACEBOS}  # the same of the days before the window
COVARIATES: Final = (*PLACEBOS.values(), *FORECASTS)


def prior_figures() -> Figures:
    """The figures of the span `prior`, of as many days just before the window as it has."""
    parts = {"orders": 1}
    told = {metric: figure(BEFORE_WINDOW, METRICS[metric].of).cast("double") for metric in PRIOR}
    return {name: (F.coalesce(told[metric], F.lit(0.0)), parts.get(metric, _CENT)) for metric, name in PRIOR.items()}


def figures_of(span: str, weight: Column | None = None) -> Figures:
    """The figures of users in a span of days, see `outcomes_of_users`, and what was known of them before.

    `weight`: what the user counts; all figures are times it.
    """
    one = F.lit(1.0) if weight is None else weight
    orders, before = figure(span, DayOutcome.orders), figure(BEFORE, DayOutcome.orders)
    active = before > 0
    told: dict[str, tuple[Column, int]] = {
        USERS: (F.lit(1.0), 1 if weight is None else _PART),
        "conversion": ((orders > 0).cast("int"), 1 if weight is None else _PART),
        DayOutcome.orders: (orders, 1 if weight is None else _PART),
        DayOutcome.paid: (figure(span, DayOutcome.paid), _CENT),
        DayOutcome.margin: (figure(span, DayOutcome.margin), _CENT),
        DayOutcome.given: (figure(span, DayOutcome.given), _CENT),
        DayOutcome.cost: (figure(span, DayOutcome.cost), _CENT),
        "redeemed": ((figure(span, DayOutcome.used) > 0).cast("int"), 1 if weight is None else _PART),
        ACTIVE: (active.cast("int"), 1 if weight is None else _PART),
        "retained": ((active & (orders > 0)).cast("int"), 1 if weight is None else _PART),
        DayOutcome.score: (figure(span, DayOutcome.score), _CENT),
        DayOutcome.scores: (figure(span, DayOutcome.scores), 1 if weight is None else _PART),
        PLACEBOS["orders"]: (before, 1 if weight is None else _PART),
        PLACEBOS["paid"]: (figure(BEFORE, DayOutcome.paid), _CENT),
        PLACEBOS["margin"]: (figure(BEFORE, DayOutcome.margin), _CENT),
        FORECASTS[0]: (F.col(FORECASTS[0]), _PART),
        FORECASTS[1]: (F.col(FORECASTS[1]), _CENT),
    }
    return {name: (F.coalesce(value.cast("double"), F.lit(0.0)) * one, parts) for name, (value, parts) in told.items()}
