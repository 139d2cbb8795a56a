"""How good recommendations are, date by date, against what sells most."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from promo_spark.contracts.models import Metrics
from promo_spark.reports.blocks import Block, Grid, Pictures, Section, Sentence
from promo_spark.reports.charts import LineChart, Series, Style, line_chart
from promo_spark.reports.sections.told import Row, Told
from promo_spark.reports.wording import NOTHING

ByDate = dict[datetime.date, dict[tuple[str, str], Row]]  # of each date the rows by metric and slice
RECALL, NDCG = "recall@10", "ndcg@10"
PUBLISHED, POPULAR = "published", "popularity"


def recommendations_section(metrics: Sequence[Row], told: Told) -> Section:
    """Metrics of recommend, of the date and of dates before → the section."""
    w = told.words
    title = w.say("recommendations.title")
    by_date: ByDate = {}
    for m in metrics:
        by_date.setdefault(m[Metrics.as_of], {})[m[Metrics.metric], m[Metrics.slice]] = m
    dates = sorted(by_date)
    if not dates:
        return Section("recommendations", title, [told.why_empty(Metrics)])
    blocks: list[Block] = [Sentence(w.say("recommendations.lead", days=told.days), "quiet")]
    charts = [chart for metric in (RECALL, NDCG) for chart in _charts(metric, dates, by_date, told)]
    if charts:
        blocks.append(Pictures(charts))
    rows = [
        [
            w.day(date),
            *[_value(by_date[date].get(of), told) for of in _SHOWN],
            w.people(next(iter(by_date[date].values()))[Metrics.n]),
        ]
        for date in reversed(dates)
    ]
    columns = told.columns("date", "#recall", "#recall_popular", "#ndcg", "#ndcg_popular", "#users")
    return Section("recommendations", title, [*blocks, Grid(columns, rows)])


_SHOWN = ((RECALL, PUBLISHED), (RECALL, POPULAR), (NDCG, PUBLISHED), (NDCG, POPULAR))


def _charts(metric: str, dates: Sequence[datetime.date], by_date: ByDate, told: Told) -> list[LineChart]:
    """A metric over time; no chart of fewer than two points."""
    w = told.words
    styles: dict[str, Style] = {PUBLISHED: "first", POPULAR: "second"}
    series = []
    for slice_, style in styles.items():
        found = [(d, by_date[d].get((metric, slice_))) for d in dates]
        points = [((d - told.date).days, r[Metrics.value]) for d, r in found if r and _is_told(r, told)]
        series.append(Series(w.say(f"recommendations.{slice_}"), style, points, dots=True))
    if max(len(one.points) for one in series) < 2:
        return []
    across = [((d - told.date).days, d.strftime("%m-%d")) for d in (dates[0], dates[-1])]
    key = metric.partition("@")[0]
    title, text = w.say(f"recommendations.{key}"), w.say("recommendations.desc")
    return [line_chart(f"quality-{key}", title, text, series, across=across)]


def _value(row: Row | None, told: Told) -> str:
    return told.words.number(row[Metrics.value], 3) if row and _is_told(row, told) else NOTHING


def _is_told(row: Row, told: Told) -> bool:
    """Whether a figure was measured, and on enough users."""
    return row[Metrics.value] is not None and not told.words.is_few(row[Metrics.n])
