"""Readers of raw files: every line is a row as it stands, blank, or broken with its fault; nothing is moved."""

from __future__ import annotations

import gzip
from pathlib import Path

import polars as pl
import pytest
from chispa import assert_df_equality
from pyspark.sql import DataFrame, SparkSession

from promo_spark.contracts.raw_rows import RawRow
from promo_spark.errors import SourceError
from promo_spark.storage import json_lines, landing
from tests.storage.test_small_tables import executions


def folder(of: Path, **files: bytes) -> str:
    """A folder with the files, named by their keyword with its last underscore as the point."""
    for name, data in files.items():
        stem, _, ending = name.rpartition("_")
        (of / f"{stem}.{ending.replace('XX', '.')}").write_bytes(data)
    return str(of)


def lines(rows: DataFrame, *columns: str) -> dict[str, list[tuple[str | None, ...]]]:
    """Per file, line by line: the columns, or the name of the fault, or blank."""
    found: dict[str, list[tuple[str | None, ...]]] = {}
    for row in rows.orderBy(RawRow.file, "_position").collect():
        told = (
            ("blank",)
            if row[RawRow.blank]
            else (row[RawRow.fault],)
            if row[RawRow.fault]
            else tuple(row[c] for c in columns)
        )
        found.setdefault(row[RawRow.file].rsplit("/", 1)[-1], []).append(told)
    return found


def test_every_file_of_a_folder_is_read_by_its_own_header(spark: SparkSession, tmp_path: Path) -> None:
    """A12, A13: columns in another order do not change places; a file without a mapped column is set aside whole."""
    path = folder(
        tmp_path,
        a_csv=b"sku,pieces\nmilk,2\n",
        b_csv=b"\xef\xbb\xbfpieces;,note,sku\r\n\r\n2,x,milk\r\npieces;,note,sku\r\n",  # no column `pieces`
        c_csv=b'\xef\xbb\xbf"pieces", note , sku \r\n\r\n3,x,bread\r\n"pieces", note , sku \r\n4,y,milk',
        d_csv=b"\n  \nsku,pieces,pieces\nmilk,1,2\n",  # which pieces?
        e_csv=b"",
        f_csv=b"note,sku,pieces,note\rx,milk,5,y\r",  # `note` twice, but nobody asks for it; CR ends a line
        g_csv="sku,pieces\nmilk,2\n".encode("utf-16"),
        _SUCCESS_=b"not,for,us\n",
    )
    broken, blank = ("broken_header",), ("blank",)
    assert lines(landing.csv_rows(spark, path, ["sku", "pieces"]), "sku", "pieces") == {
        "a.csv": [blank, ("milk", "2")],
        "b.csv": [broken, blank, broken, broken],
        "c.csv": [blank, blank, ("bread", "3"), blank, ("milk", "4")],
        "d.csv": [blank, blank, broken, broken],
        "f.csv": [blank, ("milk", "5")],
        "g.csv": [broken, broken, broken],  # the last is the zero byte after the last line end
    }


PLAIN = {
    "a b%20ü_csv": b"\n  \r\nsku,pieces\nmilk,caf\xe9\n",  # what follows the header does not matter
    "b_csv": "\ufeffsku,pieces,größe".encode(),  # a mark, no line end
    "c_csv": b"pieces\tsku\rmilk",
    "d_csv": b"",
    "e_csv": b" \n\n",
    "f_csv": b"sku,pieces\n" + b"x,1\n" * 50_000,  # more than is read of it
}
NOT_PLAIN = {
    "compressed": {"a_csvXXgz": gzip.compress(b"sku,pieces\nmilk,2\n")},
    "of zero bytes": {"a_csv": b"sku,pieces\0\n"},
    "no text": {"a_csv": b"sku,pieces,gr\xf6\xdfe\n"},
    "long": {"a_csv": b" " * 70_000 + b"\nsku,pieces\n"},
    "one of several": {"a_csv": b"sku,pieces\n", "b_csv": b"\xff\xfes\0"},
}


@pytest.mark.parametrize("files", [PLAIN, *NOT_PLAIN.values()], ids=["plain", *NOT_PLAIN])
def test_a_header_is_the_one_that_spark_finds_whoever_looks_for_it(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, bytes]
) -> None:
    """The driver reads the beginning of a few plain files; Spark goes through all lines of others."""
    lines = landing.lines_of(spark, folder(tmp_path, **files), landing.UTF_8, ())
    before = executions(spark)
    found = landing._headers("x", lines, landing.UTF_8)
    assert (executions(spark) == before) is (files is PLAIN)
    monkeypatch.setattr(landing, "_FEW_FILES", 0)
    assert found == landing._headers("x", lines, landing.UTF_8)
    if files is PLAIN:
        assert [header for _, header, _ in found] == ["sku,pieces", "sku,pieces,größe", "pieces\tsku", "sku,pieces"]


# A line under the header a,b and what it is.
CSV_LINES: list[tuple[bytes, tuple[str | None, ...]]] = [
    (b"1,2", ("1", "2")),
    (b",", ("", "")),
    (b'"1,5","say ""hi"""', ("1,5", 'say "hi"')),
    (b'"1" , "2"', ("1", "2")),  # spaces around quotes
    (b'5" x 7",2', ('5" x 7"', "2")),  # quotes inside a field without quotes are its own
    (b'"",2', ("", "2")),
    (b"   ", ("blank",)),
    (b"a,b", ("blank",)),
    (b"1", ("broken_row",)),
    (b"1,2,", ("broken_row",)),
    (b'"1,2', ("broken_row",)),
    (b'1,2"', ("broken_row",)),
    (b'"1"2"3",4', ("broken_row",)),
    (b'"1" "2",3', ("broken_row",)),
    (b'"first', ("broken_row",)),  # a quoted line end: both its lines stand for themselves
    (b'second",2', ("broken_row",)),
    (b"1,\x002", ("broken_encoding",)),
    (b"caf\xe9,2", ("broken_encoding",)),
    (b"," * 30_000, ("broken_row",)),
    (b'"x",' * 30_000, ("broken_row",)),
    (b'"' + b'y""' * 300_000 + b'",2', ('y"' * 300_000, "2")),
    (b"z" * 1_500_000 + b",2", ("z" * 1_500_000, "2")),
]


def test_a_line_is_a_row_as_it_stands_or_broken(spark: SparkSession, tmp_path: Path) -> None:
    """A13, B06: broken quotes, ragged rows, zero bytes, wrong bytes and huge fields; the raw line is kept."""
    path = folder(tmp_path, a_csv=b"\n".join([b"a,b", *(raw for raw, _ in CSV_LINES)]))
    rows = landing.csv_rows(spark, path, ["a", "b"])
    assert lines(rows, "a", "b")["a.csv"][1:] == [told for _, told in CSV_LINES]
    wrong = {r[RawRow.raw] for r in rows.filter(f"{RawRow.fault} = 'broken_encoding'").collect()}
    assert {raw.encode("latin-1") for raw in wrong} == {b"1,\x002", b"caf\xe9,2"}  # every byte is still there


@pytest.mark.parametrize(("delimiter", "line"), [("|", b'"x|y"|2'), ("||", b'"x||y"||2'), ("\t", b'"x\ty"\t2')])
def test_any_delimiter(spark: SparkSession, tmp_path: Path, delimiter: str, line: bytes) -> None:
    path = folder(tmp_path, a_csv=f"a{delimiter}b\n".encode() + line)
    assert lines(landing.csv_rows(spark, path, ["b", "a"], delimiter), "a", "b") == {
        "a.csv": [("blank",), (f"x{delimiter}y", "2")]
    }


def test_a_source_in_another_encoding(spark: SparkSession, tmp_path: Path) -> None:
    """A13: GB18030 is read by setting; what is no text in it is set aside."""
    path = folder(tmp_path, a_csv="商品,数量\n牛奶,2\n".encode("gb18030") + b"\xff\xff,2\n")
    rows = landing.csv_rows(spark, path, ["商品", "数量"], encoding="GB18030")
    assert lines(rows, "商品", "数量") == {"a.csv": [("blank",), ("牛奶", "2"), ("broken_encoding",)]}


JSON_LINES: list[tuple[bytes, tuple[str | None, ...]]] = [
    (b'{"a": 1, "b": "x"}', ("1", "x")),
    ('{"b": "牛奶", "more": [1]}'.encode(), (None, "牛奶")),
    (b'{"a": 12345678901234567890, "b": "\\ud83d\\ude00"}', ("12345678901234567890", "😀")),
    (b'{"a": {"x": [1]}}', ('{"x":[1]}', None)),
    (b"", ("blank",)),
    (b'{"a": 1}{"a": 2}', ("broken_row",)),  # Spark alone would read the first and forget the second
    (b'{"a": 1},{"a": 2}', ("broken_row",)),
    (b'{"a": 1} junk', ("broken_row",)),
    (b'{"a": 1}]', ("broken_row",)),
    (b'{"a": 1}] {"a": 2}', ("broken_row",)),
    (b'[{"a": 1}]', ("broken_row",)),
    (b'{"a": 1, "a": 2}', ("broken_row",)),  # which?
    (b'{"a": NaN}', ("broken_row",)),
    (b'{"a": 1e400}', ("broken_row",)),
    (b'{"a": 007}', ("broken_row",)),
    (b'{"a": 1', ("broken_row",)),
    (b"null", ("broken_row",)),
    (b'{"a":' * 1500 + b"1" + b"}" * 1500, ("broken_row",)),
    (b'{"a": "\\ud83d"}', ("broken_encoding",)),  # half a character
    (b'{"a": "\\u0000"}', ("broken_encoding",)),
    (b'{"a": "caf\xe9"}', ("broken_encoding",)),
]


def test_a_json_line_is_one_object_or_broken(spark: SparkSession, tmp_path: Path) -> None:
    """A13, B06: JSON lines; what stands behind the object is not forgotten."""
    path = folder(tmp_path, a_jsonl=b"\xef\xbb\xbf" + b"\n".join(raw for raw, _ in JSON_LINES))
    assert lines(json_lines.json_rows(spark, path, ["a", "b"]), "a", "b") == {
        "a.jsonl": [told for _, told in JSON_LINES]
    }


WORKBOOK = b"PK\x03\x04\x14\x00\x06\x00\x08\x00" + bytes(range(256))  # an .xlsx file is a zip


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({}, "is empty: not even a header line"),
        ({"a_csv": b"\n \n"}, "is empty: not even a header line"),
        ({"a_csv": b"a,c\n1,2\n"}, "lacks the columns b; it has: a, c"),
        ({"a_csv": b"a,b,b\n"}, "the header names b more than once"),
        ({"a_csv": "a,b\n".encode("utf-16")}, "is not text in UTF-8; it looks like UTF-16: convert"),
        ({"a_csv": WORKBOOK}, "this is an Excel workbook, not a CSV file: save it as CSV"),
        (
            {"a_csv": "a,b,größe\n".encode("windows-1252")},
            "is not text in UTF-8: set encoding of the source to that of",
        ),
        ({"a_csv": b"a;b\n1;2\n"}, 'its columns are separated by semicolons: set delimiter = ";"'),
        ({"a_csv": b"a\n", "b_csv": b"b\n"}, r"none of 2 files has a usable header; .*/a.csv: lacks the columns b"),
        ({"a_csvXXgz": gzip.compress(b"a,b\n" + bytes(range(32, 127)) * 300)[:-20]}, r"cannot be read.*a\.csv\.gz"),
    ],
)
def test_a_source_without_a_usable_file_is_refused_by_name(
    spark: SparkSession, tmp_path: Path, data: dict[str, bytes], message: str
) -> None:
    with pytest.raises(SourceError, match=message):
        landing.csv_rows(spark, folder(tmp_path, **data), ["a", "b"])


def test_parquet_files_are_read_by_name_and_refused_when_one_is_damaged(spark: SparkSession, tmp_path: Path) -> None:
    """A12: other column order, more columns and no rows are fine; a cut or contrary file refuses the load by name."""
    pl.DataFrame({"sku": ["milk"], "sales": [2.0]}).write_parquet(tmp_path / "a.parquet")
    pl.DataFrame({"sales": [3.0], "note": ["x"], "sku": ["bread"]}).write_parquet(tmp_path / "b.parquet")
    pl.DataFrame({"sku": ["x"], "sales": [0.0]}).head(0).write_parquet(tmp_path / "c.parquet")
    (tmp_path / "_SUCCESS").write_bytes(b"")
    (tmp_path / ".old.parquet.crc").write_bytes(b"crc")
    rows = landing.typed_rows(spark, str(tmp_path), "parquet", ["sku", "sales"])
    expected = spark.createDataFrame([("bread", 3.0), ("milk", 2.0)], "sku string, sales double")
    assert_df_equality(rows.select("sku", "sales"), expected, ignore_row_order=True)
    pl.DataFrame({"sku": ["milk"], "sales": ["two"]}).write_parquet(tmp_path / "d.parquet")
    with pytest.raises(SourceError, match=r"cannot be read, so nothing was loaded: .*(d\.parquet|sales)"):
        landing.typed_rows(spark, str(tmp_path), "parquet", ["sku", "sales"])
    (tmp_path / "d.parquet").write_bytes((tmp_path / "a.parquet").read_bytes()[:-30])
    with pytest.raises(SourceError, match=r"cannot be read, so nothing was loaded: .*d\.parquet"):
        landing.typed_rows(spark, str(tmp_path), "parquet", ["sku", "sales"])
