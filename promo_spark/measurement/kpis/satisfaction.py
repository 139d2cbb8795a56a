"""How content users are, by what they answer: their arm and segment, and the offers that they answer about."""

from __future__ import annotations

from statistics import NormalDist

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.decisions import Promotions
from promo_spark.contracts.schema import Col, Frame, Personal
from promo_spark.contracts.silver import Exposures, Feedback
from promo_spark.contracts.vocabulary import NEGATIVE_TO, SATISFIED_FROM
from promo_spark.measurement.kpis.groups import PARTS, UserGroup
from promo_spark.measurement.kpis.rows import ALL, Days, KpiRow, kpi_rows_of, kpi_struct, sliced_sums
from promo_spark.measures.exact_sums import exact
from promo_spark.measures.ratios import ratio

_LOWEST, _HIGHEST = 1.0, 5.0
_TEXT = T.StringType()
_FEEDBACK = Feedback.columns()
OFFER_PARTS = {"scenario": Promotions.scenario, "mechanic": Promotions.mechanic}


class Opinion(Frame):
    """One row per user and promotion that the user gave a score for, and one per user of scores in general.

    Whoever answers again is heard by the newest score. Each anonymous answer is somebody of its own.
    """

    who = Col(_TEXT, "the user, or the answer that is nobody's", required=True, personal=Personal.IDENTIFIER)
    user_id = _FEEDBACK[Feedback.user_id]
    promotion_id = _FEEDBACK[Feedback.promotion_id]
    score = _FEEDBACK[Feedback.score]
    told_at = Col(T.StructType([T.StructField("ts", T.TimestampType()), T.StructField("id", _TEXT)]), "its order")


def on_days(feedback: DataFrame, days: Days, timezone: str) -> DataFrame:
    """The answers that were given on the days, in the shop's time zone. Feedback → Feedback."""
    return feedback.filter(days.hold(F.to_date(F.from_utc_timestamp(Feedback.ts, timezone))))


def opinions(feedback: DataFrame) -> DataFrame:
    """One row per user and promotion. Feedback → Opinion."""
    user = F.concat(F.lit("user "), Feedback.user_id)
    who = F.coalesce(user, F.concat(F.lit("answer "), Feedback.feedback_id))
    told_at = F.struct(F.col(Feedback.ts).alias("ts"), F.col(Feedback.feedback_id).alias("id"))
    scored = feedback.filter(F.col(Feedback.score).isNotNull())
    rows = scored.withColumns({Opinion.who: who, Opinion.told_at: told_at})
    return Opinion.shaped(rows.groupBy(Opinion.who, Opinion.user_id, Opinion.promotion_id).agg(*_newest()))


def satisfaction(opinions: DataFrame, groups: DataFrame, *, alpha: float) -> DataFrame:
    """One row per figure, of all users, of each arm and of each segment. Opinion, UserGroup → KpiRow.

    A user is heard once, by the newest score. The interval of the mean is there from two users on.
    """
    users = opinions.groupBy(Opinion.who, Opinion.user_id).agg(*_newest()).join(groups, UserGroup.user_id, "left")
    n, mean, variance = F.col(_N), F.col(_SUM) / F.col(_N), F.col(_SQUARES) - F.col(_SUM) ** 2 / F.col(_N)
    width = NormalDist().inv_cdf(1 - alpha / 2) * F.sqrt(F.greatest(variance, F.lit(0.0)) / (n - 1) / n)
    from_two = F.when(n > 1, width)
    low, high = F.greatest(mean - from_two, F.lit(_LOWEST)), F.least(mean + from_two, F.lit(_HIGHEST))
    return kpi_rows_of(
        _as_doubles(sliced_sums(users, PARTS, _sums())),
        [
            kpi_struct("satisfaction", of="slice", value=mean, n=n),
            kpi_struct("satisfaction_low", of="slice", value=F.when(n > 1, low), n=n),
            kpi_struct("satisfaction_high", of="slice", value=F.when(n > 1, high), n=n),
            kpi_struct("satisfied_share", of="slice", value=ratio(F.col(_SATISFIED), n), n=n),
        ],
    )


def satisfaction_with_offers(opinions: DataFrame, promotions: DataFrame, *, least: int) -> DataFrame:
    """One row per scenario and per mechanic: their mean score, null of fewer than `least`. Opinion, … → KpiRow."""
    sums = _as_doubles(sliced_sums(_of_offers(opinions, promotions), OFFER_PARTS, _sums()))
    n = F.col(_N)
    mean = kpi_struct("satisfaction", of="slice", value=F.when(n >= least, F.col(_SUM) / n), n=n)
    return kpi_rows_of(sums.filter(F.col(KpiRow.slice) != ALL), [mean])


def negative_share(opinions: DataFrame, promotions: DataFrame) -> DataFrame:
    """One row per scenario and mechanic of the offers, and one of all. Opinion, Promotions → KpiRow.

    The share of scores of 2 or less. All: also what was said of promotions in general, or of those that nobody knows.
    """
    sums = sliced_sums(_of_offers(opinions, promotions), OFFER_PARTS, _sums())
    return kpi_rows_of(sums, [kpi_struct("negative_share", of="slice", value=ratio(F.col(_NEGATIVE), F.col(_N)), n=_N)])


def response_rate(
    feedback: DataFrame, exposures: DataFrame, groups: DataFrame, *, days: Days, timezone: str
) -> DataFrame:
    """One row for all users, each arm and each segment: who answered of those who were sent something. … → KpiRow.

    An answer has a score or a text, and comes after what was sent; about what, does not matter.
    """
    sent_on = F.to_date(F.from_utc_timestamp(Exposures.sent_at, timezone))
    sent = exposures.filter(F.col(Exposures.suppressed).isNull() & days.hold(sent_on))
    first_sent = sent.groupBy(Exposures.user_id).agg(F.min(Exposures.sent_at).alias(Exposures.sent_at))
    told = F.col(Feedback.score).isNotNull() | has_text()
    last_told = feedback.filter(told).groupBy(Feedback.user_id).agg(F.max(Feedback.ts).alias(Feedback.ts))
    users = first_sent.join(last_told, Feedback.user_id, "left").join(groups, UserGroup.user_id, "left")
    answered = F.when(F.col(Feedback.ts) >= F.col(Exposures.sent_at), F.lit(1).cast("long"))
    sums = sliced_sums(users, PARTS, {_ANSWERED: answered, _N: F.lit(1).cast("long")})
    return kpi_rows_of(sums, [kpi_struct("response_rate", of="slice", value=ratio(F.col(_ANSWERED), F.col(_N)), n=_N)])


def has_text() -> Column:
    """Whether an answer has words. Of Feedback."""
    return F.coalesce(F.trim(F.col(Feedback.text)) != "", F.lit(False))


_N, _SUM, _SQUARES, _SATISFIED, _NEGATIVE, _ANSWERED = (
    "n",
    "score_sum",
    "square_sum",
    "satisfied",
    "negative",
    "answered",
)


def _newest() -> list[Column]:
    """Aggregates: the newest score, and when it was given."""
    return [
        F.max_by(Opinion.score, Opinion.told_at).alias(Opinion.score),
        F.max(Opinion.told_at).alias(Opinion.told_at),
    ]


def _of_offers(opinions: DataFrame, promotions: DataFrame) -> DataFrame:
    """The opinions with scenario and mechanic of the promotion; null: in general, or of an unknown one."""
    offers = promotions.filter(F.col(Promotions.mechanic) != "none")
    offers = offers.select(Promotions.promotion_id, *OFFER_PARTS.values())  # an id is of one user and date: no two rows
    return opinions.join(offers, Promotions.promotion_id, "left")


def _sums() -> dict[str, Column]:
    score, one = F.col(Opinion.score), F.lit(1).cast("long")
    return {
        _N: one,
        _SUM: exact(score),
        _SQUARES: exact(score * score),
        _SATISFIED: F.when(score >= SATISFIED_FROM, one),
        _NEGATIVE: F.when(score <= NEGATIVE_TO, one),
    }


def _as_doubles(sums: DataFrame) -> DataFrame:
    return sums.withColumns({name: F.col(name).cast("double") for name in (_SUM, _SQUARES)})
