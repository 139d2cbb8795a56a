"""Cleaning by policy, column by column: missing values filled, outliers marked, cut to a fence or rejected.

A row keeps what it had: `cleaned` names each column whose value was filled or changed, with what it was. What a
check of the column rejects is never rescued: it shapes no statistic and stays for the check to reject. Copies of a
row count once, so that a delivery that comes twice is cleaned like one. Cleaning what is clean changes nothing:
a cut value lies within the fence, and a fence stays where it was when what lay beyond is cut to it.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T
from pyspark.sql.window import Window

from promo_spark.contracts.personal import Personal
from promo_spark.contracts.silver import CLEANED_TYPE, SILVER, OrderLines, PromoCalendar
from promo_spark.contracts.table import Table, WriteMode
from promo_spark.errors import SettingsError
from promo_spark.settings import ColumnCleaning, IngestSettings, MostlyMissing
from promo_spark.sources.candidates import BLANK, BROKEN, FILE, GIVEN_BY_THE_RUN, UNPARSED
from promo_spark.sources.checks import CLEANED, REJECT, WARN, Rule
from promo_spark.sources.own_checks import typed_literal

_PER_DEVIATION = 1.4826  # of a normal distribution: the standard deviation in median absolute deviations
_LONGEST_PROMOTION = 366  # days; a longer placement says nothing of a single day
_FIXED_POINT = T.DecimalType(28, 9)
_MONEY_BOOKED = (
    OrderLines.amount_paid, OrderLines.list_amount, OrderLines.discount_retail, OrderLines.discount_coupon,
    OrderLines.discount_coupon_match,
)  # fmt: skip
_VALUE, _USABLE, _PROMOTED, _EARLIER = "_value", "_usable", "_promoted", "_earlier"
_LOWER, _UPPER, _FILL = "_lower", "_upper", "_fill"


@dataclass(frozen=True)
class Plan:
    """What settings say of a table's columns; `constants` in the types of their columns."""

    columns: Mapping[str, ColumnCleaning]
    constants: Mapping[str, Any]
    mostly_missing: MostlyMissing | None = None

    @property
    def looks_at_promotions(self) -> bool:
        """Whether it matters which rows were sold on promotion."""
        return any(how.outliers != "keep" and how.spare_promotions for how in self.columns.values())


def plans(settings: IngestSettings) -> dict[type[Table], Plan]:
    """The plan of each table that is cleaned. Raises SettingsError for what cannot be, naming the key."""
    cleanable = {t.name: t for t in SILVER if CLEANED in t.columns()}
    found = {}
    for name in dict.fromkeys((*settings.cleaning, *settings.mostly_missing)):
        key = "ingest.cleaning" if name in settings.cleaning else "ingest.mostly_missing"
        if name not in cleanable:
            raise SettingsError(f"{key}.{name}: the tables that can be cleaned are: {', '.join(cleanable)}")
        found[cleanable[name]] = _plan(cleanable[name], settings.cleaning.get(name, {}),
                                       settings.mostly_missing.get(name))  # fmt: skip
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
    return kept.withColumns({c: _as_it_came(c, col.type) for c, col in table.columns().items()
                             if c not in table.key and c not in GIVEN_BY_THE_RUN})  # fmt: skip


def cleaned(
    table: type[Table], rows: DataFrame, plan: Plan, by: Sequence[Rule], earlier: DataFrame | None = None,
    promoted: DataFrame | None = None,
) -> DataFrame:  # fmt: skip
    """The candidates with values filled and cut, `cleaned`, and a mark per rule of the plan. Candidates → candidates.

    `by` are the checks of the table, `earlier` its rows that the delivery leaves alone, `promoted` the products and
    days on promotion. Statistics are of the rows and the earlier ones together, each copy once; a row that has no
    value in one of the `within` columns is left as it is.
    """
    columns = list(rows.columns)
    if earlier is None:
        earlier = rows.limit(0)
    earlier = earlier.withColumns({BLANK: F.lit(False), BROKEN: F.lit(False)})
    if plan.looks_at_promotions:
        rows, earlier = (_with_promotion(table, of, promoted) for of in (rows, earlier))
    originals = {c: F.col(f"_was_{c}") for c in plan.columns}
    rows = rows.withColumns({f"_was_{c}": F.col(c) for c in plan.columns})
    for column, how in plan.columns.items():
        rows = _cleaned_column(table, rows, earlier, column, how, plan, _passes(by, column))
    changed = F.array(*[
        F.when(F.col(_filled(c)) | (F.col(_outlier(c, how)) if how.outliers == "winsorise" else F.lit(False)),
               F.struct(F.lit(c).alias("column"), originals[c].cast("string").alias("was")))
        for c, how in plan.columns.items()
    ]) if plan.columns else F.array()  # fmt: skip
    changed = F.array_compact(changed)
    rows = rows.withColumn(CLEANED, F.when(F.size(changed) > 0, changed.cast(CLEANED_TYPE)))
    made = [name for c, how in plan.columns.items() for name in (_filled(c), _outlier(c, how))]
    return rows.select(*columns, CLEANED, *made)


def _plan(table: type[Table], columns: Mapping[str, ColumnCleaning], mostly_missing: MostlyMissing | None) -> Plan:
    constants = {}
    known = {n: c for n, c in table.columns().items() if n not in GIVEN_BY_THE_RUN}
    for column, how in columns.items():
        key = f"ingest.cleaning.{table.name}.{column}"
        named = [column, *how.within, *([how.order_by] if how.order_by else [])]
        unknown = [c for c in named if c not in known]
        if unknown:
            raise SettingsError(f"{key}: {table.full_name()} has no column {', '.join(unknown)}; it has: "
                                f"{', '.join(known)}")  # fmt: skip
        if column in (*table.key, *table.partition) or known[column].personal in (
            Personal.IDENTIFIER, Personal.FREE_TEXT
        ):
            raise SettingsError(f"{key}: what tells rows, days or persons apart or was typed by them is not cleaned")
        number = isinstance(known[column].type, T.NumericType)
        if not number and (how.missing in ("mean", "median") or how.outliers != "keep"):
            raise SettingsError(f"{key}: the column is no number, so it has no mean, median or outliers; its missing "
                                "values can be constant, forward_fill, drop or keep")  # fmt: skip
        changes = how.missing not in ("keep", "drop") or how.outliers == "winsorise"
        if table is OrderLines and column in _MONEY_BOOKED and changes:
            raise SettingsError(f"{key}: money that was booked is not made up; its outliers can be flag or drop, its "
                                "missing values drop or keep")  # fmt: skip
        if how.constant is not None:
            constants[column] = typed_literal(key, how.constant, known[column])
    if mostly_missing:
        unknown = [c for c in mostly_missing.columns if c not in known]
        if unknown:
            raise SettingsError(f"ingest.mostly_missing.{table.name}: {table.full_name()} has no column "
                                f"{', '.join(unknown)}; it has: {', '.join(known)}")  # fmt: skip
    return Plan(columns, constants, mostly_missing)


def _cleaned_column(
    table: type[Table], rows: DataFrame, earlier: DataFrame, column: str, how: ColumnCleaning, plan: Plan,
    passes: Column,
) -> DataFrame:  # fmt: skip
    kind, value = table.columns()[column].type, F.col(column)
    known = value.isNotNull() & ~F.col(BLANK) & ~F.col(BROKEN)
    # Judged before anything is changed: what a check of the column rejects is to be rejected as it came.
    rows = rows.withColumn(_USABLE, known & passes)
    usual = rows.filter(_USABLE).drop(_USABLE).unionByName(earlier.filter(known), allowMissingColumns=True)
    outlier, kept = F.lit(False), value
    if how.outliers != "keep":
        spared = F.col(_PROMOTED) if _PROMOTED in rows.columns and how.spare_promotions else F.lit(False)
        fences = _fences(_distinct(table, usual.filter(~spared), column, how), kind, how)
        rows, usual = _with_statistics(rows, fences, how), _with_statistics(usual, fences, how)
        outlier = F.coalesce(~spared & _judged(value, how) & ((value < F.col(_LOWER)) | (value > F.col(_UPPER))),
                             F.lit(False))  # fmt: skip
        cut = F.least(F.greatest(value, F.col(_LOWER)), F.col(_UPPER))
        usual = usual.withColumn(column, F.when(outlier, cut).otherwise(value).cast(kind)).drop(_LOWER, _UPPER)
        outlier = F.col(_USABLE) & outlier
        kept = F.when(outlier, cut).otherwise(value) if how.outliers == "winsorise" else value
    rows = rows.withColumns({_outlier(column, how): outlier, column: kept.cast(kind)}).drop(_LOWER, _UPPER)
    empty = _missing(column) & ~F.col(BLANK) & ~F.col(BROKEN)
    if how.missing in ("mean", "median"):
        rows = _with_statistics(rows, _averages(_distinct(table, usual, column, how, log=False), kind, how), how)
    elif how.missing == "constant":
        rows = rows.withColumn(_FILL, F.lit(plan.constants[column]).cast(kind))
    elif how.missing == "forward_fill":
        rows = _with_last_value(table, rows, earlier, column, how)
    else:
        rows = rows.withColumn(_FILL, F.lit(None).cast(kind))
    filled = empty & F.col(_FILL).isNotNull()
    rows = rows.withColumns({_filled(column): filled, column: F.when(empty, F.col(_FILL)).otherwise(F.col(column))})
    return rows.drop(_FILL, _USABLE)


def _distinct(
    table: type[Table], rows: DataFrame, column: str, how: ColumnCleaning, log: bool | None = None
) -> DataFrame:
    """The column's values with what they are within, each row's once however often it came."""
    value = F.col(column).cast("double")
    value = F.ln(value) if (how.log if log is None else log) else value
    named = list(dict.fromkeys([*how.within, *table.key]))
    found = rows.select(*named, F.col(column).alias("_exact"), value.alias(_VALUE)).filter(F.col(_VALUE).isNotNull())
    return found.distinct()


def _fences(values: DataFrame, kind: T.DataType, how: ColumnCleaning) -> DataFrame:
    """The least and the largest value that is none too small or large, per `within`."""
    enough = F.when(F.col("_values") >= how.least_values, F.lit(True))
    if how.quantiles is not None:
        # The value at the rank itself, nothing between two: cut to it, the values have the same quantile again.
        counted = values.groupBy(*how.within, _VALUE).agg(F.count(F.lit(1)).alias("_times"))
        within = Window.partitionBy(*how.within)
        counted = counted.withColumns({
            "_upto": F.sum("_times").over(within.orderBy(_VALUE)), "_values": F.sum("_times").over(within),
        })  # fmt: skip
        lower, upper = (F.min(F.when(F.col("_upto") >= F.lit(q) * F.col("_values"), F.col(_VALUE)))
                        for q in how.quantiles)  # fmt: skip
        fences = counted.groupBy(*how.within).agg(
            lower.alias("_low"), upper.alias("_high"), F.max("_values").alias("_values")
        )
    else:
        assert how.robust_z is not None  # settings allow no outliers without a fence
        centres = values.groupBy(*how.within).agg(
            F.median(_VALUE).alias("_centre"), F.count(F.lit(1)).alias("_values")
        )
        away = F.abs(F.col(_VALUE) - F.col("_centre"))
        # Where more than half of the values are the same, the deviations of the others tell.
        spread = _joined(values, centres, how).groupBy(*how.within, "_centre", "_values").agg(
            F.median(away).alias("_of_all"), F.median(F.when(away > 0, away)).alias("_of_others")
        )
        reach = how.robust_z * _PER_DEVIATION * F.when(F.col("_of_all") > 0, F.col("_of_all")).otherwise(
            F.col("_of_others")
        )
        fences = spread.withColumns({"_low": F.col("_centre") - reach, "_high": F.col("_centre") + reach})
    low, high = (F.exp("_low"), F.exp("_high")) if how.log else (F.col("_low"), F.col("_high"))
    return fences.select(
        *how.within, F.when(enough, _inwards(low, kind, F.ceil)).alias(_LOWER),
        F.when(enough, _inwards(high, kind, F.floor)).alias(_UPPER),
    )  # fmt: skip


def _inwards(fence: Column, kind: T.DataType, rounded: Any) -> Column:
    """The fence in the column's type, rounded to its inner side."""
    if isinstance(kind, T.DoubleType | T.FloatType):
        return fence.cast(kind)
    scale = kind.scale if isinstance(kind, T.DecimalType) else 0
    # The exponential of a logarithm misses a value by a little: that is no reason to cut a value to the next lower.
    return rounded(F.round(fence.cast(_FIXED_POINT), 6), F.lit(scale)).try_cast(kind)  # type: ignore[no-any-return]


def _averages(values: DataFrame, kind: T.DataType, how: ColumnCleaning) -> DataFrame:
    """What a missing value becomes, per `within`; a mean is summed exactly, in whatever order."""
    exact = F.col("_exact").cast(_FIXED_POINT)
    average = F.avg(exact) if how.missing == "mean" else F.median(_VALUE)
    scale = kind.scale if isinstance(kind, T.DecimalType) else 0
    if isinstance(kind, T.DoubleType | T.FloatType):
        fill = average.cast(kind)
    else:
        fill = F.round(average.cast(_FIXED_POINT), scale).try_cast(kind)
    return values.groupBy(*how.within).agg(fill.alias(_FILL))


def _with_last_value(
    table: type[Table], rows: DataFrame, earlier: DataFrame, column: str, how: ColumnCleaning
) -> DataFrame:
    """The rows with the value of the last row before them in their series that has one."""
    marked = rows.withColumn(_EARLIER, F.lit(False))
    before = earlier.select(*dict.fromkeys([*table.key, *how.within, how.order_by, column, BLANK, BROKEN])).withColumns(
        {_EARLIER: F.lit(True), _USABLE: F.col(column).isNotNull()}
    )
    both = marked.unionByName(before, allowMissingColumns=True)
    order = [F.col(c).asc_nulls_first() for c in dict.fromkeys([how.order_by, *table.key, column])]
    series = Window.partitionBy(*how.within).orderBy(*order, F.col(FILE).asc_nulls_first())
    upto = series.rowsBetween(Window.unboundedPreceding, Window.currentRow)
    carries = F.col(_USABLE) & F.col(how.order_by).isNotNull()
    last = F.last(F.when(carries, F.col(column)), ignorenulls=True).over(upto)
    told = functools.reduce(Column.__and__, [F.col(c).isNotNull() for c in (how.order_by, *how.within)])
    return both.withColumn(_FILL, F.when(told, last)).filter(~F.col(_EARLIER)).drop(_EARLIER)


def _with_statistics(rows: DataFrame, statistics: DataFrame, how: ColumnCleaning) -> DataFrame:
    return _joined(rows, statistics, how, left=True)


def _joined(rows: DataFrame, statistics: DataFrame, how: ColumnCleaning, left: bool = False) -> DataFrame:
    if not how.within:
        return rows.crossJoin(F.broadcast(statistics))  # one row, also of no values
    names = {c: f"_of_{c}" for c in how.within}
    found = statistics.withColumnsRenamed(names)
    same = functools.reduce(Column.__and__, [F.col(c) == F.col(n) for c, n in names.items()])
    return rows.join(found, same, how="left" if left else "inner").drop(*names.values())


def _with_promotion(table: type[Table], rows: DataFrame, promoted: DataFrame | None) -> DataFrame:
    """Order lines with a mark on those sold on promotion: with a discount, or on a day in the promotion calendar."""
    if table is not OrderLines:
        return rows
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
    own = [r.fails for r in by if r.column == column and r.criticality == REJECT and r.fails is not None
           and r.ids is None and r.name != f"missing_{column}"]  # fmt: skip
    return ~functools.reduce(Column.__or__, own, F.lit(False))


def _judged(value: Column, how: ColumnCleaning) -> Column:
    return value > 0 if how.log else F.lit(True)


def _missing(column: str) -> Column:
    """Whether there was no value; one that does not parse is there."""
    return F.col(column).isNull() & ~((F.size(UNPARSED) > 0) & F.array_contains(UNPARSED, column))


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
        "mean": f"the mean{within}", "median": f"the median{within}", "constant": f"{how.constant!r}",
        "forward_fill": f"the last value before, along {how.order_by}{within}",
    }[how.missing]  # fmt: skip
