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

from enum import Enum
from typing import ClassVar

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.schema.checks import Check, SourceCheck
from promo_spark.contracts.schema.frame import Frame
from promo_spark.contracts.schema.personal import RESTRICTED, Personal
from promo_spark.errors import ContractError

CONTRACT_VERSION_KEY = "contract_version"


def contract_version(schema: T.StructType) -> int:
    """The version of the contract that a stored schema was written by; 1 where it does not say."""
    return max((int(field.metadata.get(CONTRACT_VERSION_KEY, 1)) for field in schema.fields), default=1)


class WriteMode(Enum):
    """How a write of the table replaces what is there; every mode is idempotent but APPEND."""

    REPLACE_DATE = "replace the rows of one date (the partition column)"
    REPLACE_DAYS = "replace the days that the new rows cover"
    REPLACE_SLICE = "replace the rows of one value of each partition column"
    MERGE = "insert new keys, update changed rows"
    OVERWRITE = "replace the whole table"
    APPEND = "add rows"


class Table(Frame):
    """Base of all contracts. Subclasses state layer, name, key, partition, columns and checks."""

    layer: ClassVar[str]
    name: ClassVar[str]
    key: ClassVar[tuple[str, ...]] = ()
    partition: ClassVar[tuple[str, ...]] = ()
    write_mode: ClassVar[WriteMode] = WriteMode.REPLACE_DATE
    checks: ClassVar[tuple[Check, ...]] = ()
    source_checks: ClassVar[tuple[SourceCheck, ...]] = ()  # what ingest judges rows by on their way here
    version: ClassVar[int] = 1
    days_ahead: ClassVar[int] = 0  # a job writes the rows of so many days after its own date
    dated_by: ClassVar[str | None] = None  # the column with the date that a job computed the row for; None: none
    written_by: ClassVar[str | None] = None  # the column with the job, where several jobs write; None: one job does
    # Columns whose smallest and largest value Delta keeps per file, beside the partition. Each costs time at
    # every write, and what is kept stays readable in the log: never a personal column.
    statistics: ClassVar[tuple[str, ...]] = ()

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
            raise ContractError(
                f"{cls.__name__}: {', '.join(direct)} identifies a person directly: such columns stand "
                f"in {RESTRICTED} tables only"
            )

    @classmethod
    def personal(cls) -> dict[str, Personal]:
        """The columns that hold personal data, by name, with their kind."""
        return {n: c.personal for n, c in cls.columns().items() if c.personal}

    @classmethod
    def full_name(cls) -> str:
        return f"{cls.layer}.{cls.name}"

    @classmethod
    def day_column(cls) -> str | None:
        """The partition that makes rows older and newer: the date they were computed for, or their day; None: none."""
        by_days = cls.write_mode is WriteMode.REPLACE_DAYS
        return cls.dated_by or (cls.partition[0] if by_days and cls.partition else None)

    @classmethod
    def schema(cls) -> T.StructType:
        """The Spark schema, column comments included; the first field carries the contract's version."""
        schema = super().schema()
        first = schema.fields[0]
        first.metadata = {**(first.metadata or {}), CONTRACT_VERSION_KEY: cls.version}
        return schema

    @classmethod
    def enforced(cls, df: DataFrame) -> DataFrame:
        """The conformed frame, which fails in its own pass on the first row that breaks a check.

        A required column that is null or a failing check raises inside the query, so that a write
        of the frame aborts before its commit; no second scan is made.
        """
        df = cls.conform(df)
        rules = [(f"{n} is null, but required", F.col(n).isNull()) for n, c in cls.columns().items() if c.required]
        rules += [(f"check {c.name} ({c}) fails", ~c.holds()) for c in cls.checks]
        if not rules:
            return df
        (message, fails), *others = rules
        broken = F.when(fails, message)
        for message, fails in others:
            broken = broken.when(fails, message)
        keys = F.concat_ws(", ", *[F.concat(F.lit(f"{k}="), F.col(k).cast("string")) for k in cls.key])
        failure = F.raise_error(F.concat(F.lit(f"[contract] {cls.full_name()}: "), broken, F.lit(" at "), keys))
        verdict = F.when(broken.isNull(), True).otherwise(failure.cast("boolean"))
        # A condition that depends on the partition is not moved below other filters and joins: there it would
        # judge rows, and stop for them, that never come here.
        return df.filter(F.when(F.spark_partition_id() >= 0, verdict))

    @classmethod
    def markdown(cls) -> str:
        """The table's page: grain, key, partition, columns with unit and null meaning, checks."""
        lines = [f"### {cls.full_name()}", "", " ".join((cls.__doc__ or "").split()), ""]
        lines.append(
            f"Key: {', '.join(cls.key) or 'none'}. Partition: {', '.join(cls.partition) or 'none'}. "
            f"Written by: {cls.write_mode.value}."
        )
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
