"""Takes generated dirty files in and proves that nothing of them is lost, against what the generator knows.

    PYTHONPATH=. .venv/bin/python scripts/fuzz.py [--files 1000] [--seed 1] [--keep FOLDER]

Every file is made from a seed, with several kinds of dirt at once: CSV with four delimiters, JSON lines,
Parquet. The generator knows of each physical line whether it is good (and what must stand in silver), bad, or
blank. One run of the ingest job takes all files in; then each file's rows in silver and quarantine are compared
with that. Files that can only be refused (cut off, damaged) are opened one by one: each must be refused by name.
Prints a table, a row per kind of dirt; ends with exit code 1 if a row was lost, altered, wrongly taken in or
wrongly rejected, or anything crashed.
"""

from __future__ import annotations

import argparse
import datetime
import gzip
import json
import random
import shutil
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import SparkSession

from promo_spark.contracts.silver import (
    QUARANTINE,
    Campaigns,
    Feedback,
    Inventory,
    Market,
    OrderLines,
    Users,
)
from promo_spark.contracts.table import Table
from promo_spark.errors import SourceError
from promo_spark.jobs.ingest import run as ingest
from promo_spark.runtime.pipeline import run_in_order
from promo_spark.runtime.progress import Progress
from promo_spark.runtime.run_log import RunLog
from promo_spark.runtime.session import started_session
from promo_spark.settings import load, validated
from promo_spark.tables import landing
from promo_spark.tables.lake import Lake

DATE = datetime.date(2018, 1, 1)
UTC = datetime.timezone.utc
BOM = b"\xef\xbb\xbf"
PRODUCTS = ("milk", "bread", "牛奶")
GOOD, BAD, BLANK = "good", "bad", "blank"

Rng = random.Random
# (as written, as it must come out)
Value = tuple[str, Any]


def text_value(rng: Rng) -> Value:
    text = rng.choice(["plain", "牛奶 500ml", "naïve café", "a,b;c|d", 'say "hi" now', "=1+1", "😀", "two  spaces",
                       "don't", "\u3000wide\u3000", "null", "NaN", "\\back\\slash", "#", "-"])  # fmt: skip
    return text, text


def decimal_value(rng: Rng) -> Value:
    written = rng.choice(["2", "+3", "4.50", "0.125", "1e1", "007", " 5 ", ".5", "6."])
    return written, Decimal(written.strip())


def money_value(rng: Rng) -> Value:
    written = rng.choice(["2", "+3", "4.50", "12345678.90", "1e1", "0.01"])
    return written, Decimal(written)


def integer_value(rng: Rng) -> Value:
    written = rng.choice(["0", "7", "+3", "14", " 5"])
    return written, int(written)


def score_value(rng: Rng) -> Value:
    written = rng.choice(["1", "4.5", "5.0", "3e0"])
    return written, float(written)


def boolean_value(rng: Rng) -> Value:
    return rng.choice([("true", True), ("FALSE", False), ("1", True), ("0", False), ("yes", True), ("n", False)])


def day_value(rng: Rng) -> Value:
    day = datetime.date(2017, 1, 1) + datetime.timedelta(rng.randrange(365))
    return day.isoformat(), day


def time_value(rng: Rng) -> Value:
    at = datetime.datetime(2017, 1, 2) + datetime.timedelta(seconds=rng.randrange(363 * 86400))
    zone, ahead = rng.choice([("", 0), ("Z", 0), ("+08:00", 8)])
    return at.isoformat() + zone, at - datetime.timedelta(hours=ahead)


NOT_NUMBERS = ["NaN", "Infinity", "-inf", "1e400", "1,234.56", "abc", "１２", "٣", "0x10", "--1", "1_000", "1 2", "5d"]
NO_TIMES = ["2017-02-30T10:00:00", "0000-00-00T00:00:00", "99999-01-01T00:00:00", "+99999-01-01T00:00:00",
            "2017-13-01T00:00:00", "now", "10:00", "1510000000", "2017-11-06T25:00:00", "06/11/2017"]  # fmt: skip
NO_DAYS = ["2017-02-30", "0000-00-00", "99999-01-01", "+99999-01-01", "2017-13-01", "today", "2017", "1/2/2017"]


@dataclass(frozen=True)
class Field:
    """A mapped column: its name in the file and in silver, good values, and values that must not come through."""

    theirs: str
    ours: str
    good: Callable[[Rng], Value]
    bad: tuple[str, ...] = ()
    required: bool = False


@dataclass(frozen=True)
class Shape:
    """A source: the table it feeds, its format, its key and its other columns."""

    table: type[Table]
    file_format: str
    key: Field
    fields: tuple[Field, ...]
    delimiter: str = ","
    constants: dict[str, str] = field(default_factory=dict)

    def columns(self) -> list[Field]:
        return [self.key, *self.fields]


def _field(theirs: str, ours: str, good: Callable[[Rng], Value], bad: list[str] | None = None,
           required: bool = False) -> Field:  # fmt: skip
    return Field(theirs, ours, good, tuple(bad or ()), required)


def _product(rng: Rng) -> Value:
    return (rng.choice(PRODUCTS),) * 2


SHAPES: dict[str, Shape] = {
    "order_lines": Shape(OrderLines, "csv", _field("order", "order_id", text_value, required=True), (
        _field("customer", "user_id", text_value),
        _field("sku", "product_id", _product, ["unicorn"], required=True),
        _field("pieces", "quantity", decimal_value, [*NOT_NUMBERS, "-0"], required=True),
        _field("paid", "amount_paid", money_value, NOT_NUMBERS, required=True),
        _field("time", "ts", time_value, NO_TIMES, required=True),
    )),
    "users": Shape(Users, "csv", _field("id", "user_id", text_value, required=True), (
        _field("since", "registered_at", time_value, NO_TIMES),
        _field("region", "region", text_value),
        _field("may mail", "consent_marketing", boolean_value, ["maybe", "2", "ja", "NaN", "１"]),
    ), delimiter=";"),
    "campaigns": Shape(Campaigns, "csv", _field("campaign", "campaign_id", text_value, required=True), (
        _field("kind", "kind", text_value),
        _field("from", "start_date", day_value, NO_DAYS, required=True),
        _field("to", "end_date", lambda _: ("2017-12-31", datetime.date(2017, 12, 31)), NO_DAYS, required=True),
    ), delimiter="\t"),
    "inventory": Shape(Inventory, "csv", _field("store", "store_id", text_value, required=True), (
        _field("sku", "product_id", _product, required=True),
        _field("day", "day", day_value, NO_DAYS, required=True),
        _field("stock", "on_hand", decimal_value, NOT_NUMBERS, required=True),
        _field("lead", "lead_time_days", integer_value, [*NOT_NUMBERS, "5.7", "99999999999", "-1"]),
    ), delimiter="|"),
    "feedback": Shape(Feedback, "json", _field("id", "feedback_id", text_value, required=True), (
        _field("user", "user_id", text_value),
        _field("score", "score", score_value, [*NOT_NUMBERS, "0x1p3", "9"]),
        _field("said", "text", text_value),
        _field("at", "ts", time_value, NO_TIMES, required=True),
    )),
    "market": Shape(Market, "parquet", _field("category", "category", text_value, required=True), (
        _field("day", "day", day_value, required=True),
        _field("sales", "market_sales", money_value),
        _field("price", "competitor_price", money_value),
    )),
}  # fmt: skip


@dataclass(frozen=True)
class Line:
    """One physical line, or row, and what must become of it."""

    raw: bytes
    truth: str
    key: str = ""
    values: tuple[tuple[str, Any], ...] = ()
    reason: str = ""


@dataclass
class DirtyFile:
    """One generated file: its bytes, what each of its lines is, and which kinds of dirt it has."""

    source: str
    name: str
    data: bytes
    lines: list[Line]
    dirt: set[str]
    refused: bool = False


# Dirt of a line: line(shape, key, rng) → physical lines.
LINE_DIRT = ("bad value", "required missing", "too few fields", "too many fields", "open quote", "broken quotes",
             "quoted newline", "zero byte", "wrong bytes", "huge field", "empty line", "spaces only", "header again",
             "same line twice", "only delimiters", "thousands of fields")  # fmt: skip
JSON_DIRT = ("bad value", "required missing", "cut off", "two objects", "junk behind", "list", "name twice",
             "NaN token", "1e400 token", "half character", "escaped zero", "zero byte", "wrong bytes", "huge field",
             "empty line", "spaces only", "single quotes", "no object", "deep", "same line twice",
             "closed early")  # fmt: skip
FILE_DIRT = ("BOM", "CRLF", "CR", "mixed line ends", "no last line end", "other column order", "extra column",
             "quoted header", "spaced header", "empty lines first", "gzip")  # fmt: skip
WHOLE_FILE_DIRT = ("empty", "header only", "blank only", "column missing", "column twice", "other delimiter",
                   "UTF-16", "binary")  # fmt: skip
PARQUET_DIRT = ("NaN", "infinity", "too large", "required missing", "other column order", "extra column", "no rows",
                "optional column missing")  # fmt: skip


def csv_file(source: str, name: str, rng: Rng) -> DirtyFile:
    """A CSV file with up to three kinds of dirt of a file and four of a line."""
    shape = SHAPES[source]
    dirt = set(rng.sample(FILE_DIRT, rng.randrange(4)))
    whole = rng.choice(WHOLE_FILE_DIRT) if rng.random() < 0.15 else ""
    kinds = rng.sample(LINE_DIRT, rng.randrange(5))
    order = [c.theirs for c in shape.columns()]
    if "extra column" in dirt:
        order.insert(rng.randrange(len(order) + 1), "note")
    if "other column order" in dirt:
        rng.shuffle(order)
    if whole == "column missing":
        order.remove(rng.choice([c.theirs for c in shape.columns()]))
    if whole == "column twice":
        order.append(rng.choice([c.theirs for c in shape.columns()]))
    delimiter = {",": ";", ";": ","}.get(shape.delimiter, ",") if whole == "other delimiter" else shape.delimiter
    names = [f'"{c}"' if "quoted header" in dirt else f" {c} " if "spaced header" in dirt else c for c in order]
    header = Line(delimiter.join(names).encode(), BLANK)
    lines = [Line(b"", BLANK), Line(b"  ", BLANK)] if "empty lines first" in dirt else []
    lines.append(header)
    for i in range(rng.randrange(3, 16)):
        lines.append(_csv_line(shape, order, delimiter, f"{name}-{i}", rng))
    for n, kind in enumerate(kinds):
        dirty = _dirty_csv_lines(kind, shape, order, delimiter, f"{name}-d{n}", header, lines, rng)
        at = rng.randrange(lines.index(header) + 1, len(lines) + 1)
        lines[at:at] = dirty
    if whole == "header only":
        lines = [header]
    if whole == "blank only":
        lines = [Line(b"", BLANK), Line(b"   ", BLANK), Line(b"", BLANK)]
    data = _joined(lines, dirt, rng)
    dirt |= {*kinds, whole} - {""}
    if whole == "empty":
        data, lines = b"", []
    if whole == "UTF-16":
        data = data.decode("latin-1").encode("utf-16")
    if whole == "binary":
        data = rng.randbytes(rng.randrange(1, 3000))
    if whole in ("UTF-16", "binary", "column missing", "column twice", "other delimiter"):
        bom = BOM if whole not in ("UTF-16", "binary") and data.startswith(BOM) else b""
        found = data[len(bom):].splitlines()
        lines = [Line(raw, BLANK if not raw.strip(b" ") else BAD, reason="broken_header") for raw in found]
    assert len(lines) == len(data.splitlines()), (name, dirt)
    return DirtyFile(source, _stored(name, "csv", dirt), data, lines, dirt)


def _csv_line(shape: Shape, order: list[str], delimiter: str, key: str, rng: Rng, broken: Field | None = None,
              written: str = "", huge: bool = False) -> Line:  # fmt: skip
    row = {shape.key.theirs: (key, key), **{c.theirs: c.good(rng) for c in shape.fields}}
    if huge:
        note = next(c.theirs for c in shape.fields if c.good is text_value) if shape.table is not Inventory else ""
        row[note or shape.key.theirs] = (key + "x" * 1_200_000,) * 2
    reason = ""
    if broken is not None:
        row[broken.theirs] = (written, None)
        reason = f"unparsable_{broken.ours}" if written else f"missing_{broken.ours}"
    row["note"] = text_value(rng)
    raw = delimiter.join(_quoted(row[c][0], delimiter, rng) for c in order).encode()
    if broken is not None:
        return Line(raw, BAD, reason=reason if written not in ("unicorn", "-0", "-1") else "")
    values = tuple((c.ours, row[c.theirs][1]) for c in shape.columns())
    return Line(raw, GOOD, row[shape.key.theirs][1], values)


def _quoted(text: str, delimiter: str, rng: Rng) -> str:
    if delimiter in text or '"' in text or rng.random() < 0.1:
        return '"' + text.replace('"', '""') + '"'
    return text


def _dirty_csv_lines(kind: str, shape: Shape, order: list[str], delimiter: str, key: str, header: Line,
                     before: list[Line], rng: Rng) -> list[Line]:  # fmt: skip
    good = _csv_line(shape, order, delimiter, key, rng)
    if kind == "bad value":
        some = rng.choice([c for c in shape.fields if c.bad])
        return [_csv_line(shape, order, delimiter, f"{key}-{i}", rng, some, value)
                for i, value in enumerate(rng.sample(some.bad, min(5, len(some.bad))))]  # fmt: skip
    if kind == "required missing":
        return [_csv_line(shape, order, delimiter, key, rng, rng.choice([c for c in shape.columns() if c.required]))]
    if kind == "huge field":
        return [_csv_line(shape, order, delimiter, key, rng, huge=True)]
    if kind == "same line twice":
        return [good, Line(good.raw, BAD, reason="duplicate_row")]
    if kind == "header again":
        return [header]
    if kind in ("empty line", "spaces only"):
        return [Line(b"" if kind == "empty line" else b"    ", BLANK)]
    middle = good.raw[: len(good.raw) // 2].decode(errors="ignore").encode()
    one = delimiter.encode()
    raw: list[bytes] = {
        "too few fields": [one.join([b"x"] * (len(order) - 1))],
        "too many fields": [good.raw + one, one.join([b"x"] * (len(order) + 3))],
        "open quote": [b'"' + good.raw.replace(b'"', b""), good.raw.replace(b'"', b"") + b'"'],
        "broken quotes": [b'"a"b"c"' + one.join([b""] * len(order)), one.join([b'"a" "b"'] * len(order))],
        "quoted newline": [one.join([b"x"] * (len(order) - 1)) + one + b'"first', b'second"'],
        "zero byte": [middle + b"\0" + good.raw[len(middle):]],
        "wrong bytes": [b"caf\xe9" + good.raw, good.raw + b"\xff"],
        "only delimiters": [one * (len(order) - 1)],
        "thousands of fields": [one * 30_000, (b'"x"' + one) * 30_000],
    }[kind]  # fmt: skip
    reason = {"zero byte": "broken_encoding", "wrong bytes": "broken_encoding", "only delimiters": ""}
    return [Line(r, BAD, reason=reason.get(kind, "broken_row")) for r in raw]


def json_file(source: str, name: str, rng: Rng) -> DirtyFile:
    """A JSON-lines file with up to two kinds of dirt of a file and five of a line."""
    shape = SHAPES[source]
    dirt = set(rng.sample(("BOM", "CRLF", "mixed line ends", "no last line end", "gzip"), rng.randrange(3)))
    kinds = rng.sample(JSON_DIRT, rng.randrange(6))
    lines = [_json_line(shape, f"{name}-{i}", rng) for i in range(rng.randrange(3, 16))]
    for n, kind in enumerate(kinds):
        at = rng.randrange(len(lines) + 1)
        lines[at:at] = _dirty_json_lines(kind, shape, f"{name}-d{n}", rng)
    if rng.random() < 0.05:
        lines, dirt = [], dirt | {"empty"}
    data = _joined(lines, dirt, rng)
    assert len(lines) == len(data.splitlines()), (name, dirt, kinds)
    return DirtyFile(source, _stored(name, "jsonl", dirt), data, lines, dirt | set(kinds))


def _json_line(shape: Shape, key: str, rng: Rng, change: dict[str, Any] | None = None, reason: str = "") -> Line:
    row = {shape.key.theirs: (key, key), **{c.theirs: c.good(rng) for c in shape.fields}}
    written = {name: value for name, (value, _) in row.items()} | {"more": {"x": [1, 2]}} | (change or {})
    score = rng.random()
    if not change and score < 0.5:
        written["score"] = row["score"][1]  # a number, not text
    raw = json.dumps(written, ensure_ascii=rng.random() < 0.5).encode()
    if reason:
        return Line(raw, BAD, reason=reason)
    values = {c.ours: row[c.theirs][1] for c in shape.columns()}
    values |= {c.ours: change[c.theirs] for c in shape.columns() if change and c.theirs in change}
    return Line(raw, GOOD, key, tuple(values.items()))


def _dirty_json_lines(kind: str, shape: Shape, key: str, rng: Rng) -> list[Line]:
    good = _json_line(shape, key, rng)
    if kind == "bad value":
        some = rng.choice([c for c in shape.fields if c.bad])
        values: list[Any] = [*rng.sample(some.bad, 5), {"a": 1}, [1], True]
        return [_json_line(shape, f"{key}-{i}", rng, {some.theirs: v},
                           f"unparsable_{some.ours}" if v != "9" else "score_out_of_range")
                for i, v in enumerate(values)]  # fmt: skip
    if kind == "required missing":
        return [_json_line(shape, key, rng, {"at": ""}, "missing_ts"), _json_line(shape, key, rng, {"id": None},
                                                                                   "missing_feedback_id")]  # fmt: skip
    if kind == "huge field":
        return [_json_line(shape, key, rng, {"said": "x" * 1_500_000})]
    if kind == "same line twice":
        return [good, Line(good.raw, BAD, reason="duplicate_row")]
    if kind in ("empty line", "spaces only"):
        return [Line(b"" if kind == "empty line" else b"    ", BLANK)]
    body = good.raw[1:]
    raw: list[bytes] = {
        "cut off": [good.raw[: rng.randrange(1, len(good.raw))].decode(errors="ignore").encode()],
        "two objects": [good.raw + good.raw, good.raw + b"," + good.raw, good.raw + b" " + good.raw],
        "junk behind": [good.raw + b" junk", good.raw + b"]", good.raw + b"}"],
        "closed early": [good.raw + b'] {"x":1}'],
        "list": [b"[" + good.raw + b"]", b"[]"],
        "name twice": [b'{"id": "x", ' + body, b'{"said": "x", ' + body],
        "NaN token": [b'{"new": NaN, ' + body, b'{"new": -Infinity, ' + body],
        "1e400 token": [json.dumps({"id": key, "said": "SAID", "at": "2017-05-05T00:00:00"}).encode().replace(
            b'"SAID"', b"1e400")],
        "half character": [b'{"new": "\\ud83d", ' + body, b'{"new": "\\ude00\\ud83d", ' + body],
        "escaped zero": [b'{"new": "a\\u0000b", ' + body],
        "zero byte": [good.raw[:20].decode(errors="ignore").encode() + b"\0"],
        "wrong bytes": [b'{"new": "caf\xe9", ' + body],
        "single quotes": [b"{'id': 'x', 'at': '2017-05-05T00:00:00'}"],
        "no object": [b"1", b'"x"', b"null", b"true"],
        "deep": [b'{"a":' * 1500 + b"1" + b"}" * 1500],
    }[kind]  # fmt: skip
    encoding = ("half character", "escaped zero", "zero byte", "wrong bytes")
    return [Line(r, BAD, reason="broken_encoding" if kind in encoding else "broken_row") for r in raw]


def parquet_file(source: str, name: str, rng: Rng) -> DirtyFile:
    """A Parquet file whose numbers are doubles, as exports of pandas have them."""
    shape = SHAPES[source]
    dirt = set(rng.sample(PARQUET_DIRT, rng.randrange(4)))
    rows: list[dict[str, Any]] = []
    lines: list[Line] = []

    def add(key: str, change: dict[str, Any], reason: str = "") -> None:
        good = {c.theirs: c.good(rng)[1] for c in shape.fields}
        row = {"category": key, **good, **change}
        if "optional column missing" in dirt:
            row["price"] = None
        rows.append(row)
        values = tuple((c.ours, row[c.theirs]) for c in shape.columns())
        lines.append(Line(key.encode(), BAD if reason else GOOD, key, values, reason))

    for i in range(rng.randrange(2, 12)):
        add(f"{name}-{i}", {})
    for kind, value in (("NaN", float("nan")), ("infinity", float("inf")), ("too large", 1e300)):
        if kind in dirt:
            add(f"{name}-{kind}", {"sales": value}, "unparsable_market_sales")
    if "required missing" in dirt:
        add(f"{name}-missing", {"day": None}, "missing_day")
    if "no rows" in dirt:
        rows, lines = [], []
    types = {"category": pa.string(), "day": pa.date32(), "sales": pa.float64(), "price": pa.float64()}
    names = list(types)
    if "optional column missing" in dirt:
        names.remove("price")
    if "other column order" in dirt:
        rng.shuffle(names)
    columns = {n: pa.array([_as_double(r[n]) for r in rows], types[n]) for n in names}
    if "extra column" in dirt:
        columns["note"] = pa.array(["x"] * len(rows), pa.string())
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), sink)
    return DirtyFile(source, f"{name}.parquet", sink.getvalue().to_pybytes(), lines, dirt)


def _as_double(value: Any) -> Any:
    return float(value) if isinstance(value, Decimal) else value


def _joined(lines: list[Line], dirt: set[str], rng: Rng) -> bytes:
    """The lines with their ends; a CR directly before an LF would be one end, so ends are not mixed at random."""
    end = b"\r\n" if "CRLF" in dirt else b"\r" if "CR" in dirt else b"\n"
    parts = []
    for line in lines:
        parts.append(line.raw)
        parts.append(rng.choice([b"\n", b"\r\n"]) if "mixed line ends" in dirt else end)
    if "no last line end" in dirt and lines and lines[-1].raw:
        parts.pop()
    return (BOM if "BOM" in dirt and lines and lines[0].raw else b"") + b"".join(parts)


def _stored(name: str, ending: str, dirt: set[str]) -> str:
    return f"{name}.{ending}" + (".gz" if "gzip" in dirt else "")


MAKERS = {"csv": csv_file, "json": json_file, "parquet": parquet_file}


def dirty_files(count: int, seed: int) -> Iterator[DirtyFile]:
    """So many files in turn for every source, the same for the same seed."""
    sources = list(SHAPES)
    for n in range(count):
        source = sources[n % len(sources)]
        yield MAKERS[SHAPES[source].file_format](source, f"f{n:05d}", Rng(f"{seed}-{n}"))


def refused_files(count: int, seed: int) -> Iterator[DirtyFile]:
    """Files that end before their time or are damaged inside: they can only be refused."""
    for n in range(count):
        rng = Rng(f"{seed}-refused-{n}")
        kind = ("gzip cut off", "parquet cut off", "parquet damaged", "no parquet")[n % 4]
        if kind == "gzip cut off":
            whole = gzip.compress(b"order,customer\n" + rng.randbytes(20_000).hex().encode())
            data = whole[: rng.randrange(20, len(whole) - 20)]
            yield DirtyFile("order_lines", f"r{n:04d}.csv.gz", data, [], {kind}, True)
            continue
        sink = pa.BufferOutputStream()
        numbers = [rng.random() for _ in range(5000)]
        pq.write_table(pa.table({"category": pa.array(map(str, numbers)), "sales": pa.array(numbers)}), sink,
                       compression="snappy", use_dictionary=False)  # fmt: skip
        whole = sink.getvalue().to_pybytes()
        cut = rng.randrange(4, len(whole) - 1)
        data = {
            "parquet cut off": whole[:cut],
            "parquet damaged": whole[:4] + b"\xff" * 2000 + whole[2004:],
            "no parquet": b"category,sales\nx,1\n",
        }[kind]
        yield DirtyFile("market", f"r{n:04d}.parquet", data, [], {kind}, True)


@dataclass
class Tally:
    """What became of the rows of some files."""

    files: int = 0
    rows_in: int = 0
    accepted: int = 0
    quarantined: int = 0
    blank: int = 0
    refused: int = 0
    lost: int = 0
    altered: int = 0
    wrong: int = 0
    crashes: int = 0

    def add(self, other: Tally) -> None:
        for name in vars(self):
            setattr(self, name, getattr(self, name) + getattr(other, name))

    def clean(self) -> bool:
        return not (self.lost or self.altered or self.wrong or self.crashes)


def fuzz(spark: SparkSession, folder: Path, files: int, seed: int) -> tuple[dict[str, Tally], list[str]]:
    """A tally per kind of dirt and in all, and what is wrong, in words."""
    made = list(dirty_files(files, seed))
    write(made, folder)
    lake = Lake(spark, str(folder / "lake"))
    base = load(None, ["business.privacy.pseudonymise=false"]).model_dump(mode="json")
    settings = validated(base | {"ingest": ingest_settings(folder)})
    problems: list[str] = []
    tallies: dict[str, Tally] = defaultdict(Tally)
    try:
        run_in_order([ingest], lake, settings, DATE, Progress())
    except Exception as error:  # noqa: BLE001 - whatever it is, it is a crash, and told
        problems.append(f"ingest failed: {type(error).__name__}: {error}"[:3000])
        tallies["all"] = Tally(files=files, rows_in=sum(len(f.lines) for f in made), crashes=files)
        return tallies, problems
    silver, quarantine = _found(lake)
    for file in made:
        tally = judged(file, silver.pop(file.name, {}), quarantine.pop(file.name, []), problems)
        for kind in ("all", *(file.dirt or {"clean"})):
            tallies[kind].add(tally)
    for name in {*silver, *quarantine} - {"products.csv"}:
        problems.append(f"rows of {name}, which is no file of the source")
        tallies["all"].wrong += 1
    counted = RunLog(lake).succeeded()[-1].sources
    by_run = [sum(getattr(counted[s], c) for s in SHAPES) for c in ("rows_in", "accepted", "quarantined", "blank")]
    in_all = tallies["all"]
    if by_run != [in_all.rows_in, in_all.accepted, in_all.quarantined, in_all.blank]:
        problems.append(f"ops.runs counts {by_run}, the files have {vars(in_all)}")
        in_all.wrong += 1
    for file in refused_files(max(4, files // 20), seed):
        tally = _refused(spark, folder, file, problems)
        for kind in ("all", *file.dirt):
            tallies[kind].add(tally)
    return tallies, problems


def write(files: list[DirtyFile], folder: Path) -> None:
    """The files as a retailer's landing zone has them, with what other programs leave beside."""
    for source in SHAPES:
        (folder / source).mkdir(parents=True, exist_ok=True)
        (folder / source / "_SUCCESS").write_bytes(b"")
        (folder / source / ".hidden.csv").write_bytes(b"not,for,us\n1,2,3\n")
        (folder / source / ".old.csv.crc").write_bytes(b"crc\0\1\2")
    for file in files:
        data = gzip.compress(file.data, mtime=0) if file.name.endswith(".gz") else file.data
        (folder / file.source / file.name).write_bytes(data)
    (folder / "products.csv").write_text("sku\n" + "".join(f"{p}\n" for p in PRODUCTS), encoding="utf-8")


def ingest_settings(folder: Path) -> dict[str, Any]:
    """Every source mapped; nothing refused for its share of dirt."""
    base = load().ingest.model_dump(mode="json")
    sources: dict[str, Any] = {"products": {"path": str(folder / "products.csv"), "format": "csv",
                                            "columns": {"product_id": "sku"}}}  # fmt: skip
    for source, shape in SHAPES.items():
        constants = {ours: {"constant": value} for ours, value in shape.constants.items()}
        sources[source] = {
            "path": str(folder / source), "format": shape.file_format, "delimiter": shape.delimiter,
            "columns": {c.ours: c.theirs for c in shape.columns()} | constants,
            "timestamp_format": "yyyy-MM-dd'T'HH:mm:ss[.SSSSSS][XXX]",
        }  # fmt: skip
    gate = base["gate"] | {"max_rejected_share": 1.0, "max_missing_days": 10_000}
    return base | {"adapter": "files", "sources": sources, "gate": gate, "policies": {"unknown_user": "off"}}


def _found(lake: Lake) -> tuple[dict[str, dict[str, dict[str, Any]]], dict[str, list[tuple[str, list[str]]]]]:
    """Per file: rows of silver by key, and what is in quarantine."""
    silver: dict[str, dict[str, dict[str, Any]]] = defaultdict(dict)
    quarantine: dict[str, list[tuple[str, list[str]]]] = defaultdict(list)
    for shape in SHAPES.values():
        for row in lake.read(shape.table).collect():
            key = row[shape.key.ours]
            silver[_name(row["source_file"])][key] = row.asDict()
        for row in lake.read(QUARANTINE[shape.table]).collect():
            quarantine[_name(row["source_file"])].append((row["raw"], row["reasons"]))
    return silver, quarantine


def _name(path: str) -> str:
    return unquote(path).rsplit("/", 1)[-1]


def judged(
    file: DirtyFile, silver: dict[str, dict[str, Any]], quarantine: list[tuple[str, list[str]]], problems: list[str]
) -> Tally:
    """What became of the file's lines, against what they are."""
    tally = Tally(files=1, rows_in=len(file.lines), accepted=len(silver), quarantined=len(quarantine),
                  blank=sum(line.truth == BLANK for line in file.lines))  # fmt: skip
    told = f"{file.name} ({', '.join(sorted(file.dirt))})"
    missing = tally.rows_in - tally.accepted - tally.quarantined - tally.blank
    if missing:
        tally.lost += abs(missing)
        problems.append(f"{told}: {missing} rows lost")
    for line in file.lines:
        if line.truth != GOOD:
            continue
        row = silver.pop(line.key, None)
        if row is None:
            tally.wrong += 1
            reasons = [r for raw, r in quarantine if raw == expected_text(line.raw)]
            problems.append(f"{told}: good line rejected for {reasons}: {line.raw[:300]!r}")
        else:
            other = {n: (row[n], v) for n, v in line.values if row[n] != v}
            tally.altered += bool(other)
            if other:
                problems.append(f"{told}: {line.key} altered: {str(other)[:300]}")
    for key in silver:
        tally.wrong += 1
        problems.append(f"{told}: accepted, but no good line has it: {key[:300]!r}")
    typed = SHAPES[file.source].file_format == "parquet"
    kept = Counter(json.loads(raw)["category"] if typed else raw for raw, _ in quarantine)
    expected = Counter(expected_text(line.raw) for line in file.lines if line.truth == BAD)
    for raw in (expected - kept).elements():
        tally.altered += 1
        problems.append(f"{told}: not kept as it came: {raw[:200]!r}; kept: {[r[:100] for r in (kept - expected)]}")
    reasons_of = {json.loads(raw)["category"] if typed else raw: reasons for raw, reasons in quarantine}
    for line in file.lines:
        found = reasons_of.get(expected_text(line.raw), [])
        if line.truth == BAD and line.reason and found and line.reason not in found:
            tally.wrong += 1
            problems.append(f"{told}: {line.raw[:200]!r} rejected for {found}, not for {line.reason}")
    return tally


def expected_text(raw: bytes) -> str:
    """The line as quarantine keeps it: text, or every byte as a character where it is none."""
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")
    return text.removeprefix("\ufeff")


def _refused(spark: SparkSession, folder: Path, file: DirtyFile, problems: list[str]) -> Tally:
    path = folder / "refused" / file.name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(file.data)
    tally = Tally(files=1)
    try:
        with landing.refusing_unreadable(str(path), only="FAILED_READ_FILE"):
            if file.source == "market":
                rows = landing.typed_rows(spark, str(path), "parquet", ["category", "sales"])
            else:
                rows = landing.csv_rows(spark, str(path), ["order", "customer"])
            rows.write.format("noop").mode("overwrite").save()
    except SourceError as error:
        tally.refused = int(file.name in str(error))
        if not tally.refused:
            problems.append(f"{file.name}: refused without its name: {error}")
            tally.crashes = 1
    except Exception as error:  # noqa: BLE001 - whatever it is, it is a crash, and told
        tally.crashes = 1
        problems.append(f"{file.name} ({file.dirt}): {type(error).__name__}: {error}"[:500])
    else:
        tally.wrong = 1
        problems.append(f"{file.name} ({file.dirt}): read as if it were whole")
    return tally


def table(tallies: dict[str, Tally]) -> str:
    """The tallies as Markdown, a row per kind of dirt, all files last."""
    names = list(vars(Tally()))
    rows = [["dirt", *names]]
    rows += [[kind, *(f"{getattr(tallies[kind], n):,}" for n in names)] for kind in sorted(tallies, key=_all_last)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    rows.insert(1, ["-" * w for w in widths])
    return "\n".join("| " + " | ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) + " |" for row in rows)


def _all_last(kind: str) -> tuple[bool, str]:
    return kind == "all", kind


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="a folder for the files and the lake, kept afterwards")
    given = parser.parse_args()
    folder = given.keep or Path(tempfile.mkdtemp(prefix="promo_spark_fuzz_"))
    folder.mkdir(parents=True, exist_ok=True)
    spark = started_session("fuzz", load())
    try:
        tallies, problems = fuzz(spark, folder.resolve(), given.files, given.seed)
    finally:
        spark.stop()
        if not given.keep:
            shutil.rmtree(folder, ignore_errors=True)
    print(table(tallies))
    for problem in problems[:100]:
        print(problem, file=sys.stderr)
    return 0 if all(t.clean() for t in tallies.values()) and not problems else 1


if __name__ == "__main__":
    sys.exit(main())
