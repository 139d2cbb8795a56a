"""The page of a date: every figure that of its table, nothing from outside taken for HTML, the same bytes each time.

One lake of tiny tables, one page in each language, one browser.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from jobs.adjust import run as adjust
from jobs.evaluate import run as evaluate
from jobs.pipeline import run as pipeline
from jobs.recommend import run as recommend
from jobs.report import run as report
from promo_spark.contracts.decisions import Budget, Frontier, Promotions
from promo_spark.contracts.features import DailySales, ProductProfile, UserProfile
from promo_spark.contracts.measurement import Checks, Effects, Fairness, KpiDaily, PromotionPnl, SegmentResponses
from promo_spark.contracts.models import BasketRules, Forecasts, Metrics, Registry, Segments
from promo_spark.contracts.ops import DataQuality
from promo_spark.contracts.policy import Policy
from promo_spark.contracts.risk import Risk, RiskActions
from promo_spark.contracts.schema import Table
from promo_spark.contracts.segments import SegmentPortraits
from promo_spark.contracts.silver import Users
from promo_spark.reports.blocks import Sentence
from promo_spark.reports.daily_page import DailyRows, daily_page
from promo_spark.reports.sections.customers import CustomerRows
from promo_spark.reports.sections.decided import DecidedRows
from promo_spark.reports.sections.fairness import FairnessRows, fairness_section
from promo_spark.reports.sections.forecasts import ForecastRows
from promo_spark.reports.sections.models import ModelRows
from promo_spark.reports.sections.outcomes import OutcomeRows
from promo_spark.reports.sections.supply import SupplyRows
from promo_spark.reports.sections.together import TogetherRows, together_section
from promo_spark.reports.sections.told import Told
from promo_spark.reports.sections.watched import PolicyRows
from promo_spark.reports.wording import Wording
from promo_spark.runtime.pipeline import dependencies, run_in_order
from promo_spark.runtime.progress import Progress
from promo_spark.runtime.unchanged import nothing_to_do
from promo_spark.settings import Settings, load
from promo_spark.storage.lake import Lake
from promo_spark.storage.pages import page_path, page_run
from tests.reports.browser import FOLDED, Browser, chromium

DATE = datetime.date(2024, 6, 15)
WEEK_BEFORE = DATE - datetime.timedelta(7)
EVIL = "<script>alert(1)</script>"
LONG = "Milk" * 40  # a name without a place to break it


class Page(HTMLParser):
    """What a page holds: the cells of its tables, its visible text, its elements and their attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.html, self.rows, self.words, self.elements = html, [], [], []
        self.feed(html)

    html: str
    rows: list[list[str]]
    words: list[str]
    elements: list[tuple[str, dict[str, str | None]]]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_data(self, data: str) -> None:
        self.words.append(data)
        if self.rows and self.rows[-1] and not data.isspace():
            self.rows[-1][-1] += data.strip()

    def handle_endtag(self, tag: str) -> None:
        if tag == "table":
            self.rows.append([])  # what follows stands in no cell

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def offer(user: str, scenario: str, mechanic: str, gain: str, cost: str, **more: Any) -> dict[str, Any]:
    money = {"incremental_margin": Decimal(gain), "expected_cost": Decimal(cost), "currency": "USD"}
    same = {"date": DATE, "promotion_id": f"{scenario}-{user}", "arm": "treatment", "channel": "store", "rank": 1}
    rest = {"product_ids": [], "reason_codes": ["bought_before"], "text": f"Take it, {user}", "status": "active"}
    chance = {"expected_conversion": Decimal("0.25"), "basis": "prior", "incremental_margin_se": Decimal("0.5")}
    return {**same, "user_id": user, "scenario": scenario, "mechanic": mechanic, **money, **rest, **chance, **more}


def none(user: str, reason: str, arm: str) -> dict[str, Any]:
    return offer(user, "none", "none", "0", "0", arm=arm, reason_codes=[reason], text="", status=None, basis=None)


PROMOTIONS = [
    *[offer(f"user-{n:04}", "repurchase", "discount", "2.00", "1.10") for n in range(6)],
    offer("user-0006", "bundle", "bundle", "3.25", "0.50", text=f"{EVIL} and {LONG}"),
    offer("user-0007", "bundle", "bundle", "3.25", "0.50", channel="web"),
    *[none(f"user-{n:04}", "no_gain", "treatment") for n in range(8, 11)],
    *[none(f"user-{n:04}", "holdout", "holdout") for n in range(11, 16)],
]
EFFECT = {"first_day": WEEK_BEFORE, "se": 0.1, "n_treated": 900, "n_control": 100, "control": 4.0, "verdict": "ship"}


def write_tables(lake: Lake) -> None:
    """A row or a few of every table that the page tells of."""

    def write(table: type[Table], *rows: dict[str, Any], day: datetime.date = DATE, **slice_: str) -> None:
        dated = {table.dated_by: day} if table.dated_by else {}
        lake.write(table, [{**row, **dated, **slice_, "run_id": "made"} for row in rows], {**dated, **slice_})

    money = {"planned": Decimal("20"), "reserved": Decimal("7.60"), "offers": 8, "unit": "currency", "gap": 0.0}
    write(Promotions, *PROMOTIONS)
    write(Budget, {**money, "constraint": "daily", "bound": Decimal("19"), "dual_price": 1.25})
    for_frontier = [(10, 12, 1.5), (20, 18, 0.25)]
    write(
        Frontier,
        *[{"daily_budget": Decimal(b), "incremental_margin": Decimal(m), "dual_price": p} for b, m, p in for_frontier],
    )
    effect = {**EFFECT, "window_days": 7, "slice": "all", "method": "holdout", "ci_low": 0.05, "ci_high": 0.45}
    write(
        Effects,
        {**effect, "metric": "margin", "estimate": 0.25},
        {**effect, "metric": "roi", "estimate": 0.5, "control": None},
        {**effect, "metric": "margin", "slice": "segment:1", "estimate": -0.3, "ci_low": -0.5, "ci_high": -0.1},
        {**effect, "metric": "margin", "slice": "scenario:bundle", "method": "explore", "estimate": 0.1},
        {**effect, "metric": "paid", "window_days": 28, "estimate": None, "reason": "not over before 2024-07-06"},
    )
    answer = {"users": 40, "n_treated": 30, "n_control": 9, "used": 0.125, "margin_se": 0.1}
    write(
        SegmentResponses,
        {**answer, "segment_id": 1, "mechanic": "coupon", "margin": -0.2, "best_probability": 0.02},
        {**answer, "segment_id": 1, "mechanic": "discount", "margin": 0.4, "best_probability": 0.98},
        {**answer, "segment_id": 1, "mechanic": "points", "margin": None, "best_probability": None},  # not compared
    )
    write(Checks, {"check": "aa", "slice": "all", "value": 0.0001, "n": 100, "outcome": "alarm", "message": EVIL})
    write(
        KpiDaily,
        {"kpi": "order_value", "slice": "all", "value": 30.125, "n": 12},
        {"kpi": "retention_30d", "slice": "all", "value": 1.0, "n": 4},
        {"kpi": "market_share", "slice": "all", "value": None, "n": 0},
    )
    write(KpiDaily, {"kpi": "order_value", "slice": "all", "value": 28.0, "n": 10}, day=WEEK_BEFORE)
    units = {"gross_units": 10.0, "cannibalised": 2.0, "pulled_forward": 1.0, "incremental_units": 7.0}
    of_week = {**units, "week": datetime.date(2024, 6, 3), "depth": 0.2, "ci_low": 1.0, "ci_high": 9.0}
    write(
        PromotionPnl,
        {**of_week, "product_id": "p1", "incremental_margin": 5.5},
        {**of_week, "product_id": "p2", "incremental_margin": -8.0, "ci_low": -9.0},
    )
    write(ProductProfile, {"product_id": "p1", "title": "Milk"}, {"product_id": "p2", "title": EVIL})
    means = {"centre": {"basket_value": 20.0}, "lifts": {"basket_value": 1.5}, "top_categories": ["TEA", EVIL]}
    shares = {"users_share": 0.6, "revenue_share": 0.75, "discounted_lines_share": 0.5, "coupons_per_campaign": 0.1}
    frequent = {**means, **shares, "segment_id": 1, "segment_name": "frequent, large baskets", "users": 9}
    deals = {"segment_id": 3, "segment_name": "deal-seeking", "grouping": "behaviour", "advice": "reductions"}
    few = {"segment_id": 2, "segment_name": "few orders", "users": 3}
    write(SegmentPortraits, frequent, frequent | few, frequent | deals)
    # A week ago 8 users were in segment 2: 6 of them are in segment 1 now, and 2 of them have stayed.
    at = [(f"user-{n:04}", 1 if n < 6 else 2) for n in range(8)]
    write(Segments, *[{"user_id": u, "segment_id": s, "segment_name": f"name {s}"} for u, s in at])
    write(Segments, *[{"user_id": u, "segment_id": 2, "segment_name": "name 2"} for u, _ in at], day=WEEK_BEFORE)
    # 6 users of 25-34 with two orders of 10.00 each, 2 of 35-44 with one: 14 orders, 140.00.
    bought = [(u, 2 if s == 1 else 1) for u, s in at]
    known = {"lifecycle": "repeat"}
    write(UserProfile, *[{**known, "user_id": u, "orders_90d": n, "spend_90d": Decimal(10 * n)} for u, n in bought])
    write(Users, *[{"user_id": u, "age_band": "25-34" if n == 2 else "35-44"} for u, n in bought])
    rule = {
        "level": "category",
        "baskets": 30,
        "confidence": 0.4,
        "lift": 2.5,
        "lift_within_users": 1.8,
        "is_bundle": True,
    }
    write(BasketRules, {**rule, "antecedent": ["TEA"], "consequent": [EVIL], "sentence": f"Who buys tea: {EVIL}."})
    days = [DATE - datetime.timedelta(n) for n in (2, 1)]
    series = {"series_id": "category:TEA", "level": "category", "item_id": "TEA"}
    write(DailySales, *[{**series, "day": d, "units": Decimal(10), "revenue": Decimal(30)} for d in days])
    band = {**series, "model": "Theta", "champion": True, "profile": "regular", "lower_80": 9.0, "upper_80": 14.0}
    write(Forecasts, {**band, "day": DATE, "units": 12.0})
    # Two days ago 11 and 15 were forecast, 10 and 10 were sold: off by 6 of 20, one of two within its band.
    write(
        Forecasts,
        {**band, "day": days[0], "units": 11.0},
        {**band, "day": days[1], "units": 15.0, "lower_80": 12.0},
        day=days[0],
    )
    mase = {"metric": "mase", "slice": "champion", "value": 0.875, "n": 40}
    write(Metrics, mase, job="forecast")
    recall = {"metric": "recall@10", "slice": "published", "n": 50}
    write(Metrics, {**recall, "value": 0.125}, job="recommend")
    write(Metrics, {**recall, "value": 0.0625}, day=WEEK_BEFORE, job="recommend")
    group = {"attribute": "gender", "metric": "offer_rate", "n": 400, "outcome": "ok"}
    impact = {"metric": "disparate_impact", "ci_low": 0.125, "ci_high": 0.25, "reference": "m", "outcome": "stop"}
    write(
        Fairness,
        {**group, "group_name": "m", "estimate": 0.5},
        {**group, "group_name": "m", "metric": "mean_depth", "estimate": 0.125, "n": 200},
        {**group, "group_name": "f", "estimate": 0.1},
        {**group, "group_name": "f", **impact, "estimate": 0.2, "message": f"10.0% of gender=f have an offer {EVIL}"},
        {**group, "group_name": "x", "n": 7, "outcome": "insufficient", "message": "7 users may get offers"},
        {**group, "attribute": "loyalty", "group_name": "others", "estimate": 0.25},
    )
    # fitted a week ago, and before that: the newest fit is told, with the figures of its own date
    apart: dict[str, Any] = {"metric": "training_psi", "slice": "redemption:region", "value": 0.538, "n": 900}
    south: dict[str, Any] = {"slice": "redemption:region=South", "n": 90}
    write(
        Metrics,
        apart,
        {**apart, "metric": "training_psi_weighted", "value": 0.03125},
        {**south, "metric": "training_share", "value": 0.1},
        {**south, "metric": "population_share", "value": 0.4},
        {"metric": "auc", "slice": "redemption", "value": 0.75, "n": 900},
        {"metric": "log_loss", "slice": "redemption:boosting", "value": 0.625, "n": 900},
        {"metric": "auc", "slice": "order_14d", "value": 0.875, "n": 800},
        day=WEEK_BEFORE,
        job="propensity",
    )
    before = WEEK_BEFORE - datetime.timedelta(7)
    write(Metrics, {**apart, "value": 0.75}, day=before, job="propensity")
    fit: dict[str, Any] = {
        "model": "redemption",
        "engine": "boosting",
        "champion": True,
        "refit": "weekly",
        "trained_rows": 900,
    }
    fit |= {"features": ["recency_days", "order_days_28", EVIL], "metrics": {"auc": 0.75}, "format": "table"}
    fit |= {"trained_from": before, "trained_to": WEEK_BEFORE, "state": "models.fitted_models", "reason": EVIL}
    other = {**fit, "model": "order_14d", "metrics": {"auc": 0.875}, "features": ["order_days"]}
    for day, engine in ((before, "logistic"), (WEEK_BEFORE, "boosting")):
        of_day = {"engine": engine, "version": day.isoformat()}
        write(Registry, {**fit, **of_day}, {**other, **of_day}, day=day, job="propensity")
    tiers = ["low"] * 7 + ["high"] * 5 + ["blocked"] * 2
    advice = {"low": "none", "high": "review", "blocked": "suspend"}
    write(Risk, *[{"user_id": f"user-{n:04}", "tier": t} for n, t in enumerate(tiers)])
    write(RiskActions, *[{"user_id": f"user-{n:04}", "action": advice[t]} for n, t in enumerate(tiers)])
    judged = {"source": EVIL, "table": "silver.order_lines", "rows": 100, "passed": True}
    write(
        DataQuality,
        {**judged, "rule": "blank_rows", "criticality": "gate", "failed": 10, "value": 0.1},
        {**judged, "rule": "max_rejected_share", "criticality": "gate", "failed": 9, "value": 0.1, "threshold": 0.2},
        {**judged, "rule": "amount_zero", "criticality": "reject", "failed": 9, "value": 0.1},
    )
    entry = {"evidence": "n 900", "reason": EVIL, "parameter": "value_factor", "scope": "mechanic:coupon"}
    write(Policy, {**entry, "version_id": "v1", "value": 0.9}, job="adjust")
    tomorrow = DATE + datetime.timedelta(1)
    changed = {**entry, "version_id": "v2", "parent": "v1", "value": 0.81, "previous": 0.9}
    write(Policy, changed, day=tomorrow, job="adjust")


def settings_of(lake: Lake, *more: str) -> Settings:
    return load(None, [f"lake.root={lake.root}", 'pipeline.jobs=["report"]', *more])


def written(lake: Lake, *more: str, date: datetime.date = DATE) -> tuple[str, str]:
    """How the job ends, and the page that there is then."""
    ended = run_in_order([report], lake, settings_of(lake, *more), date, Progress())
    return ended["report"].outcome, page_path(lake, f"{date}").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def shop(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Lake:
    lake = Lake(spark, str(tmp_path_factory.mktemp("report") / "lake"))
    write_tables(lake)
    return lake


@pytest.fixture(scope="module")
def pages(shop: Lake) -> tuple[str, str]:
    """The page of the date, and that of the models' cards, as one run wrote them."""
    outcome, page = written(shop)
    assert outcome == "written"
    return page, page_path(shop, f"models-{DATE}").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def html(pages: tuple[str, str]) -> str:
    return pages[0]


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return Page(html)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


ROWS = [
    # of decisions.promotions: 6 × 1.10 and 6 × 2.00, 2 × 0.50 and 2 × 3.25; two users are too few to tell of
    ["Time to buy again", "6", "6", "6.60", "12.00"],
    ["Bought together", "2", "<5", "1.00", "6.50"],
    ["bundle", "2", "<5", "1.00", "6.50"],
    ["store", "7", "7", "7.10", "15.25"],
    ["may get offers", "11", "8", "8", "7.60"],
    ["held out", "5", "0", "0", "0.00"],
    ["no offer would bring enough", "<5"],
    ["held out, to measure what offers change", "5"],
    # of decisions.budget: 7.60 / 20
    ["All offers of the day", "20.00", "7.60", "38.0%", "8", "1.250"],
    ["20.00", "18.00", "0.250"],
    # of measurement: paid has no estimate; the week's sums are 2 × 10, 2 × 2, 2 × 1, 2 × 7, 5.50 − 8.00
    ["margin", "7", "+0.25", "0.05 to 0.45", "4.00", "900", "100", "rose for sure"],
    ["return", "7", "+50.00%", "5.00% to 45.00%", "–", "900", "100", "rose for sure"],
    ["Bought together", "margin", "7", "+0.10", "0.05 to 0.45", "4.00", "900", "100", "rose for sure"],
    ["Halves of the holdout are alike", EVIL],
    ["2024-06-03", "2", "20", "4", "2", "14", "−2.50"],
    [EVIL, "20%", "7.0", "−8.00", "−9.00 to 9.00"],
    ["amount per order", "30.12 USD", "28.00 USD", "12"],
    # of models
    ["frequent, large baskets", "9", "60.0%", "75.0%", "50.0%", "0.10"],
    ["deal-seeking", "9", "60.0%", "75.0%", "50.0%", "0.10"],  # by behaviour
    ["name 2", "name 1", "6"],
    ["25-34", "6", "6", "12", "10.00", "1.14"],  # 20.00 a user, of 140.00 / 8 = 17.50
    ["35-44", "<5", "–", "–", "–", "–"],
    ["all", "8", "8", "14", "10.00", "1.00"],
    # of measurement.fairness, and of the newest fit in models.metrics
    ["gender", "f", "400", "10.0%", "–", "0.20", "0.12 to 0.25", "unequal for sure"],
    ["gender", "m", "400", "50.0%", "12.5%", "–", "–", "fine"],
    ["gender", "x", "7", "–", "–", "–", "–", "cannot be told"],
    ["loyalty", "all others", "400", "25.0%", "–", "–", "–", "fine"],
    ["redeeming a coupon", "region", "2024-06-08", "900", "0.538", "0.031"],
    ["order within 14 days", "boosting", "2024-06-08", "900", EVIL],
    ["redeeming a coupon", "boosting", "2024-06-08", "900", EVIL],
    ["TEA", EVIL, "30", "40.0%", "2.5", "1.8"],
    ["TEA", "2024-06-13", "2", "20", "26", "30.0%", "50%"],
    ["champions, all series", "0.875", "–", "–", "–", "40"],
    ["2024-06-15", "0.125", "–", "–", "–", "50"],
    ["2024-06-08", "0.062", "–", "–", "–", "50"],
    # of ops and decisions.policy
    [EVIL, "100", "81", "9", "10.00%", "amount_zero 9"],
    ["from 2024-06-16 on", "what offers bring, times", "coupon", "0.900", "0.810", "adjusted by itself", EVIL],
    ["2024-06-15", "what offers bring, times", "coupon", "as set", "0.900", "adjusted by itself", EVIL],
    ["what offers bring, times", "coupon", "0.900", "n 900"],
]


def test_every_figure_is_that_of_its_table(page: Page) -> None:
    """M01: the heads of what was decided, measured and modelled, section by section."""
    assert [row for row in ROWS if row not in page.rows] == []
    answers = [row for row in page.rows if len(row) == 8 and row[0] == "frequent, large baskets"]
    assert answers == [
        ["frequent, large baskets", "discount", "+0.40", "0.10", "98%", "12.5%", "30", "9"],
        ["frequent, large baskets", "coupon", "−0.20", "0.10", "2%", "12.5%", "30", "9"],
    ]


def test_the_page_has_every_section_and_begins_with_what_was_decided(page: Page) -> None:
    """M01, M04: 8 offers bring 6 × 2.00 + 2 × 3.25 and reserve 6 × 1.10 + 2 × 0.50; 3 get none, 5 are held out."""
    sections = [attributes["id"] for tag, attributes in page.elements if tag == "h2"]
    assert sections == [
        "decided",
        "outcomes",
        "customers",
        "fairness",
        "together",
        "forecasts",
        "supply",
        "recommendations",
        "models",
        "risk",
        "quality",
        "policy",
    ]
    head = page.text[: page.text.index("Offers to customers for this day")]
    for fact in ("offers 8", "customers with offers 8", "customers without an offer 8", "expected gain 18.50 USD"):
        assert fact in head
    assert "reserved of 20.00 USD 7.60 USD" in head and "alarms 1" in head


def test_the_report_of_risk_adds_up_to_the_table(page: Page) -> None:
    """J09: 7 low, 5 high and 2 blocked accounts are the 14 of models.risk; two are too few to tell their number."""
    tiers = [["low", "7", "50.0%"], ["medium", "0", "0.0%"], ["high", "5", "35.7%"], ["blocked", "<5", "–"]]
    at = page.rows.index(tiers[0])
    assert page.rows[at : at + 5] == [*tiers, ["all accounts", "14", "100.0%"]]
    assert ["look at it", "5", "35.7%"] in page.rows and ["suspend the account", "<5", "–"] in page.rows


def test_segments_have_portraits_and_the_market_is_cut(page: Page) -> None:
    """M03: a segment with its centre in its own unit, against all users, and what it buys beyond the average."""
    assert "9 customers, 60.0% of all, bring 75.0% of revenue." in page.text
    assert "They wait for reductions." in page.text
    assert "amount per order 20.00 USD (× 1.5)" in page.text
    assert f"Buys more than others: TEA, {EVIL}" in page.text


def test_what_few_people_did_is_not_told(page: Page) -> None:
    """Of 8 users who were in a segment a week ago 2 stayed; 3 users make a segment; 4 came back of 4."""
    assert "still are in one, <5 (–) stayed in theirs." in page.text
    assert ["few orders", "<5", "–", "–", "–", "–"] in page.rows
    assert ["came back within 30 days", "–", "–", "<5"] in page.rows


def test_ten_offers_are_told_with_their_reasons_and_without_whole_ids(page: Page) -> None:
    assert page.text.count("Take it, user-") == 7 and "customer user-…" in page.text
    assert "3.25 USD ± 0.50" in page.text and "Bought before" in page.text
    assert page.text.index("… Bought together") < page.text.index("… Time to buy again")


def test_nothing_from_outside_is_taken_for_html_and_nothing_is_fetched(html: str, page: Page) -> None:
    assert "<script" not in html and "http" not in html and "alert(1)" in html
    assert not {"script", "img", "iframe", "object"} & {tag for tag, _ in page.elements}
    assert {a["href"] for tag, a in page.elements if tag == "link"} == {"data:,"}


def test_each_chart_has_its_words_and_its_numbers_beside_it(html: str, page: Page) -> None:
    """M02: charts are drawn, named and described for who cannot see them; each has shapes in it."""
    charts = html.split("<svg ")[1:]
    assert len(charts) == 11  # gain, frontier, three of effects, weeks, two of segments, network, a series, recall
    for chart in charts:
        svg = chart.partition("</svg>")[0]
        assert (
            svg.startswith('role="img"') and "<title id=" in svg and "<desc id=" in svg and "The numbers are in" in svg
        )
        assert any(shape in svg for shape in ("<path", "<rect", "<circle")) and "nan" not in svg
    ids = [a["id"] for _, a in page.elements if "id" in a]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("language", ["en-US", "zh-CN"])
@pytest.mark.parametrize("width", [390, 1280])
def test_a_browser_has_nothing_to_complain_of_and_nothing_is_wider_than_the_page(
    shop: Lake, browser: Browser, html: str, tmp_path: Path, language: str, width: int
) -> None:
    """M02: on a telephone and on a screen, with everything unfolded; a name of 160 letters breaks."""
    there = tmp_path / "page.html"
    there.write_text(html if language == "en-US" else chinese(shop), encoding="utf-8")
    seen = browser.seen(there, width, FOLDED)
    assert seen.complaints == []
    assert seen.scroll_width <= width
    assert EVIL in seen.text and ("Time to buy again" if language == "en-US" else "该再买了") in seen.text


_CHINESE: list[str] = []


def chinese(shop: Lake) -> str:
    """The page in Chinese, made once, in a place of its own."""
    if not _CHINESE:
        before = page_path(shop, f"{DATE}").read_bytes()
        _CHINESE.append(written(shop, 'report.language="zh-CN"')[1])
        page_path(shop, f"{DATE}").write_bytes(before)
    return _CHINESE[0]


def test_the_page_is_in_the_language_of_the_offers_unless_set_otherwise(shop: Lake, html: str) -> None:
    assert '<html lang="en-US">' in html and '<html lang="zh-CN">' in chinese(shop)
    assert "高频、大单" in chinese(shop) and "customers" not in Page(chinese(shop)).text


def test_a_page_that_is_there_is_left_and_one_that_is_not_is_made_with_the_same_bytes(shop: Lake, html: str) -> None:
    """Unchanged without Spark, too; written again where it was deleted, or where another run wrote it."""
    there, cards = page_path(shop, f"{DATE}"), page_path(shop, f"models-{DATE}")
    there.unlink(missing_ok=True)
    assert written(shop) == ("written", html)
    assert written(shop) == ("current", html)
    assert nothing_to_do(report, settings_of(shop), [DATE])
    there.write_text(html.replace(page_run(shop, f"{DATE}") or "?", "another"), encoding="utf-8")
    assert not nothing_to_do(report, settings_of(shop), [DATE])
    assert written(shop) == ("written", html)
    assert not list(there.parent.glob("*.part"))
    cards.unlink()
    assert not nothing_to_do(report, settings_of(shop), [DATE])


def test_a_lake_without_tables_has_a_page_that_says_why(lake: Lake) -> None:
    """A page, no error; each section says which table is not there."""
    empty = Page(written(lake)[1])
    assert empty.text.count("There is nothing to show yet: the lake has no table") >= 9
    assert "the lake has no table decisions.promotions." in empty.text
    assert "svg" not in {tag for tag, _ in empty.elements}


def test_a_date_without_rows_has_a_page_that_says_why() -> None:
    """The same where the tables are there, but have no rows of the date."""
    nothing = DailyRows(
        DecidedRows([], [], [], []),
        OutcomeRows([], [], [], [], [], [], [], []),
        CustomerRows([], [], []),
        FairnessRows([], []),
        TogetherRows([], 0),
        ForecastRows([], [], [], [], []),
        SupplyRows([], [], [], [], []),
        [],
        ModelRows([], [], {}),
        [],
        [],
        PolicyRows([], []),
    )
    told = Told(Wording("en-US", "USD", 5), DATE, 28, frozenset({Promotions, Effects}))
    text = Page(daily_page(nothing, told, "run")).text
    assert "decisions.promotions has no rows of 2024-06-15." in text
    assert "measurement.effects has no rows of 2024-06-15." in text
    assert "Effects are told from the day on which the first offers have ended." in text
    assert "the lake has no table models.risk." in text


CARD = [
    # of models.registry and models.metrics of the day of the fit, and of the contracts of the features
    ["auc", "–", "0.7500", "–"],
    ["log_loss", "redemption:boosting", "0.6250", "900"],
    ["region", "South", "10.0%", "40.0%", "0.538", "0.031"],
    ["recency_days", "days since the last order day [days]"],
    ["order_days_28", "of the last 28 days, those with an order"],
    [EVIL, "–"],
    ["propensity.trees", "250"],
    ["propensity.represented", '["gender", "age_band", "region"]'],
]


def test_each_model_has_a_card_whose_figures_are_those_of_its_tables(pages: tuple[str, str]) -> None:
    """N08 (part): what it is for and not for, when and on what it was fitted, how good it was, whom it learnt from.

    A card tells of its own model: 0.8750 is of another one. The page of the date leads to the cards.
    """
    assert f'href="models-{DATE}.html"' in pages[0]
    cards = Page(pages[1])
    assert [a["id"] for tag, a in cards.elements if tag == "h2"] == ["order_14d", "redemption"]
    first, card = (part.split("<h2")[0] for part in cards.html.split('<h2 id="')[1:3])
    assert [row for row in CARD if row not in Page(card).rows] == []
    assert "0.8750" in first and "0.8750" not in card and "0.7500" not in first
    for told in ("Tells how likely a customer redeems a coupon", "Whom earlier campaigns reached was chosen"):
        assert told in card
    assert "fitted on 2024-06-08 by boosting examples 900 of days from 2024-06-01" in Page(card).text
    assert EVIL not in cards.html and {"src", "srcset"}.isdisjoint(a for _, given in cards.elements for a in given)


def test_where_nobodys_attributes_are_known_one_line_says_so() -> None:
    """N07 (part): loyal customers are compared all the same, and here get as many offers as others."""
    told = Told(Wording("en-US", "USD", 5), DATE, 28, frozenset({Fairness}))
    row = {"attribute": "loyalty", "metric": "offer_rate", "n": 400, "outcome": "ok", "estimate": 0.5, "message": None}
    ratio = {**row, "group_name": "loyal", "metric": "disparate_impact", "reference": "all others", "ci_low": None}
    section = fairness_section(FairnessRows([ratio], []), told)
    lines = [block for block in section.blocks if isinstance(block, Sentence)]
    assert lines[1].text.startswith("silver.users tells of nothing else by which groups")
    assert lines[2].text == "Loyal customers get no less than others." and lines[2].tone == "good"
    few = {**row, "group_name": "loyal", "n": 40, "outcome": "insufficient", "reference": None}
    alone = {**row, "group_name": "all others", "reference": None}  # large enough, but there is nothing beside it
    section = fairness_section(FairnessRows([few, alone], []), told)
    untold = [block for block in section.blocks if isinstance(block, Sentence)]
    assert untold[2].text.endswith("none has enough customers.") and untold[2].tone == "quiet"


def test_rules_none_of_which_is_a_bundle_are_no_empty_table() -> None:
    told = Told(Wording("en-US", "USD", 5), DATE, 28, frozenset({BasketRules}))
    [text] = together_section(TogetherRows([], 42), told).blocks
    assert isinstance(text, Sentence) and "The 42 rules of the day are in models.basket_rules." in text.text


def test_the_pipeline_ends_with_the_address_of_the_page(
    shop: Lake, html: str, capsys: pytest.CaptureFixture[str]
) -> None:
    page_path(shop, f"{DATE}").write_text(html, encoding="utf-8")
    pipeline.start(shop, settings_of(shop), [DATE], Progress())
    assert capsys.readouterr().out.splitlines()[-1] == f"The page of the date: {page_path(shop, f'{DATE}')}"


def test_the_page_is_made_after_all_that_it_tells_of() -> None:
    """Of metrics, which many jobs write, and of what adjust writes for the day after."""
    assert dependencies([report, recommend, evaluate, adjust]) == {
        "report": {"recommend", "evaluate", "adjust"},
        "recommend": set(),
        "evaluate": set(),
        "adjust": {"evaluate"},
    }
