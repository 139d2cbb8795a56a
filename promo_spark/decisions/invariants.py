"""The promises of decisions.promotions, checked on the very frame that is about to be written.

Each rule is stated as its breach, over rows, users or constraints, and counted in one aggregation per kind; no
rows come to the driver but one example key per broken rule.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts.decisions import Budget, Promotions
from promo_spark.decisions.promotions import reserved
from promo_spark.decisions.users import PROFILED
from promo_spark.errors import InvariantError


def check_invariants(
    promotions: DataFrame,
    budget: DataFrame,
    judged: DataFrame,
    *,
    date: datetime.date,
    limits: Mapping[str, int],
    max_offers: int,
    unknown_consent: str,
    blocked_risk_tiers: Sequence[str],
) -> None:
    """Passes silently, or raises InvariantError with every broken rule, its rows and an example.

    `judged` are all users of the day with consent, risk tier and arm.
    """
    key = F.concat_ws("/", Promotions.user_id, Promotions.promotion_id)
    broken = breaches(promotions, row_rules(date), key)
    users = per_user(promotions, judged)
    rules = user_rules(max_offers, unknown_consent == "eligible", blocked_risk_tiers)
    broken += breaches(users, rules, F.col("user_id"))
    broken += breaches(per_constraint(promotions, budget), budget_rules(), F.col(Budget.constraint))
    unplanned = set(limits) - {r[0] for r in budget.select(Budget.constraint).collect()}
    broken += [f"every constraint has a budget row: missing {', '.join(sorted(unplanned))}"] if unplanned else []
    if broken:
        raise InvariantError(
            f"decisions.promotions for {date} would break its promises, so nothing was written:\n  "
            + "\n  ".join(broken)
            + "\nThis is a fault of the decisions, not of your data: please report it with these lines."
        )


def breaches(df: DataFrame, rules: Mapping[str, Column], key: Column) -> list[str]:
    """A sentence for each rule that some rows break: rule, number of rows, smallest key."""
    sums = []
    for i, breach in enumerate(rules.values()):
        sums += [F.count(F.when(breach, 1)).alias(f"n{i}"), F.min(F.when(breach, key)).alias(f"k{i}")]
    found = df.agg(*sums).collect()[0]
    return [
        f"{rule}: broken by {found[f'n{i}']}, such as {found[f'k{i}']}"
        for i, rule in enumerate(rules)
        if found[f"n{i}"]
    ]


def _fails(condition: Column) -> Column:
    """Whether a condition is false or cannot be told."""
    return ~F.coalesce(condition, F.lit(False))


def row_rules(date: datetime.date) -> dict[str, Column]:
    """Breaches that one row shows."""
    col = F.col
    is_none = col(Promotions.scenario) == "none"
    on_products = ~is_none & (F.size(Promotions.product_ids) > 0)
    coupon = col(Promotions.mechanic) == "coupon"
    price = F.round(col(Promotions.list_price) * (1 - col(Promotions.discount_rate)), 2)
    dates = (col(Promotions.valid_from) >= col(Promotions.date)) & (
        col(Promotions.valid_to) >= col(Promotions.valid_from)
    )
    promises = (
        (col(Promotions.mechanic) != "none")
        | (F.size(Promotions.product_ids) > 0)
        | (col(Promotions.expected_cost) != 0)
        | (col(Promotions.expected_margin) != 0)
        | (col(Promotions.text) != "")
        | col(Promotions.valid_from).isNotNull()
        | col(Promotions.coupon_amount).isNotNull()
        | col(Promotions.offer_price).isNotNull()
    )
    unsaid = F.exists(Promotions.reason_codes, lambda c: c.isNull() | (c == ""))
    return {
        "every row is of the date": _fails(col(Promotions.date) == F.lit(date)),
        "the price lies between margin floor and list price": on_products
        & _fails(col(Promotions.offer_price).between(col(Promotions.margin_floor), col(Promotions.list_price))),
        "the price is the list price less the rate, half-up": on_products
        & _fails(col(Promotions.offer_price) == price),
        "a coupon takes off something, and less than the minimum spend": coupon
        & _fails((col(Promotions.coupon_amount) > 0) & (col(Promotions.coupon_amount) < col(Promotions.min_spend))),
        "an offer is of products or a coupon": ~is_none & ~on_products & ~coupon,
        "an offer's dates are in order": ~is_none & _fails(dates),
        "an offer reserves at least a cent": ~is_none & _fails(col(Promotions.expected_cost) > 0),
        "an offer is a sentence without empty slots": ~is_none
        & _fails((col(Promotions.text) != "") & ~col(Promotions.text).rlike(r"[{}]")),
        "none promises nothing": is_none & F.coalesce(promises, F.lit(True)),
        "every row has a reason": _fails((F.size(Promotions.reason_codes) > 0) & ~unsaid),
        "nobody in the holdout gets an offer": (col(Promotions.arm) == "holdout") & ~is_none,
    }


def per_user(promotions: DataFrame, judged: DataFrame) -> DataFrame:
    """One row per user of either frame: what was decided beside what is known of the user."""
    is_none = F.col(Promotions.scenario) == "none"
    products = F.flatten(F.collect_list(Promotions.product_ids))
    decided = promotions.groupBy(Promotions.user_id).agg(
        F.count("*").alias("rows"),
        F.count(F.when(is_none, 1)).alias("nones"),
        F.sort_array(F.collect_list(F.col(Promotions.rank).cast("long"))).alias("ranks"),
        F.size(F.collect_set(Promotions.promotion_id)).alias("ids"),
        (F.size(products) - F.size(F.array_distinct(products))).alias("repeated"),
        F.min(Promotions.arm).alias("least_arm"),
        F.max(Promotions.arm).alias("greatest_arm"),
    )
    known = judged.select("user_id", "consent_marketing", PROFILED, "risk_tier", "arm", F.lit(True).alias("known"))
    return decided.join(known, "user_id", "full").na.fill(0, ["rows", "nones", "ids", "repeated"])


def user_rules(max_offers: int, unknown_may: bool, blocked_risk_tiers: Sequence[str]) -> dict[str, Column]:
    """Breaches that the rows of one user show together."""
    rows, nones = F.col("rows"), F.col("nones")
    offers = rows - nones
    blocked = F.coalesce(F.col("risk_tier").isin(list(blocked_risk_tiers)), F.lit(False))
    may = F.coalesce(F.col("consent_marketing"), F.lit(unknown_may))
    one_to_last = F.sequence(F.lit(1).cast("long"), rows)
    one_set = ((nones == 0) & (offers > 0)) | ((nones == 1) & (offers == 0))
    return {
        "every user has exactly one decision set, offers or one none": ~one_set,
        "only users of the day are decided for": F.col("known").isNull(),
        "ranks count from 1 without a gap": (rows > 0) & _fails(F.col("ranks") == one_to_last),
        f"nobody gets more than {max_offers} offers": offers > max_offers,
        "a promotion is given to a user once": F.col("ids") != rows,
        "a product is offered to a user once": F.col("repeated") > 0,
        "nobody without consent is targeted": ~may & (offers > 0),
        "nobody without profile is targeted": ~F.coalesce(F.col(PROFILED), F.lit(True)) & (offers > 0),
        "a blocked risk tier gets nothing": blocked & (offers > 0),
        "the arm is the one that was drawn": (rows > 0)
        & _fails((F.col("least_arm") == F.col("arm")) & (F.col("greatest_arm") == F.col("arm"))),
    }


def per_constraint(promotions: DataFrame, budget: DataFrame) -> DataFrame:
    """One row per constraint of the budget: what it says beside what the promotions add up to."""
    sums = reserved(promotions).select(
        Budget.constraint, F.col(Budget.reserved).alias("summed"), F.col(Budget.offers).alias("counted")
    )
    return (
        budget.join(sums, Budget.constraint, "left")
        .na.fill(0, ["counted"])
        .withColumn("summed", F.coalesce("summed", F.lit(0)))
    )


def budget_rules() -> dict[str, Column]:
    """Breaches that one constraint shows."""
    return {
        "no budget is exceeded": _fails(F.col("summed") <= F.col(Budget.planned)),
        "a budget reserves the sum of its offers' costs": _fails(
            (F.col("summed") == F.col(Budget.reserved)) & (F.col("counted") == F.col(Budget.offers))
        ),
    }
