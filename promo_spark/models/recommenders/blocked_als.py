"""Implicit ALS in blocks: each half-step is one pass over sparse matrices in bytes (learners.implicit_factors).

Products' vectors are on the driver, as Factors has them, and are broadcast to solve users. Where users' vectors are
few enough to be broadcast too, products are solved by them, a block a task. Else users' vectors are never stored: each
block of users is solved anew, and sends every block of products those vectors that it needs; there they are summed up,
block after block, so that no task holds more than the equations of its products. Both give the same numbers, but for
rounding.

Few pairs are solved on the driver, block by block by the same code and so to the same bit: of a million a half-step
takes less there than Spark takes to start one.

Each half-step starts from the pairs and the other side's vectors alone, so that no lineage grows with iterations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import groupby

import numpy as np
import pyarrow as pa
from pyspark.core.broadcast import Broadcast
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.schema import Col, Frame
from promo_spark.learners.implicit_factors import (
    EXACT_STEPS,
    Floats,
    Integers,
    NormalEquations,
    Objective,
    Ties,
    Turned,
    first_vectors,
    gram,
    solved_rows,
    turning,
)
from promo_spark.measures.arrow_lists import lists_of_rows
from promo_spark.measures.computed import computed
from promo_spark.models.recommenders.factors import Factors, UserVector
from promo_spark.models.recommenders.strengths import ModelPair
from promo_spark.models.recommenders.tie_blocks import (
    Cell,
    UserBlock,
    batch_of,
    block_rows,
    cells_of,
    item_blocks,
    numbers_of,
    packed_ties,
    ties_of,
    turned_rows,
    user_blocks,
    vectors_of,
)

_PAIRS_OF_BLOCK = 2_000_000  # at most, on average: 16 MB in bytes
_LOCAL_BYTES = 32 << 20  # of users' vectors that the driver solves and hands to Spark; more are solved in tasks
_EQUATIONS_OF_BLOCK = 64 << 20  # bytes of a block of products, where vectors are sent
_COUNT = "pairs"
_Solving = Callable[[Floats], Iterator[tuple[int, Floats]]]  # the other side's vectors → the vectors of each block


class BlockVectors(Frame):
    """One row per block of users or of products."""

    block = Col(T.IntegerType(), "the block", required=True)
    vectors = Col(T.BinaryType(), "a vector for each of the block: float32", required=True)


class SentCell(Cell):
    """One row per block of products and block of users, with what solves the former by the latter."""

    vectors = Col(T.BinaryType(), "a vector for each user that the products are tied to: float32", required=True)
    gram = Col(T.BinaryType(), "XᵀX of all vectors of the block of users: float64", required=True)
    users = Col(T.IntegerType(), "users of the block", required=True)


@dataclass(frozen=True)
class Fit:
    """How factors are fitted.

    `driver_pairs`: up to how many pairs are solved on the driver. `broadcast_bytes`: up to which size users' vectors
    are broadcast.
    """

    rank: int
    iterations: int
    objective: Objective
    blocks: int
    seed: int
    driver_pairs: int
    broadcast_bytes: int


def fitted_factors(ratings: DataFrame, fit: Fit) -> Factors:
    """Factors of ModelPair. Pairs without a strength above 0 count as if they were not there.

    There is a row for each user and product. The same rows give the same factors, whatever their order and partitions.
    """
    counted = ratings.filter(F.col(ModelPair.strength) > 0)
    of_items = counted.groupBy(ModelPair.item).agg(F.count("*").alias(_COUNT)).orderBy(ModelPair.item).toArrow()
    items = of_items[ModelPair.item].to_numpy().astype(np.int64)
    if not len(items):
        return Factors.of_nothing(counted, fit.rank)
    pairs = int(of_items[_COUNT].to_numpy().sum())
    blocks = max(fit.blocks, -(-pairs // _PAIRS_OF_BLOCK))
    in_blocks, vectors = user_blocks(counted, items, blocks), first_vectors(items, fit.rank, fit.seed)
    if pairs <= fit.driver_pairs:
        return _on_driver(in_blocks, items, vectors, blocks, fit)
    of_users = in_blocks.persist()
    try:
        sizes = of_users.select(UserBlock.block, F.size(UserBlock.user_ids).alias(_COUNT)).toArrow()
        users_of_block = np.zeros(blocks, np.int64)
        users_of_block[sizes[UserBlock.block].to_numpy()] = sizes[_COUNT].to_numpy()
        if int(users_of_block.sum()) * fit.rank * vectors.itemsize <= fit.broadcast_bytes:
            vectors = _by_broadcast(of_users, users_of_block, vectors, fit)
        else:
            vectors = _by_sent_vectors(of_users, vectors, fit)
        by = Turned.of(vectors)
        return Factors(_user_vectors(of_users, by, fit), items, by.vectors)
    finally:
        of_users.unpersist()


def _on_driver(in_blocks: DataFrame, items: Integers, vectors: Floats, blocks: int, fit: Fit) -> Factors:
    """Factors of UserBlock, of few pairs."""
    of_users = in_blocks.toArrow().to_batches()
    users_of_block = np.zeros(blocks, np.int64)
    for row in block_rows(iter(of_users)):
        users_of_block[row[UserBlock.block].as_py()] = len(row[UserBlock.user_ids])
    of_items = turned_rows(of_users, users_of_block.tolist(), len(items), blocks)

    def solving(ties: Sequence[pa.RecordBatch]) -> _Solving:
        def solved(by: Floats) -> Iterator[tuple[int, Floats]]:
            turned = Turned.of(by)
            for row in block_rows(iter(ties)):
                yield row[BlockVectors.block].as_py(), solved_rows(ties_of(row), turned, fit.objective)

        return solved

    by = Turned.of(_alternated(solving(of_users), solving(of_items), users_of_block, vectors, fit))
    if int(users_of_block.sum()) * fit.rank * vectors.itemsize > _LOCAL_BYTES:
        return Factors(_user_vectors(in_blocks, by, fit), items, by.vectors)
    rows = pa.Table.from_batches(_solved_users(iter(of_users), by, fit))
    users = in_blocks.sparkSession.createDataFrame(rows, UserVector.schema())
    return Factors(users, items, by.vectors)


def _alternated(of_users: _Solving, of_items: _Solving, users_of_block: Integers, vectors: Floats, fit: Fit) -> Floats:
    """Products' vectors, by all users' and all products' in turn."""
    items, blocks, ends = len(vectors), len(users_of_block), np.cumsum(users_of_block)
    for _ in range(fit.iterations):
        of_all_users = np.zeros((int(ends[-1]), fit.rank), np.float32)
        for block, found in of_users(vectors):
            of_all_users[ends[block] - users_of_block[block] : ends[block]] = found
        vectors = np.zeros((items, fit.rank), np.float32)
        for block, found in of_items(of_all_users):
            vectors[block::blocks] = found
    return vectors


def _by_broadcast(of_users: DataFrame, users_of_block: Integers, vectors: Floats, fit: Fit) -> Floats:
    """Products' vectors, of UserBlock, where users' vectors too are broadcast."""
    of_items = item_blocks(of_users, users_of_block.tolist(), len(vectors), len(users_of_block)).persist()
    try:
        by_users, by_items = (partial(_solved_blocks, ties, fit) for ties in (of_users, of_items))
        return _alternated(by_users, by_items, users_of_block, vectors, fit)
    finally:
        of_items.unpersist()


def _solved_blocks(ties: DataFrame, fit: Fit, vectors: Floats) -> Iterator[tuple[int, Floats]]:
    """UserBlock or ItemBlock, the other side's vectors → the vectors of each block, on the driver."""
    objective = fit.objective
    with _shared(ties, Turned.of(vectors)) as by:

        def solved(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            for row in block_rows(batches):
                found = solved_rows(ties_of(row), by.value, objective)
                yield batch_of(BlockVectors, [row[BlockVectors.block].as_py(), found.tobytes()])

        rows = ties.mapInArrow(solved, BlockVectors.schema()).toArrow()
    for row in block_rows(iter(rows.to_batches())):
        yield row[BlockVectors.block].as_py(), vectors_of(row, BlockVectors.vectors, fit.rank)


def _by_sent_vectors(of_users: DataFrame, vectors: Floats, fit: Fit) -> Floats:
    """Products' vectors, of UserBlock, where users' vectors go to the products that need them."""
    items = len(vectors)
    of_equations = items * fit.rank * fit.rank * vectors.itemsize
    blocks = max(fit.blocks, -(-of_equations // _EQUATIONS_OF_BLOCK))
    objective = fit.objective

    def summed(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for block, rows in groupby(block_rows(batches), key=lambda row: int(row[SentCell.block].as_py())):
            users, total = 0, np.zeros((fit.rank, fit.rank))
            equations = NormalEquations.of_none(len(range(block, items, blocks)), fit.rank)
            for row in rows:
                equations.add(ties_of(row), vectors_of(row, SentCell.vectors, fit.rank), objective)
                total += numbers_of(row[SentCell.gram], np.float64).reshape(fit.rank, fit.rank)
                users += row[SentCell.users].as_py()
            basis, spectrum = turning(total)
            found = equations.turned(basis).solved(spectrum, objective, users)
            yield batch_of(BlockVectors, [block, found.tobytes()])

    for _ in range(fit.iterations):
        with _shared(of_users, Turned.of(vectors)) as by:

            def sent(batches: Iterator[pa.RecordBatch], by: Broadcast[Turned] = by) -> Iterator[pa.RecordBatch]:
                for row in block_rows(batches):
                    ties = ties_of(row)
                    found = solved_rows(ties, by.value, objective)
                    of_block = [row[UserBlock.block].as_py(), gram(found).tobytes(), len(ties)]
                    for number, cell in enumerate(cells_of(ties, items, blocks)):
                        yield _sent_cell(number, cell, found, *of_block)

            rows = (
                of_users.mapInArrow(sent, SentCell.schema())
                .repartitionById(blocks, F.col(SentCell.block))
                .sortWithinPartitions(SentCell.block, SentCell.user_block)
                .mapInArrow(summed, BlockVectors.schema())
                .toArrow()
            )
        for row in block_rows(iter(rows.to_batches())):
            vectors[row[BlockVectors.block].as_py() :: blocks] = vectors_of(row, BlockVectors.vectors, fit.rank)
    return vectors


def _sent_cell(
    block: int, cell: Ties, vectors: Floats, user_block: int, gram_of_block: bytes, users: int
) -> pa.RecordBatch:
    """One row: a block of products, with the vectors of those users that it is tied to. → SentCell."""
    needed, place = np.unique(cell.columns, return_inverse=True)
    ties = Ties(cell.starts, place.astype(np.int32), cell.strengths)
    sent = vectors[needed].tobytes()
    return batch_of(SentCell, [block, user_block, *packed_ties(ties), sent, gram_of_block, users])


def _user_vectors(of_users: DataFrame, vectors: Turned, fit: Fit) -> DataFrame:
    """UserBlock → UserVector, computed already: blocks may go."""
    with _shared(of_users, vectors) as by:

        def solved(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            return _solved_users(batches, by.value, fit)

        return computed(of_users.mapInArrow(solved, UserVector.schema()))


def _solved_users(of_users: Iterator[pa.RecordBatch], by: Turned, fit: Fit) -> Iterator[pa.RecordBatch]:
    """UserBlock → UserVector."""
    for row in block_rows(of_users):
        found = solved_rows(ties_of(row), by, fit.objective, EXACT_STEPS)
        columns = [row[UserBlock.user_ids].values, lists_of_rows(found)]
        yield pa.RecordBatch.from_arrays(columns, names=list(UserVector.columns()))


@contextmanager
def _shared(of: DataFrame, value: Turned) -> Iterator[Broadcast[Turned]]:
    """The value in every task; nothing of it is left afterwards."""
    shared = of.sparkSession.sparkContext.broadcast(value)
    try:
        yield shared
    finally:
        shared.destroy()
