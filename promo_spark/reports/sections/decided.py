"""What was decided for the date, and why: offers by kind, money by limit, examples, and who gets none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pyspark.sql import types as T

from promo_spark.contracts.decisions import ENDED, Budget, Frontier, Promotions
from promo_spark.contracts.schema import MONEY, Col, Frame
from promo_spark.reports.blocks import Block, Card, Cards, Facts, Grid, Heading, Pictures, Section, Sentence
from promo_spark.reports.charts import Series, bar_chart, line_chart
from promo_spark.reports.sections.told import Row, Told
from promo_spark.reports.wording import NOTHING


class OfferGroup(Frame):
    """One row per kind of group and group: who is in it, and what they are offered."""

    kind = Col(T.StringType(), "all, scenario, mechanic, channel, arm, status, or why there is no offer: reason")
    name = Col(T.StringType(), "the group; empty: no such thing, as of a shop with one channel")
    users = Col(T.LongType(), "different users in it")
    users_with_offers = Col(T.LongType(), "those of them who are offered something")
    offers = Col(T.LongType(), "offers")
    cost = Col(MONEY, "what is reserved for them", unit="currency")
    gain = Col(MONEY, "what they are expected to bring", unit="currency")


@dataclass(frozen=True)
class DecidedRows:
    """What the section is made of: OfferGroup, examples of Promotions, Budget and Frontier of the date."""

    groups: Sequence[Row]
    examples: Sequence[Row]
    budget: Sequence[Row]
    frontier: Sequence[Row]

    def group(self, kind: str, name: str) -> Row | None:
        """One group; None where nobody is in it."""
        return next((g for g in self.groups if (g[OfferGroup.kind], g[OfferGroup.name]) == (kind, name)), None)

    @property
    def all(self) -> Row | None:
        return self.group("all", "all")

    @property
    def daily(self) -> Row | None:
        return next((b for b in self.budget if b[Budget.constraint] == "daily"), None)


def headline(of: DecidedRows, told: Told) -> list[tuple[str, str]]:
    """The figures that the page begins with."""
    w, everyone = told.words, of.all
    if everyone is None:
        return []
    reserved = w.say("decided.reserved")
    if of.daily:
        reserved = w.say("decided.reserved_of", planned=w.with_currency(of.daily[Budget.planned]))
    without = everyone[OfferGroup.users] - everyone[OfferGroup.users_with_offers]
    return [
        (w.say("decided.offers"), w.count(everyone[OfferGroup.offers])),
        (w.say("decided.users_with_offers"), w.people(everyone[OfferGroup.users_with_offers])),
        (w.say("decided.users_without"), w.people(without)),
        (w.say("decided.gain"), w.with_currency(everyone[OfferGroup.gain])),
        (reserved, w.with_currency(everyone[OfferGroup.cost])),
    ]


def decided_section(of: DecidedRows, told: Told) -> Section:
    """OfferGroup, Promotions, Budget, Frontier → the section."""
    w = told.words
    blocks: list[Block] = [Sentence(w.say("decided.lead"), "quiet")]
    if of.all is None:
        blocks.append(told.why_empty(Promotions))
    else:
        blocks += [*_kinds(of, told), *_examples(of, told), *_without_offers(of, told)]
    blocks += [Heading(w.say("decided.money")), *(_money(of, told) if of.budget else [told.why_empty(Budget)])]
    blocks += _frontier(of, told) if of.frontier else [told.why_empty(Frontier)]
    return Section("decided", w.say("decided.title"), blocks)


def _kinds(of: DecidedRows, told: Told) -> list[Block]:
    w = told.words
    blocks: list[Block] = []
    scenarios = _offered(of, "scenario")
    if scenarios:
        bars = [
            (w.word("scenario", g[OfferGroup.name]), float(g[OfferGroup.gain]), w.money(g[OfferGroup.gain]))
            for g in sorted(scenarios, key=lambda g: -g[OfferGroup.gain])
        ]
        name, text = w.say("decided.gain_by_scenario"), w.say("decided.gain_by_scenario_desc")
        chart = bar_chart("gain-by-scenario", name, text, bars)
        blocks.append(Pictures([chart], beside=_offer_grid(scenarios, "scenario", told)))
    for kind in ("mechanic", "channel"):
        groups = _offered(of, kind)
        if groups:
            blocks += [Heading(w.say(f"decided.by_{kind}")), _offer_grid(groups, kind, told)]
    arms = [
        [
            w.word("arm", g[OfferGroup.name]),
            w.people(g[OfferGroup.users]),
            w.people(g[OfferGroup.users_with_offers]),
            w.count(g[OfferGroup.offers]),
            w.money(g[OfferGroup.cost]),
        ]
        for g in _sorted(of, "arm")
    ]
    columns = told.columns("arm", "#users", "#users_with_offers", "#offers", "#reserved")
    return [*blocks, Heading(w.say("decided.by_arm")), Grid(columns, arms), Sentence(w.say("decided.arms"), "quiet")]


def _offer_grid(groups: Sequence[Row], kind: str, told: Told) -> Grid:
    columns = told.columns(kind, "#offers", "#users", "#reserved", "#gain")
    return Grid(columns, [_offer_cells(g, kind, told) for g in groups])


def _offered(of: DecidedRows, kind: str) -> list[Row]:
    return [g for g in _sorted(of, kind) if g[OfferGroup.offers]]


def _sorted(of: DecidedRows, kind: str) -> list[Row]:
    """The groups of a kind, the largest first."""
    groups = [g for g in of.groups if g[OfferGroup.kind] == kind]
    return sorted(groups, key=lambda g: (-g[OfferGroup.offers], -g[OfferGroup.users], g[OfferGroup.name]))


def _offer_cells(group: Row, kind: str, told: Told) -> list[str]:
    w, name = told.words, group[OfferGroup.name]
    return [
        w.word(kind, name) if name else w.say("decided.no_channel"),
        w.count(group[OfferGroup.offers]),
        w.people(group[OfferGroup.users]),
        w.money(group[OfferGroup.cost]),
        w.money(group[OfferGroup.gain]),
    ]


def _examples(of: DecidedRows, told: Told) -> list[Block]:
    w = told.words
    if not of.examples:
        return []
    cards = [_card(row, told) for row in of.examples]
    return [Heading(w.say("decided.examples")), Sentence(w.say("decided.examples_lead"), "quiet"), Cards(cards)]


def _card(row: Row, told: Told) -> Card:
    w, error = told.words, row[Promotions.incremental_margin_se]
    gain = w.with_currency(row[Promotions.incremental_margin])
    facts = [
        (w.say("column.gain_of_offer"), gain if error is None else f"{gain} ± {w.money(error)}"),
        (w.say("column.reserved_for_offer"), w.with_currency(row[Promotions.expected_cost])),
        (w.say("column.used_by"), w.share(row[Promotions.expected_conversion])),
    ]
    if row[Promotions.basis]:
        facts.append((w.say("column.basis"), w.word("basis", row[Promotions.basis])))
    return Card(
        title=w.word("scenario", row[Promotions.scenario]),
        text=row[Promotions.text],
        facts=facts,
        notes=[reason_in_words(code, told) for code in row[Promotions.reason_codes]],
        mark=w.say("decided.user", user=shortened_id(row[Promotions.user_id])),
    )


def shortened_id(user_id: str) -> str:
    """The beginning of an id, never the whole of it.

    >>> shortened_id("1fb898fa985e7b9c"), shortened_id("351"), shortened_id("7")
    ('1fb898…', '35…', '…')
    """
    return f"{user_id[: min(6, (len(user_id) + 1) // 2 if len(user_id) > 1 else 0)]}…"


def reason_in_words(code: str, told: Told) -> str:
    """A reason code as words; of one that others brought, the code itself."""
    name, _, detail = code.partition(":")
    w = told.words
    if not w.knows("reason", name):
        return code
    if name == "recommended":
        source, _, place = detail.partition(":")
        return w.say("reason.recommended", detail=w.word("source", source), place=place)
    if name == "lifecycle":
        detail = w.word("lifecycle", detail)
    return w.say(f"reason.{name}", detail=detail.replace(":", ", "))


def _without_offers(of: DecidedRows, told: Told) -> list[Block]:
    w = told.words
    reasons = _sorted(of, "reason")
    blocks: list[Block] = [Heading(w.say("decided.withheld"))]
    statuses = [g for g in _sorted(of, "status") if g[OfferGroup.name] in ("proposed", *ENDED)]
    facts = [(w.word("status", g[OfferGroup.name]), w.count(g[OfferGroup.offers])) for g in statuses]
    if facts:
        blocks.append(Facts(facts))
    if not reasons:
        return [*blocks, Sentence(w.say("decided.all_have_offers"))]
    rows = [[_why_none(g[OfferGroup.name], told), w.people(g[OfferGroup.users])] for g in reasons]
    return [*blocks, Sentence(w.say("decided.withheld_lead"), "quiet"), Grid(told.columns("why", "#users"), rows)]


def _why_none(code: str, told: Told) -> str:
    return told.words.say(f"none.{code}") if told.words.knows("none", code) else code.replace("_", " ")


def _money(of: DecidedRows, told: Told) -> list[Block]:
    w = told.words
    in_money = [b for b in of.budget if b[Budget.unit] != "pieces"]
    in_pieces = [b for b in of.budget if b[Budget.unit] == "pieces" and b[Budget.dual_price] is not None]
    columns = told.columns("limit", "#planned", "#reserved", "#share_reserved", "#offers", "#dual_price")
    blocks: list[Block] = [
        Sentence(w.say("decided.money_lead"), "quiet"),
        Grid(columns, [_limit(b, told) for b in sorted(in_money, key=_limit_order)]),
    ]
    if in_pieces:
        title = w.say("decided.stock", n=w.count(len(in_pieces)))
        columns = told.columns(
            "limit", "#planned_pieces", "#reserved_pieces", "#share_reserved", "#offers", "#dual_price"
        )
        blocks.append(Grid(columns, [_limit(b, told) for b in sorted(in_pieces, key=_limit_order)], folded=title))
    daily = of.daily or of.budget[0]
    if daily[Budget.bound] is not None:
        gap = w.share(daily[Budget.gap], digits=2)
        blocks.append(Sentence(w.say("decided.bound", bound=w.with_currency(daily[Budget.bound]), gap=gap), "quiet"))
    return blocks


def _limit_order(row: Row) -> tuple[bool, float, str]:
    return row[Budget.constraint] != "daily", -float(row[Budget.reserved]), row[Budget.constraint]


def _limit(row: Row, told: Told) -> list[str]:
    w, planned, reserved = told.words, row[Budget.planned], row[Budget.reserved]
    kind, _, name = row[Budget.constraint].partition(":")
    named = w.word("mechanic", name) if kind in ("mechanic", "face") else name
    amount = w.money if row[Budget.unit] != "pieces" else w.number
    return [
        w.say(f"limit.{kind}", name=named) if w.knows("limit", kind) else row[Budget.constraint],
        amount(planned),
        amount(reserved),
        w.share(float(reserved) / float(planned)) if planned else NOTHING,
        w.count(row[Budget.offers]),
        w.say("decided.not_binding") if row[Budget.dual_price] is None else w.number(row[Budget.dual_price], 3),
    ]


def _frontier(of: DecidedRows, told: Told) -> list[Block]:
    w = told.words
    rows = sorted(of.frontier, key=lambda r: r[Frontier.daily_budget])
    points = [(float(r[Frontier.daily_budget]), float(r[Frontier.incremental_margin])) for r in rows]
    labels = [(x, w.number(x, 0)) for x in dict.fromkeys((0.0, points[-1][0] / 2, points[-1][0]))]
    series = [Series(w.say("decided.frontier_line"), "first", points, dots=True)]
    planned = float(of.daily[Budget.planned]) if of.daily else None
    mark = planned if planned is not None and planned <= points[-1][0] else None
    chart = line_chart(
        "frontier", w.say("decided.frontier"), w.say("decided.frontier_desc"), series, across=labels, mark=mark
    )
    table = Grid(
        told.columns("#daily_budget", "#could_bring", "#dual_price"),
        [
            [
                w.money(r[Frontier.daily_budget]),
                w.money(r[Frontier.incremental_margin]),
                w.number(r[Frontier.dual_price], 3),
            ]
            for r in rows
        ],
    )
    return [Pictures([chart], beside=table), Sentence(w.say("decided.frontier_lead"), "quiet")]
