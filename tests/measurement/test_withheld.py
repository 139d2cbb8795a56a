"""Who is compared with whom: users with offers of one kind, and those held out who would have got them."""

from __future__ import annotations

from typing import Any

from pyspark.sql import SparkSession

from promo_spark.contracts.decisions import Promotions
from promo_spark.contracts.withheld import Withheld
from promo_spark.measurement.withheld import first_comparable_date, given_or_withheld
from tests.jobs.experiment_rows import day, promotion


def given(n: int, on: int, **changes: Any) -> dict[str, Any]:
    return promotion(1, on, user_id=f"u{n}", promotion_id=f"{on}-{n}", **changes)


def kept(n: int, on: int) -> dict[str, Any]:
    return {name: value for name, value in given(n, on).items() if name in Withheld.columns()}


def test_before_what_was_made_earlier_is_over_nobody_is_compared(spark: SparkSession) -> None:
    """K04: nothing was withheld before day 5. What was made on day 2 holds until day 8."""
    promotions = Promotions.frame(spark, [given(1, 2), given(2, 5)])
    withheld = Withheld.frame(spark, [kept(3, 5)])
    assert first_comparable_date(promotions, withheld) == day(9)
    from_the_start = Promotions.frame(spark, [given(1, 5), given(2, 5)])
    assert first_comparable_date(from_the_start, withheld) == day(5)
    assert first_comparable_date(promotions, Withheld.frame(spark)) is None


def test_who_counts_on_which_date(spark: SparkSession) -> None:
    """K04: whoever held nothing, on dates on which somebody else would have got something, and offers were approved."""
    promotions = [
        given(1, 5),
        given(1, 6),  # the offer of day 5 still holds
        given(1, 12),  # that of day 6 holds on its last day
        given(2, 6),
        given(3, 7),  # nothing was withheld on day 7
        given(4, 5, arm="explore"),
        given(4, 12),  # what chance drew is over
        given(5, 13, status="proposed"),
    ]
    withheld = [kept(7, 5), kept(8, 6), kept(7, 6), kept(9, 12), kept(9, 13)]
    rows = given_or_withheld(Promotions.frame(spark, promotions), Withheld.frame(spark, withheld))
    found = {(row.user_id, row.date, row.side) for row in rows.filter("slice = 'mechanic:discount'").collect()}
    treated = {("u1", day(5), "treated"), ("u2", day(6), "treated"), ("u4", day(12), "treated")}
    assert found == treated | {("u7", day(5), "control"), ("u8", day(6), "control"), ("u9", day(12), "control")}
