"""Options of many users as bytes: what passes over all users read again and again is numbers alone, names only once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import types as T
from scipy.sparse import csr_array

from promo_spark.contracts.schema import Col, Frame
from promo_spark.decisions.allocation.options import Options, options_of
from promo_spark.measures.computed import computed

_BYTES = T.BinaryType()


class PackedOptions(Frame):
    """One row per batch of users: their Options, each array as its bytes."""

    users = Col(T.IntegerType(), "users of the batch", required=True)
    owner = Col(_BYTES, "of each option, 4 bytes each", required=True)
    room = Col(_BYTES, "of each user, 8 bytes each", required=True)
    value = Col(_BYTES, "of each option, 8 bytes each", required=True)
    amounts = Col(_BYTES, "of each use, 8 bytes each", required=True)
    constraints = Col(_BYTES, "of each use, 4 bytes each", required=True)
    ends = Col(_BYTES, "where the uses of an option begin and end, 4 bytes each", required=True)
    topics = Col(_BYTES, "option × place, 4 bytes each", required=True)
    alone = Col(_BYTES, "of each option, a byte each", required=True)


def packed_options(options: DataFrame, constraints: Sequence[str]) -> DataFrame:
    """UserOptions → PackedOptions, computed. What an option uses of constraints that are not named does not count."""

    def of_batches(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            if batch.num_rows:
                of, _ = options_of(batch, constraints)
                yield pa.RecordBatch.from_pylist([_packed(of)], schema=_SCHEMA)

    return computed(options.mapInArrow(of_batches, PackedOptions.struct()))


_SCHEMA = pa.schema(
    [(name, pa.int32() if name == PackedOptions.users else pa.binary()) for name in PackedOptions.columns()]
)


def _packed(of: Options) -> dict[str, int | bytes]:
    return {
        PackedOptions.users: of.users,
        PackedOptions.owner: of.owner.astype(np.int32).tobytes(),
        PackedOptions.room: of.room.tobytes(),
        PackedOptions.value: of.value.tobytes(),
        PackedOptions.amounts: of.uses.data.astype(np.int64).tobytes(),
        PackedOptions.constraints: of.uses.indices.astype(np.int32).tobytes(),
        PackedOptions.ends: of.uses.indptr.astype(np.int32).tobytes(),
        PackedOptions.topics: of.topics.astype(np.int32).tobytes(),
        PackedOptions.alone: of.alone.tobytes(),
    }


def unpacked_options(batch: pa.RecordBatch, constraints: int) -> Iterator[Options]:
    """The Options of each row of a batch of PackedOptions, of so many constraints."""
    for row in batch.to_pylist():
        value = np.frombuffer(row[PackedOptions.value], np.int64)
        uses = csr_array(
            (
                np.frombuffer(row[PackedOptions.amounts], np.int64),
                np.frombuffer(row[PackedOptions.constraints], np.int32),
                np.frombuffer(row[PackedOptions.ends], np.int32),
            ),
            shape=(len(value), constraints),
        )
        topics = np.frombuffer(row[PackedOptions.topics], np.int32).astype(np.int64)
        yield Options(
            users=row[PackedOptions.users],
            owner=np.frombuffer(row[PackedOptions.owner], np.int32).astype(np.int64),
            room=np.frombuffer(row[PackedOptions.room], np.int64),
            value=value,
            uses=uses,
            topics=topics.reshape(len(value), -1) if len(value) else np.zeros((0, 1), np.int64),
            alone=np.frombuffer(row[PackedOptions.alone], np.bool_),
        )
