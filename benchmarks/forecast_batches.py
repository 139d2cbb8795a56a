"""What batches save: the usual applyInPandas, one Python call per series, against series_models.

Both run the same models and the same backtest on the same synthetic daily sales, in two threads. The
forecasts and scores are compared first, and must be equal; then both are timed in turn.

    python benchmarks/forecast_batches.py [SERIES] [ROUNDS]
"""

from __future__ import annotations

import datetime
import statistics
import sys
import time
from collections.abc import Callable

import pandas as pd
from local_session import local_session
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from promo_spark.models.forecasts.batches import sales_series, tried_models
from promo_spark.models.forecasts.fitting import forecast_batch
from promo_spark.models.forecasts.series import SeriesModel
from promo_spark.settings import load
from promo_spark.settings.forecast import ForecastSettings

AS_OF = datetime.date(2017, 12, 1)
DAYS = 334


def synthetic_sales(spark: SparkSession, series: int) -> DataFrame:
    """Sales of whole pieces derived from hashes: a tenth of the series sell daily, the rest rarely."""
    draw = F.pmod(F.xxhash64("id", "n"), F.lit(1000)) / 1000
    regular = F.col("id") % 10 == 0
    units = F.when(regular, F.floor(4 + 12 * draw)).otherwise((draw < 0.3).cast("long"))
    return (
        spark.range(series)
        .select(
            F.concat(F.lit("product:"), F.col("id")).alias("series_id"),
            F.lit("product").alias("level"),
            F.col("id").cast("string").alias("item_id"),
            "id",
            F.explode(F.sequence(F.lit(0), F.lit(DAYS - 1))).alias("n"),
        )
        .select(
            "series_id",
            "level",
            "item_id",
            F.date_add(F.lit(AS_OF), F.col("n") - DAYS).alias("day"),
            units.cast("decimal(18,3)").alias("units"),
            units.cast("decimal(18,2)").alias("revenue"),
        )
    )


def one_call_per_series(sales: DataFrame, settings: ForecastSettings) -> DataFrame:
    def forecast(days: pd.DataFrame) -> pd.DataFrame:
        days = days.sort_values("day")
        one = {c: days[c].iloc[0] for c in ("series_id", "level", "item_id")} | {"top": False}
        return forecast_batch(pd.DataFrame([one | {"units": days.units.to_numpy(float)}]), settings)

    narrow = sales.select("series_id", "level", "item_id", "day", F.col("units").cast("double"))
    return (
        narrow.repartition(settings.partitions, "series_id")
        .groupBy("series_id")
        .applyInPandas(forecast, SeriesModel.schema())
    )


def in_batches(sales: DataFrame, settings: ForecastSettings) -> DataFrame:
    series = sales_series(sales, as_of=AS_OF, partitions=settings.partitions)
    return tried_models(series, settings)


def seconds(run: Callable[[], DataFrame]) -> float:
    started = time.perf_counter()
    run().write.format("noop").mode("overwrite").save()
    return time.perf_counter() - started


def main(series: int = 2000, rounds: int = 3) -> None:
    conf = load()
    settings = conf.forecast.model_copy(update={"top_series": 0, "models_regular": conf.forecast.models_regular[:3]})
    spark = local_session("forecast_batches")
    sales = synthetic_sales(spark, series).cache()
    print(f"{series} series of {DAYS} days, {sales.count()} rows, {settings.backtest_windows} windows")
    naive, ours = one_call_per_series(sales, settings), in_batches(sales, settings)
    different = naive.exceptAll(ours).count() + ours.exceptAll(naive).count()
    if different:
        sys.exit(f"{different} rows differ: not the same work, so no figures")
    print("equal forecasts and scores")
    timed = {
        "one call per series": lambda: one_call_per_series(sales, settings),
        "batches": lambda: in_batches(sales, settings),
    }
    taken: dict[str, list[float]] = {name: [] for name in timed}
    for _ in range(rounds):
        for name, run in timed.items():
            taken[name].append(seconds(run))
    for name, times in taken.items():
        middle = statistics.median(times)
        spread = f"{min(times):.1f} to {max(times):.1f}"
        print(f"{name:20} {middle:7.1f} s ({spread}) {1000 * middle / series:7.2f} ms a series")
    print(f"ratio {statistics.median(taken['one call per series']) / statistics.median(taken['batches']):.1f}")
    spark.stop()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
