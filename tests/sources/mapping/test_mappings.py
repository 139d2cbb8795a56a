"""What a column can be made of, and what can be done to a source's rows."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any

import pytest
from chispa import assert_df_equality
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.raw_rows import IncomingRow, RawRow
from promo_spark.contracts.schema import MONEY
from promo_spark.contracts.silver import Events, Products
from promo_spark.errors import SettingsError
from promo_spark.flows.ingest.deliveries import sources_digest
from promo_spark.settings import load, validated
from promo_spark.settings.sources import ColumnMapping, Condition, SourceSettings
from promo_spark.sources.mapping import mappings, reshaping
from promo_spark.sources.mapping.column_values import TimeFormats, column_value, holds

TEXT, LIST = T.StringType(), T.ArrayType(T.StringType())
TIMES = TimeFormats("yyyy-MM-dd[['T'][' ']HH:mm:ss[.SSSSSS][XXX]]", "yyyy-MM-dd", "Europe/Berlin", "Asia/Shanghai")


def raw_rows(spark: SparkSession, rows: list[dict[str, str | None]]) -> DataFrame:
    """Good text rows; a column that a row does not name is empty."""
    columns = list(dict.fromkeys(c for row in rows for c in row))
    schema = ", ".join(f"`{c}` string" for c in columns)
    df = spark.createDataFrame([tuple(row.get(c) for c in columns) for row in rows], schema)
    return df.select(
        "*",
        F.to_json(F.struct(*columns)).alias(RawRow.raw),
        F.lit("f.csv").alias(RawRow.file),
        F.lit(False).alias(RawRow.blank),
        F.lit(False).alias(RawRow.broken),
    )


def test_each_word_of_the_vocabulary_reads_what_it_says(spark: SparkSession) -> None:
    """B05, B06: each value in its type; one that is there but does not parse is told from one that is missing."""
    cases: list[tuple[dict[str, Any] | str, T.DataType, str | None, str | None]] = [
        # mapping, our type, their text, our value as text ("!": does not parse)
        ("x", TEXT, "  a b ", "a b"),
        ("x", TEXT, "   ", None),
        ({"constant": "web"}, TEXT, None, "web"),
        ({"first_of": ["y", "x"]}, TEXT, "second", "second"),
        ({"concat": ["x", "x"], "separator": "/"}, TEXT, "7", "7/7"),
        ({"concat": ["x", "y"]}, TEXT, "7", None),
        ({"column": "x", "map": {"pv": "view", "NA": ""}}, TEXT, "pv", "view"),
        ({"column": "x", "map": {"pv": "view", "NA": ""}}, TEXT, "NA", None),
        ({"column": "x", "map": {"pv": "view"}}, TEXT, "fav", "fav"),
        ({"column": "x", "map": {"POST": "service"}, "otherwise": "goods"}, TEXT, "85048", "goods"),
        ({"column": "x", "map": {"POST": "service"}, "otherwise": "goods"}, TEXT, None, None),
        ({"column": "x", "default": 0}, MONEY, " ", "0.00"),
        ({"column": "x", "default": "1,5", "decimal_comma": True}, MONEY, None, "1.50"),  # written as theirs are
        ({"column": "x", "map": {"-": ""}, "default": "web"}, TEXT, "-", "web"),
        ({"product_of": ["x", "y"], "default": 3}, MONEY, "1.2", "3.00"),
        ({"column": "x", "whole_number": True}, TEXT, "13085.0", "13085"),
        ({"column": "x", "whole_number": True}, TEXT, "0013085", "0013085"),
        ({"column": "x", "decimal_comma": True}, MONEY, "1.234,505", "1234.51"),  # half up
        ({"column": "x", "decimal_comma": True}, MONEY, "-7,5", "-7.50"),
        ({"column": "x", "decimal_comma": True}, MONEY, "1.5", "!"),  # no thousands: not what the source says
        ({"column": "x", "thousands": ","}, MONEY, "1,234,567.50", "1234567.50"),
        ({"column": "x", "thousands": ","}, MONEY, "12,34.50", "!"),
        ({"column": "x", "thousands": "'"}, MONEY, "-1'234", "-1234.00"),
        ({"column": "x", "thousands": " ", "decimal_comma": True}, MONEY, "1\u202f234 567,5", "1234567.50"),
        ({"column": "x", "thousands": ","}, MONEY, "0.5", "0.50"),
        ({"column": "x", "scale": 0.01}, MONEY, "1999", "19.99"),
        ({"column": "x", "scale": 590.0}, MONEY, "0.050830508474576264", "29.99"),
        ({"column": "x", "scale": 2.0}, MONEY, "1e400", "!"),
        ({"product_of": ["x", "x"]}, MONEY, "1.2", "1.44"),
        ({"product_of": ["x", "y"]}, MONEY, "1.2", None),
        ({"product_of": ["x", "x"]}, MONEY, "two", "!"),
        ({"column": "x", "negative_when": ["x", "starts with", "5"]}, MONEY, "5", "-5.00"),
        ({"column": "x", "negative_when": ["x", "=", -5]}, MONEY, "-5", "-5.00"),  # negative already
        ({"column": "x", "negative_when": ["y", "=", "C"]}, MONEY, "5", "5.00"),  # nothing to tell by
        ({"column": "x", "unit": "ms"}, T.TimestampType(), "1433221332117", "2015-06-02 05:02:12.117"),
        ({"column": "x", "unit": "s"}, T.TimestampType(), "1433221332", "2015-06-02 05:02:12"),
        ({"column": "x", "unit": "s"}, T.DateType(), "1433174400", "2015-06-02"),  # 16:00Z: midnight in Shanghai
        ({"column": "x", "unit": "ms"}, T.TimestampType(), "9223372036854775807", "!"),
        ({"column": "x", "unit": "s"}, T.TimestampType(), "soon", "!"),
        ("x", T.TimestampType(), "2024-07-01T10:00:00Z", "2024-07-01 10:00:00"),
        ("x", T.TimestampType(), "2024-07-01T10:00:00.5+08:00", "2024-07-01 02:00:00.5"),
        ("x", T.TimestampType(), "2024-07-01 10:00:00", "2024-07-01 08:00:00"),  # summer in Berlin
        ("x", T.TimestampType(), "2024-01-10", "2024-01-09 23:00:00"),  # winter in Berlin
        ("x", T.TimestampType(), "2024", "!"),
        ({"column": "x", "format": "M/d/yyyy H:mm"}, T.TimestampType(), "12/1/2010 8:26", "2010-12-01 07:26:00"),
        ({"column": "x", "format": "d.M.yyyy"}, T.DateType(), "1.12.2010", "2010-12-01"),
        ({"column": "x", "format": "d.M.yyyy"}, T.DateType(), "12/1/2010", "!"),
        ("x", LIST, " fair  Trade, Eco,eco,, \u00a0 ", "[eco, fair trade]"),
        ({"column": "x", "split": "|"}, LIST, "b|a,c", "[a,c, b]"),
        ("x", LIST, '["Vegan", "eco", null, ""]', "[eco, vegan]"),  # as JSON lines have it
        ("x", LIST, '["eco"', "!"),
        ("x", LIST, " , ", "[]"),
        ("x", LIST, " ", None),
        ({"column": "x", "map": {"1": "eco", "0": ""}}, LIST, "1", "[eco]"),
        ({"column": "x", "map": {"1": "eco", "0": ""}}, LIST, "0", None),
    ]
    texts = raw_rows(spark, [{f"x{n}": text for n, (_, _, text, _) in enumerate(cases)}])
    texts = texts.withColumn("y", F.lit(None).cast("string"))
    shown = []
    for n, (mapping, kind, _, _) in enumerate(cases):
        words = ColumnMapping.model_validate(_of_column(mapping, f"x{n}"))
        given, parsed = column_value(words, texts, kind, TIMES)
        value = given.try_cast(kind) if parsed is None else parsed
        there = F.when(given.isNotNull() & value.isNull(), "!").otherwise(value.cast("string"))
        shown.append(there.alias(f"v{n}"))
    found = list(texts.select(*shown).first() or ())
    assert [(cases[n][0], found[n]) for n in range(len(cases))] == [(c[0], c[3]) for c in cases]


def _of_column(words: Any, name: str) -> Any:
    """The mapping with the column x of each case under the case's own name."""
    if isinstance(words, dict):
        return {key: _of_column(value, name) for key, value in words.items()}
    if isinstance(words, list):
        return [_of_column(value, name) for value in words]
    return name if words == "x" else words


def test_conditions_compare_numbers_as_numbers_and_texts_as_texts(spark: SparkSession) -> None:
    row = raw_rows(spark, [{"n": "10", "t": "C7", "none": None, "bad": "ten"}])
    cases = [
        (["n", ">", 9], True),
        (["n", ">", "9"], False),
        (["n", "=", 10.0], True),
        (["t", "starts with", "C"], True),
        (["t", "in", ["C7", "C8"]], True),
        (["t", "!=", "C7"], False),
        (["none", "is not null"], False),
        (["none", "=", "x"], None),
        (["bad", ">", 9], None),
    ]
    columns = [holds(Condition.model_validate(c)).alias(f"c{n}") for n, (c, _) in enumerate(cases)]
    assert list(row.select(*columns).first() or ()) == [expected for _, expected in cases]


def source(**keys: Any) -> SourceSettings:
    return SourceSettings.model_validate({"path": "f.csv", "format": "csv", **keys})


def test_lists_are_taken_as_they_are_stored_and_one_that_does_not_parse_is_told(spark: SparkSession) -> None:
    rows = raw_rows(spark, [{"sku": "p1", "text": "eco"}, {"sku": "p2", "text": "[eco"}])
    stored = rows.withColumn("labels", F.array(F.lit(" Eco "), F.lit(None), F.lit("")))
    for labels, expected in (
        ("labels", [("p1", ["eco"], []), ("p2", ["eco"], [])]),
        ("text", [("p1", ["eco"], []), ("p2", None, ["tags"])]),
    ):
        columns = {"product_id": "sku", "tags": labels}
        for distinct in (False, True):
            read = mappings.mapped(Products, stored, source(columns=columns, distinct=distinct), [], "UTC")
            found = read.select(Products.product_id, Products.tags, IncomingRow.unparsed).orderBy(Products.product_id)
            assert [tuple(row) for row in found.collect()] == expected


def test_distinct_keeps_what_most_rows_say_and_what_does_not_parse(spark: SparkSession) -> None:
    rows = raw_rows(
        spark,
        [
            {"sku": "p1", "name": "Glass", "price": "2.00"},
            {"sku": "p1", "name": "Glass", "price": "3.00"},
            {"sku": "p1", "name": "broken", "price": "3.00"},
            {"sku": "p1", "name": None, "price": "dear"},  # stays by itself, to be quarantined
            {"sku": "p2", "name": "Cup", "price": None},
            {"sku": "p2", "name": "Bowl", "price": None},  # equally many: the least
        ],
    )
    columns = {"product_id": "sku", "title": "name", "list_price": "price"}
    distinct = mappings.mapped(Products, rows, source(columns=columns, distinct=True), [], "UTC")
    read = distinct.select(Products.product_id, Products.title, Products.list_price, IncomingRow.unparsed)
    expected = [
        ("p1", None, None, ["list_price"]),
        ("p1", "Glass", Decimal("3.00"), []),
        ("p2", "Bowl", None, []),
    ]
    assert_df_equality(read, spark.createDataFrame(expected, read.schema), ignore_row_order=True, ignore_nullable=True)


def test_a_lookup_never_doubles_a_row(spark: SparkSession) -> None:
    rows = raw_rows(spark, [{"order": "1"}, {"order": "2"}, {"order": None}])
    second = raw_rows(spark, [{"id": "1", "user": "u2"}, {"id": "1", "user": "u1"}, {"id": None, "user": "u9"}])
    looked_up = reshaping.looked_up(rows, second, {"order": "id"}, {"who": "user"}).select("order", "who")
    expected = spark.createDataFrame([("1", "u1"), ("2", None), (None, None)], "order string, who string")
    assert_df_equality(looked_up, expected, ignore_row_order=True)
    with pytest.raises(SettingsError, match="has a column order already"):
        reshaping.looked_up(rows, second, {"order": "id"}, {"order": "user"})


def test_the_same_row_has_the_same_event_id_whatever_the_partitions(spark: SparkSession) -> None:
    """A01 (idempotent): an event without an id is known by the digest of its row."""
    rows = raw_rows(spark, [{"u": f"u{n}", "t": "2024-06-01T10:00:00Z"} for n in range(20)])
    events = source(columns={"user_id": "u", "ts": "t", "event_type": {"constant": "view"}})
    one = mappings.mapped(Events, rows.repartition(1), events, [], "UTC").select(Events.event_id, Events.user_id)
    many = mappings.mapped(Events, rows.repartition(7), events, [], "UTC").select(Events.event_id, Events.user_id)
    assert_df_equality(one, many, ignore_row_order=True)
    assert one.select(Events.event_id).distinct().count() == 20


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"columns": {"a": {"column": "x", "concat": ["y"]}}}, "name exactly one of .*, not column and concat"),
        ({"columns": {"a": {"map": {"x": "y"}}}}, "name exactly one of .*, not none"),
        ({"columns": {"a": {"column": "x", "otherwise": "y"}}}, "`otherwise` needs a `map`"),
        ({"columns": {"a": {"column": "x", "format": "YYYY-MM-dd"}}}, "write a pattern as Spark does"),
        ({"columns": {"a": "x"}, "where": [["x", "like", "y"]]}, "where.0.operator: input should be '='"),
        ({"columns": {"a": "x"}, "where": [["x", "in", "y"]]}, "the operator 'in', and only this one, takes a list"),
        ({"columns": {"a": "x"}, "where": [["x", "="]]}, "every operator but 'is not null' needs a literal"),
        ({"columns": {"a": "x"}, "unpivot": {"name": "n", "value": "v"}}, "say which columns become rows"),
        ({"columns": {"a": "x"}, "sql": "DROP TABLE"}, "there is no such setting"),
    ],
)
def test_a_wrong_word_is_named(keys: dict[str, Any], message: str) -> None:
    values = load().model_dump(mode="json")
    values["ingest"]["sources"] = {"shop": {"path": "f.csv", "format": "csv", **keys}}
    with pytest.raises(SettingsError, match=rf"ingest\.sources\.shop.*{message}"):
        validated(values)


def test_a_ready_mapping_needs_a_folder_and_gives_way_to_the_user(spark: SparkSession) -> None:
    ingest_settings = load(None, ["ingest.mapping=hm"]).ingest
    with pytest.raises(SettingsError, match=r"ingest\.folder is empty: say where the files of the mapping hm lie"):
        sources_digest(ingest_settings, spark, datetime.date(2024, 6, 1))
    with pytest.raises(SettingsError, match=r"there is no conf/sources/ikea\.toml; there are: hm, instacart"):
        load(None, ["ingest.mapping=ikea", "ingest.folder=/data"])
    changed = load(
        None,
        [
            "ingest.mapping=online_retail",
            "ingest.folder=/data",
            "ingest.sources.users.path=old.csv",
            "business.currency=EUR",
        ],
    )
    assert changed.ingest.sources["users"].path == "old.csv" and changed.ingest.sources["users"].distinct
    assert (changed.business.timezone, changed.business.currency) == ("Europe/London", "EUR")
