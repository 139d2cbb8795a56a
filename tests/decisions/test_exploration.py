"""What chance draws for explored users: none with a probability of its own, each offer as likely as any other."""

from __future__ import annotations

import datetime
from collections import Counter
from decimal import Decimal
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from promo_spark.decisions.allocation.user_options import UserOptions
from promo_spark.decisions.exploration import draws

DAY = datetime.date(2017, 12, 1)


def options(spark: SparkSession, offers_of: dict[str, int], room: int = 1) -> DataFrame:
    """Users who could be made so many offers, 0, 1, 2 and so on."""
    rows: list[dict[str, Any]] = [
        {
            "user_id": user,
            "room": room,
            "options": [{"promotion_id": str(n), "value_micro": 1, "topics": [], "uses": []} for n in range(count)],
        }
        for user, count in offers_of.items()
    ]
    return UserOptions.frame(spark, rows)


def drawn(offered: DataFrame, date: datetime.date = DAY) -> dict[str, tuple[str | None, Decimal]]:
    """By user what was drawn, None: no offer; and the probability of each offer."""
    found = draws(offered, limits={}, share=0.05, key="a key of tests", date=date).collect()
    return {row.user_id: (row.promotion_id, row.offer_propensity) for row in found}


def test_one_in_four_draws_none_and_every_offer_is_as_likely(spark: SparkSession) -> None:
    """Of 4,000 users with 30 offers each 1,000 draw none, and each offer 100, within three standard errors.

    On another date others do: one in sixteen draws none on both, 250. Of 31 figures one in 370 is as far off by chance.
    """
    offered = options(spark, {f"u{n}": 30 for n in range(4000)}).localCheckpoint()
    today, tomorrow = drawn(offered), drawn(offered.repartition(5), DAY + datetime.timedelta(1))
    assert drawn(offered.repartition(3)) == today
    for found in (today, tomorrow):
        counts = Counter(promotion_id for promotion_id, _ in found.values())
        assert sum(counts.values()) == 4000
        none = counts.pop(None)
        assert abs(none - 1000) < 3 * (4000 * 0.25 * 0.75) ** 0.5, none
        assert set(counts) == {str(n) for n in range(30)}
        # the sum of the squared differences from the mean, in units of the mean, is 29 on average, with an error of 7.6
        mean = (4000 - none) / 30
        assert abs(sum((count - mean) ** 2 / mean for count in counts.values()) - 29) < 3 * 58**0.5
    both = sum(today[user][0] is None and tomorrow[user][0] is None for user in today)
    assert abs(both - 250) < 3 * (4000 / 16 * 15 / 16) ** 0.5, both


def test_the_probability_of_an_offer_is_an_equal_part_of_what_none_leaves(spark: SparkSession) -> None:
    """0.75 / 1, 0.75 / 3 and 0.75 / 7 = 0.107143, so that 0.25 + 7 × 0.107143 = 1.000001 but for what is rounded.

    To whom nothing could be offered, or who has no room for it, nothing is drawn.
    """
    found = drawn(options(spark, {"one": 1, "three": 3, "seven": 7, "nothing": 0}))
    of_offers = {user: propensity for user, (_, propensity) in found.items()}
    assert of_offers == {"one": Decimal("0.75"), "three": Decimal("0.25"), "seven": Decimal("0.107143")}
    assert drawn(options(spark, {"full": 3}, room=0)) == {}
