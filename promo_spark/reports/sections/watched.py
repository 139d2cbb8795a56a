"""What is watched: risky accounts and what is advised, deliveries, and what was changed of how offers are decided."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass

from pyspark.sql import types as T

from promo_spark.contracts.ops import DataQuality
from promo_spark.contracts.policy import ALL, NONE, Policy
from promo_spark.contracts.risk import ACTIONS, Risk
from promo_spark.contracts.schema import Col, Frame
from promo_spark.contracts.vocabulary import RISK_TIERS
from promo_spark.decisions.policy import rows_in_force
from promo_spark.reports.blocks import Block, Cell, Grid, Heading, Link, Section, Sentence, Toned
from promo_spark.reports.data_quality import told_sources
from promo_spark.reports.sections.told import Row, Told
from promo_spark.reports.wording import NOTHING


class RiskGroup(Frame):
    """One row per tier and advised action."""

    tier = Col(T.StringType(), "as in models.risk")
    action = Col(T.StringType(), "as in models.risk_actions; null: the account has no row there")
    users = Col(T.LongType(), "accounts")


def risk_section(groups: Sequence[Row], told: Told) -> Section:
    """RiskGroup → the section."""
    w = told.words
    title = w.say("risk.title")
    if not groups:
        return Section("risk", title, [told.why_empty(Risk)])
    tiers = {tier: sum(g[RiskGroup.users] for g in groups if g[RiskGroup.tier] == tier) for tier in RISK_TIERS}
    everyone = sum(tiers.values())
    rows = [[w.word("tier", tier), w.people(n), _share_of(n, everyone, told)] for tier, n in tiers.items()]
    rows.append([w.say("risk.all"), w.people(everyone), w.share(1.0)])
    advised = {a: sum(g[RiskGroup.users] for g in groups if g[RiskGroup.action] == a) for a in ACTIONS}
    advice = [[w.word("advice", action), w.people(n), _share_of(n, everyone, told)] for action, n in advised.items()]
    blocks: list[Block] = [
        Sentence(w.say("risk.lead"), "quiet"),
        Grid(told.columns("tier", "#accounts", "#share"), rows),
        Heading(w.say("risk.advice")),
        Grid(told.columns("advice", "#accounts", "#share"), advice),
    ]
    return Section("risk", title, blocks)


def _share_of(users: int, everyone: int, told: Told) -> str:
    return NOTHING if told.words.is_few(users) else told.words.share(users / everyone)


def quality_section(rows: Sequence[Row], told: Told) -> Section:
    """DataQuality of the date → the section, with a link to its own page."""
    w = told.words
    title = w.say("quality.title")
    if not rows:
        return Section("quality", title, [told.why_empty(DataQuality)])
    sources = told_sources(rows, {})
    refused = [s["name"] for s in sources if not s["passed"]]
    quarantined, delivered = (sum(s[name] for s in sources) for name in ("rejected", "rows_in"))
    if refused:
        verdict = w.say("quality.refused", names=w.listed(refused))
    elif quarantined:
        verdict = w.say("quality.passed_in_part", n=w.count(quarantined), all=w.count(delivered))
    else:
        verdict = w.say("quality.passed")
    cells: list[list[Cell]] = [
        [
            s["name"],
            w.count(s["rows_in"]),
            w.count(s["accepted"]),
            w.count(s["rejected"]),
            w.share(s["rejected_share"], 2),
            w.listed([f"{c['rule']} {w.count(c['failed'])}" for c in s["failed"]]) or NOTHING,
        ]
        for s in sources
    ]
    columns = told.columns("source", "#rows_in", "#accepted", "#quarantined", "#share", "~failed_checks")
    blocks: list[Block] = [
        Sentence(verdict, "bad" if refused else ""),
        Grid(columns, cells),
        Link(w.say("quality.more"), f"data_quality_{told.date}"),
    ]
    return Section("quality", title, blocks)


@dataclass(frozen=True)
class PolicyRows:
    """What the section of the policy is made of. Policy: of the days up to the date, and of the day after."""

    past: Sequence[Row]  # those of the date and of the days before that are told of, with the newest before these
    ahead: Sequence[Row]


def policy_section(of: PolicyRows, told: Told) -> Section:
    """Policy → the section."""
    w = told.words
    title = w.say("policy.title")
    if not of.past and not of.ahead:
        return Section("policy", title, [told.why_empty(Policy)])
    first = told.date - datetime.timedelta(told.days)
    versions = _versions([*of.past, *of.ahead])
    changes = [
        _change(row, told)
        for day, rows in sorted(versions.items(), reverse=True)
        if day >= first
        for row in sorted(rows, key=lambda r: (r[Policy.parameter], r[Policy.scope]))
        if row[Policy.value] != row[Policy.previous]
    ]
    blocks: list[Block] = [Sentence(w.say("policy.lead"), "quiet")]
    if changes:
        columns = told.columns("from_day", "what", "of", "#before", "#after", "who", "~reason")
        blocks.append(Grid(columns, changes))
    else:
        blocks.append(Sentence(w.say("policy.no_change", days=told.days)))
    in_force = [row for row in rows_in_force(of.past) if row[Policy.parameter] != NONE]
    if in_force:
        rows = [
            [_parameter(r, told), _scope(r, told), _value(r[Policy.value], told), r[Policy.evidence]]
            for r in sorted(in_force, key=lambda r: (r[Policy.parameter], r[Policy.scope]))
        ]
        name = w.say("policy.in_force", date=w.day(told.date), version=in_force[0][Policy.version_id])
        blocks.append(Grid(told.columns("what", "of", "#value", "~evidence"), rows, folded=name))
    else:
        blocks.append(Sentence(w.say("policy.as_set"), "quiet"))
    return Section("policy", title, blocks)


def _versions(rows: Sequence[Row]) -> dict[datetime.date, list[Row]]:
    """The version in force from each day on that has one."""
    days = {row[Policy.valid_from] for row in rows}
    return {day: list(rows_in_force([r for r in rows if r[Policy.valid_from] == day])) for day in days}


def _change(row: Row, told: Told) -> list[Cell]:
    w = told.words
    after = row[Policy.valid_from] > told.date
    day = w.day(row[Policy.valid_from])
    return [
        Toned(w.say("policy.tomorrow", day=day), "warn") if after else day,
        _parameter(row, told),
        _scope(row, told),
        w.say("policy.setting") if row[Policy.previous] is None else _value(row[Policy.previous], told),
        w.say("policy.setting") if row[Policy.value] is None else _value(row[Policy.value], told),
        w.word("writer", row[Policy.job]),
        row[Policy.reason],
    ]


def _parameter(row: Row, told: Told) -> str:
    return told.words.word("parameter", row[Policy.parameter])


def _scope(row: Row, told: Told) -> str:
    kind, _, name = row[Policy.scope].partition(":")
    return told.words.say("outcomes.all") if kind == ALL else told.words.word(kind, name)


def _value(value: float, told: Told) -> str:
    return told.words.number(value, 3)
