"""Files as careless programs write them, made from a seed: CSV, JSON lines and Parquet with several kinds of dirt.

Of each physical line it is known whether it is good (and what must stand in silver), bad, or blank. Cut off and
damaged files, which can only be refused, are made apart.
"""

from __future__ import annotations

import datetime
import gzip
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from promo_spark.contracts.schema import Table
from promo_spark.contracts.silver import Campaigns, Feedback, Inventory, Market, OrderLines, Users

UTC = datetime.timezone.utc
BOM = b"\xef\xbb\xbf"
PRODUCTS = ("milk", "bread", "牛奶")
GOOD, BAD, BLANK = "good", "bad", "blank"

Rng = random.Random
# (as written, as it must come out)
Value = tuple[str, Any]


def text_value(rng: Rng) -> Value:
    text = rng.choice(
        [
            "plain",
            "牛奶 500ml",
            "naïve café",
            "a,b;c|d",
            'say "hi" now',
            "=1+1",
            "😀",
            "two  spaces",
            "don't",
            "\u3000wide\u3000",
            "null",
            "NaN",
            "\\back\\slash",
            "#",
            "-",
        ]
    )
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
NO_TIMES = [
    "2017-02-30T10:00:00",
    "0000-00-00T00:00:00",
    "99999-01-01T00:00:00",
    "+99999-01-01T00:00:00",
    "2017-13-01T00:00:00",
    "now",
    "10:00",
    "1510000000",
    "2017-11-06T25:00:00",
    "06/11/2017",
]
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


def _field(
    theirs: str, ours: str, good: Callable[[Rng], Value], bad: list[str] | None = None, required: bool = False
) -> Field:
    return Field(theirs, ours, good, tuple(bad or ()), required)


def _product(rng: Rng) -> Value:
    return (rng.choice(PRODUCTS),) * 2


SHAPES: dict[str, Shape] = {
    "order_lines": Shape(
        OrderLines,
        "csv",
        _field("order", "order_id", text_value, required=True),
        (
            _field("customer", "user_id", text_value),
            _field("sku", "product_id", _product, ["unicorn"], required=True),
            _field("pieces", "quantity", decimal_value, [*NOT_NUMBERS, "-0"], required=True),
            _field("paid", "amount_paid", money_value, NOT_NUMBERS, required=True),
            _field("time", "ts", time_value, NO_TIMES, required=True),
        ),
    ),
    "users": Shape(
        Users,
        "csv",
        _field("id", "user_id", text_value, required=True),
        (
            _field("since", "registered_at", time_value, NO_TIMES),
            _field("region", "region", text_value),
            _field("may mail", "consent_marketing", boolean_value, ["maybe", "2", "ja", "NaN", "１"]),
        ),
        delimiter=";",
    ),
    "campaigns": Shape(
        Campaigns,
        "csv",
        _field("campaign", "campaign_id", text_value, required=True),
        (
            _field("kind", "kind", text_value),
            _field("from", "start_date", day_value, NO_DAYS, required=True),
            _field("to", "end_date", lambda _: ("2017-12-31", datetime.date(2017, 12, 31)), NO_DAYS, required=True),
        ),
        delimiter="\t",
    ),
    "inventory": Shape(
        Inventory,
        "csv",
        _field("store", "store_id", text_value, required=True),
        (
            _field("sku", "product_id", _product, required=True),
            _field("day", "day", day_value, NO_DAYS, required=True),
            _field("stock", "on_hand", decimal_value, NOT_NUMBERS, required=True),
            _field("lead", "lead_time_days", integer_value, [*NOT_NUMBERS, "5.7", "99999999999", "-1"]),
        ),
        delimiter="|",
    ),
    "feedback": Shape(
        Feedback,
        "json",
        _field("id", "feedback_id", text_value, required=True),
        (
            _field("user", "user_id", text_value),
            _field("score", "score", score_value, [*NOT_NUMBERS, "0x1p3", "9"]),
            _field("said", "text", text_value),
            _field("at", "ts", time_value, NO_TIMES, required=True),
        ),
    ),
    "market": Shape(
        Market,
        "parquet",
        _field("category", "category", text_value, required=True),
        (
            _field("day", "day", day_value, required=True),
            _field("sales", "market_sales", money_value),
            _field("price", "competitor_price", money_value),
        ),
    ),
}


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
LINE_DIRT = (
    "bad value",
    "required missing",
    "too few fields",
    "too many fields",
    "open quote",
    "broken quotes",
    "quoted newline",
    "zero byte",
    "wrong bytes",
    "huge field",
    "empty line",
    "spaces only",
    "header again",
    "same line twice",
    "only delimiters",
    "thousands of fields",
)
JSON_DIRT = (
    "bad value",
    "required missing",
    "cut off",
    "two objects",
    "junk behind",
    "list",
    "name twice",
    "NaN token",
    "1e400 token",
    "half character",
    "escaped zero",
    "zero byte",
    "wrong bytes",
    "huge field",
    "empty line",
    "spaces only",
    "single quotes",
    "no object",
    "deep",
    "same line twice",
    "closed early",
)
FILE_DIRT = (
    "BOM",
    "CRLF",
    "CR",
    "mixed line ends",
    "no last line end",
    "other column order",
    "extra column",
    "quoted header",
    "spaced header",
    "empty lines first",
    "gzip",
)
WHOLE_FILE_DIRT = (
    "empty",
    "header only",
    "blank only",
    "column missing",
    "column twice",
    "other delimiter",
    "UTF-16",
    "binary",
)
PARQUET_DIRT = (
    "NaN",
    "infinity",
    "too large",
    "required missing",
    "other column order",
    "extra column",
    "no rows",
    "optional column missing",
)


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
        dirty = _dirty_csv_lines(kind, shape, order, delimiter, f"{name}-d{n}", header, rng)
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
        found = data[len(bom) :].splitlines()
        lines = [Line(raw, BLANK if not raw.strip(b" ") else BAD, reason="broken_header") for raw in found]
    assert len(lines) == len(data.splitlines()), (name, dirt)
    return DirtyFile(source, _stored(name, "csv", dirt), data, lines, dirt)


def _csv_line(
    shape: Shape,
    order: list[str],
    delimiter: str,
    key: str,
    rng: Rng,
    broken: Field | None = None,
    written: str = "",
    huge: bool = False,
) -> Line:
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


def _dirty_csv_lines(
    kind: str, shape: Shape, order: list[str], delimiter: str, key: str, header: Line, rng: Rng
) -> list[Line]:
    good = _csv_line(shape, order, delimiter, key, rng)
    if kind == "bad value":
        some = rng.choice([c for c in shape.fields if c.bad])
        return [
            _csv_line(shape, order, delimiter, f"{key}-{i}", rng, some, value)
            for i, value in enumerate(rng.sample(some.bad, min(5, len(some.bad))))
        ]
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
        "zero byte": [middle + b"\0" + good.raw[len(middle) :]],
        "wrong bytes": [b"caf\xe9" + good.raw, good.raw + b"\xff"],
        "only delimiters": [one * (len(order) - 1)],
        "thousands of fields": [one * 30_000, (b'"x"' + one) * 30_000],
    }[kind]
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
        return [
            _json_line(
                shape,
                f"{key}-{i}",
                rng,
                {some.theirs: v},
                f"unparsable_{some.ours}" if v != "9" else "score_out_of_range",
            )
            for i, v in enumerate(values)
        ]
    if kind == "required missing":
        return [
            _json_line(shape, key, rng, {"at": ""}, "missing_ts"),
            _json_line(shape, key, rng, {"id": None}, "missing_feedback_id"),
        ]
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
        "1e400 token": [
            json.dumps({"id": key, "said": "SAID", "at": "2017-05-05T00:00:00"}).encode().replace(b'"SAID"', b"1e400")
        ],
        "half character": [b'{"new": "\\ud83d", ' + body, b'{"new": "\\ude00\\ud83d", ' + body],
        "escaped zero": [b'{"new": "a\\u0000b", ' + body],
        "zero byte": [good.raw[:20].decode(errors="ignore").encode() + b"\0"],
        "wrong bytes": [b'{"new": "caf\xe9", ' + body],
        "single quotes": [b"{'id': 'x', 'at': '2017-05-05T00:00:00'}"],
        "no object": [b"1", b'"x"', b"null", b"true"],
        "deep": [b'{"a":' * 1500 + b"1" + b"}" * 1500],
    }[kind]
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
        pq.write_table(
            pa.table({"category": pa.array(map(str, numbers)), "sales": pa.array(numbers)}),
            sink,
            compression="snappy",
            use_dictionary=False,
        )
        whole = sink.getvalue().to_pybytes()
        cut = rng.randrange(4, len(whole) - 1)
        data = {
            "parquet cut off": whole[:cut],
            "parquet damaged": whole[:4] + b"\xff" * 2000 + whole[2004:],
            "no parquet": b"category,sales\nx,1\n",
        }[kind]
        yield DirtyFile("market", f"r{n:04d}.parquet", data, [], {kind}, True)
