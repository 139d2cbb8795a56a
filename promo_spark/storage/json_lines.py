"""Objects of JSON, one a line of a file or one a message of a topic: each stands for itself, and none is lost."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from promo_spark.contracts.raw_rows import BROKEN_ENCODING, BROKEN_ROW, RawRow
from promo_spark.storage.landing import UTF_8, Line, lines_of, placed

# Half of a character that JSON writes as two.
_LONE_SURROGATE = (
    r"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F][0-9a-fA-F]{2}"
)
_VALUE, _TOPIC, _PARTITION = "value", "topic", "partition"  # of messages, as the connector names them


def json_rows(
    spark: SparkSession, path: str, columns: Sequence[str], encoding: str = UTF_8, files: Sequence[str] = ()
) -> DataFrame:
    """Lines of JSON-lines files with the named fields as text, see json_objects.

    With `files` only these of the path are read. Raises SourceError for a missing or unreadable path.
    """
    return json_objects(lines_of(spark, path, encoding, files), columns)


def json_messages(messages: DataFrame, columns: Sequence[str]) -> DataFrame:
    """Messages of a topic of Kafka, as its connector gives them, with the named fields as text, see json_objects.

    A message without a value, which says that those of its key are over, is blank.
    """
    value = F.coalesce(F.col(_VALUE).cast("string"), F.lit(""))
    place = F.concat_ws("/", _TOPIC, _PARTITION)
    lines = messages.select(
        place.alias(RawRow.file), F.col(_PARTITION).cast("long").alias(Line.block), value.alias(RawRow.raw)
    )
    return json_objects(lines.withColumn(Line.no_text, ~F.is_valid_utf8(RawRow.raw)), columns)


def json_objects(lines: DataFrame, columns: Sequence[str]) -> DataFrame:
    """Lines with the named fields of their JSON as text; a line that is not one JSON object is broken.

    A number with a point is read in double precision, as JSON's are: ids belong in quotes.
    """
    # Spark reads the first object of a line and ignores what follows; in a list that we close, it must be alone.
    closing = "$closing"
    schema = f"array<struct<{', '.join(f'`{c}`: string' for c in columns)}, `{closing}`: string>>"
    options = {"mode": "PERMISSIVE", "allowNonNumericNumbers": "false", "allowSingleQuotes": "false"}
    text = F.col(RawRow.raw)
    listed = F.concat(F.lit("["), text, F.lit(f',{{"{closing}":"1"}}]'))
    lines = lines.withColumns({RawRow.blank: F.trim(text) == "", Line.objects: F.from_json(listed, schema, options)})
    lines = lines.withColumns({Line.json: F.get(Line.objects, F.lit(0)), Line.fields: F.json_object_keys(text)})
    alone = (F.size(Line.objects) == 2) & (F.get(Line.objects, F.lit(1))[closing] == "1")
    named_twice = F.size(Line.fields) != F.size(F.array_distinct(Line.fields))
    infinite = [F.col(Line.json)[c].isin('"Infinity"', '"-Infinity"') for c in columns]  # what 1e400 becomes
    whole = alone & ~named_twice & F.startswith(F.ltrim(text), F.lit("{"))
    for value in infinite:
        whole &= F.coalesce(~value, F.lit(True))
    no_character = F.contains(text, F.lit("\\u0000")) | text.rlike(_LONE_SURROGATE)
    fault = (
        F.when(F.col(RawRow.blank), None)
        .when(F.col(Line.no_text) | no_character, BROKEN_ENCODING)
        .when(~F.coalesce(whole, F.lit(False)), BROKEN_ROW)
    )
    return placed(lines.withColumn(RawRow.fault, fault), {c: F.col(Line.json)[c] for c in columns})
