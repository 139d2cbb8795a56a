"""Who was told of which offer when, and who by chance of none: what answers and effects are learnt from."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.responses import MessageEntry
from promo_spark.contracts.schema import Col, Frame, Personal
from promo_spark.measures.exact_sums import exact_sum

_ENTRY = MessageEntry.columns()


class Told(Frame):
    """One row per campaign and user: offered it, or an arm of the experiment that it was."""

    campaign_id = Col(T.StringType(), "the campaign; of a draw the promotion", required=True)
    user_id = Col(T.StringType(), "the user", required=True, personal=Personal.IDENTIFIER)
    start = Col(T.IntegerType(), "first day on which it held, counted from 1970-01-01", required=True)
    end = Col(T.IntegerType(), "the day after the last one", required=True)
    saving = Col(T.DoubleType(), "share off what it applies to; 0: no offer", unit="share", required=True)
    mechanic = Col(T.StringType(), "the arm's mechanic, '' for no offer; null: no experiment")
    weight = Col(T.DoubleType(), "the arm's mean probability over the user's own; null: no experiment")


class Message(Told):
    """One row per campaign and user, with what the user bought of it."""

    used = _ENTRY[MessageEntry.used]
    whole_shop = _ENTRY[MessageEntry.whole_shop]
    cents_before = _ENTRY[MessageEntry.cents_before]
    lines_before = _ENTRY[MessageEntry.lines_before]
    lines_held = _ENTRY[MessageEntry.lines_held]
    usual_share = _ENTRY[MessageEntry.usual_share]
    usual_lines = _ENTRY[MessageEntry.usual_lines]
    least_cents = _ENTRY[MessageEntry.least_cents]
    reached_before = _ENTRY[MessageEntry.reached_before]
    explored = _ENTRY[MessageEntry.explored]


def with_weight(rows: DataFrame, *, arm: list[str], propensity: str) -> DataFrame:
    """The rows with the mean probability of their arm over their own. Any frame of users in arms → with Told.weight.

    The mean is harmonic: that over all who could have come to the arm. So an arm's weights add up to its rows.
    """
    own = F.col(propensity).cast("double")
    mean = rows.groupBy(*arm).agg((F.count("*") / exact_sum(1 / own)).alias(_MEAN))
    return rows.join(F.broadcast(mean), arm).withColumn(Told.weight, F.round(F.col(_MEAN) / own, 9)).drop(_MEAN)


_MEAN = "mean_probability"


def day_number(day: Column | str) -> Column:
    """The day, counted from 1970-01-01."""
    return F.unix_date(day)


def whole_cents(amount: Column) -> Column:
    """Hundredths of an amount of currency; 0 of none."""
    return F.coalesce((amount * 100).cast("long"), F.lit(0).cast("long"))
