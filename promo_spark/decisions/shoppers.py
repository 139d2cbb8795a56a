"""What is known of each user when offers are valued: visits, answers to offers, what orders leave, what is bought."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.predictions import ItemPropensity, Propensity
from promo_spark.contracts.responses import Uplift
from promo_spark.contracts.schema import Col, Frame, Personal
from promo_spark.decisions.offers.pricing import ShopMargin
from promo_spark.decisions.users import DailyUser
from promo_spark.measures.exact_sums import exact_mean, exact_sum

_TEXT, _DOUBLE = T.StringType(), T.DoubleType()

_LIKE_ALL = 3.0  # orders of a usual basket that a user's own baskets are drawn to
_SELDOM = 0.02  # visits a week of whom nothing is known
_USUAL_SPREAD = 0.6  # standard deviation of the log of a user's baskets, where they do not say
_SPREADS = (0.2, 1.2)


class Answer(Frame):
    """How a user answers to a mechanic: a value of Shopper.answers."""

    effect = Col(_DOUBLE, "log of the factor on visits per unit of S × R", required=True)
    error = Col(_DOUBLE, "its standard error", required=True)
    basis = Col(_TEXT, "as in models.uplift; prior: nothing is known of this user", required=True)


class Habit(Frame):
    """How often a user buys a product: a value of Shopper.habits."""

    p_offer = Col(_DOUBLE, "probability within the days of an offer, without one", unit="share")


ANSWER, HABIT = Answer.struct(), Habit.struct()


class Shopper(Frame):
    """One row per user who may get offers."""

    user_id = Col(_TEXT, "the user", required=True, personal=Personal.IDENTIFIER)
    segment_id = Col(T.IntegerType(), "the user's segment by behaviour: elasticities are told by it", required=True)
    visits_per_week = Col(_DOUBLE, "days with an order expected of a week, without an offer", required=True)
    readiness = Col(_DOUBLE, "as in models.uplift", unit="share", required=True)
    mention = Col(_DOUBLE, "as in models.uplift", required=True)
    answers = Col(T.MapType(_TEXT, ANSWER), "by mechanic", required=True)
    habits = Col(T.MapType(_TEXT, HABIT), "by product; those without are bought like by others", required=True)
    strategy = Col(T.ArrayType(_TEXT), "mechanics by which the user may be reached where none is measured; null: any")
    leaving = Col(_DOUBLE, "chance that the user does not come any more; 0: not known", unit="share", required=True)
    order_margin = Col(_DOUBLE, "what an order is expected to leave above its cost", unit="currency", required=True)
    basket = Col(_DOUBLE, "median amount of an order", unit="currency", required=True)
    basket_spread = Col(_DOUBLE, "standard deviation of the log of it", required=True)
    visits_of_all = Col(_DOUBLE, "visits of a week of all users of models.uplift together", required=True)


class _Usual(Frame):
    """One row: what is usual among the users of models.uplift, and among all with a basket."""

    visits_of_all = Col(_DOUBLE, "visits of a week, summed", required=True)
    usual_readiness = Col(_DOUBLE, "mean", required=True)
    usual_mention = Col(_DOUBLE, "mean", required=True)
    usual_answers = Col(T.MapType(_TEXT, ANSWER), "mean effects and errors", required=True)


def shoppers(
    users: DataFrame,
    *,
    everyone: DataFrame,
    uplift: DataFrame,
    propensity: DataFrame,
    item_propensity: DataFrame,
    strategies: DataFrame,
    margin: DataFrame,
) -> DataFrame:
    """One row per user. DailyUser who may get offers, Uplift, …, UserStrategy, ShopMargin → Shopper.

    `everyone`: DailyUser, by whom a usual basket is told; `users` may be some of them.

    A user of whom models.uplift says nothing, such as one without orders, answers as is usual, and comes as often as
    models.propensity says.
    """
    soon = propensity.filter(F.col(Propensity.target) == "order_14d").select(
        Propensity.user_id, (-F.log1p(-F.least(Propensity.p, F.lit(0.999))) / 2).alias(_SOON)
    )
    leaving = propensity.filter(F.col(Propensity.target) == "churn_60d").select(
        Propensity.user_id, F.col(Propensity.p).alias(_LEAVING)
    )
    basket_value, orders = F.col(DailyUser.basket_value), F.coalesce(DailyUser.orders, F.lit(0))
    own = F.coalesce(basket_value, F.col(DailyUser.basket_median), F.col(_BASKET_OF_ALL))
    basket = (own * orders + F.col(_BASKET_OF_ALL) * _LIKE_ALL) / (orders + F.lit(_LIKE_ALL))
    median = F.coalesce(DailyUser.basket_median, basket)
    spread = F.sqrt(2 * F.log(F.greatest(own / F.greatest(median, F.lit(0.01)), F.lit(1.0))))
    few = orders < F.lit(_LIKE_ALL)
    return Shopper.shaped(
        users.select(
            DailyUser.user_id,
            F.coalesce(DailyUser.behaviour_id, DailyUser.segment_id).alias(Shopper.segment_id),
            DailyUser.orders,
            DailyUser.basket_value,
            DailyUser.basket_median,
        )
        .join(_answers(uplift), DailyUser.user_id, "left")
        .join(soon, DailyUser.user_id, "left")
        .join(leaving, DailyUser.user_id, "left")
        .join(_habits(item_propensity), DailyUser.user_id, "left")
        .join(strategies, DailyUser.user_id, "left")
        .crossJoin(F.broadcast(_usual(uplift)))
        .crossJoin(F.broadcast(_basket_of_all(everyone)))
        .crossJoin(F.broadcast(margin))
        .withColumns(
            {
                Shopper.answers: F.coalesce(Shopper.answers, _Usual.usual_answers),
                Shopper.readiness: F.coalesce(Shopper.readiness, _Usual.usual_readiness),
                Shopper.mention: F.coalesce(Shopper.mention, _Usual.usual_mention),
                Shopper.visits_per_week: F.coalesce(Shopper.visits_per_week, F.col(_SOON), F.lit(_SELDOM)),
                Shopper.leaving: F.coalesce(F.col(_LEAVING), F.lit(0.0)),
                Shopper.habits: F.coalesce(Shopper.habits, F.create_map().cast(Shopper.type_of(Shopper.habits))),
                Shopper.order_margin: basket * F.coalesce(ShopMargin.margin_share, F.lit(0)).cast("double"),
                Shopper.basket: F.greatest(median, F.lit(0.01)),
                Shopper.basket_spread: F.when(few | (spread <= 0), F.lit(_USUAL_SPREAD)).otherwise(
                    F.greatest(F.least(spread, F.lit(_SPREADS[1])), F.lit(_SPREADS[0]))
                ),
            }
        )
    )


_SOON, _LEAVING, _BASKET_OF_ALL = "visits_soon", "leaves_soon", "basket_of_all"


def _answers(uplift: DataFrame) -> DataFrame:
    """One row per user of models.uplift. Uplift → columns of Shopper."""
    answer = _answer(F.col(Uplift.effect), F.col(Uplift.effect_se), F.col(Uplift.basis))
    same = {Uplift.visits_per_week: Shopper.visits_per_week, Uplift.readiness: Shopper.readiness}
    same |= {Uplift.mention: Shopper.mention}
    return uplift.groupBy(Uplift.user_id).agg(
        _by_name(F.col(Uplift.mechanic), answer).alias(Shopper.answers),
        *[F.max(column).alias(name) for column, name in same.items()],
    )


def _habits(item_propensity: DataFrame) -> DataFrame:
    """One row per user of models.item_propensity. → columns of Shopper."""
    habit = F.struct(*Habit.columns())
    return item_propensity.groupBy(ItemPropensity.user_id).agg(
        _by_name(F.col(ItemPropensity.product_id), habit).alias(Shopper.habits)
    )


def _usual(uplift: DataFrame) -> DataFrame:
    """One row. Uplift → _Usual; nothing is expected of offers where there is no row."""
    mean = {c: exact_mean(c).alias(c) for c in (Uplift.effect, Uplift.effect_se, Uplift.readiness, Uplift.mention)}
    visits = exact_sum(Uplift.visits_per_week)
    by_mechanic = uplift.groupBy(Uplift.mechanic).agg(*mean.values(), visits.alias(Uplift.visits_per_week))
    answer = _answer(F.col(Uplift.effect), F.col(Uplift.effect_se), F.lit("prior"))
    none = F.create_map().cast(Shopper.type_of(Shopper.answers))
    return by_mechanic.agg(
        F.coalesce(F.max(Uplift.visits_per_week), F.lit(0.0)).alias(_Usual.visits_of_all),
        F.coalesce(F.max(Uplift.readiness), F.lit(0.0)).alias(_Usual.usual_readiness),
        F.coalesce(F.max(Uplift.mention), F.lit(0.0)).alias(_Usual.usual_mention),
        F.coalesce(_by_name(F.col(Uplift.mechanic), answer), none).alias(_Usual.usual_answers),
    )


def _basket_of_all(users: DataFrame) -> DataFrame:
    """One row: the mean amount of an order. DailyUser → currency."""
    return users.agg(
        F.coalesce(exact_mean(F.coalesce(DailyUser.basket_value, DailyUser.basket_median)), F.lit(0.0)).alias(
            _BASKET_OF_ALL
        )
    )


def _answer(effect: Column, error: Column, basis: Column) -> Column:
    return F.struct(effect.alias(Answer.effect), error.alias(Answer.error), basis.alias(Answer.basis))


def _by_name(name: Column, value: Column) -> Column:
    """A map whose order does not depend on that of the rows."""
    return F.map_from_entries(F.array_sort(F.collect_list(F.struct(name.alias("name"), value.alias("value")))))
