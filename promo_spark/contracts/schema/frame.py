"""What a frame that functions hand to one another is: columns with types and meanings, never stored.

    class Priced(Frame):
        '''One row per product that can be offered.'''
        product_id = Col(T.StringType(), "the product", required=True)
        floor = Col(MONEY, "lowest price", unit="currency")

`Priced.floor` is the string "floor", so that a typo fails in mypy and at import, not in a cluster.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.schema.arrow_rows import arrow_table
from promo_spark.contracts.schema.columns import Col, neutral, typed, widens
from promo_spark.errors import ContractError


class Frame:
    """Base of all contracts: of frames between functions, and by Table of what is stored."""

    trailing: ClassVar[tuple[str, ...]] = ()  # inherited columns that stand after a subclass's own

    def __init__(self) -> None:
        raise TypeError(f"{type(self).__name__} is a contract: use the class itself, it has no instances")

    @classmethod
    def columns(cls) -> dict[str, Col]:
        found: dict[str, Col] = {}
        for base in reversed(cls.__mro__):
            found.update({v.name: v for v in vars(base).values() if isinstance(v, Col)})
        return {n: c for n, c in found.items() if n not in cls.trailing} | {n: found[n] for n in cls.trailing}

    @classmethod
    def type_of(cls, column: str) -> T.DataType:
        """The type of a column."""
        return cls.columns()[column].type

    @classmethod
    def full_name(cls) -> str:
        """What messages call it."""
        return cls.__name__

    @classmethod
    def grain(cls) -> str:
        """The first line of the docstring: what one row is."""
        return (cls.__doc__ or "").strip().splitlines()[0]

    @classmethod
    def schema(cls) -> T.StructType:
        """The Spark schema, column comments included."""
        fields = []
        for name, col in cls.columns().items():
            fields.append(T.StructField(name, col.type, nullable=True, metadata={"comment": col.comment}))
        return T.StructType(fields)

    @classmethod
    def struct(cls) -> T.StructType:
        """The type of a row of the frame as an entry of another frame's array: names and types alone."""
        return T.StructType([T.StructField(name, col.type) for name, col in cls.columns().items()])

    @classmethod
    def conform(cls, df: DataFrame) -> DataFrame:
        """The frame cut to the contract's columns, in its order and with its comments.

        Columns the contract does not have are dropped, as the contract is what a room promises.
        Raises ContractError with every missing, doubled and mistyped column at once.
        """
        problems = cls.schema_problems(df.schema)
        if problems:
            raise ContractError(f"{cls.full_name()}: " + "; ".join(problems))
        wanted, found = cls.schema().fields, {f.name: f for f in df.schema.fields}
        if [(f.name, f.dataType, f.metadata) for f in wanted] == [(f.name, f.dataType, f.metadata) for f in df.schema]:
            return df  # as what is read of a table: another projection would be analysed with every step that follows
        return df.select(
            [_cast(f.name, found[f.name].dataType, f.dataType).alias(f.name, metadata=f.metadata) for f in wanted]
        )

    @classmethod
    def schema_problems(cls, schema: T.StructType) -> list[str]:
        """Every way in which a schema misses the contract, one sentence per kind."""
        found = [f.name for f in schema.fields]
        missing = [n for n in cls.columns() if n not in found]
        doubled = sorted({n for n in found if found.count(n) > 1})
        mistyped = [
            f"{f.name} is {f.dataType.simpleString()}, should be {cls.columns()[f.name].type.simpleString()}"
            for f in schema.fields
            if f.name in cls.columns() and not widens(f.dataType, cls.columns()[f.name].type)
        ]
        problems = []
        if missing:
            problems.append(f"missing columns: {', '.join(missing)} (found: {', '.join(found)})")
        if doubled:
            problems.append(f"doubled columns: {', '.join(doubled)}")
        if mistyped:
            problems.append(f"wrong types: {', '.join(mistyped)}")
        return problems

    @classmethod
    def shaped(cls, df: DataFrame) -> DataFrame:
        """The frame cut to the contract's columns and cast to their types, in its order.

        For frames that a function builds of literals and arithmetic, whose types Spark would choose otherwise.
        Raises ContractError naming the columns that are missing.
        """
        missing = [n for n in cls.columns() if n not in df.columns]
        if missing:
            raise ContractError(f"{cls.full_name()}: missing columns: {', '.join(missing)}")
        wanted, found = cls.columns(), [(f.name, f.dataType) for f in df.schema.fields]
        if found == [(n, c.type) for n, c in wanted.items()]:
            return df
        types = dict(found)
        return df.select([_cast(n, types[n], c.type).alias(n) for n, c in wanted.items()])

    @classmethod
    def frame(cls, spark: SparkSession, rows: Sequence[Mapping[str, Any]] = ()) -> DataFrame:
        """A frame of the contract from rows that name only what matters.

        Columns not named are null, or a neutral value of their type where the contract requires one.
        Spark is told their number with them, so that joins with few rows, and all that no row can come of, are planned
        as such. Raises ContractError when a row names a column that the contract does not have, or has a value of
        another type than the column.
        """
        complete = [tuple(cls.complete(row).values()) for row in rows]
        try:
            return spark.createDataFrame(arrow_table(cls.schema(), complete), cls.schema())
        except TypeError as error:
            raise ContractError(f"{cls.full_name()}: {error}") from None

    @classmethod
    def complete(cls, row: Mapping[str, Any]) -> dict[str, Any]:
        """The row with a value for every column, in their order. Raises ContractError as `frame` does."""
        columns = cls.columns()
        unknown = sorted(set(row) - set(columns))
        if unknown:
            raise ContractError(f"{cls.full_name()} has no column {', '.join(unknown)}")
        return {n: typed(row[n], c.type) if n in row else neutral(c) for n, c in columns.items()}


def _cast(column: str, found: T.DataType, wanted: T.DataType) -> Column:
    """The column in the wanted type; one of that type as it is, since a cast takes calls to the JVM to say."""
    return F.col(column) if found == wanted else F.col(column).cast(wanted)
