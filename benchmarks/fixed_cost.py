"""What a run costs whatever the size: wall time, CPU seconds, Spark's executions and jobs of the pipeline, per job.

    .venv/bin/python benchmarks/fixed_cost.py [--against COMMIT] [--rounds 2] [--demo] [--jobs a,b] [--executions]

The pipeline decides for a shop of 200 users, 100 products and 60 days, from nothing, and then again with nothing to do.
With --against the same is done by the code of another commit, in turn (A B A B), and the ratios are printed. The
promotions of all runs of a commit must be equal. --demo takes the real retailer in place of the small shop. --jobs:
this commit runs these jobs alone, such as those that the other has too. --executions lists what each job asked Spark
for, most frequent first. Figures are of this machine, as busy as it is.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl
from calls import PROJECT, event_log, events, submitted

WORLD_DATE, DEMO_DATE = "2024-06-01", "2017-12-01"
SMALL = ("generate.users=200", "generate.products=100", "generate.days=60")


@dataclass
class Cost:
    """What one call took; executions and Spark jobs by job of the pipeline, "" for what belongs to none."""

    wall: float
    cpu: float
    executions: Counter[str] = field(default_factory=Counter)
    jobs: Counter[str] = field(default_factory=Counter)
    descriptions: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))


def pipeline_cost(code: Path, folder: Path, demo: bool, jobs: Sequence[str]) -> Cost:
    """The pipeline of a checkout, or some of its jobs, its Spark events logged."""
    log, conf = event_log(folder)
    some = ["--set", f"pipeline.jobs={json.dumps(jobs)}"] if jobs else []
    used = submitted(code, "pipeline", *where(folder, demo), "--set", conf, *some)
    cost = Cost(used.wall, used.cpu)
    for event in events(log):
        kind = str(event["Event"]).rsplit(".", 1)[-1]
        if kind == "SparkListenerSQLExecutionStart":
            job = job_of(" ".join(event.get("jobTags") or ()))
            cost.executions[job] += 1
            cost.descriptions[job][re.sub(r"\d+", "#", str(event["description"]))[:90]] += 1
        elif kind == "SparkListenerJobStart":
            properties = event.get("Properties") or {}
            cost.jobs[job_of(str(properties.get("spark.job.tags", "")))] += 1
    return cost


def job_of(tags: str) -> str:
    found = re.search(r"promo_spark-([a-z]+)-", tags)
    return found.group(1) if found else ""


def where(folder: Path, demo: bool) -> list[str]:
    if demo:
        return ["--env", "demo", "--date", DEMO_DATE, "--set", f"lake.root={folder}/lake"]
    raw = ["--set", f"ingest.folder={folder}/raw", "--set", f"lake.root={folder}/lake"]
    return ["--env", "world", "--date", WORLD_DATE, *raw, *(word for s in SMALL for word in ("--set", s))]


def decided(folder: Path) -> pl.DataFrame:
    rows = pl.read_delta(str(folder / "lake" / "decisions" / "promotions"))
    return rows.drop("run_id").sort("user_id", "promotion_id")


def shown(name: str, first: Sequence[Cost], again: Sequence[Cost]) -> None:
    print(f"\n{name}: wall {seconds(first, 'wall')} s, CPU {seconds(first, 'cpu')} s; again {seconds(again, 'wall')} s")
    of = first[-1]
    for job in sorted(of.jobs, key=lambda j: -of.executions[j]):
        print(f"  {job or '(between jobs)':16} {of.executions[job]:4} executions {of.jobs[job]:5} Spark jobs")
    print(f"  {'in all':16} {of.executions.total():4} executions {of.jobs.total():5} Spark jobs")


def seconds(costs: Sequence[Cost], name: str) -> str:
    return f"{statistics.median(getattr(c, name) for c in costs):.1f}"


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--against", help="a commit to compare with")
    options.add_argument("--rounds", type=int, default=2)
    options.add_argument("--demo", action="store_true")
    options.add_argument("--jobs", default="", type=lambda text: [name for name in text.split(",") if name])
    options.add_argument("--executions", action="store_true")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="promo_spark_fixed_cost_") as name:
        codes = {"this": PROJECT}
        if chosen.against:
            codes[chosen.against] = Path(name) / "against"
            git = ["git", "-C", str(PROJECT), "worktree", "add", "--detach", str(codes[chosen.against]), chosen.against]
            subprocess.run(git, check=True, capture_output=True)
            (codes[chosen.against] / ".cache").symlink_to(PROJECT / ".cache")
        first: dict[str, list[Cost]] = defaultdict(list)
        again: dict[str, list[Cost]] = defaultdict(list)
        promotions: dict[str, pl.DataFrame] = {}
        try:
            for n in range(chosen.rounds):
                for label, code in codes.items():
                    folder = Path(tempfile.mkdtemp(dir=name))
                    if not chosen.demo:
                        submitted(code, "generate", *where(folder, chosen.demo))
                    jobs = chosen.jobs if label == "this" else []
                    first[label].append(pipeline_cost(code, folder, chosen.demo, jobs))
                    again[label].append(pipeline_cost(code, folder, chosen.demo, jobs))
                    rows = decided(folder)
                    if not promotions.setdefault(label, rows).equals(rows):
                        sys.exit(f"{label}: two runs on the same data decided differently")
                    print(f"round {n + 1}, {label}: {first[label][-1].wall:.1f} s, {again[label][-1].wall:.1f} s again")
        finally:
            if chosen.against:
                remove = ["git", "-C", str(PROJECT), "worktree", "remove", "--force", str(codes[chosen.against])]
                subprocess.run(remove, check=False)
        for label in codes:
            shown(label, first[label], again[label])
        if chosen.executions:
            for job, counted in first["this"][-1].descriptions.items():
                print(f"\n{job or '(between jobs)'}")
                for description, times in counted.most_common(40):
                    print(f"  {times:4} {description}")
        if chosen.against:
            ratios = {
                name: statistics.median(getattr(c, name) for c in first["this"])
                / statistics.median(getattr(c, name) for c in first[chosen.against])
                for name in ("wall", "cpu")
            }
            fewer = first["this"][-1].executions.total() / first[chosen.against][-1].executions.total()
            print(f"\nratios: wall {ratios['wall']:.2f}, CPU {ratios['cpu']:.2f}, executions {fewer:.2f}")


if __name__ == "__main__":
    main()
