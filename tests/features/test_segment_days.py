"""What the users of segments did by day."""

from __future__ import annotations

import datetime

from pyspark.sql import SparkSession

from promo_spark.contracts.models import Segments
from promo_spark.contracts.silver import OrderLines
from promo_spark.features.segment_days import segment_days

DAY = datetime.date(2024, 6, 3)
YESTERDAY, BEFORE, LONG_AGO = (DAY - datetime.timedelta(n) for n in (1, 2, 8))


def test_users_orders_and_revenue_of_segments(spark: SparkSession) -> None:
    """C11 (part): what the series of segments are made of."""
    lines = OrderLines.frame(
        spark,
        [
            {"user_id": user, "order_id": order, "order_date": day, "quantity": pieces, "amount_paid": paid}
            for user, order, day, pieces, paid in (
                ("ann", "1", YESTERDAY, 1, 10),
                ("ann", "1", YESTERDAY, 2, 5),  # the same order
                ("ann", "2", YESTERDAY, 1, 3),
                ("ben", "3", YESTERDAY, 1, 4),
                ("ben", "4", YESTERDAY, -1, -4),  # brought back: no order
                ("ben", "5", BEFORE, -1, -2),  # came to bring back, and did not order
                ("cat", "6", YESTERDAY, 1, 7),
                ("dan", "7", YESTERDAY, 1, 9),  # has no segment
                (None, "8", YESTERDAY, 1, 9),
                ("ann", "9", DAY, 1, 100),  # not before the date
                ("ann", "10", LONG_AGO, 1, 100),
            )
        ],
    )
    names = (("ann", 1), ("ben", 1), ("cat", 2))
    segments = Segments.frame(spark, [{"user_id": u, "segment_id": n, "segment_name": f"s{n}"} for u, n in names])
    found = {tuple(row) for row in segment_days(lines, segments, as_of=DAY, days=7).collect()}
    assert found == {
        (1, "s1", YESTERDAY, 2, 3, 18.0),  # 10 + 5 + 3 + 4 − 4
        (1, "s1", BEFORE, 0, 0, -2.0),
        (2, "s2", YESTERDAY, 1, 1, 7.0),
    }
