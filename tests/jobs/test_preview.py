"""The preview command: what promote would decide by other settings, and nothing written."""

from __future__ import annotations

import datetime
from io import StringIO
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from rich.console import Console

from promo_spark.contracts.decisions import Promotions
from promo_spark.contracts.features import UserProfile
from promo_spark.contracts.models import Forecasts
from promo_spark.contracts.ops import Runs
from promo_spark.errors import MissingDataError
from promo_spark.flows.promote_context import newest_versions, promote_context
from promo_spark.runtime.progress import Progress
from promo_spark.runtime.registry import all_commands, single_jobs
from promo_spark.settings import Settings
from promo_spark.storage.lake import Lake
from tests.jobs.shop_of_rows import DAY, LakeOfRows, decide, shop

# A preview tells of each scenario alike: some, of items and of a basket, are enough.
SOME = ["repurchase", "win_back", "recommended_item", "bundle", "spend_and_save"]


def changed(settings: Settings, **changes: Any) -> Settings:
    return settings.model_copy(update={"promote": settings.promote.model_copy(update=changes)})


def told(lake: Lake, settings: Settings) -> list[str]:
    quiet = Progress(Console(file=StringIO()))
    return all_commands()["preview"].start(lake, settings, {"date": DAY.isoformat()}, quiet).split("\n")


def stored(lake: Lake) -> set[Path]:
    """Every file of the lake, but for the run log: every command is in it."""
    return {path for path in Path(lake.root).rglob("*") if "ops" not in path.relative_to(lake.root).parts}


def test_a_preview_tells_what_promote_then_decides_and_writes_nothing(lake: Lake, settings: Settings) -> None:
    """The budget is cut to a fifth: each figure as it stands, and as it is once promote runs with it."""
    rows = shop()
    settings = changed(settings, scenarios=SOME)
    first, budget, _ = decide(lake, settings, rows)
    less = changed(settings, daily_budget=100.0)
    given = LakeOfRows(lake, rows, date=DAY, parts=3)
    files = stored(lake)

    heading, *lines = told(given, less)
    assert heading == "2017-12-01, as decided → as it would be with these settings:"
    assert lines[-1] == "Nothing was written." and stored(lake) == files
    second, budget_of_100, _ = decide(lake, settings, rows, daily_budget=100.0)
    offers = [frame[frame.scenario != "none"] for frame in (first, second)]
    counts, users = [len(o) for o in offers], [o.user_id.nunique() for o in offers]
    assert counts[0] > counts[1] > 10

    def amounts(column: str, scenario: str = "") -> str:
        own = [o[o.scenario == scenario] if scenario else o for o in offers]
        return " → ".join(f"{sum(o[column]):,.2f} USD" for o in own)

    limits = [frame.set_index("constraint").loc["daily"] for frame in (budget, budget_of_100)]
    bounds = " → ".join(f"{limit.bound:,.2f} USD, missed by {limit.gap:.2%} at most" for limit in limits)
    sets = [frame.groupby("user_id").promotion_id.agg(frozenset) for frame in (first, second)]
    assert lines[:6] == [
        f"  offers: {counts[0]} → {counts[1]}",
        f"  users with an offer: {users[0]} → {users[1]}",
        f"  reserved: {amounts('expected_cost')}",
        f"  expected to bring: {amounts('incremental_margin')}",
        f"  the most that could be brought, explored users apart: {bounds}",
        f"  users whose offers change: {(sets[0] != sets[1]).sum()}",
    ]
    for scenario in sorted(set(offers[0].scenario)):
        made = " → ".join(str((o.scenario == scenario).sum()) for o in offers)
        reserved, gain = amounts("expected_cost", scenario), amounts("incremental_margin", scenario)
        assert f"  offers of {scenario}: {made}; reserved {reserved}; expected to bring {gain}" in lines
    [daily] = [line for line in lines if line.startswith("  limit daily: ")]
    assert daily.startswith(f"  limit daily: {limits[0].reserved:.2f} USD of 500.00 USD")
    price = limits[1].dual_price
    assert daily.endswith(f"{limits[1].reserved:.2f} USD of 100.00 USD, one unit more would bring {price:.2f}")
    assert_examples_are_offers([line for line in lines if line.startswith("  such as ")], offers[1])

    again = told(given, less)  # it stands now
    assert "  users whose offers change: 0" in again


def assert_examples_are_offers(lines: list[str], offers: pd.DataFrame) -> None:
    """Ten of decisions.promotions as they stand there, with that of each scenario which brings most."""
    stand = {
        f"  such as {o.scenario} to user {o.user_id}: “{o.text}” brings {o.incremental_margin:,.2f} USD, "
        f"gives {o.expected_cost:,.2f} USD ({o.basis})": o.scenario
        for o in offers.itertuples()
    }
    assert len(lines) == 10 and set(lines) <= set(stand)
    assert {stand[line] for line in lines} == set(offers.scenario)


def test_without_decisions_only_what_would_be_is_told(lake: Lake, settings: Settings) -> None:
    lines = told(LakeOfRows(lake, shop(), date=DAY, parts=1), changed(settings, scenarios=SOME))
    assert lines[0] == "Nothing is decided for 2017-12-01 yet. With these settings it would be:"
    assert not any("→" in line or "change" in line for line in lines) and not stored(lake)


def test_a_date_without_profiles_is_refused_as_promote_refuses_it(lake: Lake, settings: Settings) -> None:
    rows = shop() | {UserProfile: []}
    with pytest.raises(MissingDataError, match=r"features.user_profile has no rows for 2017-12-01") as by_promote:
        decide(lake, settings, rows)
    with pytest.raises(MissingDataError) as by_preview:
        told(LakeOfRows(lake, rows, date=DAY, parts=1), settings)
    assert str(by_preview.value) == str(by_promote.value)


def test_a_preview_reads_each_table_as_it_was_when_it_began(lake: Lake, settings: Settings) -> None:
    """The newest version, whatever is written meanwhile; and none is missing in which a run had nothing to write."""
    promote = single_jobs()["promote"]
    user = {"user_id": "u", "orders": 1, "lifecycle": "new"}
    for orders in (1, 2):
        lake.write(UserProfile, [user | {"as_of": DAY, "orders": orders}], {"as_of": DAY})
    lake.write(Forecasts, [], {"as_of": DAY})
    ran = {"run_id": "r", "job": "forecast", "date": DAY, "outcome": "succeeded", "seconds": 1.0}
    ran |= {
        "started_at": datetime.datetime(2017, 12, 1, tzinfo=datetime.timezone.utc),
        "rows_out": {"models.forecasts": 0},
    }
    lake.write(Runs, [ran | {"code_version": "1", "settings": "{}", "sources": {}, "output_versions": {}}])

    versions = newest_versions(lake, promote)
    assert versions == {table.full_name(): lake.version(table) for table in (UserProfile, Forecasts)}
    ctx = promote_context(
        lake, promote, DAY, settings=settings.promote, business=settings.business, versions=versions, command="preview"
    )
    lake.write(UserProfile, [user | {"as_of": DAY, "orders": 3}], {"as_of": DAY})
    assert [row.orders for row in ctx.read(UserProfile).collect()] == [2]
    assert ctx.read(Forecasts).isEmpty()
    assert Promotions.full_name() not in versions
