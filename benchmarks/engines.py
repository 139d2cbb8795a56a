"""What other engines take for the works of promo_spark, beside promo_spark itself, on the same data and two threads.

    PYTHONPATH=. .venv/bin/python benchmarks/engines.py --size small|medium|large --json FILE [--works A,B] [--rounds N]
    PYTHONPATH=. .venv/bin/python benchmarks/engines.py --docs FILE

Each run is a process of its own; engines take turns; a result that is not the right one is told, and so is every row
that loses. Rows of works that are not asked for stay in the file. `--docs` writes docs/benchmarks.md from it.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from engine_works.page import page, printed
from engine_works.rounds import NOT_INSTALLED, rows_of
from engine_works.work import SIZES
from engine_works.works import WORKS

PAGE = Path(__file__).resolve().parents[1] / "docs" / "benchmarks.md"
ROUNDS = {"tiny": 1, "small": 1, "medium": 2, "large": 3}
WARMED = ("medium", "large")  # the smaller ones show what a first call takes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=SIZES, default="small")
    parser.add_argument("--json", type=Path, help="where the rows go")
    parser.add_argument("--works", default="", help=f"of {', '.join(WORKS)}; all of them unless told")
    parser.add_argument(
        "--rounds", type=int, help="runs of each engine; 1 of small, 2 of medium, 3 of large unless told"
    )
    parser.add_argument("--docs", type=Path, metavar="FILE", help="runs nothing, writes the page of these rows")
    asked = parser.parse_args()
    if asked.docs:
        PAGE.write_text(page(json.loads(asked.docs.read_text(encoding="utf-8"))), encoding="utf-8")
        return
    if asked.json is None:
        parser.error("--json FILE says where the rows go")
    if unknown := sorted(set(filter(None, asked.works.split(","))) - set(WORKS)):
        parser.error(f"--works: there is no {', '.join(unknown)}; there are {', '.join(WORKS)}")
    names = [name for name in asked.works.split(",") if name] or [n for n, w in WORKS.items() if asked.size in w.sizes]
    rows = json.loads(asked.json.read_text(encoding="utf-8")) if asked.json.exists() else []
    for name in names:
        rounds = asked.rounds or ROUNDS[asked.size]
        found = rows_of(WORKS[name], asked.size, rounds, warmed=asked.size in WARMED)
        rows = [row for row in rows if (row["work"], row["size"]) != (name, asked.size)] + found
        lines = ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
        asked.json.write_text(f"[\n{lines}\n]\n", encoding="utf-8")  # after each work: a stop loses one at most
        print(printed(found), flush=True)
    missing = sorted({f"{row['engine']} ({row['work']})" for row in rows if row["note"] == NOT_INSTALLED})
    if missing:
        print(f"not installed, so not measured: {', '.join(missing)}")


if __name__ == "__main__":
    main()
