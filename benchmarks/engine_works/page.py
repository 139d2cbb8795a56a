"""The rows of benchmarks as tables: on the terminal, and as docs/benchmarks.md."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from engine_works.rounds import NOT_INSTALLED
from engine_works.work import OURS
from engine_works.works import WORKS

Row = dict[str, Any]

_EQUAL = {True: "yes", False: "**no**", None: "not compared"}
_HEAD = (
    "| engine | wall, s | spread, s | CPU, s | peak, MB | best peer ÷ ours | wall ÷ limit | others' cores | equal |",
    "|---|---|---|---|---|---|---|---|---|",
)


def printed(rows: Sequence[Row]) -> str:
    return "\n".join([*_HEAD, *map(_line, _by_wall(rows))])


def page(rows: Sequence[Row]) -> str:
    """docs/benchmarks.md."""
    names = list(dict.fromkeys((row["work"], row["size"]) for row in rows))
    parts = [_introduction(rows), "## What loses\n" + _losses(rows)]
    parts += [_section([row for row in rows if (row["work"], row["size"]) == of]) for of in names]
    return "\n\n".join(parts) + "\n"


def _introduction(rows: Sequence[Row]) -> str:
    machines = sorted({row["machine"] for row in rows})
    versions = sorted({f"{name} {version}" for row in rows for name, version in row["versions"].items()})
    missing = sorted({row["engine"] for row in rows if row["note"] == NOT_INSTALLED})
    absent = f"\n\nNot installed, so not measured: {', '.join(missing)}." if missing else ""
    return f"""# Other engines on the same work

Made by `benchmarks/engines.py --docs` from rows that it measured; no figure here is written by hand.

Machine: {"; ".join(machines)}. Versions: {", ".join(versions)}.{absent}

- Each run is a process of its own with two threads: two task slots in Spark, two threads of BLAS, OpenMP, Polars,
  DuckDB and the like elsewhere. All engines read the same Parquet file and leave their result as Parquet.
- Engines take turns, round after round. Wall is the median, without the start of Python and of the Spark session and
  without imports; CPU is that of the process and all that it started; peak is the sum of their resident memory, in
  which what processes share counts twice, and a JVM's heap as far as it ever grew.
- Others' cores: how many cores other processes of the machine kept busy meanwhile. Above 0 the wall is longer than on a
  quiet machine, the CPU a little. Where the cell is empty that was not recorded.
- Of medium and large works each process has done the same with a few rows before: what a first call takes beyond that
  (compiling, starting workers) is in no figure. Small ones are first calls.
- A result is held against that of the peer named under Equal, before any figure counts. Only peers with an equal
  result can be the best one. `ours` begins the names of what promo_spark does, by the functions that its jobs call.
- The limit is what no engine can beat on this machine: bare kernels, or rates measured when the rows were made.
- `--size large` has four to twenty times the rows of medium, `--size small` a hundredth to a quarter, for a look.

```bash
.venv/bin/pip install '.[bench]'
PYTHONPATH=. .venv/bin/python benchmarks/engines.py --size medium --json FILE
PYTHONPATH=. .venv/bin/python benchmarks/engines.py --docs FILE
```"""


def _losses(rows: Sequence[Row]) -> str:
    """A sentence per work in which a peer is faster."""
    ours = [row for row in rows if row["ratio_to_best_peer"] is not None]
    lost = sorted(
        (row for row in ours if row["ratio_to_best_peer"] < 1), key=lambda row: float(row["ratio_to_best_peer"])
    )
    if not lost:
        return "No peer with an equal result is faster in any of these works."
    return "\n".join(f"- {_loss(row, rows)}" for row in lost)


def _loss(row: Row, rows: Sequence[Row]) -> str:
    peer = _best_peer([other for other in rows if (other["work"], other["size"]) == (row["work"], row["size"])])
    times = 1 / row["ratio_to_best_peer"]
    return (
        f"{row['work']} ({row['size']}): `{row['engine']}` takes {row['wall_s']:.3g} s where {peer['engine']} takes "
        f"{peer['wall_s']:.3g} s, {times:.2g} times as long; CPU {row['cpu_s']:.3g} s and {peer['cpu_s']:.3g} s."
    )


def _best_peer(rows: Iterable[Row]) -> Row:
    peers = (row for row in rows if not row["engine"].startswith(OURS) and row["equal"])
    return min(peers, key=lambda row: float(row["wall_s"]))


def _section(rows: Sequence[Row]) -> str:
    first, work = rows[0], WORKS[rows[0]["work"]]
    notes = [f"- {row['engine']}: {row['note']}" for row in _by_wall(rows) if row["note"]]
    parts = [
        f"## {work.name}",
        work.about,
        f"Size {first['size']}, {first['data_rows']:,} rows, {_rounds(first['rounds'])}. "
        f"Equal: {work.tolerance}. Limit, {first['limit_s']:.3g} s: {work.limited_by}.",
        printed(rows) if first["quality"] is None else _with_quality(rows),
        "\n".join(notes),
    ]
    return "\n\n".join(filter(None, parts))


def _rounds(number: int) -> str:
    return "one round" if number == 1 else f"{number} rounds"


def _with_quality(rows: Sequence[Row]) -> str:
    head = [_HEAD[0] + " quality |", _HEAD[1] + "---|"]
    return "\n".join([*head, *(f"{_line(row)} {_number(row['quality'])} |" for row in _by_wall(rows))])


def _by_wall(rows: Iterable[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: float("inf") if row["wall_s"] is None else float(row["wall_s"]))


def _line(row: Row) -> str:
    if row["wall_s"] is None:
        return f"| {row['engine']} | {row['note'].split(':')[0]} | | | | | | | |"
    spread = f"{_number(row['wall_min_s'])} to {_number(row['wall_max_s'])}"
    peer = "" if row["ratio_to_best_peer"] is None else f"{row['ratio_to_best_peer']:.2f}"
    cells = (
        row["engine"],
        _number(row["wall_s"]),
        spread,
        _number(row["cpu_s"]),
        f"{row['peak_mb']:,.0f}",
        peer,
        _number(row["ratio_to_limit"]),
        "" if row["others_cores"] is None else f"{row['others_cores']:.1f}",
        _EQUAL[row["equal"]],
    )
    return f"| {' | '.join(cells)} |"


def _number(figure: float | None) -> str:
    if figure is None:
        return ""
    return f"{figure:,.0f}" if figure >= 100 else f"{figure:.3g}"
