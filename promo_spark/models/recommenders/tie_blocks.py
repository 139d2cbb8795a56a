"""What users and products are tied by, in blocks: a row per block of users, or of products, a sparse matrix in bytes.

Pairs are put into blocks once. Blocks of users are drawn by a hash of the id, and have their users in order of id;
product number i is in block i mod blocks. So the same pairs give the same blocks, whatever their order and partitions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T
from scipy import sparse

from promo_spark.contracts.schema import Col, Frame, Personal
from promo_spark.learners.implicit_factors import Floats, Integers, Ties
from promo_spark.models.recommenders.strengths import ModelPair

_STARTS, _COLUMNS, _STRENGTHS = np.int64, np.int32, np.float32


class PairOfBlock(Frame):
    """One row per user and product that are tied, with the block of the user."""

    block = Col(T.IntegerType(), "the block of the user", required=True)
    user_id = Col(T.StringType(), "the user", required=True, personal=Personal.IDENTIFIER)
    item = Col(T.IntegerType(), "the product's position in the catalogue", required=True)
    strength = Col(T.DoubleType(), "how strongly purchases tie the two", required=True)


class UserBlock(Frame):
    """One row per block of users: a matrix of users × products."""

    block = Col(T.IntegerType(), "the block", required=True)
    user_ids = Col(
        T.ArrayType(T.StringType()), "the block's users, rising", required=True, personal=Personal.IDENTIFIER
    )
    starts = Col(T.BinaryType(), "where each user's entries begin, and the end: int64", required=True)
    numbers = Col(T.BinaryType(), "numbers of products, from 0 in order of position: int32", required=True)
    strengths = Col(T.BinaryType(), "how strongly the two are tied: float32", required=True)


class ItemBlock(Frame):
    """One row per block of products: a matrix of products × users."""

    block = Col(T.IntegerType(), "the block", required=True)
    starts = Col(T.BinaryType(), "where each product's entries begin, and the end: int64", required=True)
    numbers = Col(T.BinaryType(), "numbers of users, block after block: int32", required=True)
    strengths = Col(T.BinaryType(), "how strongly the two are tied: float32", required=True)


class Cell(Frame):
    """One row per block of products and block of users: a matrix of products × the block's users."""

    block = Col(T.IntegerType(), "the block of products", required=True)
    user_block = Col(T.IntegerType(), "the block of users", required=True)
    starts = Col(T.BinaryType(), "where each product's entries begin, and the end: int64", required=True)
    numbers = Col(T.BinaryType(), "numbers of users in the block, or of the vectors beside: int32", required=True)
    strengths = Col(T.BinaryType(), "how strongly the two are tied: float32", required=True)


def user_blocks(pairs: DataFrame, items: Integers, blocks: int) -> DataFrame:
    """ModelPair of strengths above 0 → UserBlock. `items`: the positions of all products in them, rising."""

    def packed(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        some = [batch for batch in batches if batch.num_rows]
        if not some:
            return
        rows = pa.Table.from_batches(some)
        for block in pc.unique(rows[PairOfBlock.block]).to_pylist():
            yield _user_block(block, rows.filter(pc.equal(rows[PairOfBlock.block], block)), items)

    block = F.pmod(F.xxhash64(ModelPair.user_id), F.lit(blocks)).cast("int").alias(PairOfBlock.block)
    return (
        pairs.select(block, ModelPair.user_id, ModelPair.item, ModelPair.strength)
        .repartitionById(blocks, F.col(PairOfBlock.block))
        .mapInArrow(packed, UserBlock.schema())
    )


def _user_block(block: int, rows: pa.Table, items: Integers) -> pa.RecordBatch:
    """PairOfBlock of one block → UserBlock."""
    coded = rows[PairOfBlock.user_id].combine_chunks().dictionary_encode()
    order = pc.array_sort_indices(coded.dictionary)
    place = np.empty(len(order), np.int64)
    place[order.to_numpy()] = np.arange(len(order))
    user = place[coded.indices.to_numpy()]
    item = np.searchsorted(items, rows[PairOfBlock.item].to_numpy())
    by_user = np.argsort(user * len(items) + item, kind="stable")
    starts = np.searchsorted(user[by_user], np.arange(len(order) + 1))
    strengths = rows[PairOfBlock.strength].to_numpy()[by_user]
    ties = Ties(starts, item[by_user].astype(_COLUMNS), strengths.astype(_STRENGTHS))
    return batch_of(UserBlock, [block, coded.dictionary.take(order), *packed_ties(ties)])


def item_blocks(of_users: DataFrame, users_of_block: Sequence[int], items: int, blocks: int) -> DataFrame:
    """UserBlock → ItemBlock. `users_of_block`: how many users each block has."""
    return (
        of_users.mapInArrow(lambda batches: _cells(batches, items, blocks), Cell.schema())
        .repartitionById(blocks, F.col(Cell.block))
        .mapInArrow(lambda batches: _merged(batches, users_of_block), ItemBlock.schema())
    )


def turned_rows(
    of_users: Sequence[pa.RecordBatch], users_of_block: Sequence[int], items: int, blocks: int
) -> list[pa.RecordBatch]:
    """The same of rows that the driver holds."""
    return list(_merged(_cells(iter(of_users), items, blocks), users_of_block))


def _cells(of_users: Iterator[pa.RecordBatch], items: int, blocks: int) -> Iterator[pa.RecordBatch]:
    """UserBlock → Cell."""
    for row in block_rows(of_users):
        for block, ties in enumerate(cells_of(ties_of(row), items, blocks)):
            yield batch_of(Cell, [block, row[UserBlock.block].as_py(), *packed_ties(ties)])


def _merged(cells: Iterator[pa.RecordBatch], users_of_block: Sequence[int]) -> Iterator[pa.RecordBatch]:
    """All Cell of some blocks of products → ItemBlock."""
    parts: dict[int, dict[int, Ties]] = {}
    for row in block_rows(cells):
        parts.setdefault(row[Cell.block].as_py(), {})[row[Cell.user_block].as_py()] = ties_of(row)
    for block, of_block in parts.items():
        matrices = [
            sparse.csr_array((t.strengths, t.columns, t.starts), shape=(len(t), users_of_block[user_block]))
            for user_block, t in sorted(of_block.items())
        ]
        whole = sparse.hstack(matrices, format="csr")
        ties = Ties(whole.indptr.astype(_STARTS), whole.indices.astype(_COLUMNS), whole.data)
        yield batch_of(ItemBlock, [block, *packed_ties(ties)])


def cells_of(ties: Ties, items: int, blocks: int) -> Iterator[Ties]:
    """Users × products → for each block of products, products × users."""
    shape = (len(ties), items)
    by_item = sparse.csr_array((ties.strengths, ties.columns, ties.starts), shape=shape).T.tocsr()
    for block in range(blocks):
        cell = by_item[block::blocks]
        yield Ties(cell.indptr.astype(_STARTS), cell.indices.astype(_COLUMNS), cell.data)


def block_rows(batches: Iterator[pa.RecordBatch]) -> Iterator[dict[str, Any]]:
    """The rows of batches of few and large ones, by the names of their columns."""
    for batch in batches:
        for row in range(batch.num_rows):
            yield {name: batch.column(name)[row] for name in batch.schema.names}


def ties_of(row: dict[str, Any]) -> Ties:
    """UserBlock, ItemBlock or Cell → its matrix."""
    return Ties(
        numbers_of(row[Cell.starts], _STARTS),
        numbers_of(row[Cell.numbers], _COLUMNS),
        numbers_of(row[Cell.strengths], _STRENGTHS),
    )


def numbers_of(value: pa.BinaryScalar, kind: type[Any]) -> NDArray[Any]:
    return np.frombuffer(value.as_buffer(), kind) if len(value.as_buffer()) else np.empty(0, kind)


def packed_ties(ties: Ties) -> list[bytes]:
    return [ties.starts.astype(_STARTS).tobytes(), ties.columns.tobytes(), ties.strengths.tobytes()]


def batch_of(frame: type[Frame], row: Sequence[Any]) -> pa.RecordBatch:
    """One row of a frame."""
    arrays = [
        pa.ListArray.from_arrays(pa.array([0, len(value)], pa.int32()), value)
        if isinstance(value, pa.Array)
        else pa.array([value], pa.int32() if isinstance(value, int) else None)
        for value in row
    ]
    return pa.RecordBatch.from_arrays(arrays, names=list(frame.columns()))


def vectors_of(row: dict[str, Any], column: str, rank: int) -> Floats:
    return numbers_of(row[column], _STRENGTHS).reshape(-1, rank)
