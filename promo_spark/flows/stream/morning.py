"""What is known before the day and held for all its batches: looked up once, when an order first asks for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from promo_spark.contracts.silver import OrderLines
from promo_spark.flows.stream.decisions import MorningDecisions, morning_decisions
from promo_spark.flows.stream.intake import Ctx
from promo_spark.flows.stream.propensity import MorningModels, morning_models
from promo_spark.flows.stream.risk import MorningRisk, morning_risk

K = TypeVar("K")


class Morning:
    """What the jobs of the date's morning know, of each once."""

    def __init__(self) -> None:
        self._risk: list[MorningRisk | None] = []
        self._models: list[MorningModels | None] = []
        self._decisions: list[MorningDecisions | None] = []

    def risk(self, ctx: Ctx) -> MorningRisk | None:
        """What accounts are judged by; None: there are no orders of earlier days to know what is usual."""
        find = morning_risk if ctx.exists(OrderLines) else None
        return _once(ctx, self._risk, find, "no silver.order_lines: no account is judged")

    def models(self, ctx: Ctx) -> MorningModels | None:
        """The models of propensity; None: the date has none."""
        told = f"no models in models.fitted_models for {ctx.date}: nothing is predicted; run propensity for the date"
        return _once(ctx, self._models, morning_models if ctx.exists(OrderLines) else None, told)

    def decisions(self, ctx: Ctx) -> MorningDecisions | None:
        """What promote decided the date by; None: it has not."""
        told = f"no profiles and budgets of promote for {ctx.date}: no offers are made; run promote for the date"
        return _once(ctx, self._decisions, morning_decisions, told)


def _once(ctx: Ctx, known: list[K | None], find: Callable[[Ctx], K | None] | None, told: str) -> K | None:
    if not known:
        with ctx.kept_for_all_steps():
            known.append(find(ctx) if find else None)
        if known[0] is None:
            ctx.note(told)
    return known[0]
