"""The daily run and the simulator day after day: promotions, what users do with them, the next day's promotions.

    PYTHONPATH=. .venv/bin/python benchmarks/daily_loop.py [--users 500] [--days 30] [--all-sources] [--folder FOLDER]

Generates a small retailer, decides promotions for the day after its history, and then plays day by day: `simulate`
for the date, the jobs of `pipeline` for the next one, in one Spark session. Prints a line per day: `repeated` are
offers of the day that their users held already, valid still; `given` is what offers took off the day's receipts,
beside what was reserved for the offers made that day. At the end stands what must hold of such a loop (exit code 1
where it does not), and treated users beside the holdout and beside themselves without offers. Tables and raw files are
read with polars. What the jobs say goes to FOLDER/loop.log.
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from rich.console import Console

from jobs.generate import run as generate
from jobs.simulate import run as simulate
from promo_spark.runtime.pipeline import run_in_order
from promo_spark.runtime.progress import Progress
from promo_spark.runtime.registry import single_jobs
from promo_spark.runtime.session import started_session
from promo_spark.settings import Settings, load, validated
from promo_spark.storage.lake import Lake
from promo_spark.worlds.catalogue import catalogue
from promo_spark.worlds.records import order_lines
from promo_spark.worlds.shopping import history
from promo_spark.worlds.simulation import simulated_day
from promo_spark.worlds.spec import world_spec

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))
from check_promotions import broken_promises  # a script, in no package

FIRST = datetime.date(2024, 6, 1)
# The same jobs and code as ever, with less to fit and to measure than the defaults ask for.
SMALLER = [
    "generate.products=300",
    "generate.days=60",
    "generate.users_per_block=250",
    "generate.partitions=2",
    "generate.truth=false",
    "simulate.partitions=2",
    "profile.top_products=20",
    "segment.k=[4, 5]",
    "segment.starts=1",
    "segment.stability_rounds=2",
    "baskets.min_baskets=20",
    "baskets.max_antecedent=1",
    "recommend.rank=8",
    "recommend.iterations=3",
    "recommend.blocks=1",
    "recommend.holdout_days=14",
    "forecast.horizon_days=14",
    "forecast.min_history_days=28",
    "forecast.backtest_windows=1",
    "forecast.top_series=5",
    "forecast.partitions=1",
    "spark.driver_memory=3g",
    'spark.conf."spark.sql.shuffle.partitions"="1"',
    # Thousands of small queries: compiling each, and planning it anew at each shuffle, costs more than it saves.
    'spark.conf."spark.sql.codegen.wholeStage"="false"',
    'spark.conf."spark.sql.adaptive.enabled"="false"',
    'spark.conf."spark.driver.extraJavaOptions"="-XX:+UseParallelGC"',
]
NOT_READ = ("events", "feedback", "inventory")  # by any job after ingest
BUDGET_PER_USER = {
    "daily_budget": 0.2,
    "mechanic_budgets.discount": 0.12,
    "mechanic_budgets.coupon": 0.08,
    "mechanic_budgets.bundle": 0.04,
    "mechanic_budgets.threshold": 0.06,
    "mechanic_budgets.flash": 0.04,
    "mechanic_budgets.rebate": 0.02,
    "mechanic_budgets.gift": 0.02,
}
WELCOMES = "WELCOME-"  # campaigns that are no promotions: every new account gets their coupon
DATED = {
    "silver/order_lines": "order_date",
    "silver/events": "event_date",
    "silver/inventory": "day",
    "silver/contacts": "contacted_on",
    "silver/redemptions": "redeemed_on",
}


class Retailer:
    """The tables of the loop's lake and the files that its simulator delivered."""

    def __init__(self, folder: Path, settings: Settings, days: Sequence[datetime.date]) -> None:
        self.lake, self.raw = folder / "lake", Path(settings.ingest.folder)
        self.settings, self.days = settings, days

    def table(self, name: str) -> pl.DataFrame:
        return pl.read_delta(str(self.lake / name))

    def delivered(self, table: str) -> pl.DataFrame:
        """What the simulator delivered on the loop's days, with the day of the delivery."""
        parts = [
            pl.read_parquet(self.raw / table / day.isoformat() / "*.parquet").with_columns(pl.lit(day).alias("day"))
            for day in self.days
            if (self.raw / table / day.isoformat()).exists()
        ]
        return pl.concat(parts)

    def offers(self) -> pl.DataFrame:
        return self.table("decisions/promotions").filter(pl.col("mechanic") != "none")

    def history_digests(self) -> dict[str, str]:
        """table → digest of the rows of the history's days, whatever their order and the run that wrote them."""
        return {
            name: _digest(self.table(name).filter(pl.col(day) < FIRST).drop("run_id"))
            for name, day in DATED.items()
            if (self.lake / name).exists()
        }


def _digest(rows: pl.DataFrame) -> str:
    total = 0
    for row in rows.iter_rows():
        total += int.from_bytes(hashlib.blake2b(repr(row).encode(), digest_size=8).digest(), "big")
    return f"{rows.height} rows {total % 2**64:016x}"


def repeated(offers: pl.DataFrame, day: datetime.date) -> int:
    """Offers of the day that were made to the same user before, for the same products, and hold still."""
    what = ["user_id", "mechanic", "category", "products"]
    named = offers.with_columns(pl.col("product_ids").list.sort().list.join(",").alias("products"))
    earlier = named.filter((pl.col("date") < day) & (pl.col("valid_to") >= day))
    return named.filter(pl.col("date") == day).join(earlier, on=what, how="semi", nulls_equal=True).height


def given(retailer: Retailer, day: datetime.date) -> float:
    """What promotions took off the day's receipts: coupons, and prices below the shelf's; but for lines made dirty."""
    spec = world_spec(retailer.settings.generate, FIRST)
    clean = pl.col("product_id").str.contains(r"^P\d+$") & (pl.col("quantity") > 0)
    lines, shop = retailer.delivered("order_lines").filter((pl.col("day") == day) & clean), catalogue(spec)
    product = lines["product_id"].str.slice(1).cast(pl.Int64).to_numpy()
    week = spec.day(day) // 7
    on_shelf = np.rint(shop.list_price[product, week] * shop.depth[product, week]) * lines["quantity"].to_numpy()
    return float(
        (lines["discount_retail"].to_numpy() * 100 - on_shelf).clip(0).sum() / 100
        + lines.filter(~pl.col("coupon_id").fill_null("").str.starts_with(WELCOMES))["discount_coupon_match"].sum()
    )


def report_of_day(retailer: Retailer, day: datetime.date, seconds: float) -> dict[str, object]:
    offers = retailer.offers().filter(pl.col("date") == day)
    budget = retailer.table("decisions/budget").filter((pl.col("date") == day) & (pl.col("constraint") == "daily"))
    lines = retailer.table("silver/order_lines")
    contacts, redemptions = retailer.table("silver/contacts"), retailer.table("silver/redemptions")
    return {
        "date": day.isoformat(),
        "lines": lines.height,
        "of the day": lines.filter(pl.col("order_date") == day).height,
        "users": retailer.table("silver/users").height,
        "offers": offers.height,
        "repeated": repeated(retailer.offers(), day),
        "to users": offers["user_id"].n_unique(),
        "contacts": contacts.filter(pl.col("contacted_on") == day).height,
        "redeemed": redemptions.filter(pl.col("redeemed_on") == day).height,
        "reserved": float(budget["reserved"].sum()),
        "given": round(given(retailer, day), 2),
        "seconds": round(seconds),
    }


def play(folder: Path, settings: Settings, days: Sequence[datetime.date]) -> tuple[list[dict[str, object]], bool]:
    """Runs the loop; the reports of its days, and whether the history's rows are as they were before it."""
    retailer = Retailer(folder, settings, days)
    jobs = [single_jobs()[name] for name in settings.pipeline.jobs]
    reports = []
    with (folder / "loop.log").open("a", encoding="utf-8") as log:
        progress = Progress(Console(file=log, width=120))
        spark = started_session("loop", settings)
        try:
            lake, begun = Lake(spark, settings.lake.root), time.monotonic()
            run_in_order([generate], lake, settings, FIRST, progress)
            print(f"generated in {time.monotonic() - begun:.0f} s", flush=True)
            begun = time.monotonic()
            run_in_order(jobs, lake, settings, FIRST, progress)
            print(f"first daily run in {time.monotonic() - begun:.0f} s", flush=True)
            before = retailer.history_digests()
            for day in days:
                begun = time.monotonic()
                run_in_order([simulate], lake, settings, day, progress)
                run_in_order(jobs, lake, settings, day + datetime.timedelta(days=1), progress)
                reports.append(report_of_day(retailer, day, time.monotonic() - begun))
                print("  ".join(f"{name} {value}" for name, value in reports[-1].items()), flush=True)
        finally:
            spark.stop()
    return reports, retailer.history_digests() == before


def broken(retailer: Retailer) -> dict[str, int]:
    """What must hold of the loop → how many rows, users or days break it."""
    decided = [*retailer.days, retailer.days[-1] + datetime.timedelta(days=1)]
    found: dict[str, int] = {}
    for day in decided:
        for promise, n in broken_promises(retailer.lake, day, retailer.settings).items():
            found[promise] = found.get(promise, 0) + n
    offers = retailer.offers()
    found["every day has offers"] = len(set(decided) - set(offers["date"]))
    promotions = retailer.table("decisions/promotions")
    arms = promotions.group_by("user_id").agg(pl.col("arm").n_unique())
    found["a user stays in one arm on all days"] = arms.filter(pl.col("arm") > 1).height
    return found | _of_deliveries(retailer) | _of_coupons(retailer, offers, promotions)


def _of_deliveries(retailer: Retailer) -> dict[str, int]:
    """Order lines and accounts as delivered, against those taken in and those in quarantine."""
    delivered = retailer.delivered("order_lines")
    lines = retailer.table("silver/order_lines")
    name = "quarantine/order_lines"
    rejected = retailer.table(name) if (retailer.lake / name).exists() else lines.head(0)
    wrong_counts = wrong_amounts = 0
    for day in retailer.days:
        of_day = delivered.filter(pl.col("day") == day)
        accepted = lines.filter(pl.col("source_file").str.contains(f"/order_lines/{day}/", literal=True))
        aside = rejected.filter(pl.col("source_file").str.contains(f"/order_lines/{day}/", literal=True))
        on_day = lines.filter(pl.col("order_date") == day)
        wrong_counts += of_day.height != accepted.height + aside.height or accepted.height != on_day.height
        cents = round(of_day["amount_paid"].sum() * 100)
        wrong_amounts += not aside.height and cents != round(float(on_day["amount_paid"].sum()) * 100)
    known = retailer.table("silver/users")["user_id"].implode()
    return {
        "order lines of each day are accepted or in quarantine": wrong_counts,
        "amounts of each day are those delivered": wrong_amounts,
        "new accounts are known": retailer.delivered("users").filter(~pl.col("user_id").is_in(known)).height,
    }


def _of_coupons(retailer: Retailer, offers: pl.DataFrame, promotions: pl.DataFrame) -> dict[str, int]:
    coupons = offers.filter(pl.col("mechanic") == "coupon").select(
        "user_id", pl.col("promotion_id").alias("coupon_id"), "valid_from", "valid_to"
    )
    used = retailer.table("silver/redemptions").filter(pl.col("redeemed_on") >= FIRST)
    promoted = used.filter(~pl.col("campaign_id").str.starts_with(WELCOMES))
    offered = promoted.join(coupons, on=["user_id", "coupon_id"], how="left")
    held = promotions.filter(pl.col("arm") == "holdout")["user_id"].unique().implode()
    contacted = retailer.table("silver/contacts").filter(pl.col("contacted_on") >= FIRST)
    contacted = contacted.filter(~pl.col("campaign_id").str.starts_with(WELCOMES))
    delivered = retailer.delivered("redemptions")
    return {
        "redeemed coupons were offered to the user, for the day": offered.filter(
            ~pl.col("redeemed_on").is_between("valid_from", "valid_to").fill_null(False)
        ).height,
        "every redemption delivered is known": abs(used.height - delivered.height),
        "a coupon is redeemed once": used.height - used.select("user_id", "coupon_id").n_unique(),
        "nobody in the holdout is contacted or redeems": contacted.filter(pl.col("user_id").is_in(held)).height
        + promoted.filter(pl.col("user_id").is_in(held)).height,
    }


# treated and holdout users


def per_user(lines: pl.DataFrame) -> pl.DataFrame:
    return lines.group_by("user_id").agg(
        pl.col("order_id").n_unique().cast(pl.Float64).alias("visits"),
        pl.col("amount_paid").cast(pl.Float64).sum().alias("paid"),
    )


def without_offers(settings: Settings, days: Sequence[datetime.date]) -> pl.DataFrame:
    """The order lines of the same days, users and random numbers, had nobody been offered anything."""
    spec = world_spec(settings.generate, FIRST)
    parts = []
    for block in range(spec.user_blocks):
        state = history(spec, block).state
        for day in map(spec.day, days):
            past = simulated_day(spec, block, day, state).past
            state = past.state
            parts.append(pl.DataFrame(order_lines(spec, past, block, day=day)))
    return pl.concat(parts)


def compared(retailer: Retailer) -> tuple[list[str], int]:
    """Treated beside holdout users of the first day, who consent; and holdout users whom offers changed, who must be 0.

    Users without consent get no offer in either arm and are left out of both.
    """
    first = retailer.table("decisions/promotions").filter(pl.col("date") == FIRST)
    consent = retailer.table("silver/users").filter(pl.col("consent_marketing")).select("user_id")
    users = first.select("user_id", "arm").unique().join(consent, on="user_id")
    offered = retailer.offers().select("user_id").unique().with_columns(pl.lit(True).alias("offered"))
    start = FIRST - datetime.timedelta(days=len(retailer.days))
    earlier = retailer.table("silver/order_lines").filter(pl.col("order_date").is_between(start, FIRST, closed="left"))
    of_user = users.join(offered, on="user_id", how="left").with_columns(pl.col("offered").fill_null(False))
    for name, lines in {
        "": retailer.delivered("order_lines"),
        "_before": earlier,
        "_alone": without_offers(retailer.settings, retailer.days),
    }.items():
        of_user = of_user.join(per_user(lines), on="user_id", how="left", suffix=name)
    of_user = of_user.with_columns(pl.col(pl.Float64).fill_null(0.0))
    treated, held = (of_user.filter(pl.col("arm") == arm) for arm in ("treatment", "holdout"))
    told = [f"{treated.height} treated users ({treated['offered'].sum()} got an offer), {held.height} in the holdout"]
    for figure in ("visits", "paid"):
        for name, period in {"_before": f"the {len(retailer.days)} days before", "": "the loop"}.items():
            told.append(f"{figure} per user in {period}: {_difference(treated[figure + name], held[figure + name])}")
        effect = treated[figure] - treated[f"{figure}_alone"]
        told.append(
            f"{figure} per treated user in the loop, with and without offers (same random numbers): "
            f"{_mean(treated[figure]):.2f} and {_mean(treated[f'{figure}_alone']):.2f}, "
            f"difference {_mean(effect):+.3f} ± {_variance(effect) ** 0.5 / effect.len() ** 0.5:.3f}"
        )
    other = (pl.col("visits") != pl.col("visits_alone")) | ((pl.col("paid") - pl.col("paid_alone")).abs() > 0.005)
    return told, held.filter(other).height


def _difference(a: pl.Series, b: pl.Series) -> str:
    error = (_variance(a) / a.len() + _variance(b) / b.len()) ** 0.5
    return (
        f"treated {_mean(a):.2f}, holdout {_mean(b):.2f}, difference {_mean(a) - _mean(b):+.2f} ± {error:.2f} "
        "(standard error)"
    )


def _mean(values: pl.Series) -> float:
    mean = values.mean()
    assert isinstance(mean, float)
    return mean


def _variance(values: pl.Series) -> float:
    variance = values.var()
    assert isinstance(variance, float)
    return variance


def _without_sources(settings: Settings) -> Settings:
    """The settings without the sources that no job after ingest reads: half of what ingest has to do."""
    values = settings.model_dump(mode="json")
    ingest = values["ingest"]
    for part in (ingest["sources"], ingest["gate"]["sources"]):
        for name in NOT_READ:
            part.pop(name, None)
    return validated(values)


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--users", type=int, default=500)
    options.add_argument("--days", type=int, default=30)
    options.add_argument("--all-sources", action="store_true", help=f"take in {', '.join(NOT_READ)} too")
    options.add_argument("--folder", type=Path, default=None, help="empty or new; default: a temporary folder")
    chosen = options.parse_args()
    folder = (chosen.folder or Path(tempfile.mkdtemp(prefix="loop_"))).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    if (folder / "lake").exists() or (folder / "raw").exists():
        sys.exit(f"{folder} holds a lake or raw files already; choose another folder")
    overrides = [
        *SMALLER,
        f"generate.users={chosen.users}",
        f"generate.horizon_days={chosen.days + 30}",
        *(f"promote.{name}={share * chosen.users:.2f}" for name, share in BUDGET_PER_USER.items()),
        f"ingest.folder={folder / 'raw'}",
        f"lake.root={folder / 'lake'}",
    ]
    print(f"{folder}\n{' '.join(overrides)}", flush=True)
    settings = load("world", overrides) if chosen.all_sources else _without_sources(load("world", overrides))
    days = [FIRST + datetime.timedelta(days=n) for n in range(chosen.days)]
    reports, history_stays = play(folder, settings, days)
    retailer = Retailer(folder, settings, days)
    whole: dict[str, Any] = {"tbl_rows": -1, "tbl_cols": -1, "tbl_width_chars": 160, "tbl_formatting": "ASCII_MARKDOWN"}
    with pl.Config(**whole, tbl_hide_dataframe_shape=True, tbl_hide_column_data_types=True):
        print(pl.DataFrame(reports))
    found = broken(retailer) | {"rows of the history's days are as before the loop": int(not history_stays)}
    told, changed = compared(retailer)
    found["users in the holdout do what they do without offers"] = changed
    for promise, n in found.items():
        print(f"{'ok    ' if n == 0 else f'{n:6}'}  {promise}")
    print("\n".join(told))
    return 1 if any(found.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
