"""What was forecast against what was sold, and what is forecast now, with bands; how good forecasts are."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass

from promo_spark.contracts.features import DailySales
from promo_spark.contracts.models import Forecasts, Metrics
from promo_spark.reports.blocks import Block, Grid, Heading, Pictures, Section, Sentence
from promo_spark.reports.charts import LineChart, Series, line_chart
from promo_spark.reports.sections.told import Row, Told
from promo_spark.reports.wording import NOTHING

_FIGURES = ("mase", "wape", "covered_80", "covered_95")


@dataclass(frozen=True)
class ForecastRows:
    """What the section is made of: the largest series, their sales, and champions' forecasts of the date and before."""

    items: Sequence[str]
    sales: Sequence[Row]
    ahead: Sequence[Row]
    earlier: Sequence[Row]
    metrics: Sequence[Row]  # of forecast, of the date


def forecasts_section(of: ForecastRows, told: Told) -> Section:
    """DailySales, Forecasts, Metrics → the section."""
    w = told.words
    blocks: list[Block] = [Sentence(w.say("forecasts.lead"), "quiet")]
    if not of.items:
        blocks.append(told.why_empty(DailySales))
    elif not of.ahead:
        blocks.append(told.why_empty(Forecasts))
    else:
        blocks += _series(of, told)
    blocks.append(Heading(w.say("forecasts.accuracy")))
    return Section("forecasts", w.say("forecasts.title"), [*blocks, *_accuracy(of, told)])


def _series(of: ForecastRows, told: Told) -> list[Block]:
    w = told.words
    charts = [_chart(n, item, of, told) for n, item in enumerate(of.items)]
    rows = [_against(item, of, told) for item in of.items]
    columns = told.columns("series", "forecast_on", "#days", "#sold", "#forecast", "#wape", "#inside_80")
    blocks: list[Block] = [Pictures(charts)]
    if of.earlier:
        blocks.append(Grid(columns, rows))
    else:
        blocks.append(Sentence(w.say("forecasts.none_earlier", days=told.days), "quiet"))
    days = [
        [
            item,
            w.day(r[Forecasts.day]),
            w.number(r[Forecasts.units], 1),
            w.say("outcomes.from_to", low=w.number(r[Forecasts.lower_80], 1), high=w.number(r[Forecasts.upper_80], 1)),
        ]
        for item in of.items
        for r in _of(of.ahead, item)
    ]
    columns = told.columns("series", "day", "#forecast", "#band_80")
    return [*blocks, Grid(columns, days, folded=w.say("page.numbers"))]


def _of(rows: Sequence[Row], item: str) -> list[Row]:
    return sorted((r for r in rows if r["item_id"] == item), key=lambda r: r["day"])


def _chart(number: int, item: str, of: ForecastRows, told: Told) -> LineChart:
    w = told.words

    def x(day: datetime.date) -> float:
        return float((day - told.date).days)

    def forecast(name: str, style: str, rows: list[Row]) -> Series:
        return Series(
            w.say(f"forecasts.{name}"),
            "earlier" if style == "earlier" else "forecast",
            [(x(r[Forecasts.day]), r[Forecasts.units]) for r in rows],
            [(x(r[Forecasts.day]), r[Forecasts.lower_80], r[Forecasts.upper_80]) for r in rows],
        )

    sold = Series(
        w.say("forecasts.sold"),
        "actual",
        [(x(r[DailySales.day]), float(r[DailySales.units])) for r in _of(of.sales, item)],
    )
    earlier = [r for r in _of(of.earlier, item) if r[Forecasts.day] < told.date]
    ahead = _of(of.ahead, item)
    series = [forecast("before", "earlier", earlier), forecast("now", "forecast", ahead), sold]
    first = told.date - datetime.timedelta(told.days)
    last = ahead[-1][Forecasts.day] if ahead else told.date
    across = [(x(day), day.strftime("%m-%d")) for day in (first, told.date, last)]
    title, text = item, w.say("forecasts.desc", item=item)
    return line_chart(f"series-{number}", title, text, series, across=across, mark=0.0)


def _against(item: str, of: ForecastRows, told: Told) -> list[str]:
    """What was sold of the series on the days that were forecast before, against that forecast."""
    w = told.words
    sold = {r[DailySales.day]: float(r[DailySales.units]) for r in _of(of.sales, item)}
    both = [r for r in _of(of.earlier, item) if r[Forecasts.day] in sold]
    if not both:
        return [item, *[NOTHING] * 6]
    units = sum(sold[r[Forecasts.day]] for r in both)
    errors = sum(abs(sold[r[Forecasts.day]] - r[Forecasts.units]) for r in both)
    inside = sum(r[Forecasts.lower_80] <= sold[r[Forecasts.day]] <= r[Forecasts.upper_80] for r in both)
    return [
        item,
        w.day(both[0][Forecasts.as_of]),
        w.count(len(both)),
        w.number(units, 0),
        w.number(sum(r[Forecasts.units] for r in both), 0),
        w.share(errors / units) if units > 0 else NOTHING,
        w.share(inside / len(both), 0),
    ]


def _accuracy(of: ForecastRows, told: Told) -> list[Block]:
    w = told.words
    measured = {(m[Metrics.metric], m[Metrics.slice]): m for m in of.metrics}
    slices = [
        s for s in ("champion", "champion:category", "champion:product", "SeasonalNaive") if ("mase", s) in measured
    ]
    if not slices:
        return [told.why_empty(Metrics)]
    rows = [
        [
            w.word("accuracy", slice_),
            *[_figure(metric, measured.get((metric, slice_)), told) for metric in _FIGURES],
            w.count(measured["mase", slice_][Metrics.n]),
        ]
        for slice_ in slices
    ]
    columns = told.columns("accuracy_of", "#mase", "#wape", "#covered_80", "#covered_95", "#series_count")
    return [Sentence(w.say("forecasts.accuracy_lead"), "quiet"), Grid(columns, rows)]


def _figure(metric: str, row: Row | None, told: Told) -> str:
    if row is None or row[Metrics.value] is None:
        return NOTHING
    return told.words.number(row[Metrics.value], 3) if metric == "mase" else told.words.share(row[Metrics.value])
