"""The line of a CSV file that names its columns: its names, and what is wrong with it in words."""

from __future__ import annotations

import re
from collections.abc import Sequence

from promo_spark.errors import printable
from promo_spark.storage.files import Files

BOM = "\ufeff"
_DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
_COMPRESSED = (".gz", ".bz2", ".deflate", ".lz4", ".snappy", ".zst")  # as Hadoop knows them by their names
_BYTES = 64 << 10  # in which the first line of a file that is not empty ends
_EXCEL = ("PK\x03\x04", "\xd0\xcf\x11\xe0", "\ufffd\ufffd\x11\ufffd")  # workbooks of today, and of before 2007


def plain_headers(files: Files, paths: Sequence[str], utf8: bool) -> list[tuple[str, str]] | None:
    """Each file, as rows name it, with its first line that is not empty, in order; of a file of empty lines, nothing.

    Only the beginning of each file is read. None where one of them is not plainly so: it is compressed, or the line is
    long, or other than ASCII, be it UTF-8 where that is what the files are in.
    """
    found = []
    for path in paths:
        if path.lower().endswith(_COMPRESSED):
            return None
        content = files.beginning(path, _BYTES)
        lines = re.split(rb"\r\n|\n|\r", content)
        for line in lines if len(content) < _BYTES else lines[:-1]:
            try:
                text = line.decode("utf-8" if utf8 else "ascii").removeprefix(BOM)
            except UnicodeDecodeError:
                return None
            if "\0" in text:
                return None
            if text.strip(" "):
                found.append((files.uri(path), text))
                break
        else:
            if len(content) == _BYTES:
                return None
    return sorted(found)


def header_names(header: str, delimiter: str) -> list[str]:
    """
    >>> header_names('order; "paid; gross" ;time', ";")
    ['order', 'paid; gross', 'time']
    """
    one = re.escape(delimiter)
    fields = re.findall(rf'{one}( *"(?:[^"]|"")*" *(?={one}|$)|(?:(?!{one}).)*)', delimiter + header)
    return [f.strip()[1:-1].replace('""', '"').strip() if f.strip()[:1] == '"' else f.strip() for f in fields]


def no_text(header: str, encoding: str) -> str:
    """What to say of a header that is not text in the encoding."""
    if header.startswith(_EXCEL):
        return "this is an Excel workbook, not a CSV file: save it as CSV (UTF-8) and give that file"
    if header.startswith(("\xff\xfe", "\xfe\xff")) or "\0" in header:
        return f"the header is not text in {encoding}; it looks like UTF-16: convert the file to UTF-8"
    return (
        f"the header is not text in {encoding}: set encoding of the source to that of the file, such as windows-1252, "
        "or convert the file to UTF-8"
    )


def lacking(missing: Sequence[str], wanted: Sequence[str], present: Sequence[str]) -> str:
    """What to say of columns that are not there; what may be no header, but somebody's data, is not shown."""
    if len(missing) < len(wanted):
        told = f"lacks the columns {', '.join(missing)}; it has: {printable(', '.join(present))[:2000]}"
        if any("\x80" <= sign <= "\x9f" for name in present for sign in name):
            told += '. Signs such as \\x80 tell of another encoding: try encoding = "windows-1252"'
        return told
    return (
        f"has none of the columns {', '.join(missing)}; what it has instead is not shown: does its first line "
        "name the columns?"
    )


def other_delimiter(header: str, wanted: Sequence[str], delimiter: str) -> str:
    """What to say where another delimiter finds more of the columns; "": none does.

    >>> other_delimiter("order;sku;paid", ["order", "sku"], ",")
    'its columns are separated by semicolons: set delimiter = ";"'
    >>> other_delimiter("order,sku", ["order", "price"], ",")
    ''
    """
    found = {sign: len(set(wanted) & set(header_names(header, sign))) for sign in {*_DELIMITERS, delimiter}}
    best = max(_DELIMITERS, key=lambda sign: found[sign])
    if found[best] <= found[delimiter]:
        return ""
    shown = best.replace("\t", "\\t")
    return f'its columns are separated by {_DELIMITERS[best]}s: set delimiter = "{shown}"'
