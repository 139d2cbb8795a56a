"""Any retailer's data, by settings alone: which source feeds which table, which column is which.

A mapping says, per source, what to read and how each of our columns comes from theirs. Nothing is inferred:
a column that no mapping names is left alone, a value that does not parse is quarantined under the name of
its column.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T
from pyspark.sql.window import Window

from promo_spark.contracts.raw_rows import IncomingRow, RawRow, UnreadValue
from promo_spark.contracts.restricted import PERSONAL_SOURCES
from promo_spark.contracts.schema import Personal, Table, WriteMode
from promo_spark.contracts.silver import SILVER, Events, Feedback, IdentityMap, Inventory, OrderLines
from promo_spark.errors import SettingsError
from promo_spark.settings.sources import READ_BY_FILE, SourceSettings
from promo_spark.sources.incoming import BESIDE, GIVEN_BY_THE_RUN, candidates
from promo_spark.sources.mapping import reshaping
from promo_spark.sources.mapping.column_values import TimeFormats, column_value, holds
from promo_spark.sources.mapping.discount_lines import DISCOUNT_LINE, without_discount_lines

# Required columns that a mapping may leave open, as they follow from the others.
DERIVED: dict[type[Table], set[str]] = {
    OrderLines: {
        OrderLines.line_no,
        OrderLines.order_date,
        OrderLines.list_amount,
        OrderLines.discount_retail,
        OrderLines.discount_coupon,
        OrderLines.discount_coupon_match,
    },
    Events: {Events.event_id, Events.event_date},
    Feedback: {Feedback.feedback_id},
    Inventory: {Inventory.store_id},
    IdentityMap: {IdentityMap.channel},
}

_DISCOUNTS = (OrderLines.discount_retail, OrderLines.discount_coupon, OrderLines.discount_coupon_match)
_NO_DISCOUNT = "0"
_ORDER, _LINE = "_order", "_line"
# The column that becomes a digest of the whole row where a mapping leaves it open.
_ROW_DIGEST: dict[type[Table], str] = {Events: Events.event_id, Feedback: Feedback.feedback_id}


def mapped_table(name: str, source: SourceSettings) -> type[Table]:
    """The table a source feeds, silver or restricted; SettingsError when there is none of the name."""
    table_name, tables = source.table or name, (*SILVER, *PERSONAL_SOURCES)
    table = next((t for t in tables if t.name == table_name), None)
    if table is None:
        raise SettingsError(
            f'ingest.sources.{name}: there is no table silver.{table_name}; write table = "…" with one of: '
            f"{', '.join(t.name for t in tables)}"
        )
    return table


def checked_mapping(name: str, table: type[Table], source: SourceSettings) -> None:
    """Raises SettingsError when a mapping names columns we do not have or leaves a required one open."""
    key = f"ingest.sources.{name}"
    unknown = sorted(set(source.columns) - (set(table.columns()) - GIVEN_BY_THE_RUN))
    if unknown:
        near = [n for name in unknown for n in difflib.get_close_matches(name, table.columns(), n=1)]
        hint = f"; did you mean {', '.join(near)}?" if near else f"; its columns: docs/tables.md, {table.full_name()}"
        raise SettingsError(f"{key}.columns: {table.full_name()} has no column {', '.join(unknown)}{hint}")
    required = {n for n, c in table.columns().items() if c.required} - GIVEN_BY_THE_RUN - DERIVED.get(table, set())
    missing = sorted(required - set(source.columns))
    if missing:
        raise SettingsError(f"{key}.columns: say which column of the file holds {', '.join(missing)}")
    lists = [n for n, column in table.columns().items() if isinstance(column.type, T.ArrayType)]
    texts = sorted(n for n, mapping in source.columns.items() if mapping.split is not None and n not in lists)
    if texts:
        raise SettingsError(f"{key}.columns.{texts[0]}: split is for lists, and {texts[0]} is none")
    if source.discount_lines and (table is not OrderLines or source.distinct or source.by_rows):
        raise SettingsError(
            f"{key}.discount_lines is for order lines that are delivered by whole days, without distinct: a discount "
            "is taken off the other lines of its order"
        )
    if source.distinct and source.watermark_column:
        raise SettingsError(
            f"{key}: distinct needs all rows, and watermark_column reads what is new; leave one of them out"
        )
    if source.read == "new" and not may_read_what_is_new(table, source):
        raise SettingsError(
            f'{key}.read = "new" is for tables by days ({", ".join(t.name for t in SILVER if _by_days(t))}), without '
            'distinct and discount_lines, which need all rows; leave read out, or set it to "all"'
        )
    if source.latest_by and not source.distinct:
        raise SettingsError(f"{key}.latest_by chooses between rows of one key: it needs distinct = true")


def may_read_what_is_new(table: type[Table], source: SourceSettings) -> bool:
    """Whether the rows of a file of the source say the same whichever other files are read with it."""
    of_files = source.format in READ_BY_FILE and not source.by_rows
    return of_files and _by_days(table) and not source.distinct and source.discount_lines is None


def columns_that_tell_alike(table: type[Table], sources: Iterable[SourceSettings]) -> list[str]:
    """The columns by which rows of several files are judged together: the key, or the order whose lines we number."""
    return [OrderLines.order_id] if numbers_lines(table, sources) else list(table.key)


def numbers_lines(table: type[Table], sources: Iterable[SourceSettings]) -> bool:
    """Whether lines of orders are numbered here, and not by a source."""
    return table is OrderLines and any(OrderLines.line_no not in source.columns for source in sources)


def source_columns(source: SourceSettings) -> list[str]:
    """The columns that the source itself must have: what the mapping uses and does not make on the way."""
    wanted = [c for column in source.columns.values() for c in column.sources()]
    wanted += [condition.column for condition in source.where]
    wanted += [source.discount_lines.column] if source.discount_lines else []
    wanted += [ours for lookup in source.lookups for ours in lookup.keys]
    wanted += [source.latest_by] if source.latest_by else []
    made = {new for lookup in source.lookups for new in lookup.columns}
    if source.unpivot:
        made |= {source.unpivot.name, source.unpivot.value}
    return [c for c in dict.fromkeys(wanted) if c not in made]


def columns_made_of_ids(table: type[Table], source: SourceSettings) -> list[str]:
    """Our columns whose text leads back to a person, beside those that are the person's id itself.

    Those that the mapping makes of a column that is a person's id too, and digests of the whole row.
    """
    personal = table.personal()
    leading_back = (Personal.IDENTIFIER, Personal.SHARED, Personal.DIRECT)
    identifying = {name for name, kind in personal.items() if kind in leading_back}
    ids = {column for name in identifying & source.columns.keys() for column in source.columns[name].sources()}
    made_of_ids = [
        name
        for name, mapping in source.columns.items()
        if name not in identifying and isinstance(table.type_of(name), T.StringType) and ids & set(mapping.sources())
    ]
    digest = _ROW_DIGEST.get(table)
    return [*made_of_ids, *([digest] if digest and digest not in source.columns else [])]


def unpivoted_column(source: SourceSettings) -> Callable[[str], bool]:
    """Tells of a column's name whether the source unpivots it."""
    unpivot = source.unpivot
    if unpivot is None:
        return lambda _: False
    if unpivot.prefix:
        return lambda c: c.startswith(unpivot.prefix)
    return lambda c: c not in unpivot.except_columns


def mapped(
    table: type[Table], raw: DataFrame, source: SourceSettings, seconds: list[DataFrame], timezone: str
) -> DataFrame:
    """One candidate per row that the source gives. Raw rows and those of its lookups → candidates.

    Unpivoted, a row gives one per column; with `distinct`, one per key of the table. What `where` leaves out
    counts as blank.
    """
    raw, values, parsed = _read(table, raw, source, seconds, timezone)
    if source.discount_lines:
        told = {DISCOUNT_LINE: F.coalesce(holds(source.discount_lines), F.lit(False))}
        return without_discount_lines(candidates(table, raw, values, parsed, told))
    if not source.distinct:
        return candidates(table, raw, values, parsed)
    latest = {reshaping.LATEST: F.col(f"`{source.latest_by}`")} if source.latest_by else {}
    return reshaping.folded(table, candidates(table, raw, values, parsed, latest), list(values))


def unread_values(
    table: type[Table], raw: DataFrame, source: SourceSettings, seconds: list[DataFrame], timezone: str
) -> DataFrame:
    """One row per value that is there but does not parse. Raw rows and those of lookups → UnreadValue.

    Personal columns are left out: such a value may be shown to nobody.
    """
    raw, values, parsed = _read(table, raw, source, seconds, timezone)
    shown = [c for c in values if c not in table.personal()]
    texts = F.create_map(*[part for c in shown for part in (F.lit(c), values[c].cast("string"))])
    rows = candidates(table, raw, values, parsed, {UnreadValue.text: texts}).filter(~F.col(RawRow.blank))
    rows = rows.filter(~F.col(RawRow.broken)).withColumn(UnreadValue.column, F.explode(IncomingRow.unparsed))
    text = F.try_element_at(F.col(UnreadValue.text), F.col(UnreadValue.column))
    return UnreadValue.shaped(rows.withColumn(UnreadValue.text, text))


def row_digest(raw: DataFrame) -> Column:
    """The digest of the whole row as it came: the same for the same row, whenever it is read."""
    return F.sha2(reshaping.raw_text(raw), 256)


def _read(
    table: type[Table], raw: DataFrame, source: SourceSettings, seconds: list[DataFrame], timezone: str
) -> tuple[DataFrame, dict[str, Column], dict[str, Column]]:
    """The raw rows as they are to be read, and our columns from them: as text or as stored, and in their type."""
    if source.unpivot:
        named = set(source_columns(source))
        chosen = unpivoted_column(source)
        wide = [c for c in raw.columns if c not in named.union(BESIDE) and chosen(c)]
        raw = reshaping.unpivoted(raw, wide, source.unpivot.name, source.unpivot.value)
    for lookup, second in zip(source.lookups, seconds, strict=True):
        raw = reshaping.looked_up(raw, second, lookup.keys, lookup.columns)
    raw = reshaping.with_left_out_blank(raw, source.where)
    times = TimeFormats(source.timestamp_format, source.date_format, source.timezone or timezone, timezone)
    values: dict[str, Column] = {}
    parsed: dict[str, Column] = {}
    for ours, mapping in source.columns.items():
        if table is OrderLines and ours in _DISCOUNTS and mapping.default is None:
            mapping = mapping.model_copy(update={"default": _NO_DISCOUNT})
        values[ours], read = column_value(mapping, raw, table.columns()[ours].type, times)
        if read is not None:
            parsed[ours] = read
    if table is OrderLines:
        raw = _completed_lines(raw, values, parsed, timezone, source.equal_rows == "pieces")
    elif table is Events:
        _fill(Events.event_date, _business_day(Events.ts, values, parsed, timezone), raw, values, parsed)
    elif table is Inventory:
        values.setdefault(Inventory.store_id, F.lit("all"))
    elif table is IdentityMap:
        values.setdefault(IdentityMap.channel, F.lit("*"))
    if table in _ROW_DIGEST:
        values.setdefault(_ROW_DIGEST[table], row_digest(raw))
    return raw, values, parsed


def _by_days(table: type[Table]) -> bool:
    return table.write_mode is WriteMode.REPLACE_DAYS


def _business_day(ts: str, values: Mapping[str, Column], parsed: Mapping[str, Column], timezone: str) -> Column:
    instant = parsed.get(ts, values[ts].try_cast("timestamp"))
    return F.to_date(instant if timezone == "UTC" else F.from_utc_timestamp(instant, timezone))


def _fill(column: str, value: Column, raw: DataFrame, values: dict[str, Column], parsed: dict[str, Column]) -> None:
    """Gives a column the value in rows that leave it blank: in all rows, where the mapping does not name it."""
    if column not in values:
        values[column] = value
        return
    given = values[column]
    if column in parsed:
        parsed[column] = F.when(given.isNull(), value).otherwise(parsed[column])
    values[column] = F.coalesce(given, value.cast(raw.select(given).schema[0].dataType))


def _completed_lines(
    raw: DataFrame, values: dict[str, Column], parsed: dict[str, Column], timezone: str, pieces: bool
) -> DataFrame:
    """What order lines need and files seldom say: numbers within the order, business day, list amount.

    A day or list amount that a row leaves blank follows from its other columns, as where no column is mapped.
    Equal lines of an order share a number, so that a doubled one is seen; as pieces each has its own.
    """
    for discount in _DISCOUNTS:
        values.setdefault(discount, F.lit(0))
    quantity, *money = [
        parsed.get(c, values[c].try_cast("decimal(18,6)")).cast("decimal(24,6)")
        for c in (
            OrderLines.quantity,
            OrderLines.amount_paid,
            OrderLines.discount_retail,
            OrderLines.discount_coupon_match,
        )
    ]
    # Of a return all money is given back, whatever the signs that the source writes.
    sizes = F.abs(money[0]) + F.abs(money[1]) + F.abs(money[2])
    listed = F.when(quantity < 0, -sizes).otherwise(money[0] + money[1] + money[2])
    _fill(OrderLines.list_amount, listed, raw, values, parsed)
    _fill(OrderLines.order_date, _business_day(OrderLines.ts, values, parsed, timezone), raw, values, parsed)
    if OrderLines.line_no not in values:
        raw = raw.withColumn(_ORDER, values[OrderLines.order_id].cast("string"))
        by_columns = [F.col(f"`{c}`") for c in sorted(c for c in raw.columns if c not in (*BESIDE, _ORDER))]
        in_order = Window.partitionBy(_ORDER).orderBy(*by_columns, RawRow.file)
        same = Window.partitionBy(_ORDER).orderBy(*by_columns)
        raw = raw.withColumn(_LINE, F.row_number().over(in_order) if pieces else F.dense_rank().over(same))
        values[OrderLines.line_no] = F.col(_LINE)
    return raw
