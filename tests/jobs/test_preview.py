"""The preview command: what promote would decide by other settings, and nothing written."""

from __future__ import annotations

from io import StringIO

import pytest
from rich.console import Console

from promo_spark.contracts.decisions import Budget, Promotions
from promo_spark.errors import MissingDataError
from promo_spark.runtime.progress import Progress
from promo_spark.runtime.registry import all_commands
from promo_spark.settings import Settings
from promo_spark.storage.lake import Lake
from tests.jobs.shop_of_rows import DAY, LakeOfRows, decide, shop


def test_a_preview_tells_what_promote_then_decides_and_writes_nothing(lake: Lake, settings: Settings) -> None:
    """The budget is cut to a fifth: each figure as it stands, and as it is once promote runs with it."""
    rows = shop()
    first, budget, _ = decide(lake, settings, rows)
    less = settings.model_copy(update={"promote": settings.promote.model_copy(update={"daily_budget": 100.0})})
    given = LakeOfRows(lake, rows, date=DAY, parts=3)
    versions = [lake.version(table) for table in (Promotions, Budget)]

    def told(of: Settings, date: str = DAY.isoformat()) -> list[str]:
        quiet = Progress(Console(file=StringIO()))
        return all_commands()["preview"].start(given, of, {"date": date}, quiet).split("\n")

    heading, *lines = told(less)
    assert heading == "2017-12-01, as decided → as it would be with these settings:"
    assert lines[-1] == "Nothing was written." and versions == [lake.version(table) for table in (Promotions, Budget)]
    second, _, _ = decide(lake, settings, rows, daily_budget=100.0)
    offers = [frame[frame.scenario != "none"] for frame in (first, second)]
    counts, users = [len(o) for o in offers], [o.user_id.nunique() for o in offers]
    reserved, gains = ([sum(o[c]) for o in offers] for c in ("expected_cost", "incremental_margin"))
    assert counts[0] > counts[1] > 10
    sets = [frame.groupby("user_id").promotion_id.agg(frozenset) for frame in (first, second)]
    assert lines[:5] == [
        f"  offers: {counts[0]} → {counts[1]}",
        f"  users with an offer: {users[0]} → {users[1]}",
        f"  reserved: {reserved[0]:.2f} USD → {reserved[1]:.2f} USD",
        f"  expected to bring: {gains[0]:,.2f} USD → {gains[1]:,.2f} USD",
        f"  users whose offers change: {(sets[0] != sets[1]).sum()}",
    ]
    [daily] = [line for line in lines if line.startswith("  limit daily: ")]
    of_500 = budget.set_index("constraint").loc["daily"].reserved
    assert (
        daily.startswith(f"  limit daily: {of_500:.2f} USD of 500.00 USD") and " of 100.00 USD, one unit more" in daily
    )
    assert sum(line.startswith("  such as ") for line in lines) == 10

    again = told(less)  # it stands now
    assert "  users whose offers change: 0" in again

    given.rows = {table: content for table, content in rows.items() if table.name != "user_profile"}
    with pytest.raises(MissingDataError, match=r"features.user_profile has no row of 2017-12-01"):
        told(less)


def test_without_decisions_only_what_would_be_is_told(lake: Lake, settings: Settings) -> None:
    given = LakeOfRows(lake, shop(), date=DAY, parts=1)
    arguments = {"date": DAY.isoformat()}
    told = all_commands()["preview"].start(given, settings, arguments, Progress(Console(file=StringIO()))).split("\n")
    assert told[0] == "Nothing is decided for 2017-12-01 yet. With these settings it would be:"
    assert not any("→" in line for line in told) and not lake.exists(Promotions)
