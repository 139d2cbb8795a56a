"""The run that the class archive is recorded from: what every job does, on a few rows."""

from __future__ import annotations

import datetime

from pyspark.sql import functions as F

from promo_spark.contracts.models import Metrics
from promo_spark.contracts.silver import Users
from promo_spark.runtime.session import spark_session
from promo_spark.storage.lake import Lake


def training_run(folder: str = ".") -> None:
    """A session, first writes, a merge, a replaced date, a Python worker."""
    spark = spark_session("training")
    lake = Lake(spark, f"{folder}/lake")
    users = Users.frame(spark, [{"user_id": "u1"}, {"user_id": "u2"}])
    for _ in range(2):
        lake.write(Users, users)
    date = datetime.date(2017, 12, 1)
    metrics = Metrics.frame(spark, [{"as_of": date, "job": "training", "metric": "m", "slice": "all", "value": 1.0}])
    for _ in range(2):
        lake.write(Metrics, metrics, {"as_of": date, "job": "training"})
    read = lake.read(Metrics).groupBy("metric").agg(F.sum("value").alias("value"))
    read.join(lake.read(Metrics).select("metric", "as_of"), "metric", how="left").orderBy("value").collect()
    lake.read(Users).select("user_id").mapInArrow(lambda batches: batches, "user_id string").count()
    spark.stop()


if __name__ == "__main__":
    training_run()
