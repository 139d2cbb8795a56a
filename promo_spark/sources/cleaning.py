"""Cleaning by policy, column by column: missing values filled, outliers marked, cut to a fence or rejected.

A row keeps what it had: `cleaned` names each column whose value was filled or changed, with what it was. What a
check of the column rejects is never rescued: it shapes no statistic and stays for the check to reject. Copies of a
row count once, so that a delivery that comes twice is cleaned like one. Cleaning what is clean changes nothing:
a cut value lies within the fence, and a fence stays where it was when what lay beyond is cut to it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T
from pyspark.sql.window import Window

from promo_spark.contracts.raw_rows import IncomingRow, RawRow
from promo_spark.contracts.schema import Personal, Table, WriteMode
from promo_spark.contracts.silver import CLEANED_TYPE, SILVER, OrderLines, PromoCalendar
from promo_spark.errors import SettingsError
from promo_spark.settings.ingest import ColumnCleaning, IngestSettings, MostlyMissing
from promo_spark.sources.checks.own_checks import typed_literal
from promo_spark.sources.checks.rules import CLEANED, REJECT, WARN, Rule
from promo_spark.sources.incoming import GIVEN_BY_THE_RUN, fenced

_PER_DEVIATION = 1.4826  # of a normal distribution: the standard deviation in median absolute deviations
_LONGEST_PROMOTION = 366  # days; a longer placement says nothing of a single day
_FIXED_POINT = T.DecimalType(28, 9)
_MONEY_BOOKED = (
    OrderLines.amount_paid,
    OrderLines.list_amount,
    OrderLines.discount_retail,
    OrderLines.discount_coupon,
    OrderLines.discount_coupon_match,
)
_VALUE, _EXACT, _PROMOTED, _EARLIER, _CARRIED = "_value", "_exact", "_promoted", "_earlier", "_carried"


@dataclass(frozen=True)
class Plan:
    """What settings say of a table's columns; `constants` in the types of their columns."""

    columns: Mapping[str, ColumnCleaning]
    constants: Mapping[str, Any]
    mostly_missing: MostlyMissing | None = None

    @property
    def looks_at_promotions(self) -> bool:
        """Whether it matters which order lines were sold on promotion."""
        return any(how.outliers != "keep" and how.spare_promotions for how in self.columns.values())


def plans(settings: IngestSettings) -> dict[type[Table], Plan]:
    """The plan of each table that is cleaned. Raises SettingsError for what cannot be, naming the key."""
    cleanable = {t.name: t for t in SILVER if CLEANED in t.columns()}
    found = {}
    for name in dict.fromkeys((*settings.cleaning, *settings.mostly_missing)):
        key = "ingest.cleaning" if name in settings.cleaning else "ingest.mostly_missing"
        if name not in cleanable:
            raise SettingsError(f"{key}.{name}: the tables that can be cleaned are: {', '.join(cleanable)}")
        found[cleanable[name]] = _plan(
            cleanable[name], settings.cleaning.get(name, {}), settings.mostly_missing.get(name)
        )
    return found


def rules(table: type[Table], plan: Plan) -> list[Rule]:
    """What cleaning found, as rules that cleaned rows are judged by."""
    found = []
    for column, how in plan.columns.items():
        required, outlier = table.columns()[column].required, _outlier(column, how)
        if how.missing == "drop" and not required:
            found.append(Rule(f"missing_{column}", f"{column} has no value", REJECT, _missing(column), column))
        elif how.missing not in ("keep", "drop"):
            told = f"{column} had no value and was given one: {_told(how)}"
            found.append(Rule(_filled(column), told, WARN, F.col(_filled(column)), column))
        if how.outliers != "keep":
            told = f"{column} is beyond the fence" + (": cut to it" if how.outliers == "winsorise" else "")
            found.append(Rule(outlier, told, REJECT if how.outliers == "drop" else WARN, F.col(outlier), column))
    if plan.mostly_missing:
        named, share = plan.mostly_missing.columns, plan.mostly_missing.max_share
        missing = functools.reduce(Column.__add__, [F.col(c).isNull().cast("int") for c in named])
        told = f"of {', '.join(named)} more than {share:.0%} have no value"
        found.append(Rule("mostly_missing", told, REJECT, missing > F.lit(share * len(named))))
    return found


def promoted_days(calendar: DataFrame) -> DataFrame:
    """One row per product and day on which it was on promotion. Placements → days."""
    days = F.datediff(PromoCalendar.end_date, PromoCalendar.start_date)
    told = calendar.filter(days.between(0, _LONGEST_PROMOTION) & F.col(PromoCalendar.product_id).isNotNull())
    each = F.explode(F.sequence(PromoCalendar.start_date, PromoCalendar.end_date))
    return told.select(PromoCalendar.product_id, each.alias("day")).distinct()


def beside(table: type[Table], own: DataFrame, rows: DataFrame, by_key: bool) -> DataFrame | None:
    """The table's rows that the delivery leaves as they are, with the values they came with. Silver → silver.

    None where the delivery replaces all. What it replaces takes no part, so that the same delivery again finds
    the same rows beside it.
    """
    if table.write_mode is WriteMode.OVERWRITE:
        return None
    by_days = table.write_mode is WriteMode.REPLACE_DAYS and not by_key
    replaced = list(table.partition[:1] if by_days else table.key)
    kept = own.join(rows.select(*replaced).distinct(), on=replaced, how="left_anti")
    return kept.withColumns(
        {
            c: _as_it_came(c, col.type)
            for c, col in table.columns().items()
            if c not in table.key and c not in GIVEN_BY_THE_RUN
        }
    )


def cleaned(
    table: type[Table],
    rows: DataFrame,
    plan: Plan,
    by: Sequence[Rule],
    earlier: DataFrame | None = None,
    promoted: DataFrame | None = None,
) -> DataFrame:
    """The candidates with values filled and cut, `cleaned`, and a mark per rule of the plan. Candidates → candidates.

    `by` are the checks of the table, `earlier` its rows that the delivery leaves alone, `promoted` the products and
    days on promotion. Statistics are of the rows and the earlier ones together, as they came, each copy once; a row
    that has no value in one of the `within` columns is left as it is. Every statistic reads the rows anew: keep them.
    """
    names = list(rows.columns)
    earlier = (rows.limit(0) if earlier is None else earlier).withColumns(
        {RawRow.blank: F.lit(False), RawRow.broken: F.lit(False)}
    )
    if table is OrderLines and plan.looks_at_promotions:
        rows, earlier = (_with_promotion(of, promoted) for of in (rows, earlier))
    columns = [
        _Column(table, name, how, _passes(by, name), plan.constants.get(name)) for name, how in plan.columns.items()
    ]
    found = rows
    for column in columns:
        usual = rows.filter(column.usable()).unionByName(earlier.filter(column.known()), allowMissingColumns=True)
        found = column.with_statistics(found, usual)
        if column.how.missing == "forward_fill":
            found = column.with_last_value(found, earlier)
    values = {RawRow.broken: fenced(F.col(RawRow.broken))} | {c.name: c.value() for c in columns}
    changed = F.array_compact(F.array(*[c.change() for c in columns]))
    told = F.when(F.size(changed) > 0, changed.cast(CLEANED_TYPE)) if columns else F.lit(None).cast(CLEANED_TYPE)
    return found.select(
        *[values[n].alias(n) if n in values else F.col(n) for n in names],
        told.alias(CLEANED),
        *[mark.alias(name) for c in columns for name, mark in c.marks().items()],
    )


@dataclass(frozen=True)
class _Column:
    """What is done to one column: each part of it as a Column of rows that have its statistics."""

    table: type[Table]
    name: str
    how: ColumnCleaning
    passes: Column
    constant: Any

    @property
    def kind(self) -> T.DataType:
        return self.table.columns()[self.name].type

    @property
    def lower(self) -> str:
        return f"_lower_{self.name}"

    @property
    def upper(self) -> str:
        return f"_upper_{self.name}"

    @property
    def fill(self) -> str:
        return f"_fill_{self.name}"

    def known(self) -> Column:
        return F.col(self.name).isNotNull() & ~F.col(RawRow.blank) & ~F.col(RawRow.broken)

    def usable(self) -> Column:
        """Whether there is a value that no check of the column rejects: only such a value is cut or shapes anything."""
        return self.known() & self.passes

    def spared(self) -> Column:
        return F.col(_PROMOTED) if self.table is OrderLines and self.how.spare_promotions else F.lit(False)

    def outlier(self) -> Column:
        if self.how.outliers == "keep":
            return F.lit(False)
        value = F.col(self.name)
        beyond = (value < F.col(self.lower)) | (value > F.col(self.upper))
        judged = value > 0 if self.how.log else F.lit(True)
        return F.coalesce(self.known() & ~self.spared() & judged & beyond, F.lit(False))

    def inside(self) -> Column:
        """The value, cut to the fence where it is an outlier."""
        if self.how.outliers == "keep":
            return F.col(self.name)
        cut = F.least(F.greatest(F.col(self.name), F.col(self.lower)), F.col(self.upper))
        return F.when(self.outlier(), cut).otherwise(F.col(self.name)).cast(self.kind)

    def is_cut(self) -> Column:
        return self.passes & self.outlier() if self.how.outliers == "winsorise" else F.lit(False)

    def is_filled(self) -> Column:
        return _missing(self.name) & ~F.col(RawRow.blank) & ~F.col(RawRow.broken) & self.filling().isNotNull()

    def filling(self) -> Column:
        if self.how.missing == "constant":
            return F.lit(self.constant).cast(self.kind)
        return F.lit(None).cast(self.kind) if self.how.missing in ("keep", "drop") else F.col(self.fill)

    def value(self) -> Column:
        """The value as it goes on."""
        return F.when(self.is_filled(), self.filling()).when(self.is_cut(), self.inside()).otherwise(F.col(self.name))

    def change(self) -> Column:
        """What `cleaned` says of the column; null where nothing was changed."""
        was = F.struct(F.lit(self.name).alias("column"), F.col(self.name).cast("string").alias("was"))
        return F.when(self.is_filled() | self.is_cut(), was)

    def marks(self) -> dict[str, Column]:
        return {_filled(self.name): self.is_filled(), _outlier(self.name, self.how): self.passes & self.outlier()}

    def with_statistics(self, rows: DataFrame, usual: DataFrame) -> DataFrame:
        """The rows with the fences of the column and what fills it, from the usual rows."""
        if self.how.outliers != "keep":
            fences = self.fences(self.distinct(usual.filter(~self.spared()), self.how.log))
            rows, usual = _joined(rows, fences, self.how), _joined(usual, fences, self.how)
        if self.how.missing in ("mean", "median"):
            inside = usual.withColumn(self.name, self.inside())
            rows = _joined(rows, self.averages(self.distinct(inside, log=False)), self.how)
        return rows

    def distinct(self, rows: DataFrame, log: bool) -> DataFrame:
        """The values with what they are within, each row's once however often it came."""
        value = F.ln(F.col(self.name).cast("double")) if log else F.col(self.name).cast("double")
        keys = list(dict.fromkeys([*self.how.within, *self.table.key]))
        found = rows.select(*keys, F.col(self.name).alias(_EXACT), value.alias(_VALUE))
        return found.filter(F.col(_VALUE).isNotNull()).distinct()

    def fences(self, values: DataFrame) -> DataFrame:
        """The least and the largest value that is none too small or large, per `within`."""
        low, high = (F.exp("_low"), F.exp("_high")) if self.how.log else (F.col("_low"), F.col("_high"))
        enough = F.when(F.col("_values") >= self.how.least_values, F.lit(True))
        return (_quantiles if self.how.quantiles else _robust)(values, self.how).select(
            *self.how.within,
            F.when(enough, _in_type(low, self.kind, _up)).alias(self.lower),
            F.when(enough, _in_type(high, self.kind, _down)).alias(self.upper),
        )

    def averages(self, values: DataFrame) -> DataFrame:
        """What a missing value becomes, per `within`; a mean is summed exactly, in whatever order."""
        average = F.avg(F.col(_EXACT).cast(_FIXED_POINT)) if self.how.missing == "mean" else F.median(_VALUE)
        return values.groupBy(*self.how.within).agg(_in_type(average, self.kind, F.round).alias(self.fill))

    def with_last_value(self, rows: DataFrame, earlier: DataFrame) -> DataFrame:
        """The rows with the value of the last row before them in their series that has one."""
        how = self.how
        kept = F.when(self.usable(), self.inside())
        marked = rows.withColumns({_EARLIER: F.lit(False), _CARRIED: kept})
        needed = dict.fromkeys([*self.table.key, *how.within, how.order_by, self.name])
        before = earlier.select(*needed).withColumns({_EARLIER: F.lit(True), _CARRIED: F.col(self.name)})
        both = marked.unionByName(before, allowMissingColumns=True)
        order = [F.col(c).asc_nulls_first() for c in dict.fromkeys([how.order_by, *self.table.key, self.name])]
        series = Window.partitionBy(*how.within).orderBy(*order, F.col(RawRow.file).asc_nulls_first())
        upto = series.rowsBetween(Window.unboundedPreceding, Window.currentRow)
        last = F.last(F.when(F.col(how.order_by).isNotNull(), F.col(_CARRIED)), ignorenulls=True).over(upto)
        told = functools.reduce(Column.__and__, [F.col(c).isNotNull() for c in (how.order_by, *how.within)])
        return both.withColumn(self.fill, F.when(told, last)).filter(~F.col(_EARLIER)).drop(_EARLIER, _CARRIED)


def _plan(table: type[Table], columns: Mapping[str, ColumnCleaning], mostly_missing: MostlyMissing | None) -> Plan:
    constants = {}
    known = {n: c for n, c in table.columns().items() if n not in GIVEN_BY_THE_RUN}
    for column, how in columns.items():
        key = f"ingest.cleaning.{table.name}.{column}"
        named = [column, *how.within, *([how.order_by] if how.order_by else [])]
        unknown = [c for c in named if c not in known]
        if unknown:
            raise SettingsError(
                f"{key}: {table.full_name()} has no column {', '.join(unknown)}; it has: {', '.join(known)}"
            )
        if column in (*table.key, *table.partition) or known[column].personal in (
            Personal.IDENTIFIER,
            Personal.FREE_TEXT,
        ):
            raise SettingsError(f"{key}: what tells rows, days or persons apart or was typed by them is not cleaned")
        number = isinstance(known[column].type, T.NumericType)
        if not number and (how.missing in ("mean", "median") or how.outliers != "keep"):
            raise SettingsError(
                f"{key}: the column is no number, so it has no mean, median or outliers; its missing "
                "values can be constant, forward_fill, drop or keep"
            )
        changes = how.missing not in ("keep", "drop") or how.outliers == "winsorise"
        if table is OrderLines and column in _MONEY_BOOKED and changes:
            raise SettingsError(
                f"{key}: money that was booked is not made up; its outliers can be flag or drop, its "
                "missing values drop or keep"
            )
        if how.constant is not None:
            constants[column] = typed_literal(key, how.constant, known[column])
    if mostly_missing:
        unknown = [c for c in mostly_missing.columns if c not in known]
        if unknown:
            raise SettingsError(
                f"ingest.mostly_missing.{table.name}: {table.full_name()} has no column "
                f"{', '.join(unknown)}; it has: {', '.join(known)}"
            )
    return Plan(columns, constants, mostly_missing)


def _quantiles(values: DataFrame, how: ColumnCleaning) -> DataFrame:
    """The values at two ranks themselves, nothing between two: cut to them, the values have the same ranks again."""
    counted = values.groupBy(*how.within, _VALUE).agg(F.count(F.lit(1)).alias("_times"))
    within = Window.partitionBy(*how.within)
    counted = counted.withColumns(
        {
            "_upto": F.sum("_times").over(within.orderBy(_VALUE)),
            "_values": F.sum("_times").over(within),
        }
    )
    lower, upper = (
        F.min(F.when(F.col("_upto") >= F.lit(q) * F.col("_values"), F.col(_VALUE))) for q in how.quantiles or ()
    )
    return counted.groupBy(*how.within).agg(
        lower.alias("_low"), upper.alias("_high"), F.max("_values").alias("_values")
    )


def _robust(values: DataFrame, how: ColumnCleaning) -> DataFrame:
    """So many robust deviations on both sides of the median."""
    assert how.robust_z is not None  # settings allow no outliers without a fence
    centres = values.groupBy(*how.within).agg(F.median(_VALUE).alias("_centre"), F.count(F.lit(1)).alias("_values"))
    away = F.abs(F.col(_VALUE) - F.col("_centre"))
    # Where more than half of the values are the same, the deviations of the others tell.
    spread = (
        _joined(values, centres, how)
        .groupBy(*how.within, "_centre", "_values")
        .agg(F.median(away).alias("_of_all"), F.median(F.when(away > 0, away)).alias("_of_others"))
    )
    deviation = F.when(F.col("_of_all") > 0, F.col("_of_all")).otherwise(F.col("_of_others"))
    reach = how.robust_z * _PER_DEVIATION * deviation
    return spread.withColumns({"_low": F.col("_centre") - reach, "_high": F.col("_centre") + reach})


def _in_type(value: Column, kind: T.DataType, rounded: Callable[[Column, int], Column]) -> Column:
    """A statistic in the column's type, rounded to its scale."""
    if isinstance(kind, T.DoubleType | T.FloatType):
        return value.cast(kind)
    scale = kind.scale if isinstance(kind, T.DecimalType) else 0
    return rounded(value.cast(_FIXED_POINT), scale).try_cast(kind)


# Fences are rounded to their inner side. The exponential of a logarithm misses a value by a little: that is no reason
# to cut a value to the next lower.
def _up(fence: Column, scale: int) -> Column:
    return F.ceil(F.round(fence, 6), F.lit(scale))


def _down(fence: Column, scale: int) -> Column:
    return F.floor(F.round(fence, 6), F.lit(scale))


def _joined(rows: DataFrame, statistics: DataFrame, how: ColumnCleaning) -> DataFrame:
    """The rows with the statistics of what they are within; null where there are none."""
    if not how.within:
        return rows.crossJoin(F.broadcast(statistics))  # one row, also of no values
    names = {c: f"_within_{c}" for c in how.within}
    same = functools.reduce(Column.__and__, [F.col(c) == F.col(n) for c, n in names.items()])
    return rows.join(statistics.withColumnsRenamed(names), same, how="left").drop(*names.values())


def _with_promotion(rows: DataFrame, promoted: DataFrame | None) -> DataFrame:
    """Order lines with a mark on those sold on promotion: with a discount, or on a day in the promotion calendar."""
    discounts = (OrderLines.discount_retail, OrderLines.discount_coupon, OrderLines.discount_coupon_match)
    reduced = functools.reduce(Column.__or__, [F.coalesce(F.col(c) > 0, F.lit(False)) for c in discounts])
    if promoted is None:
        return rows.withColumn(_PROMOTED, reduced)
    days = promoted.select(F.col("product_id").alias("_promoted_product"), F.col("day").alias("_promoted_day"))
    on = (F.col(OrderLines.product_id) == F.col("_promoted_product")) & (
        F.col(OrderLines.order_date) == F.col("_promoted_day")
    )
    joined = rows.join(days, on, how="left")
    announced = F.col("_promoted_day").isNotNull()
    return joined.withColumn(_PROMOTED, reduced | announced).drop("_promoted_product", "_promoted_day")


def _passes(by: Sequence[Rule], column: str) -> Column:
    """Whether no check of the column, but that a value is there at all, rejects the row."""
    own = [
        r.fails
        for r in by
        if r.column == column
        and r.criticality == REJECT
        and r.fails is not None
        and r.ids is None
        and r.name != f"missing_{column}"
    ]
    return ~functools.reduce(Column.__or__, own, F.lit(False))


def _missing(column: str) -> Column:
    """Whether there was no value; one that does not parse is there."""
    return F.col(column).isNull() & ~(
        (F.size(IncomingRow.unparsed) > 0) & F.array_contains(IncomingRow.unparsed, column)
    )


def _as_it_came(column: str, kind: T.DataType) -> Column:
    changed = F.filter(CLEANED, lambda change: change["column"] == column)
    was = F.try_element_at(changed, F.lit(1))["was"].try_cast(kind)
    return F.when(F.coalesce(F.size(changed) > 0, F.lit(False)), was).otherwise(F.col(column))


def _filled(column: str) -> str:
    return f"filled_{column}"


def _outlier(column: str, how: ColumnCleaning) -> str:
    return f"winsorised_{column}" if how.outliers == "winsorise" else f"outlier_{column}"


def _told(how: ColumnCleaning) -> str:
    within = f" within {', '.join(how.within)}" if how.within else ""
    return {
        "mean": f"the mean{within}",
        "median": f"the median{within}",
        "constant": f"{how.constant!r}",
        "forward_fill": f"the last value before, along {how.order_by}{within}",
    }[how.missing]
