"""Fifths: exact, ties together, never falling while the value rises."""

from __future__ import annotations

from pyspark.sql import SparkSession, Window
from pyspark.sql import functions as F

from promo_spark.measures.fifths import fifth, fifths

SPEND = {"u1": 1.0, "u2": 2.0, "u3": 3.0, "u4": 3.0, "u5": 4.0, "u6": 6.0, "u7": 8.0, "u8": 9.0, "u9": 20.0}


def test_spending_twice_as_much_never_lowers_the_fifth(spark: SparkSession) -> None:
    """C06: doubling a user's amounts never lowers the power tier, tried on every user; equal spend, equal tier."""
    rows = [
        (doubled, user, spend * (2 if user == doubled else 1))
        for doubled in ["nobody", *SPEND]
        for user, spend in SPEND.items()
    ]
    worlds = spark.createDataFrame([*rows, ("nobody", "unknown", None)], "doubled string, user string, spend double")
    cuts = fifths(F.col("spend")).over(Window.partitionBy("doubled"))
    found = {(r.doubled, r.user): r.band for r in worlds.withColumn("band", fifth(F.col("spend"), cuts)).collect()}
    before = {user: found["nobody", user] for user in SPEND}
    # at positions 1.6, 3.2, 4.8 and 6.4 of 0 to 8: cuts at 2.6, 3.0, 5.6 and 8.4
    assert list(before.values()) == [1, 1, 2, 2, 3, 4, 4, 5, 5]
    assert found["nobody", "unknown"] is None
    assert all(found[user, user] >= before[user] for user in SPEND)
    assert any(found[user, user] > before[user] for user in SPEND)
