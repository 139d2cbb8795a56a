"""Who cheats, with the orders of the day so far: what job risk says of an account, by what was usual in the morning."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts.intraday import IntradayRisk
from promo_spark.contracts.risk import Risk
from promo_spark.contracts.silver import OrderLines
from promo_spark.flows import risk as of_job
from promo_spark.flows.stream.intake import Ctx, lines_so_far
from promo_spark.models.risk.frames import Account, AccountEvidence, AccountFigures
from promo_spark.models.risk.orders import account_figures, checked_orders
from promo_spark.settings.risk import RiskSettings


@dataclass(frozen=True)
class MorningRisk:
    """What is known before the day: of every account, and what is usual in the shop."""

    evidence: DataFrame  # AccountEvidence
    judges: of_job.Judges


def morning_risk(ctx: Ctx) -> MorningRisk:
    """What job risk works with on the date: the same accounts, links, forest and thresholds."""
    morning = ctx.under(RiskSettings)
    orders = of_job.orders_of_date(morning)
    hours = of_job.hours_of_date(morning, orders)
    known = of_job.known_accounts(morning, orders, hours)
    shop = of_job.shop_of_date(morning, known, hours)
    evidence = of_job.evidence_of_date(morning, orders, known, shop)
    return MorningRisk(evidence, of_job.judges_of_date(morning, orders, evidence, shop))


def risk_so_far(ctx: Ctx, users: DataFrame, morning: MorningRisk) -> DataFrame:
    """One row per user. Users of the day → IntradayRisk, without the stamps of a write.

    What an account ordered and gave back is counted with the day. Which accounts are linked, and which ordered the same
    in the same hours, is known as of the morning: telling that takes the orders of everybody.
    """
    evening = ctx.under(RiskSettings, ctx.date + datetime.timedelta(1))
    first = evening.date - datetime.timedelta(evening.settings.history_days)
    lines = lines_so_far(ctx, users).filter(F.col(OrderLines.order_date) >= F.lit(first))
    orders = checked_orders(lines, returned_within_days=evening.settings.returned_within_days)
    figures = account_figures(orders, quiet_hours=morning.judges.shop.hours.quiet)
    counted = [name for name in AccountFigures.columns() if name != AccountFigures.user_id]
    evidence = users.join(morning.evidence.drop(*counted), Account.user_id, "left")
    evidence = evidence.na.fill(0, [AccountEvidence.digests]).join(figures, Account.user_id, "left")
    found = of_job.risk(evening, AccountEvidence.shaped(evidence), morning.judges)
    return found.select([name for name in IntradayRisk.columns() if name in Risk.columns() and name != Risk.run_id])
