"""Who cheats: of every user how likely the account is no customer's, why, and what the order system is advised to do.

Accounts that share devices or addresses, were opened together, order the same in the same hours, live on coupons, give
back at once what they ordered by night. One signal proves nothing: what several independent ones say together does.
The actions are advice (models.risk_actions), each with its reason and the day on which it ends.
"""

from __future__ import annotations

from promo_spark.contracts.models import Metrics
from promo_spark.contracts.risk import Risk, RiskActions
from promo_spark.contracts.silver import OrderLines, Users
from promo_spark.flows.risk import (
    evidence_of_date,
    hours_of_date,
    judges_of_date,
    known_accounts,
    orders_of_date,
    risk,
    risk_actions,
    risk_figures,
    shop_of_date,
)
from promo_spark.measures.metric_rows import figure_entries
from promo_spark.runtime.job import Context, job, main
from promo_spark.settings.risk import RiskSettings


@job(
    reads=[OrderLines],
    optional=[Users],
    writes=[Risk, RiskActions, Metrics],
    settings=RiskSettings,
)
def run(ctx: Context[RiskSettings]) -> None:
    orders = orders_of_date(ctx)
    hours = hours_of_date(ctx, orders)
    known = known_accounts(ctx, orders, hours)
    shop = shop_of_date(ctx, known, hours)
    ctx.say("comparing accounts")
    evidence = evidence_of_date(ctx, orders, known, shop)
    judges = judges_of_date(ctx, orders, evidence, shop)
    of_users = risk(ctx, evidence, judges)
    ctx.say("scoring accounts")
    ctx.write(Risk, of_users)
    ctx.write(RiskActions, risk_actions(ctx, of_users, shop))
    ctx.metrics(figure_entries(risk_figures(of_users, judges)))


if __name__ == "__main__":
    main(run)
