"""Rows on their way to silver: what storage hands over, and what a row keeps beside its columns until it is judged."""

from __future__ import annotations

from pyspark.sql import types as T

from promo_spark.contracts.schema import Col, Frame

# What is wrong with a broken row as a whole.
BROKEN_ROW, BROKEN_ENCODING, BROKEN_HEADER = "broken_row", "broken_encoding", "broken_header"
BLOCK_AND_NTH = ("block", "nth")  # the parts of a line's position
TEXT = "text"  # the type of what stands in lines of text: it has none until it is read


class RawRow(Frame):
    """One row of a source as it came. Beside these columns it has the source's own."""

    raw = Col(T.StringType(), "the line of text, or a struct of the row's columns", name="_raw")
    file = Col(T.StringType(), "the file or table the row came from", name="_file")
    blank = Col(T.BooleanType(), "whether it says nothing: an empty line, a repeated header", name="_blank")
    broken = Col(T.BooleanType(), "whether it cannot be taken apart", name="_broken")
    position = Col(
        T.StructType([T.StructField(name, T.LongType()) for name in BLOCK_AND_NTH]),
        "where a line of a text file stands: the start of the block that was read, and a number that rises by one from "
        "line to line of the block; null for formats without lines",
        name="_position",
    )
    fault = Col(T.StringType(), "what is wrong with a broken row; null: broken_row, or not broken", name="_fault")


class IncomingRow(RawRow):
    """One raw row with the columns of its silver table: what the checks judge."""

    unparsed = Col(T.ArrayType(T.StringType()), "columns whose value is there but cannot be read", name="_unparsed")
    source = Col(T.StringType(), "the configured source", name="_source")


class UnreadValue(Frame):
    """One row per value of a source that is there but does not parse."""

    column = Col(T.StringType(), "our column", required=True)
    text = Col(T.StringType(), "the value as text; null: it is personal, and not to be shown")


class Change(Frame):
    """What a raw row of a change feed says of itself."""

    kind = Col(T.StringType(), "insert, update_preimage, update_postimage or delete", name="_change_type")
    version = Col(T.LongType(), "the version of its table in which it happened", name="_commit_version")
