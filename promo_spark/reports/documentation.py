"""Pages made from the contracts and the job declarations, so that they cannot tell anything else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from promo_spark.contracts.schema import Frame, Table
from promo_spark.runtime.declaration import Job, has_users
from promo_spark.runtime.pipeline import dependencies
from promo_spark.storage.pages import FOLDER

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
        told = {t: " where settings ask ." if t in job.where else "" for t in job.optional if t not in job.writes}
        lines += [f"  {_node(t)} -.{label}-> {job.name}" for t, label in told.items()]
        lines += [f"  {_node(t)} -. earlier dates .-> {job.name}" for t in job.earlier]
        lines += [f"  {_node(t)} -. by hand .-> {job.name}" for t in job.by_hand]
        lines += [f"  {_node(t)} -. the day after .-> {job.name}" for t in job.ahead]
        lines += [f"  {job.name} --> {_node(t)}" for t in job.writes if t.layer != "quarantine"]
        lines += [f"  {job.name} -. refreshes .-> {_node(t)}" for t in job.refreshes]
        lines += [f"  {job.name} --> {job.name}_page{n}[{name}]" for n, name in enumerate(_page_paths(job), start=1)]
    lines += [
        "```",
        "",
        'Dotted: read where it is there. "earlier dates": only rows of dates before the one that is written.',
        '"where settings ask": read, and waited for, only under some settings of the job.',
        '"refreshes": rows of another job\'s table that are changed, not made anew.',
        '"by hand": what people wrote by commands such as `stop`. "the day after": what jobs of the date write for it.',
        "",
    ]
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
        reads = [t.full_name() for t in job.reads]
        reads += [f"({t.full_name()}{', where settings ask' if t in job.where else ''})" for t in job.optional]
        reads += [f"({t.full_name()}, earlier dates)" for t in job.earlier]
        reads += [f"({t.full_name()}, by hand)" for t in job.by_hand]
        reads += [f"({t.full_name()}, the day after)" for t in job.ahead]
        writes = [t.full_name() for t in job.writes if t.layer != "quarantine"]
        writes += ["quarantine.*"] if any(t.layer == "quarantine" for t in job.writes) else []
        writes += [f"({t.full_name()}, refreshed)" for t in job.refreshes]
        writes += _page_paths(job)
        lines.append(f"| {name} | {what} | {', '.join(reads) or 'sources'} | {', '.join(writes)} |")
    return "\n".join(lines) + "\n"


def consent_table(jobs: Mapping[str, Job]) -> str:
    """Whose rows each job reads of the tables that hold users, as a table of Markdown."""
    lines = ["| job | table | rows of |", "|---|---|---|"]
    for name, job in sorted(jobs.items()):
        for table in sorted({t for t in (*job.reads, *job.optional) if has_users(t)}, key=lambda t: t.full_name()):
            if table in job.profiled:
                lines.append(f"| {name} | {table.full_name()} | users who may be profiled, and nobody in particular |")
            if table in job.everyone:
                lines.append(f"| {name} | {table.full_name()} | everyone: {job.everyone[table]} |")
    return "\n".join(lines) + "\n"


def columns_table(frame: type[Frame]) -> str:
    """One row per column of a frame: name, type and meaning."""
    lines = ["| column | type | meaning |", "|---|---|---|"]
    lines += [f"| {n} | {c.type.simpleString()} | {c.comment} |" for n, c in frame.columns().items()]
    return "\n".join(lines) + "\n"


def with_generated(page: str, name: str, text: str) -> str:
    """The page with the text between its marks of that name. Raises ValueError where it has none.

    >>> with_generated("a <!-- x: begin -->old<!-- x: end --> b", "x", "new")
    'a <!-- x: begin -->\\nnew<!-- x: end --> b'
    """
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    before, _, rest = page.partition(begin)
    _, found, after = rest.partition(end)
    if not found:
        raise ValueError(f"the page has no {begin} … {end}")
    return f"{before}{begin}\n{text}{end}{after}"


def _page_paths(job: Job) -> list[str]:
    return [f"{FOLDER}/{page.replace('{date}', 'DATE')}.html" for page in job.pages]


def _node(table: type[Table]) -> str:
    return f"{table.layer}_{table.name}[{table.full_name()}]"
