"""What Spark generates to judge rows fits the JVM's compiler: a longer method is interpreted, many times as slow."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from promo_spark.contracts.schema import Table
from promo_spark.contracts.silver import Events, OrderLines
from promo_spark.settings import load
from promo_spark.sources.checks import predicates, rules
from promo_spark.sources.incoming import of_source
from promo_spark.sources.mapping import mappings
from promo_spark.storage import landing

DAY = datetime.date(2024, 6, 1)
LONGEST = 8000  # bytecodes of a method that the JVM still compiles: HugeMethodLimit
COMPILED = {
    "spark.sql.codegen.wholeStage": "true",
    "spark.sql.codegen.factoryMode": "FALLBACK",
    "spark.sql.adaptive.enabled": "false",
}


def longest_method(rows: DataFrame) -> int:
    """The bytecodes of the longest method that Spark generates for whole stages of the plan."""
    jvm: Any = rows.sparkSession._jvm
    debug = getattr(jvm.org.apache.spark.sql.execution.debug, "package$")
    stages = getattr(debug, "MODULE$").codegenStringSeq(rows._jdf.queryExecution().executedPlan())
    return max(int(stages.apply(i)._3().maxMethodCodeSize()) for i in range(stages.length()))


@pytest.fixture
def compiled(spark: SparkSession) -> Iterator[None]:
    """Stages are compiled, and planned before they run."""
    before = {name: str(spark.conf.get(name)) for name in COMPILED}
    for name, value in COMPILED.items():
        spark.conf.set(name, value)
    yield
    for name, value in before.items():
        spark.conf.set(name, value)


@pytest.mark.usefixtures("compiled")
@pytest.mark.parametrize("table", [OrderLines, Events])
def test_no_method_that_judges_rows_is_too_long_to_be_compiled(
    spark: SparkSession, tmp_path: Path, table: type[Table]
) -> None:
    source = load("world").ingest.sources[table.name]
    columns = mappings.source_columns(source)
    numbers = {"quantity", "amount_paid", "list_amount", "discount_retail", "discount_coupon_match", "duration_s"}
    schema = {c: pl.Float64 if c in numbers else pl.Int64 if c == "line_no" else pl.String for c in columns}
    pl.DataFrame(schema=schema).write_parquet(tmp_path / "rows.parquet")
    ids = spark.range(1).select(F.col("id").cast("string"))
    compared = predicates.ComparedWith(DAY, "Europe/Berlin", products=ids, users=ids)
    raw = landing.typed_rows(spark, str(tmp_path), "parquet", columns)
    rows = of_source(mappings.mapped(table, raw, source, [], "Europe/Berlin"), table.name)
    screened = rules.screened(table, rows, rules.rules(table, compared, {}))
    judged = screened if table is OrderLines else rules.accepted(rules.good(screened), "r1")  # lines are kept judged
    assert 1000 < longest_method(judged) <= LONGEST
