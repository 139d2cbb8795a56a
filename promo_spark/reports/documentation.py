"""Pages made from the contracts and the job declarations, so that they cannot tell anything else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from promo_spark.contracts.schema import Table
from promo_spark.runtime.job import Job
from promo_spark.runtime.pipeline import dependencies

_MADE = "<!-- Made by scripts/docs.py from the code; change the code, not this page. -->"


def tables_page(tables: Sequence[type[Table]]) -> str:
    """Every table with its columns, units, null meaning, key, partition and checks."""
    lines = ["# Tables", "", _MADE, "", "| table | grain |", "|---|---|"]
    lines += [f"| [{t.full_name()}](#{t.layer}{t.name}) | {t.grain()} |" for t in tables]
    return "\n".join(lines) + "\n\n" + "\n".join(t.markdown() for t in tables)


def lineage_page(jobs: Mapping[str, Job]) -> str:
    """Which job reads and writes which table, as a drawing and as a table."""
    lines = ["# Lineage", "", _MADE, "", "```mermaid", "flowchart LR"]
    for job in jobs.values():
        lines.append(f"  {job.name}([{job.name}])")
        lines += [f"  {_node(t)} --> {job.name}" for t in job.reads]
        lines += [f"  {_node(t)} -.-> {job.name}" for t in job.optional if t not in job.writes]
        lines += [f"  {job.name} --> {_node(t)}" for t in job.writes if t.layer != "quarantine"]
    lines += ["```", "", "Dotted: read where it is there.", ""]
    return "\n".join(lines) + jobs_table(jobs)


def jobs_table(jobs: Mapping[str, Job]) -> str:
    """One row per job, in the order they run."""
    needed = dependencies(list(jobs.values()))
    ordered: list[str] = []
    while len(ordered) < len(jobs):
        ordered += sorted(n for n in jobs if n not in ordered and needed[n] <= set(ordered))
    lines = ["| job | what it does | reads | writes |", "|---|---|---|---|"]
    for name in ordered:
        job = jobs[name]
        what = job.description.splitlines()[0].split(":")[0].rstrip(".")
        reads = [*(t.full_name() for t in job.reads), *(f"({t.full_name()})" for t in job.optional)]
        writes = [t.full_name() for t in job.writes if t.layer != "quarantine"]
        writes += ["quarantine.*"] if any(t.layer == "quarantine" for t in job.writes) else []
        lines.append(f"| {name} | {what} | {', '.join(reads) or 'sources'} | {', '.join(writes)} |")
    return "\n".join(lines) + "\n"


def _node(table: type[Table]) -> str:
    return f"{table.layer}_{table.name}[{table.full_name()}]"
