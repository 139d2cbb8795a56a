"""The gate: whether a source's delivery as a whole is fit to be taken in, judged before anything is written.

A delivery is refused when too many of its rows are rejected, when it is far smaller or larger than usual, or
when days are missing. The verdicts are rows of the data-quality report like those of the checks.
"""

from __future__ import annotations

import datetime
import math
import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from promo_spark.errors import SettingsError
from promo_spark.settings.ingest import GateSettings

MEANINGS = {
    "blank_rows": "empty lines and repeated headers: counted, not judged; they have no limit",
    "max_rejected_share": "too many rows were rejected",
    "min_share_of_usual": "far fewer rows than usual were delivered",
    "max_share_of_usual": "far more rows than usual were delivered",
    "max_missing_days": "days without a row lie between the first day and the last",
    "unread_files": "files that were taken in before and are as they were, or are gone: not read again",
    "removed_rows": "stored rows of files that changed or were removed, which no file has any more: they go",
    "new_columns": "columns that no earlier load had and no mapping uses; ops.source_columns names them",
    "max_changed_types": "mapped columns have another type than at the last load",
    "max_removed_share": "orders that the lake holds of the days it replaces are not in the delivery, and go",
    "day_before_expected": "the day before the one that ingest ran for has no rows",
}


@dataclass(frozen=True)
class Delivered:
    """What was delivered: rows, how many of them blank and rejected, and the days that good rows have.

    `days` is None for a table that has no business day. Of a delivery of new files beside stored rows: `new_rows` are
    those of files that are new or changed, without the files that are judged with them, `repeated` are rejected rows
    that are there already, `held_days` the days that the table has.
    """

    rows_in: int
    blank: int
    rejected: int
    days: Sequence[datetime.date] | None
    new_rows: int | None = None
    repeated: int = 0
    held_days: Sequence[datetime.date] = ()


@dataclass(frozen=True)
class Verdict:
    """What a rule of the gate found. Without a value there was nothing to compare; without a threshold no limit."""

    rule: str
    rows: int
    failed: int
    value: float | None
    threshold: float | None
    passed: bool
    finding: str = ""


def limits_of(gate: GateSettings, source: str) -> GateSettings:
    """The limits that hold for the source."""
    own = gate.sources.get(source)
    return gate.model_copy(update=own.model_dump(exclude_none=True)) if own else gate


def refuse_unknown(gate: GateSettings, sources: Sequence[str]) -> None:
    """Raises SettingsError for limits of sources that are not configured."""
    unknown = sorted(set(gate.sources) - set(sources))
    if unknown:
        raise SettingsError(f"ingest.gate.sources names {', '.join(unknown)}; the sources are: {', '.join(sources)}")


def verdicts(
    delivered: Delivered, usual_rows: Sequence[int], limits: GateSettings, date: datetime.date
) -> list[Verdict]:
    """Every rule's verdict. `usual_rows`: rows of earlier deliveries of the source, the newest last."""
    rows = delivered.rows_in - delivered.blank
    blank = _share(delivered.blank, delivered.rows_in)
    return [
        Verdict("blank_rows", delivered.rows_in, delivered.blank, blank, None, True),
        _rejected(delivered, rows, limits),
        *_size(rows if delivered.new_rows is None else delivered.new_rows, usual_rows, limits),
        *(_days(delivered.days, delivered.held_days, limits, date) if delivered.days is not None else []),
    ]


def of_files(*, left: int, files: int, held: int | None = None, gone: int = 0) -> list[Verdict]:
    """How many files of a source were left unread, and how many stored rows go with files that were changed."""
    unread = Verdict("unread_files", files, left, _share(left, files), None, True)
    removed = [] if held is None else [Verdict("removed_rows", held, gone, _share(gone, held), None, True)]
    return [unread, *removed]


def missing_days(days: Sequence[datetime.date]) -> list[datetime.date]:
    """The days between the first and the last that are not there, though their weekday is there as a rule.

    A weekday is there as a rule when at least half of its days between the first and the last are: a shop that
    is closed on Sundays misses none.

    >>> import datetime
    >>> served = [datetime.date(2024, 6, day) for day in (3, 4, 5, 7, 8, 10, 11, 12, 13)]  # closed on Sundays
    >>> [day.isoformat() for day in missing_days(served)]
    ['2024-06-06']
    """
    if not days:
        return []
    there, first = set(days), min(days)
    span = [first + datetime.timedelta(n) for n in range((max(days) - first).days + 1)]
    by_weekday: defaultdict[int, list[bool]] = defaultdict(list)
    for day in span:
        by_weekday[day.weekday()].append(day in there)
    as_a_rule = {weekday for weekday, served in by_weekday.items() if 2 * sum(served) >= len(served)}
    return [day for day in span if day not in there and day.weekday() in as_a_rule]


def refusal(broken: Mapping[str, Sequence[Verdict]], reasons: Mapping[str, str]) -> str:
    """What to tell of refused sources: rule, found, limit, what to do. `reasons`: source → why rows were rejected."""
    lines = []
    for source, of_source in broken.items():
        for verdict in of_source:
            why = f" ({reasons[source]})" if verdict.rule == "max_rejected_share" and reasons.get(source) else ""
            accept = f"--set ingest.gate.sources.{source}.{verdict.rule}={_accepting(verdict)}"
            if_so = "To load it without these rows" if verdict.rule == "max_rejected_share" else "If it is right so"
            lines.append(f"source {source} is refused: {verdict.finding}{why}. {if_so}: {accept}")
    return "\n".join([*lines, "Nothing was loaded, every table is as it was. Correct what was delivered and run again"])


def _rejected(delivered: Delivered, rows: int, limits: GateSettings) -> Verdict:
    share = _share(delivered.rejected - delivered.repeated, rows - delivered.repeated)
    limit = limits.max_rejected_share if rows >= limits.judged_from_rows else None
    passed = limit is None or share <= limit
    most = f"more than {limits.max_rejected_share:.1%}"
    finding = f"{delivered.rejected:,} of {rows:,} rows were rejected, {share:.1%}, {most}"
    return Verdict("max_rejected_share", rows, delivered.rejected, share, limit, passed, finding)


def _size(rows: int, usual_rows: Sequence[int], limits: GateSettings) -> list[Verdict]:
    last = list(usual_rows)[-limits.usual_loads :]
    usual = statistics.median(last) if len(last) >= limits.least_loads else 0
    if max(usual, rows) < limits.judged_from_rows or not usual:
        return [
            Verdict("min_share_of_usual", rows, 0, None, None, True),
            Verdict("max_share_of_usual", rows, 0, None, None, True),
        ]
    share = rows / usual
    few, many = share < limits.min_share_of_usual, share > limits.max_share_of_usual
    finding = f"{rows:,} rows where {usual:,.0f} are usual (the median of {len(last)} loads), {share:.0%} of it"
    return [
        Verdict(
            "min_share_of_usual",
            rows,
            rows * few,
            share,
            limits.min_share_of_usual,
            not few,
            f"{finding}, less than {limits.min_share_of_usual:.0%}",
        ),
        Verdict(
            "max_share_of_usual",
            rows,
            rows * many,
            share,
            limits.max_share_of_usual,
            not many,
            f"{finding}, more than {limits.max_share_of_usual:.0%}",
        ),
    ]


def _days(
    delivered: Sequence[datetime.date], held: Sequence[datetime.date], limits: GateSettings, date: datetime.date
) -> list[Verdict]:
    """The verdicts on days. Of days that were missing before among those held, the delivery is not to blame."""
    days = sorted({*delivered, *held})
    missing = sorted(set(missing_days(days)) - set(missing_days(held)))
    span = (max(days) - min(days)).days + 1 if days else 0
    named = ", ".join(d.isoformat() for d in missing[:5]) + (", …" if len(missing) > 5 else "")
    verdicts = [
        Verdict(
            "max_missing_days",
            span,
            len(missing),
            float(len(missing)),
            float(limits.max_missing_days),
            len(missing) <= limits.max_missing_days,
            f"{len(missing)} days have no rows, more than {limits.max_missing_days}: {named}",
        )
    ]
    if limits.day_before_expected:
        before = date - datetime.timedelta(1)
        absent = before not in set(days)
        verdicts.append(
            Verdict(
                "day_before_expected",
                1,
                int(absent),
                float(absent),
                0.0,
                not absent,
                f"{before}, the day before the date, has no rows",
            )
        )
    return verdicts


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def _accepting(verdict: Verdict) -> str:
    """The limit under which the same delivery would pass."""
    assert verdict.value is not None
    if verdict.rule in ("max_missing_days", "max_changed_types"):
        return str(int(verdict.value))
    if verdict.rule == "day_before_expected":
        return "false"
    if verdict.rule == "min_share_of_usual":
        return f"{math.floor(verdict.value * 1000) / 1000}"
    return f"{math.ceil(verdict.value * 1000) / 1000}"
