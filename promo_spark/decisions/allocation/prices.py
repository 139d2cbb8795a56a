"""The best allocation under shared limits, by a price for each limit: whole offers, never over a limit.

Small shops are solved whole on the driver. Of larger ones a sample tells the prices first; then all users are asked, in
passes that each return a few sums, whatever their number. Users who are given the same a little below and a little
above these prices get just that; only the others, few, are brought to the driver, where what is left of the limits is
shared out among them. (For knapsacks of a billion users so: Zhang et al. 2020, arXiv 2002.00352.)

All sums are of integers, and equals go by digest: the result does not depend on how the rows are partitioned.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.schema import Col, Frame
from promo_spark.decisions.allocation.best_sets import best_sets
from promo_spark.decisions.allocation.dual_bound import Answer, Ask, DualBound, Usual, lowest_bound
from promo_spark.decisions.allocation.options import Bools, Floats, Ints, Options, options_of
from promo_spark.decisions.allocation.packed_options import packed_options, unpacked_options
from promo_spark.decisions.allocation.repair import too_large, within_limits
from promo_spark.decisions.allocation.user_options import UserOptions
from promo_spark.decisions.allocation.user_sets import (
    AllocatedOffer,
    Batches,
    PriceRange,
    UserSet,
    net_values,
    offers_of_sets,
    ranks,
    sets_at,
    user_sets,
)
from promo_spark.measures.computed import computed

_PASSES, _PASSES_OF_ALL = 60, 8
_SAMPLE_OF_DRIVER = 3000  # users by whom prices are found first where all are on the driver
_FRONTIER = (0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 4.0)  # budgets that are told, over the one that is
_FACTORS = (0.0, 0.25, 0.5, 0.75, 1.5, 2.0, 3.0, 5.0, 8.0)  # of the price, at which is asked for these
_NARROW = (0.995, 1.01)  # factors on prices between which a user's set is looked at again
_BUCKETS = 1_000_000


@dataclass(frozen=True)
class Limit:
    """A constraint: what it allows, what is used of it, and its price in millionths per unit; 0: it does not bind."""

    name: str
    most: int
    used: int
    price: float


@dataclass(frozen=True)
class FrontierPoint:
    """What could be brought at most if a limit allowed so much, and what one unit more would bring there."""

    most: int
    bound_micro: int
    price: float


@dataclass(frozen=True)
class Allocation:
    """`offers`: see AllocatedOffer. `bound_micro`: no allocation within the limits brings more than that."""

    offers: DataFrame
    limits: tuple[Limit, ...]
    value_micro: int
    bound_micro: int
    answers: tuple[Answer, ...]

    def offers_beside(self, options: DataFrame) -> DataFrame:
        """What users outside the allocation would be given at its prices. UserOptions → AllocatedOffer.

        They take nothing of the limits.
        """
        names = [limit.name for limit in self.limits]
        most = np.array([limit.most for limit in self.limits], np.int64)
        prices = np.array([limit.price for limit in self.limits])
        at = PriceRange(prices, prices, np.zeros(len(most), bool))
        return offers_of_sets(user_sets(options, names, most, at))

    def frontier(self, name: str) -> list[FrontierPoint]:
        """What other amounts of a limit could bring, the others being as they are: the lowest bound of all answers.

        As the lowest of many lines it rises with the amount and bends down. No points where there is no such limit.
        """
        place = next((place for place, limit in enumerate(self.limits) if limit.name == name), None)
        if place is None:
            return []
        points = []
        for most in sorted({round(self.limits[place].most * share) for share in _FRONTIER}):
            amounts = np.array([limit.most for limit in self.limits])
            amounts[place] = most
            best = min(self.answers, key=lambda answer: answer.bound(amounts))
            points.append(FrontierPoint(most, int(np.ceil(best.bound(amounts))), float(best.prices[place])))
        return points


def allocated_by_prices(
    options: DataFrame, limits: Mapping[str, int], *, sample_users: int, frontier_of: str
) -> Allocation:
    """The offers under the limits in whole units, by constraint name. UserOptions → AllocatedOffer.

    `options` is read several times, so it has to be computed before. Up to `sample_users` users are solved whole.
    `frontier_of`: the limit of which Allocation.frontier will be asked.
    """
    names = sorted(limits)
    most = np.array([limits[name] for name in names], np.int64)
    bucket = F.pmod(F.xxhash64(UserOptions.user_id), F.lit(_BUCKETS))
    users = options.count()
    share = 1.0 if users <= sample_users else sample_users / users
    drawn = options if share == 1.0 else options.filter(bucket < F.lit(int(share * _BUCKETS)))
    rows = drawn.toArrow().sort_by(UserOptions.user_id)
    of, ids = options_of(rows, names)
    if share == 1.0:
        bound, chosen = solved(of, most)
        bound = _with_frontier(bound, _asking(of, most), most, names, frontier_of)
        offers = _offers(options, rows, of, ids, chosen, bound.prices)
        return _allocation(offers, names, most, of.used(chosen), int(of.value[chosen].sum()), bound)
    of_sample = np.floor(most * (len(rows) / users)).astype(np.int64)
    start = lowest_bound(
        _asking(of, of_sample), of_sample, passes=_PASSES, usual=_usual(of), start=_first_prices(of, of_sample)
    ).prices
    return _of_all(options, names, most, _usual(of), start, frontier_of)


def solved(of: Options, most: Ints) -> tuple[DualBound, Bools]:
    """The lowest bound, and an allocation within the limits near it.

    >>> import numpy as np
    >>> from scipy.sparse import csr_array
    >>> uses = csr_array(np.array([[2], [1], [2], [1]]))  # each of two users may have one that uses 2, or 1
    >>> of = Options(
    ...     2, np.array([0, 0, 1, 1]), np.array([1, 1]), np.array([30, 20, 30, 20]), uses,
    ...     np.zeros((4, 1), int), np.zeros(4, bool),
    ... )
    >>> bound, chosen = solved(of, np.array([3]))
    >>> int(of.value[chosen].sum()), int(of.used(chosen)[0]), round(bound.bound)
    (50, 3, 50)
    """
    bound = lowest_bound(_asking(of, most), most, passes=_PASSES, usual=_usual(of), start=_first_prices(of, most))
    return bound, within_limits(of, most, bound.prices)


def _first_prices(of: Options, most: Ints) -> Floats | None:
    """Prices by a part of the users; None: they are so few that all are asked."""
    if of.users <= 2 * _SAMPLE_OF_DRIVER:
        return None
    every = of.users // _SAMPLE_OF_DRIVER
    taken = np.arange(of.users) % every == 0
    part = of.of_users(taken)
    shared = np.floor(most * (taken.sum() / of.users)).astype(np.int64)
    return lowest_bound(_asking(part, shared), shared, passes=_PASSES, usual=_usual(part)).prices


def _usual(of: Options) -> Usual:
    """What options are worth per unit of each limit that they use, and their worth together."""
    using = of.uses.copy()
    using.data = np.ones(len(using.data), np.int64)
    weight = np.asarray(using.T @ of.value, np.float64)
    amount = np.asarray(of.uses.T @ np.ones(len(of), np.int64), np.float64)
    none = (weight <= 0) | (amount <= 0)
    return Usual(np.where(none, 1.0, weight / np.where(none, 1.0, amount)), np.where(none, 1.0, weight))


def _with_frontier(bound: DualBound, ask: Ask, most: Ints, names: Sequence[str], limit: str) -> DualBound:
    """The bound with answers at other prices of one limit, so that other amounts of it can be told."""
    place = names.index(limit)
    own = bound.prices[place] or bound.bound / max(most[place], 1)
    asked = [np.where(np.arange(len(most)) == place, own * factor, bound.prices) for factor in _FACTORS]
    return replace(bound, answers=(*bound.answers, *ask(asked)))


def _asking(of: Options, most: Ints) -> Ask:
    large = too_large(of, most)

    def ask(asked: Sequence[Floats]) -> list[Answer]:
        return [_answer(of, prices, large) for prices in asked]

    return ask


def _answer(of: Options, prices: Floats, large: Bools) -> Answer:
    bounding = best_sets(of, net_values(of, prices, large)).bounding
    used = of.used(bounding)
    return Answer(prices, float(int(of.value[bounding].sum())) - float(prices @ used), used)


def _allocation(
    offers: DataFrame, names: Sequence[str], most: Ints, used: Ints, value: int, bound: DualBound
) -> Allocation:
    limits = tuple(
        Limit(name, int(most[place]), int(used[place]), float(bound.prices[place])) for place, name in enumerate(names)
    )
    return Allocation(offers, limits, value, max(int(np.ceil(bound.bound)), value), bound.answers)


def _offers(options: DataFrame, rows: pa.Table, of: Options, ids: pa.Array, chosen: Bools, prices: Floats) -> DataFrame:
    """The chosen options of the rows' users. → AllocatedOffer."""
    picked = np.flatnonzero(chosen)
    rank = ranks(of, picked, prices)
    table = pa.table(
        {
            AllocatedOffer.user_id: rows.column(UserOptions.user_id).take(pa.array(of.owner[picked])).combine_chunks(),
            AllocatedOffer.promotion_id: ids.take(pa.array(picked)),
            AllocatedOffer.rank: pa.array(rank, pa.int32()),
        }
    )
    return AllocatedOffer.shaped(options.sparkSession.createDataFrame(table))


# of more users than the driver holds


@dataclass(frozen=True)
class _Settled:
    """What the sets of users who are settled in a range of prices use and bring, and how many the other users are."""

    at: PriceRange
    used: Ints
    value: int
    others: int


class _Sum(Frame):
    """One row per question and limit: a sum over users. Place −1: of values, −2: of users."""

    question = Col(T.IntegerType(), "which one", required=True)
    place = Col(T.IntegerType(), "of the limit", required=True)
    amount = Col(T.LongType(), "the sum", required=True)


_VALUE, _USERS = -1, -2


def _of_all(
    options: DataFrame, names: Sequence[str], most: Ints, usual: Usual, start: Floats, frontier_of: str
) -> Allocation:
    packed = packed_options(options, names)
    ask = _asking_all(packed, most)
    lowest = lowest_bound(ask, most, passes=_PASSES_OF_ALL, usual=usual, start=start)
    bound = _with_frontier(lowest, ask, most, names, frontier_of)
    settled = _settled(packed, most, bound)
    sets = computed(user_sets(options, names, most, settled.at))
    others = options.join(sets.filter(~F.col(UserSet.settled)), UserOptions.user_id, "left_semi")
    rows = others.toArrow().sort_by(UserOptions.user_id)
    of, option_ids = options_of(rows, names)
    chosen = within_limits(of, most - settled.used, bound.prices)
    of_settled = offers_of_sets(sets.filter(UserSet.settled))
    offers = of_settled.unionByName(_offers(options, rows, of, option_ids, chosen, bound.prices))
    used, value = settled.used + of.used(chosen), settled.value + int(of.value[chosen].sum())
    return _allocation(offers, names, most, used, value, bound)


def _asking_all(packed: DataFrame, most: Ints) -> Ask:
    """Asks all users: one pass for all prices that are asked together. PackedOptions."""

    def ask(asked: Sequence[Floats]) -> list[Answer]:
        def sums(of: Options) -> list[tuple[Ints, int, int]]:
            large = too_large(of, most)
            sets = [best_sets(of, net_values(of, prices, large)).bounding for prices in asked]
            return [(of.used(chosen), int(of.value[chosen].sum()), 0) for chosen in sets]

        return [
            Answer(prices, float(value) - float(prices @ used), used)
            for prices, (used, value, _) in zip(asked, _summed(packed, len(most), sums, len(asked)), strict=True)
        ]

    return ask


def _settled(packed: DataFrame, most: Ints, bound: DualBound) -> _Settled:
    """The widest range of prices that leaves few enough users to the driver, and whose settled sets keep the limits.

    PackedOptions.
    """
    free = 0.002 * bound.bound / np.maximum(most, 1)  # a price for what has none, in case a little too much is used
    ranges = [
        (bound.prices * low, np.maximum(bound.prices * high, free if high > 1 else 0.0))
        for low, high in ((0.98, 1.04), _NARROW, (0.999, 1.002), (0.9998, 1.0004), (1.0, 1.3), (1.0, 4.0))
    ]

    def at(asked: Sequence[PriceRange]) -> list[_Settled]:
        def sums(of: Options) -> list[tuple[Ints, int, int]]:
            told = []
            for one in asked:
                chosen, same = sets_at(of, most, one)
                kept = chosen & same[of.owner]
                told.append((of.used(kept), int(of.value[kept].sum()), int((~same).sum())))
            return told

        found = _summed(packed, len(most), sums, len(asked))
        return [_Settled(one, *of_settled) for one, of_settled in zip(asked, found, strict=True)]

    found = at([PriceRange(low, high, np.zeros(len(most), bool)) for low, high in ranges])
    kept = [one for one in found if np.all(one.used <= most)]
    if not kept:  # prices far too low for some limit: whoever would take of it is left to the driver
        fewest = min(found, key=lambda one: one.others)
        return at([replace(fewest.at, scarce=fewest.used > most)])[0]
    few = [one for one in kept if one.others <= _MOST_OTHERS]
    return few[0] if few else min(kept, key=lambda one: one.others)


_MOST_OTHERS = 100_000  # users that are brought to the driver


def _summed(
    packed: DataFrame, of_limits: int, sums: Callable[[Options], list[tuple[Ints, int, int]]], questions: int
) -> list[tuple[Ints, int, int]]:
    """For each question what is used, the value, and a number of users, summed over all users. PackedOptions."""

    def of_batches(batches: Batches) -> Batches:
        totals = np.zeros((questions, of_limits + 2), np.int64)
        for batch in batches:
            for of in unpacked_options(batch, of_limits):
                for question, (used, value, users) in enumerate(sums(of)):
                    totals[question] += np.append(used, [value, users])
        places = [*range(of_limits), _VALUE, _USERS]
        yield pa.RecordBatch.from_pydict(
            {
                _Sum.question: pa.array(np.repeat(np.arange(questions), len(places)), pa.int32()),
                _Sum.place: pa.array(places * questions, pa.int32()),
                _Sum.amount: pa.array(totals.ravel()),
            }
        )

    rows = packed.mapInArrow(of_batches, _Sum.struct()).groupBy(_Sum.question, _Sum.place).agg(F.sum(_Sum.amount))
    amounts = {(question, place): int(amount) for question, place, amount in rows.collect()}  # a row per limit
    return [
        (
            np.array([amounts.get((question, place), 0) for place in range(of_limits)], np.int64),
            amounts.get((question, _VALUE), 0),
            amounts.get((question, _USERS), 0),
        )
        for question in range(questions)
    ]
