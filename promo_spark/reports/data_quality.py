"""The data-quality report as a page: one self-contained HTML file, every figure from ops.data_quality.

Made for who has to say whether a delivery is fit: first the verdict, then per source what came of its rows,
what failed and what that means in words, and the limits with what was found.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from typing import Any

from jinja2 import Environment, StrictUndefined

from promo_spark.contracts.ops import DataQuality
from promo_spark.errors import printable

Row = Mapping[str, Any]


def quality_page(
    rows: Sequence[Row], meanings: Mapping[tuple[str, str], str], date: datetime.date, run_id: str, where: str
) -> str:
    """The page from the rows of one date. `meanings`: (source, rule) → what is wrong with what fails it."""
    sources = [
        _source(name, [r for r in rows if r[DataQuality.source] == name], meanings)
        for name in sorted({r[DataQuality.source] for r in rows})
    ]
    sources.sort(key=lambda s: (s["passed"], not s["failed"], s["name"]))
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: printable(value) if isinstance(value, str) else value,
    )
    environment.filters.update(count=lambda n: f"{n:,}", share=_shown_share)
    return environment.from_string(_PAGE).render(
        date=date.isoformat(),
        run_id=run_id,
        where=where,
        sources=sources,
        refused=[s["name"] for s in sources if not s["passed"]],
    )


def _source(name: str, rows: Sequence[Row], meanings: Mapping[tuple[str, str], str]) -> dict[str, Any]:
    """What the page tells of one source: its balance, what failed, the limits."""
    by_rule = {r[DataQuality.rule]: r for r in rows}
    checks = [_described(r, meanings) for r in rows if r[DataQuality.criticality] != "gate"]
    gate = [
        _described(r, meanings)
        for rule, r in by_rule.items()
        if r[DataQuality.criticality] == "gate" and rule != "blank_rows"
    ]
    rows_in, blank = by_rule["blank_rows"][DataQuality.rows], by_rule["blank_rows"][DataQuality.failed]
    rejected = by_rule["max_rejected_share"][DataQuality.failed]
    return {
        "name": name,
        "table": rows[0][DataQuality.table],
        "rows_in": rows_in,
        "accepted": rows_in - blank - rejected,
        "rejected": rejected,
        "rejected_share": by_rule["max_rejected_share"][DataQuality.value],
        "blank": blank,
        "failed": sorted((c for c in checks if c["failed"]), key=lambda c: (-c["failed"], c["rule"])),
        "silent": [c["rule"] for c in checks if not c["failed"]],
        "gate": gate,
        "passed": all(g["passed"] for g in gate),
    }


def _described(row: Row, meanings: Mapping[tuple[str, str], str]) -> dict[str, Any]:
    described = dict(row)
    days = row[DataQuality.rule] in ("max_missing_days", "day_before_expected")
    shown = (lambda n: "" if n is None else f"{n:g}") if days else _shown_share
    described["found"], described["limit"] = shown(row[DataQuality.value]), shown(row[DataQuality.threshold])
    described["meaning"] = meanings.get((row[DataQuality.source], row[DataQuality.rule]), "")
    return described


def _shown_share(share: float | None) -> str:
    """A share as a person reads it; what is not zero is never shown as zero.

    >>> _shown_share(0.1234), _shown_share(0.00001), _shown_share(0.0), _shown_share(None)
    ('12.34%', '< 0.01%', '0.00%', '')
    """
    if share is None:
        return ""
    return "< 0.01%" if 0 < share < 0.0001 else f"{share:.2%}"


_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Data quality {{ date }}</title>
<style>
:root { color-scheme: light dark; --line: #8884; --soft: #8882; --bad: #c62828; --good: #2e7d32; --warn: #b26a00; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin: 0; } h2 { font-size: 1.15rem; margin: 2.2rem 0 .4rem; }
h3 { font-size: .95rem; margin: 1rem 0 .2rem; }
p { margin: .3rem 0; } .quiet { opacity: .7; font-size: .9rem; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .25rem .6rem .25rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
th { font-weight: 600; font-size: .85rem; } td.n, th.n { text-align: right; white-space: nowrap; }
code { font-size: .9em; } .bad { color: var(--bad); font-weight: 600; } .good { color: var(--good); }
.warn { color: var(--warn); }
.verdict { padding: .6rem .9rem; border-left: 4px solid var(--good); background: var(--soft); }
.verdict.refused { border-color: var(--bad); }
.bar { display: flex; height: .5rem; background: var(--soft); margin: .4rem 0; }
.bar i { display: block; } .bar .a { background: var(--good); } .bar .r { background: var(--bad); }
code { overflow-wrap: anywhere; }
@media (max-width: 44rem) { /* on a telephone each row is a block, each cell a line with its heading */
  tr:has(th) { display: none; } tr { display: block; padding: .5rem 0; border-bottom: 1px solid var(--line); }
  td, td.n { border: 0; padding: .1rem 0; text-align: left; white-space: normal; display: flex; gap: .8rem; }
  td::before { content: attr(data-label); flex: 0 0 7.5rem; opacity: .7; font-size: .85rem; }
}
</style>
</head>
<body>
<h1>Data quality, {{ date }}</h1>
{% if refused %}
<p class="verdict refused"><span class="bad">Refused.</span> Nothing of this delivery was loaded; every table is
as it was. Broken limits: {{ refused|join(", ") }}.</p>
{% else %}
<p class="verdict"><span class="good">Taken in.</span> No limit is broken.</p>
{% endif %}
<p class="quiet">ingest run <code>{{ run_id }}</code>, {{ where }}. The same figures: table
<code>ops.data_quality</code>; the rejected rows themselves, raw and with every reason: <code>quarantine.*</code></p>

<h2>Sources</h2>
<table>
<tr><th>source</th><th>table</th><th class="n">rows in</th><th class="n">accepted</th><th class="n">quarantined</th>
<th class="n">share</th><th class="n">blank</th><th>verdict</th></tr>
{% for s in sources %}
<tr><td data-label="source"><a href="#{{ s.name }}">{{ s.name }}</a></td>
<td data-label="table">{{ s.table }}</td>
<td class="n" data-label="rows in">{{ s.rows_in|count }}</td>
<td class="n" data-label="accepted">{{ s.accepted|count }}</td>
<td class="n" data-label="quarantined">{{ s.rejected|count }}</td>
<td class="n" data-label="share">{{ s.rejected_share|share }}</td>
<td class="n" data-label="blank">{{ s.blank|count }}</td>
<td data-label="verdict">
{% if s.passed %}<span class="good">passed</span>{% else %}<span class="bad">refused</span>{% endif %}</td></tr>
{% endfor %}
</table>
<p class="quiet">Rows in = accepted + quarantined + blank (empty lines and repeated headers).</p>

{% for s in sources %}
<h2 id="{{ s.name }}">{{ s.name }} → {{ s.table }}</h2>
<div class="bar" title="accepted and quarantined">
<i class="a" style="flex: {{ s.accepted }}"></i><i class="r" style="flex: {{ s.rejected }}"></i></div>
{% if s.failed %}
<table>
<tr><th>check</th><th>what is wrong</th><th class="n">failed</th><th class="n">of rows</th>
<th class="n">share</th><th>what happened</th></tr>
{% for c in s.failed %}
<tr><td data-label="check"><code>{{ c.rule }}</code></td>
<td data-label="what is wrong">{{ c.meaning }}</td>
<td class="n" data-label="failed">{{ c.failed|count }}</td>
<td class="n" data-label="of rows">{{ c.rows|count }}</td>
<td class="n" data-label="share">{{ c.value|share }}</td>
<td data-label="what happened">
{% if c.criticality == "reject" %}quarantined{% else %}<span class="warn">kept</span>{% endif %}</td></tr>
{% endfor %}
</table>
<p class="quiet">A row may fail several checks.</p>
{% else %}
<p>No row failed a check.</p>
{% endif %}
<h3>Limits</h3>
<table>
<tr><th>rule</th><th>broken when</th><th class="n">found</th><th class="n">limit</th><th>verdict</th></tr>
{% for g in s.gate %}
<tr><td data-label="rule"><code>{{ g.rule }}</code></td>
<td data-label="broken when">{{ g.meaning }}</td>
<td class="n" data-label="found">{{ g.found }}</td>
<td class="n" data-label="limit">{{ g.limit }}</td>
<td data-label="verdict">
{% if not g.limit %}<span class="quiet">not judged</span>
{% elif g.passed %}<span class="good">passed</span>
{% else %}<span class="bad">broken</span>
{% endif %}</td></tr>
{% endfor %}
</table>
{% if s.gate|rejectattr("limit")|list %}
<p class="quiet">Not judged: too few rows, or too few loads before this one to say what is usual.</p>
{% endif %}
<details><summary class="quiet">{{ s.silent|length }} checks that no row failed</summary>
<p class="quiet">{% for name in s.silent %}<code>{{ name }}</code>{{ ", " if not loop.last }}{% endfor %}</p></details>
{% endfor %}
</body>
</html>
"""
