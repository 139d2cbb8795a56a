"""Any retailer's files, by settings alone: which file is which table, which column is which.

A mapping says, per silver table, where the file lies and which of its columns becomes which of ours.
Nothing is inferred: a column that no mapping names is left alone, a value that does not parse is
quarantined under the name of its column.
"""

from __future__ import annotations

from collections.abc import Mapping

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T
from pyspark.sql.window import Window

from promo_spark.contracts.silver import SILVER, OrderLines
from promo_spark.contracts.table import Table
from promo_spark.errors import SettingsError
from promo_spark.sources.candidates import BLANK, BROKEN, FAULT, FILE, GIVEN_BY_THE_RUN, POSITION, RAW, candidates

_DERIVED = {
    OrderLines.line_no, OrderLines.order_date, OrderLines.list_amount, OrderLines.discount_retail,
    OrderLines.discount_coupon, OrderLines.discount_coupon_match,
}  # fmt: skip


def mapped_table(name: str) -> type[Table]:
    """The silver table a mapping is for; SettingsError when there is none of the name."""
    found = next((t for t in SILVER if t.name == name), None)
    if found is None:
        raise SettingsError(f"ingest.files.{name}: there is no table silver.{name}; there are: "
                            f"{', '.join(t.name for t in SILVER)}")
    return found


def checked_mapping(table: type[Table], columns: Mapping[str, str], constants: Mapping[str, str]) -> None:
    """Raises SettingsError when a mapping names columns we do not have or leaves a required one open."""
    key = f"ingest.files.{table.name}"
    unknown = sorted((set(columns) | set(constants)) - (set(table.columns()) - GIVEN_BY_THE_RUN))
    if unknown:
        raise SettingsError(f"{key}.columns: {table.full_name()} has no column {', '.join(unknown)}")
    derived = _DERIVED if table is OrderLines else set()
    required = {n for n, c in table.columns().items() if c.required} - GIVEN_BY_THE_RUN - derived
    missing = sorted(required - set(columns) - set(constants))
    if missing:
        raise SettingsError(f"{key}.columns: say which column of the file holds {', '.join(missing)}")


def mapped(
    table: type[Table], raw: DataFrame, columns: Mapping[str, str], constants: Mapping[str, str],
    timestamp_format: str, date_format: str, timezone: str,
) -> DataFrame:  # fmt: skip
    """One candidate per raw row. Raw rows → candidates, by the mapping ours → theirs."""
    values: dict[str, Column] = {n: F.lit(v) for n, v in constants.items()}
    parsed: dict[str, Column] = {}
    for ours, theirs in columns.items():
        kind, value = table.columns()[ours].type, F.col(f"`{theirs}`")
        if isinstance(raw.schema[theirs].dataType, T.StringType):
            text = F.trim(value)
            value = F.when(text != "", text)
            if isinstance(kind, T.TimestampType):
                parsed[ours] = F.try_to_timestamp(value, F.lit(timestamp_format))
            if isinstance(kind, T.DateType):
                parsed[ours] = F.try_to_timestamp(value, F.lit(date_format)).cast("date")
        values[ours] = value
    if table is OrderLines:
        raw, values = _completed_lines(raw, values, parsed, timezone)
    return candidates(table, raw, values, parsed)


def _completed_lines(
    raw: DataFrame, values: Mapping[str, Column], parsed: Mapping[str, Column], timezone: str
) -> tuple[DataFrame, dict[str, Column]]:
    """What order lines need and files seldom say: numbers within the order, business day, list amount."""
    zero = F.lit(0)
    complete = dict(values)
    for discount in (OrderLines.discount_retail, OrderLines.discount_coupon, OrderLines.discount_coupon_match):
        complete.setdefault(discount, zero)
    if OrderLines.list_amount not in values:
        money = [complete[c].try_cast("decimal(18,6)") for c in (
            OrderLines.amount_paid, OrderLines.discount_retail, OrderLines.discount_coupon_match,
        )]  # fmt: skip
        complete[OrderLines.list_amount] = money[0] + money[1] + money[2]
    if OrderLines.order_date not in values:
        instant = parsed.get(OrderLines.ts, complete[OrderLines.ts].try_cast("timestamp"))
        complete[OrderLines.order_date] = F.to_date(F.from_utc_timestamp(instant, timezone))
    if OrderLines.line_no not in values:
        raw = raw.withColumn("_order", complete[OrderLines.order_id].cast("string"))
        theirs = sorted(c for c in raw.columns if c not in (RAW, FILE, BLANK, BROKEN, POSITION, FAULT, "_order"))
        raw = raw.withColumn("_line", F.dense_rank().over(Window.partitionBy("_order").orderBy(*theirs)))
        complete[OrderLines.line_no] = F.col("_line")
    return raw, complete
