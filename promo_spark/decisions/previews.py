"""What decisions come to, and what another way of deciding would change: counts, money, limits, and some offers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.decisions import Budget, Promotions
from promo_spark.contracts.schema import MONEY, Col, Frame, Personal
from promo_spark.measures.best_rows import best_rows

_TEXT = T.StringType()
_SUM = T.DecimalType(28, 6)
_EXAMPLES = 10


class DecisionCount(Frame):
    """One row per scenario, mechanic and, of users without an offer, reason."""

    scenario = Col(_TEXT, "why there is an offer; none: there is none", required=True)
    mechanic = Col(_TEXT, "how it is given", required=True)
    reason = Col(_TEXT, "why there is none, the first reason; null: there is an offer")
    rows = Col(T.LongType(), "offers, or users without one", required=True)
    users = Col(T.LongType(), "users whose first offer it is, or without one", required=True)
    reserved = Col(_SUM, "sum of expected_cost", unit="currency", required=True)
    funded = Col(_SUM, "sum of fund_cost", unit="currency", required=True)
    gain = Col(_SUM, "sum of incremental_margin", unit="currency", required=True)


class ExampleOffer(Frame):
    """One row per offer that is shown, a scenario's best ones."""

    user_id = Col(_TEXT, "who would get it, as in Promotions", required=True, personal=Personal.IDENTIFIER)
    scenario = Col(_TEXT, "why there is an offer", required=True)
    text = Col(_TEXT, "the offer as a sentence", required=True)
    expected_cost = Col(MONEY, "as in Promotions", unit="currency", required=True)
    incremental_margin = Col(MONEY, "as in Promotions", unit="currency", required=True)
    basis = Col(_TEXT, "as in Promotions", required=True)


class _OwnDecisions(Frame):
    """One row per user: which promotions, in order."""

    user_id = Col(_TEXT, "the user", required=True, personal=Personal.IDENTIFIER)
    promotion_ids = Col(T.ArrayType(_TEXT), "of the user, sorted", required=True)


@dataclass(frozen=True)
class Limit:
    """One limit: its amounts in its unit; the price is None where it does not bind."""

    planned: Decimal
    reserved: Decimal
    price: float | None
    unit: str = "currency"


@dataclass(frozen=True)
class Decisions:
    """What was or would be decided: rows of DecisionCount, limits by name, bound and gap as in Budget."""

    counts: Sequence[Mapping[str, object]]
    limits: Mapping[str, Limit]
    bound: Decimal | None = None
    gap: float | None = None


def decisions_of(promotions: DataFrame, budget: DataFrame) -> Decisions:
    """What the decisions of a date come to: a row per scenario, mechanic and reason, and one per limit.

    Promotions, Budget of the date.
    """
    limits = budget.orderBy(Budget.constraint).collect()  # a row per limit
    return Decisions(
        counts=[row.asDict() for row in decision_counts(promotions).collect()],
        limits={
            row[Budget.constraint]: Limit(
                row[Budget.planned], row[Budget.reserved], row[Budget.dual_price], row[Budget.unit] or "currency"
            )
            for row in limits
        },
        bound=limits[0][Budget.bound] if limits else None,  # every limit's row has those of all offers together
        gap=limits[0][Budget.gap] if limits else None,
    )


def decision_counts(promotions: DataFrame) -> DataFrame:
    """One row per scenario, mechanic and reason of none. Promotions of a date → DecisionCount."""
    is_none = F.col(Promotions.scenario) == "none"
    reason = F.when(is_none, F.get(F.col(Promotions.reason_codes), F.lit(0)))
    return DecisionCount.shaped(
        promotions.groupBy(Promotions.scenario, Promotions.mechanic, reason.alias(DecisionCount.reason)).agg(
            F.count("*").alias(DecisionCount.rows),
            F.count_if(F.col(Promotions.rank) == 1).alias(DecisionCount.users),
            F.sum(Promotions.expected_cost).alias(DecisionCount.reserved),
            F.sum(F.coalesce(Promotions.fund_cost, F.lit(0))).alias(DecisionCount.funded),
            F.sum(F.coalesce(Promotions.incremental_margin, F.lit(0))).alias(DecisionCount.gain),
        )
    )


def changed_users(before: DataFrame, after: DataFrame) -> int:
    """How many users would have other offers, or none, or some. Promotions of a date, Promotions of the same date."""
    both = [
        _OwnDecisions.shaped(
            rows.groupBy(Promotions.user_id).agg(
                F.array_sort(F.collect_list(Promotions.promotion_id)).alias(_OwnDecisions.promotion_ids)
            )
        ).withColumnRenamed(_OwnDecisions.promotion_ids, name)
        for name, rows in ((_BEFORE, before), (_AFTER, after))
    ]
    same = F.col(_BEFORE).eqNullSafe(F.col(_AFTER))
    return both[0].join(both[1], Promotions.user_id, "full").filter(~same).count()


_BEFORE, _AFTER = "before", "after"


def example_offers(promotions: DataFrame) -> DataFrame:
    """The offers of each scenario that bring most, ten of each at most. Promotions of a date → ExampleOffer."""
    offers = promotions.filter(F.col(Promotions.scenario) != "none")
    best = best_rows(
        offers,
        of=[Promotions.scenario],
        by=[F.desc(Promotions.incremental_margin), Promotions.promotion_id],
        keep=_EXAMPLES,
    )
    return ExampleOffer.shaped(best)


def preview(
    before: Decisions | None, after: Decisions, *, changed: int, examples: Iterable[Mapping[str, object]], money: str
) -> list[str]:
    """The lines of a preview: each figure as it stands and as it would be, or only that where nothing stands.

    `money`: how an amount is written, such as "{:,.2f} EUR".

    >>> def decided(offers, reserved):
    ...     of = {"scenario": "bundle", "mechanic": "bundle", "reason": None, "users": offers, "gain": Decimal(9)}
    ...     of |= {"funded": Decimal(0)}
    ...     return Decisions([of | {"rows": offers, "reserved": Decimal(reserved)}], {})
    >>> for line in preview(decided(2, 3), decided(4, 5), changed=2, examples=[], money="{:.2f} EUR")[:4]:
    ...     print(line)
      offers: 2 → 4
      users with an offer: 2 → 4
      reserved: 3.00 EUR → 5.00 EUR
      expected to bring: 9.00 EUR → 9.00 EUR
    """
    return [*_figures(before, after, changed, money), *_limits(before, after, money), *_examples(examples, money)]


def _figures(before: Decisions | None, after: Decisions, changed: int, money: str) -> Iterator[str]:
    def beside(column: str, where: Mapping[str, object], form: str) -> str:
        both = [form.format(_total(of.counts, column, where)) for of in (before, after) if of is not None]
        return " → ".join(both)

    offers = {DecisionCount.reason: None}
    yield f"  offers: {beside(DecisionCount.rows, offers, _COUNT)}"
    yield f"  users with an offer: {beside(DecisionCount.users, offers, _COUNT)}"
    yield f"  reserved: {beside(DecisionCount.reserved, offers, money)}"
    if any(_total(of.counts, DecisionCount.funded, offers) for of in (before, after) if of is not None):
        yield f"  paid by funds: {beside(DecisionCount.funded, offers, money)}"
    yield f"  expected to bring: {beside(DecisionCount.gain, offers, money)}"
    yield f"  the most that could be brought, explored users apart: {_bounds(before, after, money)}"
    if before is not None:
        yield f"  users whose offers change: {changed:,}"
    for column, name in ((DecisionCount.scenario, "offers of"), (DecisionCount.mechanic, "offers given as")):
        for value in _values(before, after, column, offers):
            of = {column: value}
            rows, reserved = beside(DecisionCount.rows, of, _COUNT), beside(DecisionCount.reserved, of, money)
            gain = beside(DecisionCount.gain, of, money)
            yield f"  {name} {value}: {rows}; reserved {reserved}; expected to bring {gain}"
    for reason in _values(before, after, DecisionCount.reason, {DecisionCount.scenario: "none"}):
        of = {DecisionCount.reason: reason}
        yield f"  users without, {reason}: {beside(DecisionCount.rows, of, _COUNT)}"


_COUNT = "{:,}"


def _bounds(before: Decisions | None, after: Decisions, money: str) -> str:
    def told(of: Decisions) -> str:
        if of.bound is None:
            return "not known"  # decided by a version before 0.4
        return money.format(of.bound) + ("" if of.gap is None else f", missed by {of.gap:.2%} at most")

    return " → ".join(told(of) for of in (before, after) if of is not None)


def _limits(before: Decisions | None, after: Decisions, money: str) -> Iterator[str]:
    def told(of: Limit | None) -> str:
        if of is None:
            return "no limit"
        price = "" if of.price is None else f", one unit more would bring {of.price:.2f}"
        form = money if of.unit == "currency" else f"{{:,.2f}} {of.unit}"
        return f"{form.format(of.reserved)} of {form.format(of.planned)}{price}"

    both = [of.limits for of in (before, after) if of is not None]
    names = {name for limits in both for name, of in limits.items() if of.unit != "pieces" or of.price is not None}
    for name in sorted(names):  # stock only where it binds
        was = f"{told(before.limits.get(name))} → " if before else ""
        yield f"  limit {name}: {was}{told(after.limits.get(name))}"


def _examples(examples: Iterable[Mapping[str, object]], money: str) -> Iterator[str]:
    """Ten offers, of every scenario first its best one."""
    place: Counter[object] = Counter()
    shown: list[tuple[int, int, Mapping[str, object]]] = []
    for one in sorted(examples, key=lambda row: (-_number(row, ExampleOffer.incremental_margin), str(row))):
        shown.append((place[one[ExampleOffer.scenario]], len(shown), one))
        place[one[ExampleOffer.scenario]] += 1
    for _, _, one in sorted(shown, key=lambda entry: entry[:2])[:_EXAMPLES]:
        gain, cost = (
            money.format(_number(one, c)) for c in (ExampleOffer.incremental_margin, ExampleOffer.expected_cost)
        )
        what = f"{one[ExampleOffer.scenario]} to user {one[ExampleOffer.user_id]}: “{one[ExampleOffer.text]}”"
        yield f"  such as {what} brings {gain}, gives {cost} ({one[ExampleOffer.basis]})"


def _values(before: Decisions | None, after: Decisions, column: str, where: Mapping[str, object]) -> list[str]:
    rows = [*(before.counts if before else ()), *after.counts]
    return sorted({str(row[column]) for row in _matching(rows, where)})


def _total(rows: Iterable[Mapping[str, object]], column: str, where: Mapping[str, object]) -> Decimal:
    return sum((_number(row, column) for row in _matching(rows, where)), Decimal(0))


def _matching(rows: Iterable[Mapping[str, object]], where: Mapping[str, object]) -> Iterator[Mapping[str, object]]:
    return (row for row in rows if all(row[name] == value for name, value in where.items()))


def _number(row: Mapping[str, object], column: str) -> Decimal:
    return Decimal(str(row[column]))
