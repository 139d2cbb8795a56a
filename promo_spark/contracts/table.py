"""What a table is: one class per table, the one source of its schema, key, partition and checks.

    class Sales(Table):
        '''One row per product and day.'''
        layer, name = "features", "sales"
        key = ("product_id", "day")
        product_id = Col(T.StringType(), "the product", required=True)
        units = Col(T.LongType(), "units sold", unit="pieces", required=True)
        checks = (Check("units_not_negative", "units", ">=", 0),)

`Sales.units` is the string "units", so that a typo fails in mypy and at import, not in a cluster.
"""

from __future__ import annotations

import builtins
import datetime
import decimal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, ClassVar, Literal

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.personal import RESTRICTED, Personal
from promo_spark.errors import ContractError

MONEY = T.DecimalType(18, 2)
QUANTITY = T.DecimalType(18, 3)
RATE = T.DecimalType(9, 6)

CONTRACT_VERSION_KEY = "contract_version"


class WriteMode(Enum):
    """How a write of the table replaces what is there; every mode is idempotent but APPEND."""

    REPLACE_DATE = "replace the rows of one date (the partition column)"
    REPLACE_DAYS = "replace the days that the new rows cover"
    REPLACE_SLICE = "replace the rows of one value of each partition column"
    MERGE = "insert new keys, update changed rows"
    OVERWRITE = "replace the whole table"
    APPEND = "add rows"


@dataclass(frozen=True)
class Col:
    """A column: type, meaning, unit, whether null is allowed (`required`), and what is personal in it."""

    type: T.DataType
    meaning: str
    unit: str | None = None
    required: bool = False
    personal: Personal | None = None

    def __set_name__(self, owner: builtins.type, name: str) -> None:
        object.__setattr__(self, "name", name)

    def __get__(self, instance: object, owner: builtins.type | None = None) -> str:
        name: str = self.__dict__["name"]
        return name

    @property
    def comment(self) -> str:
        return f"{self.meaning} [{self.unit}]" if self.unit else self.meaning


_OPERATORS = ("=", "!=", ">", ">=", "<", "<=", "in", "between", "is not null")


@dataclass(frozen=True)
class Check:
    """A named check of a value: column, operator, literal. Null passes, unless the column is required."""

    name: str
    column: str
    operator: str
    literal: Any = None

    def __post_init__(self) -> None:
        if self.operator not in _OPERATORS:
            raise ContractError(
                f"check {self.name}: operator {self.operator!r} is unknown; use {_OPERATORS}"
            )

    def holds(self) -> Column:
        """The condition under which a row passes; never null."""
        c = F.col(self.column)
        condition = {
            "=": lambda: c == self.literal,
            "!=": lambda: c != self.literal,
            ">": lambda: c > self.literal,
            ">=": lambda: c >= self.literal,
            "<": lambda: c < self.literal,
            "<=": lambda: c <= self.literal,
            "in": lambda: c.isin(list(self.literal)),
            "between": lambda: c.between(*self.literal),
            "is not null": c.isNotNull,
        }[self.operator]()
        return F.coalesce(condition, F.lit(True))

    def __str__(self) -> str:
        shown = "" if self.operator == "is not null" else f" {self.literal}"
        return f"{self.column} {self.operator}{shown}"


Criticality = Literal["reject", "warn", "off"]


@dataclass(frozen=True)
class SourceCheck:
    """A named check of what a source delivers, with what happens to a row that fails it if settings do not say else.

    The name and `meaning` say what is wrong with a row that fails. The rule is a triple (column, operator,
    literal) that holds of a good row; without an operator it is the named predicate of
    promo_spark/sources/predicates.py, on the column. reject: the row goes to quarantine; warn: it is kept and
    counted; off: it is not judged.
    """

    name: str
    meaning: str
    criticality: Criticality
    column: str
    operator: str = ""
    literal: Any = None

    @property
    def triple(self) -> Check | None:
        """The rule as a triple; None for a named predicate."""
        return Check(self.name, self.column, self.operator, self.literal) if self.operator else None


class Table:
    """Base of all contracts. Subclasses state layer, name, key, partition, columns and checks."""

    layer: ClassVar[str]
    name: ClassVar[str]
    key: ClassVar[tuple[str, ...]] = ()
    partition: ClassVar[tuple[str, ...]] = ()
    write_mode: ClassVar[WriteMode] = WriteMode.REPLACE_DATE
    checks: ClassVar[tuple[Check, ...]] = ()
    source_checks: ClassVar[tuple[SourceCheck, ...]] = ()  # what ingest judges rows by on their way here
    version: ClassVar[int] = 1
    # Columns whose smallest and largest value Delta keeps per file, beside the partition. Each costs time at
    # every write, and what is kept stays readable in the log: never a personal column.
    statistics: ClassVar[tuple[str, ...]] = ()
    trailing: ClassVar[tuple[str, ...]] = ()  # inherited columns that stand after a subclass's own

    def __init_subclass__(cls) -> None:
        """Refuses a contract that would let personal data out: raises ContractError when the class is made."""
        personal = cls.personal()
        shown = [c for c in (*cls.partition, *cls.statistics) if c in personal]
        if shown:
            raise ContractError(
                f"{cls.__name__}: {', '.join(shown)} is personal, so it cannot be a partition or have statistics: "
                "both can be read without reading a row"
            )
        direct = [n for n, kind in personal.items() if kind is Personal.DIRECT]
        if direct and getattr(cls, "layer", None) != RESTRICTED:
            raise ContractError(f"{cls.__name__}: {', '.join(direct)} identifies a person directly: such columns stand "
                                f"in {RESTRICTED} tables only")

    def __init__(self) -> None:
        raise TypeError(f"{type(self).__name__} is a contract: use the class itself, it has no instances")

    @classmethod
    def columns(cls) -> dict[str, Col]:
        found: dict[str, Col] = {}
        for base in reversed(cls.__mro__):
            found.update({k: v for k, v in vars(base).items() if isinstance(v, Col)})
        return {n: c for n, c in found.items() if n not in cls.trailing} | {n: found[n] for n in cls.trailing}

    @classmethod
    def personal(cls) -> dict[str, Personal]:
        """The columns that hold personal data, by name, with their kind."""
        return {n: c.personal for n, c in cls.columns().items() if c.personal}

    @classmethod
    def full_name(cls) -> str:
        return f"{cls.layer}.{cls.name}"

    @classmethod
    def grain(cls) -> str:
        """The first line of the docstring: what one row is."""
        return (cls.__doc__ or "").strip().splitlines()[0]

    @classmethod
    def schema(cls) -> T.StructType:
        """The Spark schema, column comments included; the first field carries the contract's version."""
        fields = []
        for i, (name, col) in enumerate(cls.columns().items()):
            metadata: dict[str, Any] = {"comment": col.comment}
            if i == 0:
                metadata[CONTRACT_VERSION_KEY] = cls.version
            fields.append(T.StructField(name, col.type, nullable=True, metadata=metadata))
        return T.StructType(fields)

    @classmethod
    def conform(cls, df: DataFrame) -> DataFrame:
        """The frame cut to the contract's columns, in its order and with its comments.

        Columns the contract does not have are dropped, as the contract is what a room promises.
        Raises ContractError with every missing, doubled and mistyped column at once.
        """
        problems = cls.schema_problems(df.schema)
        if problems:
            raise ContractError(f"{cls.full_name()}: " + "; ".join(problems))
        return df.select(
            [F.col(f.name).cast(f.dataType).alias(f.name, metadata=f.metadata) for f in cls.schema().fields]
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
    def enforced(cls, df: DataFrame) -> DataFrame:
        """The conformed frame, which fails in its own pass on the first row that breaks a check.

        A required column that is null or a failing check raises inside the query, so that a write
        of the frame aborts before its commit; no second scan is made.
        """
        df = cls.conform(df)
        rules = [(f"{n} is null, but required", F.col(n).isNotNull()) for n, c in cls.columns().items() if c.required]
        rules += [(f"check {c.name} ({c}) fails", c.holds()) for c in cls.checks]
        if not rules:
            return df
        keys = F.concat_ws(", ", *[F.concat(F.lit(f"{k}="), F.col(k).cast("string")) for k in cls.key])
        verdict = F.lit(True)
        for message, holds in reversed(rules):
            failure = F.raise_error(F.concat(F.lit(f"[contract] {cls.full_name()}: {message} at "), keys))
            verdict = F.when(holds, verdict).otherwise(failure.cast("boolean"))
        # A condition that depends on the partition is not moved below other filters and joins: there it would
        # judge rows, and stop for them, that never come here.
        return df.filter(F.when(F.spark_partition_id() >= 0, verdict))

    @classmethod
    def frame(cls, spark: SparkSession, rows: Sequence[Mapping[str, Any]] = ()) -> DataFrame:
        """A frame of the contract from rows that name only what matters.

        Columns not named are null, or a neutral value of their type where the contract requires one.
        Raises ContractError when a row names a column that the contract does not have.
        """
        columns = cls.columns()
        complete = []
        for row in rows:
            unknown = sorted(set(row) - set(columns))
            if unknown:
                raise ContractError(f"{cls.full_name()} has no column {', '.join(unknown)}")
            complete.append(
                tuple(_typed(row[n], c.type) if n in row else _neutral(c) for n, c in columns.items())
            )
        return spark.createDataFrame(complete, cls.schema())

    @classmethod
    def markdown(cls) -> str:
        """The table's page: grain, key, partition, columns with unit and null meaning, checks."""
        lines = [f"### {cls.full_name()}", "", " ".join((cls.__doc__ or "").split()), ""]
        lines.append(f"Key: {', '.join(cls.key) or 'none'}. Partition: {', '.join(cls.partition) or 'none'}. "
                     f"Written by: {cls.write_mode.value}.")
        lines += ["", "| column | type | meaning | null | personal |", "|---|---|---|---|---|"]
        for name, col in cls.columns().items():
            null = "never" if col.required else "allowed"
            kind = col.personal.value if col.personal else ""
            lines.append(f"| {name} | {col.type.simpleString()} | {col.comment} | {null} | {kind} |")
        if cls.checks:
            lines += ["", "Checks: " + "; ".join(f"{c.name} ({c})" for c in cls.checks) + "."]
        if cls.source_checks:
            told = (f"`{c.name}` {c.meaning} ({c.criticality})" for c in cls.source_checks)
            lines += ["", "Rows that a source delivers are checked for: " + "; ".join(told) + "."]
        return "\n".join(lines) + "\n"


def widens(found: T.DataType, wanted: T.DataType) -> bool:
    """Whether a value of the found type always fits the wanted one; arrays and structs element by element."""
    if isinstance(found, T.NullType) or found == wanted:
        return True
    integers = [T.ByteType, T.ShortType, T.IntegerType, T.LongType]
    for i, narrow in enumerate(integers):
        if isinstance(found, narrow) and isinstance(wanted, (*integers[i:], T.DoubleType)):
            return True
    if isinstance(found, T.FloatType) and isinstance(wanted, T.DoubleType):
        return True
    if isinstance(found, T.DecimalType) and isinstance(wanted, T.DecimalType):
        return found.scale <= wanted.scale and found.precision - found.scale <= wanted.precision - wanted.scale
    if isinstance(found, T.ArrayType) and isinstance(wanted, T.ArrayType):
        return widens(found.elementType, wanted.elementType)
    if isinstance(found, T.MapType) and isinstance(wanted, T.MapType):
        return widens(found.keyType, wanted.keyType) and widens(found.valueType, wanted.valueType)
    if isinstance(found, T.StructType) and isinstance(wanted, T.StructType):
        return [f.name for f in found.fields] == [f.name for f in wanted.fields] and all(
            widens(a.dataType, b.dataType) for a, b in zip(found.fields, wanted.fields, strict=True)
        )
    return False


def _typed(value: Any, kind: T.DataType) -> Any:
    """Numbers and ISO texts as the type wants them, so that test rows read plainly."""
    if value is None:
        return None
    if isinstance(kind, T.DecimalType) and not isinstance(value, decimal.Decimal):
        return decimal.Decimal(str(value))
    if isinstance(kind, T.DoubleType) and isinstance(value, int):
        return float(value)
    if isinstance(kind, T.DateType) and isinstance(value, str):
        return datetime.date.fromisoformat(value)
    if isinstance(kind, T.TimestampType) and isinstance(value, str):
        parsed = datetime.datetime.fromisoformat(value)
        return parsed if parsed.tzinfo else parsed.replace(tzinfo=datetime.timezone.utc)
    return value


def _neutral(col: Col) -> Any:
    if not col.required:
        return None
    neutral: list[tuple[type[T.DataType], Any]] = [
        (T.StringType, ""),
        (T.BooleanType, False),
        (T.DecimalType, decimal.Decimal(0)),
        (T.DoubleType, 0.0),
        (T.FloatType, 0.0),
        (T.DateType, datetime.date(2000, 1, 1)),
        (T.TimestampType, datetime.datetime(2000, 1, 1, tzinfo=datetime.timezone.utc)),
        (T.ArrayType, []),
        (T.MapType, {}),
    ]
    for kind, value in neutral:
        if isinstance(col.type, kind):
            return value
    return 0
