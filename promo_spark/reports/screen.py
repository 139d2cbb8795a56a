"""What a person wants to read after the daily run: one screen, every figure from the tables."""

from __future__ import annotations

import datetime
import sys
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from pyspark.sql import Row
from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from promo_spark.contracts.currencies import digits_of
from promo_spark.contracts.decisions import Budget, Promotions
from promo_spark.contracts.models import BasketRules, Metrics
from promo_spark.contracts.schema import Table
from promo_spark.contracts.segments import SegmentPortraits
from promo_spark.contracts.vocabulary import BEHAVIOUR
from promo_spark.errors import printable
from promo_spark.runtime.run_log import PastRuns
from promo_spark.settings import Settings
from promo_spark.settings.lake import LakeSettings
from promo_spark.storage.pages import page_path, why_no_pages
from promo_spark.storage.table_logs import Condition, TableLogs, Totals

BEST_RULES = 3
WIDTH_OF_LOGS = 132  # a file or pipe has no width of its own


def print_summary(
    logs: TableLogs,
    settings: Settings,
    date: datetime.date,
    written: Sequence[str],
    seconds: float,
    console: Console | None = None,
) -> None:
    """Prints what the lake holds for the date; sections of jobs that never ran are left out."""
    out = console or Console(highlight=False)
    if console is None and not out.is_terminal:
        out.width = WIDTH_OF_LOGS
    metrics = {(m.job, m.metric, m.slice): m.value for m in _rows(logs, Metrics, date)}
    out.rule(f"promo_spark, promotions for {date}")
    for section in (
        _sources(logs),
        _segments(logs, date),
        _rules(logs, date),
        _figures("Forecasts", metrics, FORECAST_FIGURES),
        _figures("Recommendations", metrics, RECOMMENDATION_FIGURES),
        _promotions(logs, date, settings.business.currency),
        _budget(logs, date, settings.business.currency),
    ):
        if section is not None:
            out.print(section)
            out.print()
    out.print(_footing(settings.lake, date), markup=False, emoji=False, soft_wrap=True)
    jobs = "1 job" if len(written) == 1 else f"{len(written)} jobs"
    done = f"{jobs} ran: {', '.join(written)}" if written else "nothing changed: every table is current"
    out.print(f"\n{done} ({seconds:.0f} s)", markup=False)
    page = daily_page_path(settings.lake, date)
    if page is not None:
        out.print(f"The page of the date: {page}", markup=False, emoji=False, soft_wrap=True)


def daily_page_path(lake: LakeSettings, date: datetime.date) -> str | None:
    """Where the page of the date lies; None where the job report wrote none."""
    if why_no_pages(lake):
        return None
    page = page_path(lake, date.isoformat()).absolute()
    return str(page) if page.is_file() else None


# (what a reader sees, metric, slice); a figure that no job measured is left out.
FORECAST_FIGURES = (
    ("MASE, champion models", "mase", "champion"),
    ("MASE, last week repeated (the baseline)", "mase", "SeasonalNaive"),
    ("WAPE by revenue, champion models", "wape_revenue", "champion"),
    ("WAPE, categories", "wape", "champion:category"),
    ("WAPE, products", "wape", "champion:product"),
)
RECOMMENDATION_FIGURES = (
    ("recall@10, what is published, by the policy recommend.bought", "recall@10", "published"),
    ("recall@10, matrix factorisation (ALS), nothing held back", "recall@10", "als"),
    ("recall@10, buy again, nothing held back", "recall@10", "buy_again"),
    ("recall@10, most popular, nothing held back", "recall@10", "popularity"),
    ("nDCG@10, what is published", "ndcg@10", "published"),
    ("nDCG@10, most popular", "ndcg@10", "popularity"),
)


def _rows(logs: TableLogs, table: type[Table], date: datetime.date, *conditions: Condition) -> list[Row]:
    """The rows of the date, for tables that do not grow with the users."""
    return logs.rows(table, (Condition(table.partition[0], "=", date), *conditions))


def _grid(title: str, *columns: str) -> Grid:
    grid = Grid(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, padding=(0, 2))
    for i, column in enumerate(columns):
        grid.add_column(column, justify="left" if i == 0 else "right", overflow="fold")
    return grid


def _add(grid: Grid, *cells: object) -> None:
    """A row as it is: nothing in a name or a sentence is markup, or steers the screen."""
    grid.add_row(*[Text(printable(str(cell))) for cell in cells])


def _sources(logs: TableLogs) -> Grid | None:
    run = next((r for r in reversed(PastRuns(logs).succeeded()) if r.job == "ingest"), None)
    if run is None:
        return None
    grid = _grid("Taken in", "source", "rows in", "accepted", "quarantined", "blank", "why quarantined")
    for source, counts in sorted(run.sources.items()):
        why = ", ".join(f"{reason} {n:,}" for reason, n in sorted(counts.reasons.items()) if n)
        _add(
            grid,
            source,
            f"{counts.rows_in:,}",
            f"{counts.accepted:,}",
            f"{counts.quarantined:,}",
            f"{counts.blank:,}",
            why,
        )
    return grid


def _segments(logs: TableLogs, date: datetime.date) -> Grid | None:
    portraits = [p for p in _rows(logs, SegmentPortraits, date) if p.grouping != BEHAVIOUR]
    if not portraits:
        return None
    grid = _grid("Segments", "name", "users", "of users", "of revenue")
    for p in sorted(portraits, key=lambda p: (-p.revenue_share, p.segment_id)):
        _add(grid, p.segment_name, f"{p.users:,}", f"{p.users_share:.0%}", f"{p.revenue_share:.0%}")
    return grid


def _rules(logs: TableLogs, date: datetime.date) -> Grid | None:
    bundles = _rows(logs, BasketRules, date, Condition(BasketRules.is_bundle, "=", True))
    if not bundles:
        return None
    grid = _grid("Bought together", "the strongest rules", "baskets")
    for rule in sorted(bundles, key=lambda r: (-r.lift, r.antecedent, r.consequent))[:BEST_RULES]:
        _add(grid, rule.sentence, f"{rule.baskets:,}")
    return grid


def _figures(
    title: str, metrics: dict[tuple[str, str, str], float | None], wanted: Sequence[tuple[str, str, str]]
) -> Grid | None:
    measured: dict[tuple[str, str], Any] = {(metric, part): v for (_, metric, part), v in metrics.items()}
    figures = [(label, measured.get((metric, part))) for label, metric, part in wanted]
    if all(value is None for _, value in figures):
        return None
    grid = _grid(title, "measured on the last days of history", "")
    for label, value in figures:
        if value is not None:
            _add(grid, label, f"{value:.3f}")
    return grid


def _promotions(logs: TableLogs, date: datetime.date, currency: str) -> Grid | None:
    totals = Totals(
        by=(Promotions.scenario, Promotions.mechanic),
        different=Promotions.user_id,
        sums=(Promotions.expected_cost, Promotions.incremental_margin),
    )
    counted = logs.totals(Promotions, (Condition(Promotions.date, "=", date),), totals)
    if not counted:
        return None
    grid = _grid("Promotions", "scenario", "mechanic", "rows", "users", "reserved", "expected gain")
    for row in sorted(counted, key=lambda r: (-r.rows, r.scenario, r.mechanic)):
        cost, margin = _amount(row.expected_cost, currency), _amount(row.incremental_margin, currency)
        _add(grid, row.scenario, row.mechanic, f"{row.rows:,}", f"{row.user_id:,}", cost, margin)
    return grid


def _budget(logs: TableLogs, date: datetime.date, currency: str) -> Grid | None:
    budget = _rows(logs, Budget, date)
    if not budget:
        return None
    grid = _grid(f"Budget ({currency})", "constraint", "planned", "reserved", "offers")
    shown = [row for row in budget if row.unit != "pieces" or row.dual_price is not None]  # stock only where it binds
    for row in sorted(shown, key=lambda row: row.constraint):
        if row.unit == "pieces":
            planned, reserved = (f"{pieces:,.2f} pieces" for pieces in (row.planned, row.reserved))
        else:
            planned, reserved = _amount(row.planned, currency), _amount(row.reserved, currency)
        _add(grid, row.constraint, planned, reserved, f"{row.offers:,}")
    return grid


def _amount(amount: Decimal, currency: str) -> str:
    """An amount in the currency's own digits, with commas between thousands."""
    return f"{amount:,.{digits_of(currency)}f}"


def _footing(lake: LakeSettings, date: datetime.date) -> str:
    where = lake.catalog or lake.root
    if lake.catalog:
        return f"Tables: catalog {where}. Their columns: docs/tables.md"
    return (
        f"Tables: {where}/<layer>/<table>. Their columns: docs/tables.md\n"
        "Look at them without Spark (docs/notebooks.md):\n"
        f'  {sys.executable} -c "import promo_spark; '
        f"print(promo_spark.open_lake('{where}').pandas('decisions.promotions', '{date}'))\""
    )
