"""Values filled and cut by the plan of a table, each with what it was."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T
from pyspark.sql.window import Window

from promo_spark.contracts.raw_rows import RawRow
from promo_spark.contracts.schema import Col, Frame, Table, WriteMode
from promo_spark.contracts.silver import CHANGE, CLEANED_TYPE, OrderLines, PromoCalendar
from promo_spark.settings.ingest import ColumnCleaning
from promo_spark.sources.checks.rules import CLEANED, REJECT, Rule
from promo_spark.sources.cleaning.fences import (
    FIXED_POINT,
    Fence,
    ValueOf,
    around_the_median,
    between_quantiles,
    in_type,
    rounded_down,
    rounded_up,
    with_statistics,
)
from promo_spark.sources.cleaning.plans import Plan, filled_mark, is_missing, outlier_mark
from promo_spark.sources.incoming import GIVEN_BY_THE_RUN, fenced

_LONGEST_PROMOTION = 366  # days; a longer placement says nothing of a single day


class _Cleaned(Frame):
    """What a row has beside its columns while they are cleaned."""

    promoted = Col(T.BooleanType(), "whether the order line was sold on promotion", name="_promoted")
    earlier = Col(T.BooleanType(), "whether the row was taken in before", name="_earlier")
    carried = Col(T.DoubleType(), "the value that a later row of its series may get", name="_carried")


class PromotedDay(Frame):
    """One row per product and day on which it was on promotion."""

    product_id = Col(T.StringType(), "the product", name="_promoted_product")
    day = Col(T.DateType(), "the day", name="_promoted_day")


def promoted_days(calendar: DataFrame) -> DataFrame:
    """One row per product and day on which it was on promotion. Placements → days."""
    days = F.datediff(PromoCalendar.end_date, PromoCalendar.start_date)
    dated = calendar.filter(days.between(0, _LONGEST_PROMOTION) & F.col(PromoCalendar.product_id).isNotNull())
    each = F.explode(F.sequence(PromoCalendar.start_date, PromoCalendar.end_date))
    product = F.col(PromoCalendar.product_id).alias(PromotedDay.product_id)
    return dated.select(product, each.alias(PromotedDay.day)).distinct()


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
    with_all = rows
    for column in columns:
        usual = rows.filter(column.usable()).unionByName(earlier.filter(column.has_value()), allowMissingColumns=True)
        with_all = column.judged_by_others(with_all, usual)
        if column.how.missing == "forward_fill":
            with_all = column.with_last_value(with_all, earlier)
    values = {RawRow.broken: fenced(F.col(RawRow.broken))} | {c.name: c.value() for c in columns}
    changed = F.array_compact(F.array(*[c.change() for c in columns]))
    changes = F.when(F.size(changed) > 0, changed.cast(CLEANED_TYPE)) if columns else F.lit(None).cast(CLEANED_TYPE)
    return with_all.select(
        *[values[n].alias(n) if n in values else F.col(n) for n in names],
        changes.alias(CLEANED),
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

    def has_value(self) -> Column:
        return F.col(self.name).isNotNull() & ~F.col(RawRow.blank) & ~F.col(RawRow.broken)

    def usable(self) -> Column:
        """Whether there is a value that no check of the column rejects: only such a value is cut or shapes anything."""
        return self.has_value() & self.passes

    def spared(self) -> Column:
        return F.col(_Cleaned.promoted) if self.table is OrderLines and self.how.spare_promotions else F.lit(False)

    def outlier(self) -> Column:
        if self.how.outliers == "keep":
            return F.lit(False)
        value = F.col(self.name)
        beyond = (value < F.col(self.lower)) | (value > F.col(self.upper))
        judged = value > 0 if self.how.log else F.lit(True)
        return F.coalesce(self.has_value() & ~self.spared() & judged & beyond, F.lit(False))

    def inside(self) -> Column:
        """The value, cut to the fence where it is an outlier."""
        if self.how.outliers == "keep":
            return F.col(self.name)
        cut = F.least(F.greatest(F.col(self.name), F.col(self.lower)), F.col(self.upper))
        return F.when(self.outlier(), cut).otherwise(F.col(self.name)).cast(self.kind)

    def is_cut(self) -> Column:
        return self.passes & self.outlier() if self.how.outliers == "winsorise" else F.lit(False)

    def is_filled(self) -> Column:
        return is_missing(self.name) & ~F.col(RawRow.blank) & ~F.col(RawRow.broken) & self.filling().isNotNull()

    def filling(self) -> Column:
        if self.how.missing == "constant":
            return F.lit(self.constant).cast(self.kind)
        return F.lit(None).cast(self.kind) if self.how.missing in ("keep", "drop") else F.col(self.fill)

    def value(self) -> Column:
        """The value as it goes on."""
        return F.when(self.is_filled(), self.filling()).when(self.is_cut(), self.inside()).otherwise(F.col(self.name))

    def change(self) -> Column:
        """What `cleaned` says of the column; null where nothing was changed."""
        was = F.struct(F.lit(self.name).alias(CHANGE.names[0]), F.col(self.name).cast("string").alias(CHANGE.names[1]))
        return F.when(self.is_filled() | self.is_cut(), was)

    def marks(self) -> dict[str, Column]:
        return {
            filled_mark(self.name): self.is_filled(),
            outlier_mark(self.name, self.how): self.passes & self.outlier(),
        }

    def judged_by_others(self, rows: DataFrame, usual: DataFrame) -> DataFrame:
        """The rows with the fences of the column and what fills it, from the usual rows."""
        if self.how.outliers != "keep":
            fences = self.fences(self.distinct(usual.filter(~self.spared()), self.how.log))
            rows, usual = with_statistics(rows, fences, self.how), with_statistics(usual, fences, self.how)
        if self.how.missing in ("mean", "median"):
            inside = usual.withColumn(self.name, self.inside())
            rows = with_statistics(rows, self.averages(self.distinct(inside, log=False)), self.how)
        return rows

    def distinct(self, rows: DataFrame, log: bool) -> DataFrame:
        """The values with what they are within, each row's once however often it came."""
        value = F.ln(F.col(self.name).cast("double")) if log else F.col(self.name).cast("double")
        keys = list(dict.fromkeys([*self.how.within, *self.table.key]))
        values = rows.select(*keys, F.col(self.name).alias(ValueOf.exact), value.alias(ValueOf.value))
        return values.filter(F.col(ValueOf.value).isNotNull()).distinct()

    def fences(self, values: DataFrame) -> DataFrame:
        """The least and the largest value that is none too small or large, per `within`."""
        low, high = (F.exp(Fence.low), F.exp(Fence.high)) if self.how.log else (F.col(Fence.low), F.col(Fence.high))
        enough = F.when(F.col(Fence.values) >= self.how.least_values, F.lit(True))
        return (between_quantiles if self.how.quantiles else around_the_median)(values, self.how).select(
            *self.how.within,
            F.when(enough, in_type(low, self.kind, rounded_up)).alias(self.lower),
            F.when(enough, in_type(high, self.kind, rounded_down)).alias(self.upper),
        )

    def averages(self, values: DataFrame) -> DataFrame:
        """What a missing value becomes, per `within`; a mean is summed exactly, in whatever order."""
        average = (
            F.avg(F.col(ValueOf.exact).cast(FIXED_POINT)) if self.how.missing == "mean" else F.median(ValueOf.value)
        )
        return values.groupBy(*self.how.within).agg(in_type(average, self.kind, F.round).alias(self.fill))

    def with_last_value(self, rows: DataFrame, earlier: DataFrame) -> DataFrame:
        """The rows with the value of the last row before them in their series that has one."""
        how = self.how
        kept = F.when(self.usable(), self.inside())
        marked = rows.withColumns({_Cleaned.earlier: F.lit(False), _Cleaned.carried: kept})
        needed = dict.fromkeys([*self.table.key, *how.within, how.order_by, self.name])
        before = earlier.select(*needed).withColumns(
            {_Cleaned.earlier: F.lit(True), _Cleaned.carried: F.col(self.name)}
        )
        both = marked.unionByName(before, allowMissingColumns=True)
        order = [F.col(c).asc_nulls_first() for c in dict.fromkeys([how.order_by, *self.table.key, self.name])]
        series = Window.partitionBy(*how.within).orderBy(*order, F.col(RawRow.file).asc_nulls_first())
        upto = series.rowsBetween(Window.unboundedPreceding, Window.currentRow)
        last = F.last(F.when(F.col(how.order_by).isNotNull(), F.col(_Cleaned.carried)), ignorenulls=True).over(upto)
        placed = functools.reduce(Column.__and__, [F.col(c).isNotNull() for c in (how.order_by, *how.within)])
        return (
            both.withColumn(self.fill, F.when(placed, last))
            .filter(~F.col(_Cleaned.earlier))
            .drop(_Cleaned.earlier, _Cleaned.carried)
        )


def _with_promotion(rows: DataFrame, promoted: DataFrame | None) -> DataFrame:
    """Order lines with a mark on those sold on promotion: with a discount, or on a day in the promotion calendar."""
    discounts = (OrderLines.discount_retail, OrderLines.discount_coupon, OrderLines.discount_coupon_match)
    reduced = functools.reduce(Column.__or__, [F.coalesce(F.col(c) > 0, F.lit(False)) for c in discounts])
    if promoted is None:
        return rows.withColumn(_Cleaned.promoted, reduced)
    on = (F.col(OrderLines.product_id) == F.col(PromotedDay.product_id)) & (
        F.col(OrderLines.order_date) == F.col(PromotedDay.day)
    )
    joined = rows.join(promoted, on, how="left")
    announced = F.col(PromotedDay.day).isNotNull()
    return joined.withColumn(_Cleaned.promoted, reduced | announced).drop(PromotedDay.product_id, PromotedDay.day)


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


def _as_it_came(column: str, kind: T.DataType) -> Column:
    if isinstance(kind, T.ArrayType):
        return F.col(column)  # lists are not cleaned
    changed = F.filter(CLEANED, lambda change: change[CHANGE.names[0]] == column)
    was = F.try_element_at(changed, F.lit(1))[CHANGE.names[1]].try_cast(kind)
    return F.when(F.coalesce(F.size(changed) > 0, F.lit(False)), was).otherwise(F.col(column))
