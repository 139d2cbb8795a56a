"""Whether what was recommended, and was shown, is opened and bought: by recommender and by place in the list."""

from __future__ import annotations

import datetime

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from promo_spark.contracts.decisions import Promotions
from promo_spark.contracts.models import Recommendations
from promo_spark.contracts.schema import Col, Frame
from promo_spark.contracts.silver import Exposures, OrderLines
from promo_spark.measurement.kpis.rows import MONTH_DAYS, kpi_rows_of, kpi_struct, sliced_sums
from promo_spark.measures.offers_in_force import approved_offers
from promo_spark.measures.order_lines import is_sale
from promo_spark.measures.ratios import ratio

_OFFERS, _SENT, _LISTS = Promotions.columns(), Exposures.columns(), Recommendations.columns()
PARTS = {"source": Recommendations.source, "rank": Recommendations.rank}


class ShownItem(Frame):
    """One row per recommended product that was in an offer which was sent: whether it was seen, nobody knows."""

    promotion_id = _OFFERS[Promotions.promotion_id]
    user_id = _OFFERS[Promotions.user_id]
    product_id = _LISTS[Recommendations.product_id]
    source = _LISTS[Recommendations.source]
    rank = _LISTS[Recommendations.rank]
    sent_at = _SENT[Exposures.sent_at]
    opened_at = Col(_SENT[Exposures.opened_at].type, "when it was first opened, UTC; null: not, or nobody knows")


def shown_items(
    promotions: DataFrame, exposures: DataFrame, recommendations: DataFrame, *, last_day: datetime.date
) -> DataFrame:
    """One row per product shown in an offer whose last day this is. Promotions, Exposures, … → ShownItem.

    A product counts by its place in the list of the date on which the offer was made. What was not sent, or was held
    back, is not shown. Offers of more than 30 days are left out, so that the lists of so many dates are enough.
    """
    since = F.lit(last_day - datetime.timedelta(MONTH_DAYS - 1))
    ended = (F.col(Promotions.valid_to) == F.lit(last_day)) & (F.col(Promotions.date) >= since)
    offers = approved_offers(promotions.filter(ended)).select(
        Promotions.promotion_id,
        Promotions.user_id,
        F.col(Promotions.date).alias(Recommendations.as_of),
        F.explode(Promotions.product_ids).alias(Recommendations.product_id),
    )
    sent = exposures.filter(F.col(Exposures.sent_at).isNotNull() & F.col(Exposures.suppressed).isNull())
    by_any_channel = sent.groupBy(Exposures.promotion_id, Exposures.user_id).agg(
        F.min(Exposures.sent_at).alias(Exposures.sent_at), F.min(Exposures.opened_at).alias(Exposures.opened_at)
    )
    lists = recommendations.filter(F.col(Recommendations.as_of).between(since, F.lit(last_day)))
    key = [Recommendations.as_of, Recommendations.user_id, Recommendations.product_id]
    shown = offers.join(by_any_channel, [Exposures.promotion_id, Exposures.user_id]).join(lists, key)
    return ShownItem.shaped(shown)


def recommendation_figures(shown: DataFrame, lines: DataFrame, *, last_day: datetime.date, timezone: str) -> DataFrame:
    """One row per figure, of all, of each recommender and of each place. ShownItem, OrderLines → KpiRow.

    Opened: by the last day of the offer. Bought: from the day on which it was sent to that day, with the offer or
    without. Where nobody opened anything the shop does not say who did, and there is no rate of it.
    """
    since = F.lit(last_day - datetime.timedelta(MONTH_DAYS - 1))
    in_days = F.col(OrderLines.order_date).between(since, F.lit(last_day))
    pair = [OrderLines.user_id, OrderLines.product_id]
    last_bought = lines.filter(is_sale() & in_days).groupBy(*pair).agg(F.max(OrderLines.order_date).alias(_BOUGHT_ON))
    sent_on, opened_on = (
        F.to_date(F.from_utc_timestamp(at, timezone)) for at in (ShownItem.sent_at, ShownItem.opened_at)
    )
    one = F.lit(1).cast("long")
    sums = sliced_sums(
        shown.filter(sent_on <= F.lit(last_day)).join(last_bought, pair, "left"),
        PARTS,
        {
            _SHOWN: one,
            _OPENED: F.when(opened_on <= F.lit(last_day), one),
            _BOUGHT: F.when(F.col(_BOUGHT_ON) >= sent_on, one),
        },
    )
    every_slice = Window.partitionBy(F.lit(0))  # a few rows
    opened = F.when(F.max(_OPENED).over(every_slice) > 0, F.col(_OPENED))
    known = sums.withColumn(_OPENED, opened)
    return kpi_rows_of(
        known,
        [
            kpi_struct("recommendation_ctr", of="slice", value=ratio(F.col(_OPENED), F.col(_SHOWN)), n=_SHOWN),
            kpi_struct("recommendation_cvr", of="slice", value=ratio(F.col(_BOUGHT), F.col(_SHOWN)), n=_SHOWN),
        ],
    )


_SHOWN, _OPENED, _BOUGHT, _BOUGHT_ON = "shown", "opened", "bought", "bought_on"
