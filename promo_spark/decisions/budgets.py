"""What the offers of a date reserve of every limit, as decisions.budget."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from decimal import Decimal

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.decisions import Budget, Promotions
from promo_spark.contracts.schema import MONEY, Col, Frame
from promo_spark.decisions.allocation.limits import (
    attributes_of,
    departments_of,
    is_of_stock,
    of_department,
    parts_of_unit,
    unit_of,
    uses_of_groups,
    uses_of_promotions,
    uses_of_stock,
)
from promo_spark.decisions.allocation.user_options import OptionUse
from promo_spark.decisions.exploration import Draw
from promo_spark.decisions.groups import GroupedOffer, user_groups
from promo_spark.decisions.offers.products import OfferableProduct
from promo_spark.decisions.options import uses_of_offers
from promo_spark.decisions.promotions import Considered, Decision
from promo_spark.decisions.valuation import MICRO
from promo_spark.measures.money import rounded_up


class ReservedBudget(Frame):
    """One row per constraint that offers fall under."""

    constraint = Col(T.StringType(), "as in Budget", required=True)
    reserved = Col(MONEY, "as in Budget", unit="as there", required=True)
    offers = Col(T.LongType(), "offers under it", required=True)


class PlannedBudget(Frame):
    """One row per constraint of the day."""

    constraint = Col(T.StringType(), "as in Budget", required=True)
    planned = Col(MONEY, "the most that may be reserved", unit="as in unit", required=True)
    unit = Col(T.StringType(), "as in Budget", required=True)
    dual_price = Col(T.DoubleType(), "ratio of the break item; null: not binding")


def budget(promotions: DataFrame, of: Considered, *, prices: Mapping[str, float], decision: Decision) -> DataFrame:
    """One row per constraint: planned, reserved by the offers, and its price. Promotions → Budget.

    `prices`: margin per unit of currency or piece, of the constraints that bind. Bound and gap are filled in by
    `with_bound`.
    """
    planned = PlannedBudget.frame(
        promotions.sparkSession,
        [
            {
                PlannedBudget.constraint: constraint,
                PlannedBudget.planned: Decimal(limit) / parts_of_unit(constraint, decision.digits),
                PlannedBudget.unit: unit_of(constraint),
                PlannedBudget.dual_price: prices.get(constraint),
            }
            for constraint, limit in sorted(of.limits.items())
        ],
    )
    return planned.join(reserved(promotions, of.users, of.products, of.limits), Budget.constraint, "left").withColumns(
        {
            Budget.date: F.lit(decision.date),
            Budget.reserved: F.coalesce(Budget.reserved, F.lit(0).cast(MONEY)),
            Budget.offers: F.coalesce(Budget.offers, F.lit(0)),
            Budget.run_id: F.lit(None),  # the write says which run it is of
        }
    )


def with_bound(budget: DataFrame, *, bound_micro: int, value_micro: int) -> DataFrame:
    """The rows with the most that could be brought, and how far what is brought lies below it. → Budget."""
    gap = (bound_micro - value_micro) / bound_micro if bound_micro > 0 else None
    bound = (Decimal(bound_micro) / MICRO).quantize(Decimal("0.01"))
    return Budget.conform(
        budget.withColumns({Budget.bound: F.lit(bound).cast(MONEY), Budget.gap: F.lit(gap).cast(T.DoubleType())})
    )


def reserved_by_draws(of: Considered, digits: int) -> dict[str, int]:
    """What the offers that were drawn reserve, by constraint, in the units of its limit."""
    drawn = of.offers.join(of.draws, [Draw.user_id, Draw.promotion_id], "left_semi")
    uses = drawn.select(F.inline(uses_of_offers(digits, of.limits)))
    rows = uses.groupBy(OptionUse.constraint).agg(F.sum(OptionUse.amount)).collect()  # a row per constraint
    return {name: int(total) for name, total in rows}


def reserved(promotions: DataFrame, users: DataFrame, products: DataFrame, limits: Collection[str]) -> DataFrame:
    """One row per constraint that offers fall under, of departments, groups and stock those that are limits.

    Promotions, DailyUser, OfferableProduct → ReservedBudget. What a budget cannot state of a piece is rounded up.
    """
    offers = promotions.filter(F.col(Promotions.scenario) != "none")
    uses = offers.select(F.inline(uses_of_promotions()))
    if any(map(is_of_stock, limits)):
        of_stock = uses_of_stock(F.col(Promotions.product_ids), F.col(Promotions.expected_units), limits)
        uses = uses.unionByName(offers.select(F.inline(of_stock)))
    if departments_of(limits):
        uses = uses.unionByName(_uses_of_departments(offers, products, limits))
    if attributes := attributes_of(limits):
        of_users = user_groups(users, attributes)
        of_groups = uses_of_groups(F.col(GroupedOffer.groups), F.col(Promotions.expected_cost), limits)
        uses = uses.unionByName(offers.join(of_users, Promotions.user_id, "inner").select(F.inline(of_groups)))
    return uses.groupBy(OptionUse.constraint).agg(
        rounded_up(F.sum(OptionUse.amount), MONEY.scale).alias(ReservedBudget.reserved),
        F.count("*").alias(ReservedBudget.offers),
    )


def _uses_of_departments(offers: DataFrame, products: DataFrame, limits: Collection[str]) -> DataFrame:
    """One row per offer and department with a budget of which it has a product. → OptionUse.

    Promotions, OfferableProduct, as decisions.promotions has no departments.
    """
    budgeted = products.filter(F.col(OfferableProduct.department).isin(departments_of(limits)))
    key = [Promotions.user_id, Promotions.promotion_id, Promotions.expected_cost]
    return (
        offers.select(*key, F.explode(Promotions.product_ids).alias(OfferableProduct.product_id))
        .join(
            F.broadcast(budgeted.select(OfferableProduct.product_id, OfferableProduct.department)),
            OfferableProduct.product_id,
            "inner",
        )
        .select(*key, OfferableProduct.department)
        .distinct()
        .select(
            of_department(F.col(OfferableProduct.department)).alias(OptionUse.constraint),
            F.col(Promotions.expected_cost).alias(OptionUse.amount),
        )
    )
