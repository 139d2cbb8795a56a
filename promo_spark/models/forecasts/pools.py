"""Ends of intervals that are pooled over all series with Spark: scores are counted where they lie."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from pyspark.sql import Column, DataFrame, Row
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.models import ForecastModels
from promo_spark.contracts.schema import Col, Frame
from promo_spark.models.forecasts.fitting import Pools
from promo_spark.models.forecasts.intervals import FEW_IN_TAIL, TAILS, IntervalEnds
from promo_spark.models.forecasts.series import ENDS, SeriesModel
from promo_spark.settings.forecast import ForecastSettings

_MODEL, _ENDS = SeriesModel.columns(), "kept"


class SeasonScore(Frame):
    """One row per series and day of a window, and one for the sum of the window's days."""

    profile = _MODEL[SeriesModel.profile]
    level = _MODEL[SeriesModel.level]
    before_last = Col(T.BooleanType(), "whether of the window before the last", required=True)
    season = Col(T.IntegerType(), "seasons ahead, from 0; null: the sum of the days")
    lower = Col(T.DoubleType(), "score against lower ends, as intervals.Scores", required=True)
    upper = Col(T.DoubleType(), "the same against upper ends", required=True)


class SeasonEnds(Frame):
    """One row per kind and level of series, window, and season ahead, and one for the sum of the days."""

    profile = SeasonScore.columns()[SeasonScore.profile]
    level = SeasonScore.columns()[SeasonScore.level]
    before_last = SeasonScore.columns()[SeasonScore.before_last]
    season = SeasonScore.columns()[SeasonScore.season]
    ends = Col(T.ArrayType(T.DoubleType()), "ends of the intervals, in the order of intervals.TAILS", required=True)


def season_ends(models: DataFrame, settings: ForecastSettings) -> DataFrame:
    """SeriesModel of `tried_models` → SeasonEnds, a few rows."""
    last = _scores(models, SeriesModel.picked, SeriesModel.scores, settings, before_last=False)
    before = _scores(models, SeriesModel.picked_before, SeriesModel.scores_before, settings, before_last=True)
    of = (SeasonScore.profile, SeasonScore.level, SeasonScore.before_last, SeasonScore.season)
    normal = IntervalEnds.of_normal(settings.horizon_days, settings.season_days)
    days = [float(end) for end in normal.by_season[:, 0]]  # the same in all seasons
    usual = [
        F.when(F.col(SeasonScore.season).isNull(), float(total)).otherwise(day)
        for day, total in zip(days, normal.total, strict=True)
    ]
    ends = F.array(*[_tail(share, end) for share, end in zip(TAILS, usual, strict=True)]).alias(SeasonEnds.ends)
    return SeasonEnds.shaped(last.unionByName(before).groupBy(*of).agg(ends))


def kept_ends(models: DataFrame) -> DataFrame:
    """One row per kind and level of the series that keep their ends, of any of them: SeriesModel of `tried_models`."""
    of_series = F.struct(*ENDS, ForecastModels.ends_of_total)
    kept = models.filter(F.col(ForecastModels.ends_of_total).isNotNull())
    of_first = kept.groupBy(SeriesModel.profile, SeriesModel.level).agg(F.min_by(of_series, SeriesModel.series_id))
    return of_first.toDF(SeriesModel.profile, SeriesModel.level, _ENDS).select(
        SeriesModel.profile, SeriesModel.level, f"{_ENDS}.*"
    )


def pools_of(rows: Iterable[Row], *, before_last: bool) -> Pools:
    """Rows of SeasonEnds → the ends by kind and level, as `fitting.batch_pools` finds them."""
    found: dict[tuple[str, str], dict[int | None, list[float]]] = {}
    for row in rows:
        if row[SeasonEnds.before_last] == before_last:
            key = (row[SeasonEnds.profile], row[SeasonEnds.level])
            found.setdefault(key, {})[row[SeasonEnds.season]] = row[SeasonEnds.ends]
    return {key: _ends(seasons) for key, seasons in sorted(found.items())}


def _ends(seasons: dict[int | None, list[float]]) -> IntervalEnds:
    days = sorted(season for season in seasons if season is not None)
    return IntervalEnds(np.array([seasons[day] for day in days]).T, np.array(seasons[None]))


def _scores(models: DataFrame, picked: str, scores: str, settings: ForecastSettings, *, before_last: bool) -> DataFrame:
    """SeriesModel → SeasonScore."""
    low, high, total = (F.get(scores, F.lit(place)) for place in range(3))
    by_day = F.transform(
        low,
        lambda score, ahead: _score(F.floor(ahead / settings.season_days).cast("int"), score, F.get(high, ahead)),
    )
    of_total = _score(F.lit(None).cast("int"), F.get(total, F.lit(0)), F.get(total, F.lit(1)))
    rows = models.filter(F.col(picked) & F.col(scores).isNotNull())
    return rows.select(
        SeasonScore.profile,
        SeasonScore.level,
        F.lit(before_last).alias(SeasonScore.before_last),
        F.inline(F.concat(by_day, F.array(of_total))),
    )


def _score(season: Column, lower: Column, upper: Column) -> Column:
    return F.struct(season.alias(SeasonScore.season), lower.alias(SeasonScore.lower), upper.alias(SeasonScore.upper))


def _tail(share: float, of_normal: Column) -> Column:
    """As `intervals.tail`, of one column of scores."""
    score = F.col(SeasonScore.lower if share < 0.5 else SeasonScore.upper)
    in_tail = (F.count("*") + 1) * min(share, 1 - share)
    extreme = F.min(score) if share < 0.5 else F.max(score)
    end = F.when(in_tail < 1, extreme).otherwise(F.percentile(score, share))
    further = F.least(end, of_normal) if share < 0.5 else F.greatest(end, of_normal)
    return F.when(in_tail < FEW_IN_TAIL, further).otherwise(end)
