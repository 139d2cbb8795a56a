"""What ingest finds wrong with a delivery, counts, keeps aside, and when it refuses the delivery as a whole."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from jobs.ingest import run as ingest
from promo_spark.contracts.ops import Runs
from promo_spark.contracts.schema import Table
from promo_spark.contracts.silver import QUARANTINE, Events, OrderLines, Products, Users
from promo_spark.errors import SourceError
from promo_spark.runtime.job import Context, Job
from promo_spark.runtime.pipeline import run_in_order
from promo_spark.runtime.progress import Progress
from promo_spark.settings.baskets import BasketsSettings
from promo_spark.storage.lake import Lake
from tests.jobs.delivered_files import DATE, LINES, quality, settings, write


def test_each_rule_counts_the_rows_planted_for_it(lake: Lake, tmp_path: Path) -> None:
    """B07, B10 (table): every violation stands in ops.data_quality with its count, and what nothing fails with zero."""
    write(
        tmp_path,
        "products",
        "product_id,list_price,unit_cost",
        "milk,1.50,1.00",
        "bread,2.00,",
        "salt,0,0.10",
        "oil,9.00,-1",
    )  # no price; no cost
    write(
        tmp_path, "users", "user_id,registered_at", "u1,2024-01-01 08:00:00", "u2,", "qa-7,", "u3,2024-06-15 00:00:00"
    )  # a tester; registered tomorrow
    write(
        tmp_path,
        "order_lines",
        LINES,
        "o1,1,u1,milk,2,3.00,2024-06-13 10:00:00",
        "o2,1,u1,milk,0,0.00,2024-06-13 10:00:00",  # no pieces, and nothing paid
        "o3,1,u1,milk,-1,-1.50,2024-06-13 10:00:00",  # a return: kept
        "o4,1,u1,milk,1,-1.50,2024-06-13 10:00:00",  # money back without a return
        "o5,1,u1,milk,1,0,2024-06-13 10:00:00",  # a free item: kept
        "o6,1,u1,milk,1,1.50,2024-06-15 00:00:00",  # tomorrow: kept
        "o7,1,qa-1,milk,1,1.50,2024-06-13 10:00:00",  # a tester, whom no user list knows
        "o8,1,u1,salt,1,1.50,2024-06-13 10:00:00",  # salt itself was rejected
        "o9,1,u9,milk,1,1.50,2024-06-13 10:00:00",  # a user nobody knows: kept
        "o10,1,,milk,one,1.50,yesterday",
        "o11,1,u1,milk,1",
        "",  # unparsable; too short; blank
        "o1,1,u1,milk,2,3.00,2024-06-13 10:00:00",
        "o3,1,u1,milk,-2,-3.00,2024-06-13 10:00:00",  # doubled row, key
        "o12,1,u1,milk,-1,1.50,2024-06-13 10:00:00",  # a return whose amount has no minus: kept
    )
    write(
        tmp_path,
        "events",
        "event_id,user_id,event_type,product_id,ts,event_date,session_id,duration_s,rating",
        *[f"b{n},u1,view,milk,2024-06-13 10:00:0{n},2024-06-13,bot,," for n in range(4)],  # four within a minute
        "e1,u1,view,milk,2024-06-13 10:00:00,2024-06-13,s1,-5,",
        "e2,u1,stare,milk,2024-06-13 10:01:00,2024-06-13,s1,,",
        "e3,u1,review,tea,2024-06-13 10:02:00,2024-06-13,s1,,6",  # six stars, for no product we know: two rules
        "e4,u1,view,milk,2024-06-13 10:03:00,2024-06-13,s1,5,5",
    )
    limit = {
        "name": "dear",
        "table": "order_lines",
        "column": "amount_paid",
        "operator": "<",
        "literal": 3,
        "criticality": "warn",
    }
    chosen = settings(
        tmp_path, [Products, Users, OrderLines, Events], test_users=["qa-*"], bot_events_per_minute=3, checks=[limit]
    )
    run_in_order([ingest], lake, chosen, DATE, Progress())
    found = quality(lake)
    assert {key: (r.criticality, r.failed) for key, r in found.items() if r.failed and r.criticality != "gate"} == {
        ("products", "list_price_not_positive"): ("reject", 1),
        ("products", "cost_not_positive"): ("reject", 1),
        ("users", "test_user"): ("reject", 1),
        ("users", "future_timestamp"): ("warn", 1),
        ("order_lines", "broken_row"): ("reject", 1),
        ("order_lines", "unparsable_quantity"): ("reject", 1),
        ("order_lines", "unparsable_ts"): ("reject", 1),
        ("order_lines", "missing_order_date"): ("reject", 1),  # it follows from ts
        ("order_lines", "quantity_zero"): ("reject", 1),
        ("order_lines", "quantity_negative"): ("warn", 3),  # both rows of o3, and o12
        ("order_lines", "amount_of_return_positive"): ("warn", 1),
        ("order_lines", "amount_zero"): ("warn", 2),  # o2, though it is rejected, and o5
        ("order_lines", "amount_negative"): ("reject", 1),
        ("order_lines", "future_timestamp"): ("warn", 1),
        ("order_lines", "test_user"): ("reject", 1),
        ("order_lines", "unknown_product"): ("reject", 1),
        ("order_lines", "unknown_user"): ("warn", 2),  # u9, and the tester
        ("order_lines", "dear"): ("warn", 2),  # both rows of o1: 3.00 is not below 3
        ("order_lines", "duplicate_row"): ("reject", 1),
        ("order_lines", "duplicate_key"): ("reject", 1),
        ("events", "bot_session"): ("reject", 4),
        ("events", "duration_negative"): ("reject", 1),
        ("events", "unknown_event_type"): ("reject", 1),
        ("events", "rating_out_of_range"): ("reject", 1),
        ("events", "unknown_product"): ("warn", 1),
    }
    assert found["events", "test_user"].failed == 0 and found["events", "test_user"].rows == 8
    # 14 lines that are not blank, of which one has no field to judge.
    assert (found["order_lines", "broken_row"].rows, found["order_lines", "quantity_zero"].rows) == (14, 13)
    # o2, o4, o7, o8, o10 and the short line by themselves; two that repeat a key.
    gate = found["order_lines", "max_rejected_share"]
    assert (gate.rows, gate.failed, gate.passed, gate.threshold) == (14, 8, True, None)  # too few rows to refuse
    flags = {r.order_id: r.flags for r in lake.read(OrderLines).collect()}
    assert flags == {
        "o1": ["dear"],
        "o3": ["quantity_negative"],
        "o5": ["amount_zero"],
        "o6": ["future_timestamp"],
        "o9": ["unknown_user"],
        "o12": ["quantity_negative", "amount_of_return_positive"],
    }
    assert {r.event_id for r in lake.read(Events).collect()} == {"e4"}
    # A rejected row keeps its text, file, line and all its reasons; the header is line 1.
    kept = {(r.source_line, r.raw): r.reasons for r in lake.read(QUARANTINE[OrderLines]).collect()}
    assert kept[11, "o10,1,,milk,one,1.50,yesterday"] == ["unparsable_quantity", "unparsable_ts", "missing_order_date"]
    assert kept[12, "o11,1,u1,milk,1"] == ["broken_row"]
    assert {line for line, _ in kept} >= {3, 5, 8, 9, 11, 12} and len(kept) == 8
    [page] = (Path(lake.root) / "reports").glob("*.html")
    assert page.name == f"data_quality_{DATE}.html" and "bot_session" in page.read_text(encoding="utf-8")


def shop(folder: Path, unknown_products: int, copies: int = 1) -> None:
    """Ten lines of two days, so many of them of a product nobody knows, each of them so many times."""
    write(folder, "products", "product_id,list_price", "milk,1.50")
    lines = [
        f"o{n},1,u1,{'ghost' if n < unknown_products else 'milk'},1,1.50,2024-06-{12 + n % 2} 10:00:00"
        for n in range(10)
    ]
    write(folder, "order_lines", LINES, *lines * copies)


def test_a_broken_gate_stops_before_anything_moves_and_keeps_what_it_found(lake: Lake, tmp_path: Path) -> None:
    """B10: exit code 3, silver and what is made of it as they were, the findings kept."""
    counted: list[int] = []

    def count(ctx: Context[BasketsSettings]) -> None:
        counted.append(ctx.read(OrderLines).count())

    downstream = Job("baskets", "Counts.", (OrderLines,), (), (), BasketsSettings, count)

    def load_shop() -> str:
        limits = {"judged_from_rows": 1, "max_rejected_share": 0.2}
        chosen = settings(tmp_path, [Products, OrderLines], gate=limits)
        return run_in_order([ingest, downstream], lake, chosen, DATE, Progress())["ingest"].outcome

    shop(tmp_path, unknown_products=2)  # 2 of 10: as many as allowed
    assert load_shop() == "written" and counted == [8]
    tables: list[type[Table]] = [OrderLines, Products, QUARANTINE[OrderLines]]
    before = {t: lake.version(t) for t in tables}

    shop(tmp_path, unknown_products=3)
    with pytest.raises(SourceError, match=r"order_lines is refused: 3 of 10 rows were rejected, 30\.0%") as refused:
        load_shop()
    assert refused.value.exit_code == 3
    assert "3 unknown_product: the product is not in the product list" in str(refused.value)
    assert {t: lake.version(t) for t in tables} == before and counted == [8]
    verdict = quality(lake)["order_lines", "max_rejected_share"]
    assert (verdict.value, verdict.threshold, verdict.passed) == (0.3, 0.2, False)
    assert quality(lake)["order_lines", "unknown_product"].failed == 3
    [page] = (Path(lake.root) / "reports").glob("*.html")
    assert "Refused." in page.read_text(encoding="utf-8")
    last = max(lake.read(Runs).filter("job = 'ingest'").collect(), key=lambda r: r.started_at)
    assert last.outcome == "failed" and "order_lines is refused" in last.message

    # The delivery is corrected to what it was: taken in anew, so that the report is no longer of the refused one.
    shop(tmp_path, unknown_products=2)
    assert load_shop() == "written"
    assert all(r.passed for r in quality(lake).values())


def test_doubled_deliveries_collapse_to_one_and_a_second_load_changes_nothing(lake: Lake, tmp_path: Path) -> None:
    """B01: k copies of every row are one; running twice is running once; in = out + duplicates + rejected."""
    copies = 10
    shop(tmp_path, unknown_products=1, copies=copies)
    chosen = settings(tmp_path, [Products, OrderLines])
    run_in_order([ingest], lake, chosen, DATE, Progress())
    once = sorted(map(str, lake.read(OrderLines).collect()))
    found = quality(lake)
    assert len(once) == 9 and found["order_lines", "duplicate_row"].failed == 9 * (copies - 1)
    rows, failed = found["order_lines", "max_rejected_share"].rows, found["order_lines", "max_rejected_share"].failed
    assert rows == 10 * copies == 9 + failed and failed == 9 * (copies - 1) + copies  # copies of the ghost
    run_in_order([ingest], lake, chosen, DATE, Progress(), force=True)
    assert sorted(map(str, lake.read(OrderLines).collect())) == once
    written = pl.read_delta(lake.path(QUARANTINE[OrderLines]))
    assert sorted(written["source_line"]) == sorted(set(written["source_line"]))  # every copy at its own line
