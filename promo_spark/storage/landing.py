"""Raw files as their owner left them: read as text or typed columns, never inferred, never changed."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import unquote

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T
from pyspark.sql.window import Window

from promo_spark.contracts.raw_rows import (
    BLOCK_AND_NTH,
    BROKEN_ENCODING,
    BROKEN_HEADER,
    BROKEN_ROW,
    TEXT,
    Change,
    RawRow,
)
from promo_spark.contracts.schema import Col, Frame
from promo_spark.errors import SourceError, printable
from promo_spark.storage.files import Files
from promo_spark.storage.headers import BOM, header_names, lacking, no_text, other_delimiter, plain_headers
from promo_spark.storage.jvm import SparkFailure

UTF_8 = "UTF-8"

_FEW_FILES = 50  # of which the driver opens each, to see its first line
_FILE_PATH, _BLOCK_START = "_metadata.file_path", "_metadata.file_block_start"
_COLUMNS = "columns"  # in the metadata of a CSV source's raw lines: the columns that the headers name
# Possessive, so that a field of megabytes neither backtracks nor deepens the stack.
_QUOTED = ' *+"(?:[^"]++|"")*+" *+'


class Line(RawRow):
    """One line of a text file while it is taken apart."""

    value = Col(T.StringType(), "the line as Spark reads it")
    block = Col(T.LongType(), "where the block of the file that it was read with begins", name="_block")
    no_text = Col(T.BooleanType(), "whether it is no text in the file's encoding", name="_no_text")
    nth = Col(T.LongType(), "a number that rises from line to line of a block", name="_nth")
    quotes = Col(T.BooleanType(), "whether there are quotes in it", name="_quotes")
    fields = Col(T.ArrayType(T.StringType()), "its fields, quoted ones as they stand", name="_fields")
    objects = Col(T.ArrayType(T.StringType()), "its JSON object, in a list that we close", name="_objects")
    json = Col(T.StringType(), "its JSON object", name="_object")


class _FileLayout(Frame):
    """One row per file: what its header says, for the lines of that file."""

    of = Col(T.StringType(), "the file", name="_of")
    header = Col(T.StringType(), "the line that names the columns", name="_header")
    width = Col(T.IntegerType(), "how many fields a line of it has", name="_width")
    places = Col(T.ArrayType(T.IntegerType()), "where among them the wanted columns stand", name="_places")


class _Block(Frame):
    """One row per file and block of it that a task read: how many lines come before."""

    file = Col(T.StringType(), "the file", name="_block_file")
    start = Col(T.LongType(), "where the block begins", name="_block")
    lines = Col(T.LongType(), "how many lines it has", name="_lines")
    first_nth = Col(T.LongType(), "the number of its first line", name="_block_nth")
    before = Col(T.LongType(), "how many lines of the file come before it", name="_before")


def no_other(_: str) -> bool:
    """Wants no column but the named ones."""
    return False


def typed_rows(
    spark: SparkSession,
    path: str,
    file_format: str,
    columns: Sequence[str],
    also: Callable[[str], bool] = no_other,
    shares: int = 1,
    files: Sequence[str] = (),
) -> DataFrame:
    """Rows of Parquet, ORC or Delta files with the named columns as stored, plus the whole raw row.

    `also` tells of any other column whether it is wanted too. A file that was written as one piece is read by
    one task, with all that is then done to its rows. With `shares` as many tasks read it, each keeping its
    share of the rows: decoding is the cheap part. With `files` only these of the path are read; a column that
    none of them has, and another file of the path does, is null.
    Raises SourceError when the path is missing or unreadable (a truncated file has no footer), or lacks
    a column; all before a row is read.
    """
    reader = spark.read.format(file_format)
    if file_format != "delta":  # the footers of all files are read, so that a damaged or contrary one shows
        reader = reader.options(recursiveFileLookup="true", mergeSchema="true")
    df = opened(path, lambda: reader.load(list(files) or path))
    if files and set(columns) - set(df.columns):
        whole = opened(path, lambda: reader.load(path)).schema
        df = opened(path, lambda: reader.schema(whole).load(list(files)))
    rows = with_raw(path, df, columns, also, F.col(_FILE_PATH) if file_format != "delta" else F.lit(path))
    if shares == 1:
        return rows
    share = F.pmod(F.xxhash64(f"`{columns[0]}`"), F.lit(shares))
    return functools.reduce(DataFrame.unionAll, [rows.filter(share == i) for i in range(shares)])


def with_raw(path: str, df: DataFrame, columns: Sequence[str], also: Callable[[str], bool], file: Column) -> DataFrame:
    """The named columns of typed rows and those that `also` wants, with the whole raw row and its file.

    Raises SourceError where the rows lack a column.
    """
    _require(path, columns, df.columns)
    wanted = [*columns, *(c for c in df.columns if c not in columns and also(c))]
    return df.select(
        *[F.col(f"`{c}`") for c in wanted],
        F.struct(*[F.col(f"`{c}`") for c in df.columns]).alias(RawRow.raw),
        file.alias(RawRow.file),
        F.lit(False).alias(RawRow.blank),
        F.lit(False).alias(RawRow.broken),
    )


def csv_rows(
    spark: SparkSession,
    path: str,
    columns: Sequence[str],
    delimiter: str = ",",
    also: Callable[[str], bool] = no_other,
    encoding: str = UTF_8,
    files: Sequence[str] = (),
) -> DataFrame:
    """Lines of CSV files as text columns; a line that is not a row of its file is broken, and its fault named.

    Every line stands for itself, so that one stray quote cannot swallow its neighbours. In every file its own
    first line that is not empty names the columns, in whatever order; `also` tells of a column that is not
    named here whether it is wanted too (null where a file lacks it). A file whose header lacks a named column
    or has it twice is `broken_header` in every line; a line that is not text in the encoding is
    `broken_encoding`; one with fewer or more fields than its header, or a quote that does not close,
    `broken_row`. Empty lines and repetitions of the header are blank. With `files` only these of the path are read.

    Raises SourceError for a missing or unreadable path, and when no file has a usable header.
    """
    lines = lines_of(spark, path, encoding, files)
    layouts = _layouts(path, lines, columns, delimiter, also, encoding)
    wanted = list(dict.fromkeys([*columns, *(n for one in layouts for n in one.names if also(n))]))
    text, no_layout = F.col(RawRow.raw), F.col(_FileLayout.width).isNull()
    lines = _with_layout(lines, layouts, wanted).withColumn(Line.quotes, F.contains(text, F.lit('"')))
    lines = lines.withColumn(Line.fields, _fields(text, F.col(Line.quotes), delimiter))
    misshapen = (F.size(Line.fields) != F.col(_FileLayout.width)) | (
        F.col(Line.quotes) & _badly_quoted(text, delimiter)
    )
    fault = (
        F.when(F.col(RawRow.blank), None)
        .when(no_layout, BROKEN_HEADER)
        .when(F.col(Line.no_text), BROKEN_ENCODING)
        .when(misshapen, BROKEN_ROW)
    )
    values = [F.get(Line.fields, F.get(_FileLayout.places, F.lit(i))).alias(f"_{i}") for i in range(len(wanted))]
    lines = lines.select(
        *values, RawRow.raw, RawRow.file, Line.block, RawRow.blank, Line.quotes, fault.alias(RawRow.fault)
    )
    fields = {name: F.col(f"_{i}") for i, name in enumerate(wanted)}
    rows = placed(lines, {n: F.when(F.col(Line.quotes), _unquoted(v)).otherwise(v) for n, v in fields.items()})
    return rows.withMetadata(RawRow.raw, {_COLUMNS: list(dict.fromkeys(n for one in layouts for n in one.names))})


def columns_of(path: str, rows: DataFrame) -> dict[str, str]:
    """The columns that a source has, wanted or not, with their types. Rows as they are read here → columns.

    Of JSON lines those that a sample of the lines names: the first thousand of each task, and every sixteenth.
    """
    raw = rows.schema[RawRow.raw]
    if isinstance(raw.dataType, T.StructType):
        return {
            f.name: f.dataType.simpleString()
            for f in raw.dataType.fields
            if f.name not in (Change.kind, Change.version)
        }
    named = raw.metadata[_COLUMNS] if _COLUMNS in raw.metadata else _names_in(path, rows)
    return dict.fromkeys(named, TEXT)


def numbered(spark: SparkSession, path: str, rows: DataFrame, name: str, files: Sequence[str] = ()) -> DataFrame:
    """The rows of the text files under the path, or of some of them, with each row's line in its file, from 1.

    A row knows its line only within the block of the file that its task read. So the lines of all blocks are
    counted, in one pass that reads nothing but line ends: worth it for the few rows that are rejected.
    """
    block, nth = (F.col(f"{RawRow.position}.{part}") for part in BLOCK_AND_NTH)
    blocks = (
        placed(lines_of(spark, path, UTF_8, files), {})
        .groupBy(F.col(RawRow.file).alias(_Block.file), block.alias(_Block.start))
        .agg(F.count(F.lit(1)).alias(_Block.lines), F.min(nth).alias(_Block.first_nth))
    )
    earlier = Window.partitionBy(_Block.file).orderBy(_Block.start).rowsBetween(Window.unboundedPreceding, -1)
    blocks = blocks.withColumn(_Block.before, F.coalesce(F.sum(_Block.lines).over(earlier), F.lit(0)))
    of_row = (F.col(RawRow.file) == F.col(_Block.file)) & (block == F.col(_Block.start))
    line = F.col(_Block.before) + nth - F.col(_Block.first_nth) + 1
    with_block = rows.join(F.broadcast(blocks.drop(_Block.lines)), of_row, how="left").withColumn(name, line)
    return with_block.drop(_Block.file, _Block.start, _Block.first_nth, _Block.before)


def lines_of(spark: SparkSession, path: str, encoding: str, files: Sequence[str]) -> DataFrame:
    """One row per line: its text, file, and the block of the file that it was read with.

    A byte order mark is cut off. A line with a zero byte, or that is not valid in the encoding, is `_no_text`;
    one that is not valid has every byte as the character of the same number (ISO-8859-1), so that none is lost.
    """
    reader = spark.read.option("recursiveFileLookup", "true")
    lines = opened(path, lambda: reader.text(list(files) or path)).select(
        Line.value, F.col(_FILE_PATH).alias(RawRow.file), F.col(_BLOCK_START).alias(Line.block)
    )
    value, utf8 = F.col(Line.value), encoding == UTF_8
    text = value if utf8 else F.decode(value.cast("binary"), encoding)
    invalid = ~F.is_valid_utf8(value) if utf8 else F.contains(text, F.lit("\ufffd"))
    lines = lines.select(RawRow.file, Line.block, value, text.alias(RawRow.raw)).withColumn(Line.no_text, invalid)
    text = F.col(RawRow.raw)
    unmarked = F.when(F.startswith(text, F.lit(BOM)), F.substr(text, F.lit(2))).otherwise(text)
    as_bytes = F.decode(value.cast("binary"), "ISO-8859-1")
    raw = F.when(F.col(Line.no_text), as_bytes).otherwise(unmarked)
    no_text = F.col(Line.no_text) | F.contains(value, F.lit("\0"))
    return lines.select(RawRow.file, Line.block, raw.alias(RawRow.raw), no_text.alias(Line.no_text))


def _names_in(path: str, lines: DataFrame) -> list[str]:
    """The names in JSON lines, in a sample of them."""
    nth = F.monotonically_increasing_id().bitwiseAND((1 << 33) - 1)
    sample = lines.withColumn(Line.nth, nth).filter(
        (F.col(Line.nth) < 1000) | (F.pmod(F.xxhash64(RawRow.raw), F.lit(16)) == 0)
    )
    with refusing_unreadable(path):
        named = sample.select(F.explode(F.json_object_keys(RawRow.raw))).distinct().collect()
    return sorted(row[0] for row in named)


def placed(lines: DataFrame, values: Mapping[str, Column]) -> DataFrame:
    """The values beside what rejects or finds a line; its position is the same in every reading of the same files.

    The numbers rise from line to line of a block only as long as no line was dropped before. They also keep
    Spark from moving later filters in front of the parsing: it would parse again for each of their conditions.
    """
    block, nth = BLOCK_AND_NTH
    place = F.struct(F.col(Line.block).alias(block), F.monotonically_increasing_id().alias(nth))
    kept = [c for c in (RawRow.raw, RawRow.file, RawRow.blank, RawRow.fault) if c in lines.columns]
    broken = [F.col(RawRow.fault).isNotNull().alias(RawRow.broken)] if RawRow.fault in kept else []
    return lines.select(*[v.alias(n) for n, v in values.items()], *kept, *broken, place.alias(RawRow.position))


@dataclass(frozen=True)
class _Layout:
    """What one file's header says: its columns, or what is wrong with it."""

    file: str
    header: str
    names: tuple[str, ...]
    problem: str = ""


def _layouts(
    path: str, lines: DataFrame, columns: Sequence[str], delimiter: str, also: Callable[[str], bool], encoding: str
) -> list[_Layout]:
    """The layout of every file that has a line that is not empty; SourceError when none of them can be used."""
    headers = _headers(path, lines, encoding)
    if not headers:
        raise SourceError(f"{path} is empty: not even a header line")
    layouts = []
    for file, header, unreadable in headers:
        names = tuple(header_names(header, delimiter))
        doubled = sorted({n for n in names if names.count(n) > 1 and (n in columns or also(n))})
        missing = [c for c in columns if c not in names]
        problem = ""
        if unreadable or header.startswith("PK\x03\x04"):
            problem = no_text(header, encoding)
        elif missing:
            problem = other_delimiter(header, columns, delimiter) or lacking(missing, columns, names)
        elif doubled:
            problem = f"the header names {printable(', '.join(doubled))} more than once"
        layouts.append(_Layout(file, header, names, problem))
    if all(one.problem for one in layouts):
        if len(layouts) == 1:
            raise SourceError(f"{path}: {layouts[0].problem}")
        raise SourceError(
            f"{path}: none of {len(layouts)} files has a usable header; {layouts[0].file}: {layouts[0].problem}"
        )
    return [one for one in layouts if not one.problem]


def _headers(path: str, lines: DataFrame, encoding: str) -> list[tuple[str, str, bool]]:
    """Each file with its first line that is not empty, and whether that is no text in the encoding.

    Of many files Spark finds them, in a pass over all lines.
    """
    paths = [unquote(uri) for uri in lines.inputFiles()]
    with refusing_unreadable(path):
        plain = plain_headers(Files(lines.sparkSession), paths, encoding == UTF_8) if len(paths) <= _FEW_FILES else None
        if plain is not None:
            return [(name, header, False) for name, header in plain]
        first = F.min_by(F.struct(RawRow.raw, Line.no_text), F.struct(Line.block, F.col(Line.nth)))
        written = lines.withColumn(Line.nth, F.monotonically_increasing_id()).filter(F.trim(RawRow.raw) != "")
        found = written.groupBy(RawRow.file).agg(first).orderBy(RawRow.file).collect()  # as many as files
    return [(name, header, no_text_in) for name, (header, no_text_in) in found]


def _with_layout(lines: DataFrame, layouts: Sequence[_Layout], wanted: Sequence[str]) -> DataFrame:
    """The lines with the width of their file and the places of the wanted columns; null in a file without layout."""

    def places(of: _Layout) -> list[int | None]:
        return [of.names.index(n) if n in of.names else None for n in wanted]

    rows = [(one.file, one.header, len(one.names), places(one)) for one in layouts]
    by_file = lines.sparkSession.createDataFrame(rows, _FileLayout.schema())
    lines = lines.join(F.broadcast(by_file), F.col(RawRow.file) == F.col(_FileLayout.of), how="left")
    repeated = F.coalesce(F.col(RawRow.raw) == F.col(_FileLayout.header), F.lit(False))
    blank = (F.trim(RawRow.raw) == "") | repeated
    return lines.withColumn(RawRow.blank, blank).drop(_FileLayout.of, _FileLayout.header)


def _fields(text: Column, quotes: Column, delimiter: str) -> Column:
    """The fields of a line, quoted ones as they stand."""
    one = re.escape(delimiter)
    led = F.concat(F.lit(delimiter), text)  # so that every field begins with a delimiter, the first one too
    listed = F.regexp_extract_all(led, F.lit(rf"{one}({_QUOTED}(?={one}|\z)|{_bare(delimiter)})"), F.lit(1))
    return F.when(quotes, listed).otherwise(F.split(text, one, -1))


def _badly_quoted(text: Column, delimiter: str) -> Column:
    """Whether quotes stay open, or a field begins with a quote and does not end with one."""
    one = re.escape(delimiter)
    odd = F.length(F.regexp_replace(text, '[^"]++', "")) % 2 == 1
    bare = F.regexp_replace(F.concat(F.lit(delimiter), text), rf"{one}{_QUOTED}(?={one}|\z)", "")
    return odd | bare.rlike(rf'{one} *+"')


def _unquoted(field: Column) -> Column:
    trimmed = F.trim(field)
    inner = F.substr(trimmed, F.lit(2), F.length(trimmed) - 2)
    return F.when(F.startswith(trimmed, F.lit('"')), F.replace(inner, F.lit('""'), F.lit('"'))).otherwise(field)


def _bare(delimiter: str) -> str:
    one = re.escape(delimiter)
    return f"[^{one}]*+" if len(delimiter) == 1 else f"(?s:(?!{one}).)*+"


@contextmanager
def refusing_unreadable(source: str, only: str = "") -> Iterator[None]:
    """Raises SourceError in place of what Spark raises where a file is missing, truncated or damaged.

    With `only`, such as FAILED_READ_FILE, errors that do not say it pass as they are.
    """
    try:
        yield
    except SparkFailure as error:  # a footer's error comes as the JVM's own
        if only not in str(error):
            raise
        if "[PATH_NOT_FOUND]" in str(error):
            raise SourceError(f"source {source}: there is no such file or folder; check its path") from error
        lines = str(error).splitlines()
        reason = next((line for line in lines if "FAILED_READ_FILE" in line or "Exception: " in line), lines[0])
        if contrary := re.search(r"\[CANNOT_MERGE_SCHEMAS\].*?(?=SQLSTATE)", str(error), re.DOTALL):
            reason = " ".join(contrary.group().split())[:1000]
        raise SourceError(f"source {source} cannot be read, so nothing was loaded: {reason.strip(': ')}") from error


def opened(path: str, load: Callable[[], DataFrame]) -> DataFrame:
    """What `load` gives of the path. SourceError where Spark finds nothing there, or cannot read it."""
    with refusing_unreadable(path):
        return load()


def _require(path: str, wanted: Sequence[str], present: Sequence[str]) -> None:
    missing = [c for c in wanted if c not in present]
    if missing:
        raise SourceError(f"source {path} {lacking(missing, wanted, present)}")
