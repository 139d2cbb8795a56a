"""Lists the inventory rows that tests prove, from the ids in the tests' docstrings.

    .venv/bin/python scripts/proven.py [TESTS_FOLDER]

A line of a docstring that begins with ids and a colon says what is proven: `A01, B02: …`. An id with a part in
brackets, `A01 (first part)`, proves that part only: the row does not count, but is listed as begun.
"""

from __future__ import annotations

import ast
import re
import sys
from collections import defaultdict
from pathlib import Path

ROW = re.compile(r"([A-O]\d\d)(\s*\([^)]*\))?")
IDS = re.compile(r"^\s*((?:[A-O]\d\d(?:\s*\([^)]*\))?(?:\s*,\s*|\s+and\s+)?)+):(?!:)")


def rows_of(docstring: str) -> list[tuple[str, str]]:
    """The ids that a docstring names, each with its part in brackets, or "" for the whole row.

    >>> rows_of("A01, B02 (files): reads them.\\n\\nC03: and this.\\nSee D04 for more.")
    [('A01', ''), ('B02', '(files)'), ('C03', '')]
    """
    found = []
    for line in docstring.splitlines():
        ids = IDS.match(line)
        if ids:
            found += [(row, part.strip()) for row, part in ROW.findall(ids.group(1))]
    return found


def proven_rows(tests: Path) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Rows proven as a whole, and rows of which only parts are: id → "file::test (part)"."""
    whole: defaultdict[str, list[str]] = defaultdict(list)
    parts: defaultdict[str, list[str]] = defaultdict(list)
    for file in sorted(tests.rglob("test_*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                for row, part in rows_of(ast.get_docstring(node) or ""):
                    where = f"{file.relative_to(tests)}::{node.name}"
                    if part:
                        parts[row].append(f"{where} {part}")
                    else:
                        whole[row].append(where)
    begun = {row: where for row, where in sorted(parts.items()) if row not in whole}
    return dict(sorted(whole.items())), begun


def main() -> None:
    tests = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parents[1] / "tests"
    whole, begun = proven_rows(tests)
    for row, where in whole.items():
        print(f"{row}  {'; '.join(where)}")
    for row, where in begun.items():
        print(f"{row}  begun: {'; '.join(where)}")
    print(f"{len(whole)} rows proven, {len(begun)} begun")


if __name__ == "__main__":
    main()
