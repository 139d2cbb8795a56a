"""What is bought together: the strongest rules as sentences, and as a network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from promo_spark.contracts.models import BasketRules
from promo_spark.reports.blocks import Block, Grid, Pictures, Section, Sentence, Sentences
from promo_spark.reports.charts import Connection, network_chart
from promo_spark.reports.sections.told import Row, Told

_SENTENCES = 10
_CONNECTIONS = 10


@dataclass(frozen=True)
class TogetherRows:
    """What the section is made of: the strongest bundles of the date (BasketRules), and how many rules it has."""

    bundles: Sequence[Row]
    rules: int


def together_section(of: TogetherRows, told: Told) -> Section:
    """TogetherRows → the section."""
    w = told.words
    title = w.say("together.title")
    if not of.rules:
        return Section("together", title, [told.why_empty(BasketRules)])
    if not (rules := of.bundles):
        nothing = w.say("together.no_bundles", n=w.count(of.rules), table=BasketRules.full_name())
        return Section("together", title, [Sentence(nothing, "quiet")])
    blocks: list[Block] = [Sentence(w.say("together.lead"), "quiet")]
    sentences = Sentences([_sentence(r, told) for r in rules[:_SENTENCES]])
    connections = _connections(rules, told)
    if connections:
        chart = network_chart("network", w.say("together.network"), w.say("together.network_desc"), connections)
        blocks.append(Pictures([chart], beside=sentences))
    else:
        blocks.append(sentences)
    rows = [
        [
            w.listed(r[BasketRules.antecedent]),
            w.listed(r[BasketRules.consequent]),
            w.count(r[BasketRules.baskets]),
            w.share(r[BasketRules.confidence]),
            w.number(r[BasketRules.lift], 1),
            w.number(r[BasketRules.lift_within_users], 1),
        ]
        for r in rules
    ]
    columns = told.columns("bought", "bought_too", "#baskets", "#confidence", "#lift", "#lift_within_users")
    return Section("together", title, [*blocks, Grid(columns, rows, folded=w.say("page.numbers"))])


def _sentence(rule: Row, told: Told) -> str:
    """The rule in words: in English as the table has it."""
    w = told.words
    return w.say(
        "together.sentence",
        sentence=rule[BasketRules.sentence],
        antecedent=w.listed(rule[BasketRules.antecedent]),
        consequent=w.listed(rule[BasketRules.consequent]),
        confidence=w.share(rule[BasketRules.confidence], 0),
        lift=w.number(rule[BasketRules.lift], 1),
    )


def _connections(rules: Sequence[Row], told: Told) -> list[Connection]:
    """Each pair of single items once, by its strongest rule."""
    w = told.words
    pairs: dict[frozenset[str], Connection] = {}
    for rule in rules:
        items = [*rule[BasketRules.antecedent], *rule[BasketRules.consequent]]
        if len(items) == 2 and frozenset(items) not in pairs:
            one, other = items
            lift = rule[BasketRules.lift]
            words = w.say("together.pair", one=one, other=other, lift=w.number(lift, 1))
            pairs[frozenset(items)] = Connection(one, other, lift, words)
    return list(pairs.values())[:_CONNECTIONS]
