"""How long a micro-batch of stream takes: of events, and of order lines, whose users are judged anew.

    PYTHONPATH=. .venv/bin/python benchmarks/stream.py [--rows 10000] [--users 5000] [--batches 3] [--new 0]

A shop with ninety days of orders; rows arrive as CSV files. Each batch is timed alone, from its first query to its row
in ops.stream_batches; the first one of order lines also looks at the orders of earlier days. With --new, promote has
decided the date, and so many users whom nobody knows come with each batch of events: they are welcomed, and all who
order are decided anew.
"""

from __future__ import annotations

import argparse
import datetime
import tempfile
import time
from pathlib import Path
from typing import Any

from local_session import local_session
from pyspark.sql import functions as F

from promo_spark.contracts.silver import OrderLines
from promo_spark.flows.stream import batches
from promo_spark.storage.lake import Lake
from promo_spark.submission.local_mode import local_conf
from tests.jobs.morning_rows import SETTINGS, decided_morning
from tests.jobs.stream_rows import DAY, arrive, settings_at, take


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--users", type=int, default=5_000)
    parser.add_argument("--batches", type=int, default=3)
    parser.add_argument("--new", type=int, default=0)
    asked = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="stream_"))
    changes: dict[str, Any] = {"stream.files_per_batch": 1, **(SETTINGS if asked.new else {})}
    settings = settings_at(str(folder / "lake"), folder, **changes)
    lake = Lake(local_session("stream", conf=local_conf(settings)), settings.lake.root)
    history(lake, asked.users)
    if asked.new:
        known = [f"u{n}" for n in range(asked.users)]
        decided_morning(lake, [], known, daily=100_000, mechanic_coupon=50_000, face_coupon=1_000_000)
    for number in range(asked.batches):
        first = number * asked.rows
        ids, seconds = range(first, first + asked.rows), asked.rows * asked.batches / 36_000
        at = [DAY_BEGINS + datetime.timedelta(seconds=8 * 3600 + n / seconds) for n in ids]
        events = [
            f"e{n},u{n * 7 % asked.users},view,p{n % 40},{t:%Y-%m-%d %H:%M:%S}" for n, t in zip(ids, at, strict=True)
        ]
        lines = [
            f"t{n},1,u{n * 11 % asked.users},p{n % 40},1,9.90,0,,{t:%Y-%m-%d %H:%M:%S}"
            for n, t in zip(ids, at, strict=True)
        ]
        events += [f"n{number}-{n},new{number}-{n},view,p1,{at[-1]:%Y-%m-%d %H:%M:%S}" for n in range(asked.new)]
        arrive(folder, "events", f"{number}.csv", *events)
        arrive(folder, "order_lines", f"{number}.csv", *lines)
    timed()
    take(lake, settings)


DAY_BEGINS = datetime.datetime.combine(DAY, datetime.time())


def history(lake: Lake, users: int) -> None:
    """An order of one line per user and ninth day."""
    orders = lake.spark.range(users * 10).select(
        F.concat(F.lit("h"), "id").alias(OrderLines.order_id),
        F.lit(1).alias(OrderLines.line_no),
        F.concat(F.lit("u"), F.col("id") % users).alias(OrderLines.user_id),
        F.concat(F.lit("p"), F.xxhash64("id") % 20 + 20).alias(OrderLines.product_id),
        F.timestamp_seconds(
            F.lit(int(DAY_BEGINS.replace(tzinfo=datetime.timezone.utc).timestamp()))
            - (F.floor(F.col("id") / users).cast("long") * 9 + 1) * 86_400
            + (8 + F.pmod(F.xxhash64("id"), F.lit(12))) * 3600
        ).alias(OrderLines.ts),
    )
    amounts = {OrderLines.quantity: 1, OrderLines.amount_paid: 10, OrderLines.list_amount: 10}
    filled = orders.withColumns({name: F.lit(value) for name, value in amounts.items()})
    nothing = (OrderLines.discount_retail, OrderLines.discount_coupon, OrderLines.discount_coupon_match)
    filled = filled.withColumns({name: F.lit(0) for name in nothing})
    filled = filled.withColumns(
        {OrderLines.order_date: F.to_date(OrderLines.ts), OrderLines.flags: F.array().cast("array<string>")}
    )
    lacking = {n: F.lit(None).cast(c.type) for n, c in OrderLines.columns().items() if n not in filled.columns}
    lake.write(OrderLines, OrderLines.shaped(filled.withColumns(lacking)))


def timed() -> None:
    """Has each batch say how long it took."""
    untimed: Any = batches._batch

    def batch(ctx: Any, source: Any, *rest: Any) -> None:
        began = time.monotonic()
        untimed(ctx, source, *rest)
        print(f"{source.name}: {time.monotonic() - began:.1f} s", flush=True)

    batches._batch = batch  # type: ignore[assignment]  # for this one run


if __name__ == "__main__":
    main()
