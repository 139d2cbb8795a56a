"""Lists the inventory rows that tests prove, from the ids at the start of the tests' docstrings.

.venv/bin/python scripts/proven.py [TESTS_FOLDER]
"""

from __future__ import annotations

import ast
import re
import sys
from collections import defaultdict
from pathlib import Path

ROW = re.compile(r"[A-O]\d\d")


def proven_rows(tests: Path) -> dict[str, list[str]]:
    """id → "what is proven (file::test)" for every test whose docstring starts with ids and a colon."""
    rows: defaultdict[str, list[str]] = defaultdict(list)
    for file in sorted(tests.rglob("test_*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                ids, colon, _ = (ast.get_docstring(node) or "").partition(":")
                if colon and ROW.match(ids):
                    part = re.findall(r"([A-O]\d\d)(\s*\([^)]*\))?", ids)
                    for row, note in part:
                        rows[row].append(f"{file.relative_to(tests)}::{node.name}{note}")
    return dict(sorted(rows.items()))


def main() -> None:
    tests = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parents[1] / "tests"
    rows = proven_rows(tests)
    for row, where in rows.items():
        print(f"{row}  {'; '.join(where)}")
    print(f"{len(rows)} rows proven")


if __name__ == "__main__":
    main()
