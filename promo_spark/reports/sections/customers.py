"""Who the customers are: segments as a marketer reads them, who moved, and the market by region, age and income."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from pyspark.sql import types as T

from promo_spark.contracts.features import UserProfile
from promo_spark.contracts.models import Segments
from promo_spark.contracts.schema import Col, Frame
from promo_spark.contracts.segments import SegmentPortraits
from promo_spark.contracts.silver import Users
from promo_spark.contracts.vocabulary import BEHAVIOUR, VALUE
from promo_spark.measurement.market_groups import ATTRIBUTES, MarketGroup
from promo_spark.reports.blocks import Block, Card, Cards, Column, Grid, Heading, Pictures, Section, Sentence
from promo_spark.reports.charts import bar_chart
from promo_spark.reports.sections.told import Row, Told, segment_name
from promo_spark.reports.wording import NOTHING

_SHARES = (UserProfile.discount_share, UserProfile.discounted_lines_share, UserProfile.return_lines_share)
_MONEY = (UserProfile.spend, UserProfile.spend_90d, UserProfile.basket_value, UserProfile.basket_median)


class Move(Frame):
    """One row per segment of the week before and segment now, of users who are in one on both days."""

    from_segment = Col(T.StringType(), "name of the segment a week ago")
    to_segment = Col(T.StringType(), "name of the segment now")
    from_id = Col(T.IntegerType(), "its id a week ago")
    to_id = Col(T.IntegerType(), "its id now")
    users = Col(T.LongType(), "users")


@dataclass(frozen=True)
class CustomerRows:
    """What the section is made of: SegmentPortraits of the date, Move, MarketGroup."""

    portraits: Sequence[Row]
    moves: Sequence[Row]
    groups: Sequence[Row]


def customers_section(of: CustomerRows, told: Told) -> Section:
    """SegmentPortraits, Move, MarketGroup → the section."""
    w = told.words
    blocks: list[Block] = [Sentence(w.say("customers.lead"), "quiet")]
    by_value = [p for p in of.portraits if p[SegmentPortraits.grouping] != BEHAVIOUR]
    by_behaviour = [p for p in of.portraits if p[SegmentPortraits.grouping] == BEHAVIOUR]
    blocks += _portraits(VALUE, by_value, told) if by_value else [told.why_empty(SegmentPortraits)]
    if by_behaviour:
        blocks += [Heading(w.say("customers.by_behaviour")), Sentence(w.say("customers.behaviour_lead"), "quiet")]
        blocks += _portraits(BEHAVIOUR, by_behaviour, told)
    blocks += [Heading(w.say("customers.moves")), *_moves(of, told)]
    blocks += [Heading(w.say("customers.market")), *_market(of, told)]
    return Section("customers", w.say("customers.title"), blocks)


def _portraits(grouping: str, portraits: Sequence[Row], told: Told) -> list[Block]:
    w = told.words
    ordered = sorted(portraits, key=lambda p: (-p[SegmentPortraits.revenue_share], p[SegmentPortraits.segment_id]))
    bars = [
        (segment_name(p[SegmentPortraits.segment_name], told), p[SegmentPortraits.revenue_share], _share(p, told))
        for p in ordered
        if not w.is_few(p[SegmentPortraits.users])
    ]
    chart = bar_chart(
        f"segments-{grouping}", w.say("customers.revenue"), w.say("customers.revenue_desc"), bars, gains=False
    )
    rows = [[segment_name(p[SegmentPortraits.segment_name], told), *_portrait_cells(p, told)] for p in ordered]
    columns = told.columns(
        "segment", "#users", "#users_share", "#revenue_share", "#discounted_lines", "#coupons_per_campaign"
    )
    cards = [_card(p, told) for p in ordered if not w.is_few(p[SegmentPortraits.users])]
    return [Pictures([chart]), Grid(columns, rows), Cards(cards)]


def _portrait_cells(portrait: Row, told: Told) -> list[str]:
    w = told.words
    users = w.people(portrait[SegmentPortraits.users])
    if w.is_few(portrait[SegmentPortraits.users]):
        return [users, *[NOTHING] * 4]
    return [
        users,
        w.share(portrait[SegmentPortraits.users_share]),
        w.share(portrait[SegmentPortraits.revenue_share]),
        w.share(portrait[SegmentPortraits.discounted_lines_share]),
        w.number(portrait[SegmentPortraits.coupons_per_campaign], 2),
    ]


def _share(portrait: Row, told: Told) -> str:
    return told.words.share(portrait[SegmentPortraits.revenue_share])


def _card(portrait: Row, told: Told) -> Card:
    w, lifts = told.words, portrait[SegmentPortraits.lifts] or {}
    facts = []
    for feature, mean in sorted((portrait[SegmentPortraits.centre] or {}).items()):
        lift = lifts.get(feature)
        times = "" if lift is None else w.say("customers.times", lift=w.number(lift, 1))
        facts.append((w.word("feature", feature), f"{_feature(feature, mean, told)} {times}".strip()))
    categories = list(portrait[SegmentPortraits.top_categories] or [])
    text = w.say(
        "customers.portrait",
        users=w.people(portrait[SegmentPortraits.users]),
        users_share=w.share(portrait[SegmentPortraits.users_share]),
        revenue_share=w.share(portrait[SegmentPortraits.revenue_share]),
    )
    advice = portrait[SegmentPortraits.advice]
    notes = [w.word("segment_advice", advice)] if advice else []
    notes += [w.say("customers.categories", names=w.listed(categories))] if categories else []
    since = portrait[SegmentPortraits.matched_from]
    mark = w.say("customers.new") if since is None else ""
    return Card(segment_name(portrait[SegmentPortraits.segment_name], told), text, facts, notes, mark)


def _feature(name: str, value: float, told: Told) -> str:
    if name in _SHARES:
        return told.words.share(value)
    return told.words.with_currency(value) if name in _MONEY else told.words.number(value, 1)


def _moves(of: CustomerRows, told: Told) -> list[Block]:
    w = told.words
    if not of.moves:
        return [Sentence(w.say("customers.no_week_before", table=Segments.full_name()), "quiet")]
    stayed = sum(m[Move.users] for m in of.moves if m[Move.from_id] == m[Move.to_id])
    everyone = sum(m[Move.users] for m in of.moves)
    movers = sorted(
        (m for m in of.moves if m[Move.from_id] != m[Move.to_id]),
        key=lambda m: (-m[Move.users], m[Move.from_id], m[Move.to_id]),
    )
    share = NOTHING if w.is_few(stayed) else w.share(stayed / everyone)
    told_stayed = w.say("customers.stayed", stayed=w.people(stayed), all=w.people(everyone), share=share)
    blocks: list[Block] = [Sentence(told_stayed)]
    rows = [
        [
            segment_name(m[Move.from_segment], told),
            segment_name(m[Move.to_segment], told),
            w.people(m[Move.users]),
        ]
        for m in movers
    ]
    folded = "" if len(rows) <= 8 else w.say("customers.all_moves", n=w.count(len(rows)))
    return [*blocks, Grid(told.columns("from", "to", "#users"), rows, folded=folded)] if rows else blocks


def _market(of: CustomerRows, told: Told) -> list[Block]:
    w = told.words
    everyone = next((g for g in of.groups if all(g[a] is None for a in ATTRIBUTES)), None)
    if everyone is None:
        return [told.why_empty(UserProfile)]
    known = [a for a in ATTRIBUTES if any(g[a] for g in of.groups)]
    if not known:
        return [Sentence(w.say("customers.no_attributes", table=Users.full_name()), "quiet")]
    blocks: list[Block] = [Sentence(w.say("customers.market_lead", least=w.least_group), "quiet")]
    for attribute in known:
        groups = [g for g in of.groups if g[attribute] is not None and _others_are_all(g, (attribute,))]
        blocks.append(_group_grid(w.word("attribute", attribute), [*groups, everyone], (attribute,), told))
    cells = [g for g in of.groups if all(g[a] is not None for a in known) and _others_are_all(g, known)]
    if len(known) > 1:
        title = w.say("customers.cells", n=w.count(len(cells)), names=w.listed([w.word("attribute", a) for a in known]))
        blocks.append(_group_grid(w.say("column.group"), cells, known, told, folded=title))
    return blocks


def _others_are_all(group: Row, attributes: Sequence[str]) -> bool:
    return all(group[a] is None for a in ATTRIBUTES if a not in attributes)


def _group_grid(heading: str, groups: Sequence[Row], by: Sequence[str], told: Told, folded: str = "") -> Grid:
    ordered = sorted(groups, key=lambda g: [_band_order(g[a]) for a in by])
    columns = [Column(heading), *told.columns("#users", "#buyers", "#orders", "#order_value", "#spend_index")]
    return Grid(columns, [[_group_name(g, by, told), *_group_cells(g, told)] for g in ordered], folded=folded)


def _band_order(band: str | None) -> tuple[bool, bool, float, bool, str]:
    """Bands by their first number, what is under it before it; then the unknown, then all together.

    >>> sorted(["100-124K", "", None, "15-24K", "Under 15K", "250K+"], key=_band_order)
    ['Under 15K', '15-24K', '100-124K', '250K+', '', None]
    """
    number = re.search(r"\d+", band or "")
    first = float(number.group()) if number else math.inf
    return band is None, band == "", first, (band or "")[:1].isdigit(), band or ""


def _group_name(group: Row, by: Sequence[str], told: Told) -> str:
    w = told.words
    if all(group[a] is None for a in by):
        return w.say("customers.everyone")
    return w.listed([group[a] or w.say("customers.unknown") for a in by])


def _group_cells(group: Row, told: Told) -> list[str]:
    w = told.words
    if group[MarketGroup.users] is None:
        return [f"<{w.least_group}", *[NOTHING] * 4]
    buyers = group[MarketGroup.buyers]
    return [
        w.count(group[MarketGroup.users]),
        f"<{w.least_group}" if buyers is None else w.count(buyers),
        w.count(group[MarketGroup.orders]),
        w.money(group[MarketGroup.order_value]),
        w.number(group[MarketGroup.spend_index], 2),
    ]
