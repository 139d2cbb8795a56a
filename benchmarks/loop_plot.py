"""What benchmarks/loop.py found, as a plot and as a table of Markdown.

.venv/bin/python benchmarks/loop_plot.py FILE.json [--svg docs/loop.svg]
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

WAYS = {"oracle": "#999999", "known": "#5aae61", "frozen": "#d6604d", "adjusting": "#2166ac"}
SHOWN = {
    "stationary": "nothing changes",
    "drift": "from day 10 on all offers draw less",
    "two_lose": "from day 10 on the two best mechanics draw less",
    "planted": "the mechanic that is used most loses",
}


def seeds_of(told: dict[str, Any], scenario: str) -> list[dict[str, Any]]:
    return [one for name, one in told.items() if name.partition(" ")[2] == scenario]


def drawn(told: dict[str, Any], to: Path) -> None:
    """A panel per scenario: margin that offers bring per treated user, day by day, mean over seeds."""
    mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "loop", "font.size": 9})
    there = [name for name in SHOWN if seeds_of(told, name)]
    figure = Figure(figsize=(9, 6), layout="constrained")
    for place, name in enumerate(there, start=1):
        axes = figure.add_subplot(2, 2, place)
        for way, colour in WAYS.items():
            by_seed = [[row[way] for row in one["by_day"]] for one in seeds_of(told, name)]
            axes.plot(np.mean(by_seed, axis=0), color=colour, label=way, linewidth=1.6)
        if name in ("drift", "two_lose"):
            axes.axvline(10, color="#cccccc", linewidth=0.8)
        axes.axhline(0, color="#cccccc", linewidth=0.8)
        axes.set_title(SHOWN[name], fontsize=9)
        axes.set_xlabel("day")
        axes.set_ylabel("margin per treated user and day")
        if place == 1:
            axes.legend(frameon=False)
    figure.savefig(to, format="svg", metadata={"Date": None, "Creator": None})


def table(told: dict[str, Any]) -> str:
    """A row per scenario, a value per seed."""
    figures = {
        "value, adjusting over frozen": "value_ratio",
        "regret, adjusting over frozen": "regret_ratio",
        "the same of `known`": "regret_ratio_known",
        "told over given, frozen": "told_over_given_frozen",
        "told over given, adjusting": "told_over_given_adjusting",
        "within 5 %": "within_5_percent",
        "nothing paused or raised": "nothing_paused_or_raised",
        "the loser paused in 14 days": "paused_within_14_days",
    }
    lines = [f"| scenario | {' | '.join(figures)} |", f"|---|{'---|' * len(figures)}"]
    names = dict.fromkeys(name.partition(" ")[2] for name, one in told.items() if isinstance(one, dict))
    for name in names:
        cells = []
        for key in figures.values():
            found = [one["summary"].get(key) for one in seeds_of(told, name)]
            cells.append(", ".join("–" if value is None else f"{value:.2f}" for value in found))
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("file", type=Path)
    options.add_argument("--svg", type=Path)
    asked = options.parse_args()
    told = json.loads(asked.file.read_text(encoding="utf-8"))
    if asked.svg:
        drawn(told, asked.svg)
    print(table(told))


if __name__ == "__main__":
    main()
