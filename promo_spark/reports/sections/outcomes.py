"""What earlier offers did: effects with intervals, alarms, what promotions brought, how the shop does."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass

from pyspark.sql import types as T

from promo_spark.contracts.measurement import Checks, Effects, KpiDaily, PromotionPnl, SegmentResponses
from promo_spark.contracts.schema import Col, Frame
from promo_spark.contracts.segments import SegmentPortraits
from promo_spark.reports.blocks import (
    Block,
    Cell,
    Column,
    Facts,
    Grid,
    Heading,
    Pictures,
    Section,
    Sentence,
    Tone,
    Toned,
)
from promo_spark.reports.charts import ForestChart, Interval, bar_chart, forest_chart
from promo_spark.reports.sections.told import Row, Told, segment_name
from promo_spark.reports.wording import NOTHING

_EFFECTS = ("holdout", "explore")  # methods by which chance decided who is compared
_SHARES = ("conversion", "redeemed", "retained", "roi")
_MONEY = ("paid", "margin", "given")
_TONES: dict[str | None, Tone] = {"ship": "good", "stop": "bad", "hold": "warn"}
_METRICS = ("margin", "orders", "conversion", "paid", "given", "roi", "retained", "satisfaction", "redeemed")
_FIGURES = (  # in the order in which they are told; others follow by name
    "daily_users",
    "monthly_users",
    "order_value",
    "orders_per_user",
    "visit_frequency",
    "stickiness",
    "conversion_rate",
    "repurchase_rate",
    "churn_rate",
)
_MONEY_FIGURES = ("order_value", "stock_value", "holding_cost")
_COUNTED_FIGURES = ("daily_users", "monthly_users")
_SCORES = ("satisfaction", "satisfaction_low", "satisfaction_high")
_RATIOS = ("orders_per_user", "visit_frequency", "stock_turnover")


class PnlWeek(Frame):
    """One row per week: what all its promotions brought, as models.elasticity tells."""

    week = Col(T.DateType(), "first day of the week")
    products = Col(T.LongType(), "products on promotion")
    gross_units = Col(T.DoubleType(), "as in measurement.promotion_pnl, summed", unit="units")
    cannibalised = Col(T.DoubleType(), "the same", unit="units")
    pulled_forward = Col(T.DoubleType(), "the same", unit="units")
    incremental_units = Col(T.DoubleType(), "the same", unit="units")
    incremental_margin = Col(T.DoubleType(), "the same", unit="currency")


class PnlProduct(Frame):
    """One row per product of the newest week that is among those whose promotion brought most, or least."""

    product_id = Col(T.StringType(), "the product")
    title = Col(T.StringType(), "its name")
    depth = Col(T.DoubleType(), "reduction at the shelf", unit="share")
    incremental_units = Col(T.DoubleType(), "as in measurement.promotion_pnl", unit="units")
    incremental_margin = Col(T.DoubleType(), "as there", unit="currency")
    ci_low = Col(T.DoubleType(), "as there", unit="currency")
    ci_high = Col(T.DoubleType(), "as there", unit="currency")


@dataclass(frozen=True)
class OutcomeRows:
    """What the section is made of. `before`: key figures of the week before."""

    effects: Sequence[Row]
    answers: Sequence[Row]
    checks: Sequence[Row]
    figures: Sequence[Row]
    before: Sequence[Row]
    weeks: Sequence[Row]
    products: Sequence[Row]
    segments: Sequence[Row]  # id and name of each, of SegmentPortraits


def alarms(of: OutcomeRows, told: Told) -> list[tuple[str, str]]:
    """How many checks raise an alarm, for the head of the page."""
    raised = sum(c[Checks.outcome] == "alarm" for c in of.checks)
    return [(told.words.say("outcomes.alarms"), told.words.count(raised))] if of.checks else []


def outcomes_section(of: OutcomeRows, told: Told) -> Section:
    """Effects, SegmentResponses, Checks, KpiDaily, PnlWeek, PnlProduct → the section."""
    w = told.words
    blocks: list[Block] = [Sentence(w.say("outcomes.lead"), "quiet")]
    blocks += _effects(of, told) if of.effects else [told.why_empty(Effects)]
    blocks += _answers(of, told)
    blocks += [Heading(w.say("outcomes.checks")), *(_checks(of, told) if of.checks else [told.why_empty(Checks)])]
    blocks += [Heading(w.say("outcomes.pnl")), *(_pnl(of, told) if of.weeks else [told.why_empty(PromotionPnl)])]
    blocks += [
        Heading(w.say("outcomes.figures", day=w.day(told.date - datetime.timedelta(1)))),
        *(_figures(of, told) if of.figures else [told.why_empty(KpiDaily)]),
    ]
    return Section("outcomes", w.say("outcomes.title"), blocks)


def _effects(of: OutcomeRows, told: Told) -> list[Block]:
    w = told.words
    known = [e for e in of.effects if e[Effects.method] in _EFFECTS and e[Effects.estimate] is not None]
    everyone = sorted((e for e in known if e[Effects.slice] == "all"), key=_order)
    single = sorted((e for e in known if e[Effects.method] == "explore" and e[Effects.slice] != "all"), key=_order)
    groups = sorted(
        (e for e in known if e[Effects.method] == "holdout" and e[Effects.slice].startswith("segment:")), key=_order
    )
    charts = [
        chart
        for name, rows in (("effects-all", everyone), ("effects-single", single), ("effects-segments", groups))
        for chart in _forest(name, [e for e in rows if e[Effects.metric] == "margin"], of, told)
    ]
    blocks: list[Block] = []
    roi = next((e for e in reversed(everyone) if e[Effects.metric] == "roi"), None)
    if roi:
        margin = next((e for e in reversed(everyone) if e[Effects.metric] == "margin"), roi)
        blocks.append(
            Facts(
                [
                    (w.say("outcomes.roi", days=roi[Effects.window_days]), _with_interval(roi, told)),
                    (w.say("outcomes.margin_per_user", days=margin[Effects.window_days]), _with_interval(margin, told)),
                ]
            )
        )
    if charts:
        blocks.append(Pictures(charts))
    for name, rows in (("all", everyone), ("single", single), ("segments", groups)):
        if rows:
            folded = "" if name == "all" else w.say(f"outcomes.effects_{name}", n=w.count(len(rows)))
            first = [] if name == "all" else told.columns("effect_of")
            cells = [[*([] if name == "all" else [_slice(e, of, told)]), *_effect_cells(e, told)] for e in rows]
            blocks.append(Grid([*first, *_effect_columns(told)], cells, folded=folded))
    untold = sorted((e for e in of.effects if e[Effects.estimate] is None and e[Effects.reason]), key=_order)
    blocks += [Sentence(text, "quiet") for text in dict.fromkeys(_untold(e, of, told) for e in untold)][:3]
    return [*blocks, Sentence(w.say("outcomes.how_sure"), "quiet")] if known else blocks or [told.why_empty(Effects)]


def _with_interval(row: Row, told: Told) -> str:
    metric, low, high = row[Effects.metric], row[Effects.ci_low], row[Effects.ci_high]
    estimate = _amount(metric, row[Effects.estimate], told, signed=True)
    if low is None or high is None:
        return estimate
    ends = {"low": _amount(metric, low, told), "high": _amount(metric, high, told)}
    return told.words.say("outcomes.estimate", estimate=estimate, **ends)


def _order(row: Row) -> tuple[int, int, str, str]:
    metric = row[Effects.metric]
    place = _METRICS.index(metric) if metric in _METRICS else len(_METRICS)
    return row[Effects.window_days], place, row[Effects.slice], row[Effects.method]


def _forest(name: str, rows: Sequence[Row], of: OutcomeRows, told: Told) -> list[ForestChart]:
    w = told.words
    intervals = [
        Interval(
            _slice(e, of, told) if e[Effects.slice] != "all" else w.say("outcomes.window", days=e[Effects.window_days]),
            e[Effects.estimate],
            e[Effects.ci_low],
            e[Effects.ci_high],
            _with_interval(e, told),
        )
        for e in rows
        if e[Effects.ci_low] is not None and e[Effects.ci_high] is not None
    ]
    title = w.say(f"outcomes.{name.replace('-', '_')}_title")
    return [forest_chart(name, title, w.say("outcomes.forest_desc"), intervals)] if intervals else []


def _slice(row: Row, of: OutcomeRows, told: Told) -> str:
    w = told.words
    kind, _, name = row[Effects.slice].partition(":")
    if kind == "all":
        return w.say("outcomes.all")
    if kind == "segment":
        return _named_segment(name, of, told)
    if kind == "depth":
        return w.say("outcomes.depth", share=name)
    return w.word(kind, name) if w.knows(kind, name) else row[Effects.slice]


def _named_segment(segment_id: str, of: OutcomeRows, told: Told) -> str:
    names = {str(s[SegmentPortraits.segment_id]): s[SegmentPortraits.segment_name] for s in of.segments}
    return segment_name(names[segment_id], told) if segment_id in names else f"segment:{segment_id}"


def _answers(of: OutcomeRows, told: Told) -> list[Block]:
    """Which kind of offer brings most in which segment; nothing where no kind could be compared."""
    w = told.words
    known = [r for r in of.answers if r[SegmentResponses.margin] is not None]
    if not known:
        return []
    order = sorted(known, key=lambda r: (r[SegmentResponses.segment_id], -r[SegmentResponses.best_probability]))
    cells: list[list[Cell]] = [
        [
            _named_segment(str(r[SegmentResponses.segment_id]), of, told),
            w.word("mechanic", r[SegmentResponses.mechanic]),
            w.money(r[SegmentResponses.margin], signed=True),
            w.money(r[SegmentResponses.margin_se]),
            w.share(r[SegmentResponses.best_probability], 0),
            w.share(r[SegmentResponses.used]),
            w.people(r[SegmentResponses.n_treated]),
            w.people(r[SegmentResponses.n_control]),
        ]
        for r in order
    ]
    columns = told.columns("segment", "mechanic", "#margin", "#error", "#likely_best", "#used", "#treated", "#control")
    lead = Sentence(w.say("outcomes.answers_lead"), "quiet")
    return [Heading(w.say("outcomes.answers")), lead, Grid(columns, cells)]


def _effect_columns(told: Told) -> list[Column]:
    return [
        *told.columns("metric", "#days", "#effect", "#interval", "#without", "#treated", "#control"),
        *told.columns("verdict"),
    ]


def _effect_cells(row: Row, told: Told) -> list[Cell]:
    w, metric = told.words, row[Effects.metric]
    verdict: Cell = NOTHING
    if row[Effects.verdict]:
        verdict = Toned(w.word("verdict", row[Effects.verdict]), _TONES.get(row[Effects.verdict], "quiet"))
    low, high = row[Effects.ci_low], row[Effects.ci_high]
    return [
        w.word("metric", metric),
        w.count(row[Effects.window_days]),
        _amount(metric, row[Effects.estimate], told, signed=True),
        NOTHING
        if low is None
        else w.say("outcomes.from_to", low=_amount(metric, low, told), high=_amount(metric, high, told)),
        _amount(metric, row[Effects.control], told),
        w.people(row[Effects.n_treated]),
        w.people(row[Effects.n_control]),
        verdict,
    ]


def _amount(metric: str, value: float | None, told: Told, signed: bool = False) -> str:
    """A metric of Effects in its own format."""
    w = told.words
    if metric in _SHARES:
        return NOTHING if value is None else f"{w.number(value * 100, 2, signed)}%"
    return w.money(value, signed) if metric in _MONEY else w.number(value, 3, signed)


def _untold(row: Row, of: OutcomeRows, told: Told) -> str:
    what, days = _slice(row, of, told), row[Effects.window_days]
    return told.words.say("outcomes.untold", what=what, days=days, reason=row[Effects.reason])


def _checks(of: OutcomeRows, told: Told) -> list[Block]:
    w = told.words
    by_outcome = {o: [c for c in of.checks if c[Checks.outcome] == o] for o in ("alarm", "ok", "insufficient")}
    facts = [(w.word("outcome", o), w.count(len(rows))) for o, rows in by_outcome.items()]
    blocks: list[Block] = [Facts(facts)]
    if by_outcome["alarm"]:
        cells = [[Toned(_check(c, told), "bad"), c[Checks.message] or NOTHING] for c in _by_name(by_outcome["alarm"])]
        blocks.append(Grid(told.columns("check", "~message"), cells))
    else:
        blocks.append(Sentence(w.say("outcomes.no_alarm")))
    rest = [
        [
            _check(c, told),
            w.number(c[Checks.value], 3),
            w.number(c[Checks.threshold], 3),
            w.count(c[Checks.n]),
            w.word("outcome", c[Checks.outcome]),
            c[Checks.message] or NOTHING,
        ]
        for c in _by_name(of.checks)
    ]
    columns = told.columns("check", "#found", "#limit_of_check", "#n", "outcome", "~message")
    return [*blocks, Grid(columns, rest, folded=w.say("outcomes.all_checks", n=w.count(len(rest))))]


def _by_name(checks: Sequence[Row]) -> list[Row]:
    return sorted(checks, key=lambda c: (c[Checks.check], c[Checks.slice]))


def _check(row: Row, told: Told) -> str:
    name = told.words.word("check", row[Checks.check])
    return name if row[Checks.slice] == "all" else f"{name}: {row[Checks.slice]}"


def _pnl(of: OutcomeRows, told: Told) -> list[Block]:
    w = told.words
    weeks = sorted(of.weeks, key=lambda r: r[PnlWeek.week])
    bars = [
        (w.day(r[PnlWeek.week]), r[PnlWeek.incremental_margin], w.money(r[PnlWeek.incremental_margin])) for r in weeks
    ]
    chart = bar_chart("pnl", w.say("outcomes.pnl_title"), w.say("outcomes.pnl_desc"), bars)
    columns = told.columns(
        "week", "#products", "#gross_units", "#cannibalised", "#pulled_forward", "#incremental_units", "#margin"
    )
    table = Grid(
        columns,
        [
            [
                w.day(r[PnlWeek.week]),
                w.count(r[PnlWeek.products]),
                w.number(r[PnlWeek.gross_units], 0),
                w.number(r[PnlWeek.cannibalised], 0),
                w.number(r[PnlWeek.pulled_forward], 0),
                w.number(r[PnlWeek.incremental_units], 0),
                w.money(r[PnlWeek.incremental_margin]),
            ]
            for r in reversed(weeks)
        ],
        folded=w.say("page.numbers"),
    )
    blocks: list[Block] = [Sentence(w.say("outcomes.pnl_lead"), "quiet"), Pictures([chart]), table]
    if of.products:
        products = sorted(of.products, key=lambda r: (-r[PnlProduct.incremental_margin], r[PnlProduct.product_id]))
        columns = told.columns("product", "#depth", "#incremental_units", "#margin", "#interval")
        title = w.say("outcomes.pnl_products", week=w.day(weeks[-1][PnlWeek.week]))
        blocks.append(Grid(columns, [_product_cells(r, told) for r in products], folded=title))
    return blocks


def _product_cells(row: Row, told: Told) -> list[str]:
    w = told.words
    low, high = w.money(row[PnlProduct.ci_low]), w.money(row[PnlProduct.ci_high])
    return [
        row[PnlProduct.title] or row[PnlProduct.product_id],
        w.share(row[PnlProduct.depth], 0),
        w.number(row[PnlProduct.incremental_units], 1),
        w.money(row[PnlProduct.incremental_margin]),
        w.say("outcomes.from_to", low=low, high=high),
    ]


def _figures(of: OutcomeRows, told: Told) -> list[Block]:
    w = told.words
    before = {r[KpiDaily.kpi]: r for r in of.before if r[KpiDaily.slice] == "all"}
    everyone = sorted((r for r in of.figures if r[KpiDaily.slice] == "all"), key=_figure_order)
    rows = [
        [
            _figure_name(r, told),
            _figure(r, told),
            *([_figure(before.get(r[KpiDaily.kpi]), told)] if before else []),
            w.people(r[KpiDaily.n]),
        ]
        for r in everyone
        if r[KpiDaily.value] is not None
    ]
    columns = told.columns("figure", "#value", *(["#week_before"] if before else []), "#n")
    blocks: list[Block] = [Grid(columns, rows)] if rows else []
    unknown = [_figure_name(r, told) for r in everyone if r[KpiDaily.value] is None]
    if unknown:
        blocks.append(Sentence(w.say("outcomes.unknown_figures", names=w.listed(unknown)), "quiet"))
    return blocks


def _figure_order(row: Row) -> tuple[int, str]:
    name = row[KpiDaily.kpi]
    return _FIGURES.index(name) if name in _FIGURES else len(_FIGURES), name


def _figure_name(row: Row, told: Told) -> str:
    """The name of a key figure; retention has one for each number of days."""
    name = row[KpiDaily.kpi]
    if name.startswith("retention_"):
        return told.words.say("kpi.retention", days=name.removeprefix("retention_").removesuffix("d"))
    return told.words.word("kpi", name)


def _figure(row: Row | None, told: Told) -> str:
    """A key figure in its own format; none of what few users, orders or rows did."""
    w = told.words
    if row is None or row[KpiDaily.value] is None or w.is_few(row[KpiDaily.n]):
        return NOTHING
    name, value = row[KpiDaily.kpi], row[KpiDaily.value]
    if name in _MONEY_FIGURES:
        return w.with_currency(value)
    if name in _COUNTED_FIGURES:
        return w.people(int(value))
    return w.number(value, 2) if name in (*_SCORES, *_RATIOS) else w.share(value)
