"""Every offer that could be made, at every depth, with what it is expected to bring and to cost. See gains.py."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.effects import Elasticity
from promo_spark.contracts.policy import CLOSED
from promo_spark.contracts.responses import UpliftCurves
from promo_spark.contracts.schema import MONEY, RATE, Col
from promo_spark.contracts.vocabulary import OBJECTIVES
from promo_spark.decisions.gains import Curves, Floats, Gains, Ints, Offered, Pieces, calibrated, gains
from promo_spark.decisions.mechanics import NAMES
from promo_spark.decisions.offers.ids import promotion_id
from promo_spark.decisions.offers.pricing import Rung
from promo_spark.decisions.offers.targets import Fund, OfferedProduct, OfferTarget
from promo_spark.decisions.policy import AS_SET, InForce
from promo_spark.decisions.shoppers import Answer, Habit, Shopper
from promo_spark.measures.arrow_lists import entries_of_lists, in_one_piece
from promo_spark.measures.money import minor_per_unit

MICRO = 1_000_000
MILLI = 1_000
ALL_SEGMENTS = -1
_NEVER_BOUGHT = 0.3  # of what others buy of a product, by a user who did not: most that sells is bought again

_DOUBLE, _LONG, _TEXT = T.DoubleType(), T.LongType(), T.StringType()
Batches = Iterator[pa.RecordBatch]


class ValuedOffer(OfferTarget):
    """One row per user, thing that could be offered, and depth, with what it is expected to bring and to cost."""

    rate = Col(RATE, "as in Rung", unit="share", required=True)
    off = Col(MONEY, "as in Rung", unit="currency", required=True)
    expected_conversion = Col(_DOUBLE, "chance that it is used while it holds", unit="share", required=True)
    expected_uplift = Col(_DOUBLE, "order days while it holds, beyond those without it", required=True)
    aim_micro = Col(
        _LONG, "what it brings of its objective: what it is chosen by", unit="millionths of currency", required=True
    )
    value_micro = Col(_LONG, "margin beyond that without it", unit="millionths of currency", required=True)
    error_micro = Col(_LONG, "standard error of it", unit="millionths of currency", required=True)
    sold_micro = Col(
        _LONG,
        "margin of what it is used for, what would be bought anyway included",
        "millionths of currency",
        required=True,
    )
    cost_minor = Col(
        _LONG,
        "the shop's part of what is expected to be given, rounded up: what budgets reserve",
        "minor units",
        required=True,
    )
    fund_minor = Col(
        _LONG,
        "the fund's part: with cost_minor all that is given, rounded up; 0: no fund",
        "minor units",
        required=True,
    )
    units_milli = Col(
        T.ArrayType(_LONG),
        "pieces of each of its parts that are bought while it holds, what would be bought anyway included, or given; "
        "rounded up",
        "thousandths of a piece",
        required=True,
    )
    basis = Col(_TEXT, "what the effect on visits rests on: randomised, transferred or prior", required=True)
    worthwhile = Col(T.BooleanType(), "brings the least gain, and more than any lower depth", required=True)
    in_strategy = Col(
        T.BooleanType(), "measured, or given in a way that the user's strategies name, or there are none", required=True
    )
    paused = Col(T.IntegerType(), "0: no; 1: only explored users may draw it; 2: nobody gets it", required=True)
    promotion_id = Col(_TEXT, "see `promotion_id`", required=True)


class _Asked(OfferTarget):
    """One row per user and thing that could be offered, with all that its value follows from."""

    effect = Col(_DOUBLE, "as in Answer", required=True)
    error = Col(_DOUBLE, "as in Answer", required=True)
    basis = Col(_TEXT, "as in Answer", required=True)
    in_strategy = Col(T.BooleanType(), "as in ValuedOffer", required=True)
    visits = Col(_DOUBLE, "of the user in the days", required=True)
    aim = Col(T.IntegerType(), "its objective, into OBJECTIVES", required=True)
    leaving = Col(_DOUBLE, "as in Shopper", required=True)
    readiness = Col(_DOUBLE, "as in Shopper", required=True)
    mention = Col(_DOUBLE, "as in Shopper", required=True)
    order_margin = Col(_DOUBLE, "as in Shopper", required=True)
    basket = Col(_DOUBLE, "as in Shopper", required=True)
    basket_spread = Col(_DOUBLE, "as in Shopper", required=True)
    least = Col(_DOUBLE, "minimum spend", required=True)
    worth = Col(_DOUBLE, "what the products cost now; 0: none", required=True)
    funded = Col(_DOUBLE, "share of what is given that the fund pays; 0: no fund", required=True)
    limited = Col(T.BooleanType(), "the fund has a budget", required=True)
    chance = Col(_DOUBLE, "as in Offered", required=True)
    first_usual = Col(_DOUBLE, "as in Pieces", required=True)
    first_left = Col(_DOUBLE, "as in Pieces", required=True)
    first_cost = Col(_DOUBLE, "as in Pieces", required=True)
    first_elasticity = Col(_DOUBLE, "as in Pieces", required=True)
    second_usual = Col(_DOUBLE, "as in Pieces", required=True)
    second_left = Col(_DOUBLE, "as in Pieces", required=True)
    second_cost = Col(_DOUBLE, "as in Pieces", required=True)
    second_elasticity = Col(_DOUBLE, "as in Pieces", required=True)
    first_at_once = Col(_DOUBLE, "as in Pieces", required=True)
    second_at_once = Col(_DOUBLE, "as in Pieces", required=True)


@dataclass(frozen=True)
class Valuing:
    """The days that most offers hold, what they have to bring, the currency's digits, and what was adjusted."""

    date: datetime.date
    days: int
    least_gain: float
    usual_elasticity: float
    digits: int
    objective: str
    policy: InForce = AS_SET


def valued_offers(
    targets: DataFrame, *, shoppers: DataFrame, elasticity: DataFrame, curves: Curves, by: Valuing
) -> DataFrame:
    """One row per target and depth. OfferTarget, Shopper, Elasticity → ValuedOffer. Targets of others are dropped."""
    asked = _asked(targets, shoppers=shoppers, elasticity=elasticity, by=by)
    same = (*OfferTarget.columns(), _Asked.basis, _Asked.in_strategy)
    kept = [field for field in _Asked.struct() if field.name in same]
    added = [field for field in ValuedOffer.struct() if field.name not in _Asked.columns()]
    added = [field for field in added if field.name != ValuedOffer.promotion_id]
    valued = asked.mapInArrow(_valued(curves, by, [f.name for f in kept]), T.StructType([*kept, *added]))
    return ValuedOffer.shaped(valued.withColumn(ValuedOffer.promotion_id, promotion_id(by.date)))


def curves_of(rows: DataFrame) -> Curves:
    """UpliftCurves of a date → Curves; offers change no visits, and all that could be used is, where there are none."""
    knots: dict[str, list[tuple[float, float]]] = {}
    for row in rows.select(UpliftCurves.curve, UpliftCurves.at, UpliftCurves.level).collect():  # a row per knot
        knots.setdefault(row[UpliftCurves.curve], []).append((row[UpliftCurves.at], row[UpliftCurves.level]))

    def line(curve: str, otherwise: float) -> tuple[Floats, Floats]:
        points = sorted(knots.get(curve, [(0.0, otherwise)]))
        return np.array([at for at, _ in points]), np.array([level for _, level in points])

    return Curves(*line("saving", 0.0), *line("share", 0.0), *line("use", 1.0))


def could_be_chosen() -> Column:
    """Whether an offer may be made to whom nothing is drawn for. Of ValuedOffer."""
    return F.col(ValuedOffer.worthwhile) & F.col(ValuedOffer.in_strategy) & (F.col(ValuedOffer.paused) == 0)


def could_be_drawn() -> Column:
    """Whether chance may draw an offer for an explored user. Of ValuedOffer."""
    return F.col(ValuedOffer.paused) < CLOSED


def _asked(targets: DataFrame, *, shoppers: DataFrame, elasticity: DataFrame, by: Valuing) -> DataFrame:
    """One row per target of a shopper. OfferTarget, Shopper, Elasticity → _Asked."""
    parts, mechanic = F.col(OfferTarget.parts), F.col(OfferTarget.mechanic)
    answer = F.try_element_at(Shopper.answers, mechanic)
    basis = F.coalesce(answer[Answer.basis], F.lit("prior"))
    days = F.col(OfferTarget.days)
    visits = F.col(Shopper.visits_per_week) * (days / 7)
    first, second = F.get(parts, F.lit(0)), F.get(parts, F.lit(1))
    nothing = F.lit(0.0)
    fund = F.col(OfferTarget.fund)
    objective = F.coalesce(OfferTarget.objective, F.lit(by.objective))
    habit = F.try_element_at(Shopper.habits, first[OfferedProduct.product_id])
    usual = {name: _usual_pieces(part, by.days) for name, part in (("first", first), ("second", second))}
    whole = 1 - F.pow(1 - habit[Habit.p_offer], days / by.days)
    chance = F.when(days == by.days, habit[Habit.p_offer]).otherwise(whole)
    left = {
        name: (part[OfferedProduct.charged_price] - part[OfferedProduct.unit_cost]).cast("double")
        for name, part in (("first", first), ("second", second))
    }
    rows = targets.join(shoppers, OfferTarget.user_id, "inner").withColumns(
        {
            _Asked.effect: F.coalesce(answer[Answer.effect], nothing),
            _Asked.error: F.coalesce(answer[Answer.error], nothing),
            _Asked.basis: basis,
            _Asked.in_strategy: F.coalesce(
                (basis != "prior") | F.array_contains(Shopper.strategy, mechanic), F.lit(True)
            ),
            _Asked.aim: F.array_position(F.lit(list(OBJECTIVES)), objective) - 1,
            _Asked.visits: visits,
            _Asked.least: F.coalesce(F.col(OfferTarget.min_spend).cast("double"), nothing),
            _Asked.worth: F.coalesce(F.col(OfferTarget.charged_price).cast("double"), nothing),
            _Asked.funded: F.coalesce(fund[Fund.cost_share].cast("double"), nothing),
            _Asked.limited: F.coalesce(fund[Fund.limited], F.lit(False)),
            _Asked.chance: F.coalesce(chance, nothing),
            _Asked.first_usual: F.coalesce(usual["first"], nothing),
            _Asked.first_left: F.coalesce(left["first"], nothing),
            _Asked.first_cost: F.coalesce(first[OfferedProduct.unit_cost].cast("double"), nothing),
            _Asked.second_usual: F.coalesce(usual["second"], nothing),
            _Asked.second_left: F.coalesce(left["second"], nothing),
            _Asked.second_cost: F.coalesce(second[OfferedProduct.unit_cost].cast("double"), nothing),
            _Asked.first_at_once: F.coalesce(first[OfferedProduct.units_at_once], F.lit(1.0)),
            _Asked.second_at_once: F.coalesce(second[OfferedProduct.units_at_once], F.lit(1.0)),
        }
    )
    for name, part in ((_Asked.first_elasticity, first), (_Asked.second_elasticity, second)):
        rows = _with_elasticity(rows, name, part[OfferedProduct.category], elasticity, by.usual_elasticity)
    return _Asked.shaped(rows)


def _usual_pieces(part: Column, usual_days: int) -> Column:
    """Pieces of a product that the user buys while the offer holds: by habit, else by what all buy per visit.

    By habit: as often as the probability within the usual days says, if purchases come by chance, and as many as are
    bought at once.
    """
    days = F.col(OfferTarget.days)
    habit = F.try_element_at(Shopper.habits, part[OfferedProduct.product_id])
    known = habit[Habit.p_offer].isNotNull()  # `least` skips nulls: an unknown habit would be a certain one
    chance = F.when(known, F.least(habit[Habit.p_offer], F.lit(0.999)))
    purchases = -F.log1p(-chance) * (days / usual_days)
    per_visit = part[OfferedProduct.units_28d].cast("double") / F.greatest(F.col(Shopper.visits_of_all) * 4, F.lit(1.0))
    of_others = per_visit * F.col(Shopper.visits_per_week) * (days / 7) * _NEVER_BOUGHT
    return F.coalesce(
        purchases * part[OfferedProduct.units_at_once], F.when(part.isNotNull(), F.greatest(of_others, F.lit(0.0)))
    )


def _with_elasticity(rows: DataFrame, name: str, category: Column, elasticity: DataFrame, usual: float) -> DataFrame:
    """The rows with the elasticity of a category in the user's segment, else of all users, else the usual one."""
    own, of_all = f"{name}_own", f"{name}_of_all"
    value = F.greatest(F.col(Elasticity.elasticity), F.lit(0.0))
    keyed = [F.col(Elasticity.category).alias(_CATEGORY), F.col(Elasticity.segment_id).alias(_SEGMENT)]
    of_segment = elasticity.select(*keyed, value.alias(own))
    of_category = elasticity.filter(F.col(Elasticity.segment_id) == ALL_SEGMENTS).select(keyed[0], value.alias(of_all))
    joined = rows.withColumns({_CATEGORY: category, _SEGMENT: F.col(Shopper.segment_id)})
    joined = joined.join(F.broadcast(of_segment), [_CATEGORY, _SEGMENT], "left")
    joined = joined.join(F.broadcast(of_category), _CATEGORY, "left")
    known = F.coalesce(F.col(own), F.col(of_all), F.lit(usual))
    return joined.withColumn(name, F.when(category.isNull(), F.lit(usual)).otherwise(known)).drop(
        own, of_all, _CATEGORY, _SEGMENT
    )


_CATEGORY, _SEGMENT = "category_of_part", "segment_of_user"


def _valued(curves: Curves, by: Valuing, kept: list[str]) -> Callable[[Batches], Batches]:
    """Batches of _Asked → batches of its columns `kept`, and what is told of each depth."""

    def of_batches(batches: Batches) -> Batches:
        for batch in batches:
            yield _valued_batch(batch, curves, by, kept)

    return of_batches


def _valued_batch(batch: pa.RecordBatch, curves: Curves, by: Valuing, kept: list[str]) -> pa.RecordBatch:
    row, entries = entries_of_lists(in_one_piece(batch.column(OfferTarget.rungs)))
    rate, off = entries.field(Rung.rate), entries.field(Rung.off)
    offered = _offered(batch, row, _floats(rate), _floats(off))
    value_factors, cost_factors = (
        _of_each(batch, partial(by.policy.factor, name), np.multiply)[row] for name in ("value_factor", "cost_factor")
    )
    told = calibrated(gains(offered, curves), offered.funded, value=value_factors, cost=cost_factors)
    value = _whole(told.value * MICRO)
    given, cost = (
        _up(amount * minor_per_unit(by.digits)) for amount in (told.given, told.given * (1 - offered.funded))
    )
    # where too little is given for a fund to reserve any of it, its budget could not bound what it pays
    unbounded = batch.column(_Asked.limited).to_numpy(zero_copy_only=False)[row] & (given == cost)
    objective = batch.column(_Asked.aim).to_numpy()[row]
    leaving = _floats(batch.column(_Asked.leaving))[row] * value_factors
    aim = _whole(_aimed(told, offered, objective, leaving) * MICRO)
    pays = (value >= 0) | (objective == OBJECTIVES.index("clearance"))
    worthwhile = (aim >= by.least_gain * MICRO) & pays & (given > 0) & ~unbounded & _above_all_before(row, aim)
    columns = {name: batch.column(name).take(pa.array(row)) for name in kept}
    columns |= {
        ValuedOffer.rate: rate,
        ValuedOffer.off: off,
        ValuedOffer.expected_conversion: pa.array(np.round(told.uses, 6)),
        ValuedOffer.expected_uplift: pa.array(np.round(told.visits, 6)),
        ValuedOffer.aim_micro: pa.array(aim),
        ValuedOffer.value_micro: pa.array(value),
        ValuedOffer.error_micro: pa.array(_whole(told.error * MICRO)),
        ValuedOffer.sold_micro: pa.array(_whole(told.sold * MICRO)),
        ValuedOffer.cost_minor: pa.array(cost),
        ValuedOffer.fund_minor: pa.array(given - cost),
        ValuedOffer.units_milli: _units(told, pc.list_value_length(batch.column(OfferTarget.parts)).to_numpy()[row]),
        ValuedOffer.worthwhile: pa.array(worthwhile),
        ValuedOffer.paused: pa.array(_of_each(batch, by.policy.pause, np.maximum)[row], pa.int32()),
    }
    return pa.RecordBatch.from_pydict(columns)


def _of_each(batch: pa.RecordBatch, of_scope: Callable[[str], float], both: np.ufunc) -> Floats:
    """What the policy says of the mechanic and of the scenario of each row, put together by a function of both."""
    parts = []
    for kind, name in (("mechanic", OfferTarget.mechanic), ("scenario", OfferTarget.scenario)):
        encoded = in_one_piece(batch.column(name)).dictionary_encode()
        values = np.array([of_scope(f"{kind}:{one}") for one in encoded.dictionary.to_pylist()], np.float64)
        parts.append(values[encoded.indices.to_numpy(zero_copy_only=False)])
    return np.asarray(both(*parts), np.float64)


def _units(told: Gains, parts: Ints) -> pa.ListArray:
    """The pieces of each offer's parts, of which there are two at most, in thousandths."""
    pieces = _up(np.column_stack([told.first_pieces, told.second_pieces]) * MILLI)
    there = np.arange(pieces.shape[1]) < parts[:, None]
    ends = np.append(0, np.cumsum(there.sum(axis=1)))
    return pa.ListArray.from_arrays(pa.array(ends, pa.int32()), pa.array(pieces[there]))


def _aimed(told: Gains, offered: Offered, objective: Ints, leaving: Floats) -> Floats:
    """What each offer brings of its objective, in currency.

    Profit: margin. Revenue: what customers pay more. Clearance: margin, where the cost of the pieces is spent already.
    Retention: the margin of extra orders, by the chance that the user leaves.
    """
    of_each = (told.value, told.revenue, told.value + told.freed, told.visits * offered.margin * leaving)
    return np.choose(objective, of_each)


def _offered(batch: pa.RecordBatch, row: Ints, rate: Floats, off: Floats) -> Offered:
    """The arrays of a batch, one entry per depth."""

    def of(name: str) -> Floats:
        return _floats(batch.column(name))[row]

    mechanic = batch.column(OfferTarget.mechanic).to_pylist()
    number = {name: place for place, name in enumerate(NAMES)}
    return Offered(
        mechanic=np.array([number[name] for name in mechanic], np.int64)[row],
        saving=rate,
        off=off,
        least=of(_Asked.least),
        worth=of(_Asked.worth),
        first=Pieces(
            of(_Asked.first_usual),
            of(_Asked.first_left),
            of(_Asked.first_cost),
            of(_Asked.first_elasticity),
            of(_Asked.first_at_once),
        ),
        second=Pieces(
            of(_Asked.second_usual),
            of(_Asked.second_left),
            of(_Asked.second_cost),
            of(_Asked.second_elasticity),
            of(_Asked.second_at_once),
        ),
        chance=of(_Asked.chance),
        visits=of(_Asked.visits),
        effect=of(_Asked.effect),
        error=of(_Asked.error),
        mention=of(_Asked.mention),
        readiness=of(_Asked.readiness),
        margin=of(_Asked.order_margin),
        basket=of(_Asked.basket),
        spread=of(_Asked.basket_spread),
        funded=of(_Asked.funded),
    )


def _above_all_before(row: Ints, value: Ints) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Whether a depth brings more than every lower one of the same row.

    >>> _above_all_before(np.array([0, 0, 0, 1]), np.array([5, 4, 6, 1])).tolist()
    [True, False, True, True]
    """
    place = np.arange(len(row)) - np.searchsorted(row, row)
    best = np.full((int(row.max(initial=-1)) + 1, int(place.max(initial=-1)) + 1), np.iinfo(np.int64).min)
    best[row, place] = value
    before = np.maximum.accumulate(best, axis=1)
    return np.asarray((place == 0) | (value > before[row, np.maximum(place - 1, 0)]))


def _whole(amount: Floats) -> Ints:
    """Rounded down, but for what arithmetic leaves behind the point."""
    return np.floor(np.round(amount, 3)).astype(np.int64)


def _up(amount: Floats) -> Ints:
    """Rounded up, but for what arithmetic leaves behind the point."""
    return np.ceil(np.round(amount, 6)).astype(np.int64)


def _floats(column: pa.Array) -> Floats:
    return np.asarray(column.cast(pa.float64()).to_numpy(zero_copy_only=False), np.float64)
