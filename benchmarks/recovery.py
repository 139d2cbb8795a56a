"""How much of a synthetic retailer's truth the daily run finds again. Read without Spark.

    scripts/submit.sh generate --env world --date 2024-06-01
    scripts/submit.sh pipeline --env world --date 2024-06-01
    .venv/bin/python benchmarks/recovery.py world/lake 2024-06-01

Segments: adjusted Rand index against the planted ones, of honest users who order at least as often as the model
asks; which planted segments come together; and how far the features go: a k-means of them and of others, and a
random forest that is told the planted segments, which no clustering can be expected to beat. Rules: planted bundles
that are called bundles, and what else is. Seasons: each category's true demand by weekday against its forecast.
Recommendations: the true chance of the staples that were recommended, against that of the same user's staples taken
at random.
"""

from __future__ import annotations

import datetime
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from sklearn.cluster import KMeans
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import adjusted_rand_score
from sklearn.model_selection import cross_val_predict

from promo_spark.contracts.features import UserProfile
from promo_spark.settings import load

Floats = npt.NDArray[np.float64]
Table = Callable[[str], pl.DataFrame]  # the rows of a table of the lake, by its name


def main(lake: str, as_of: datetime.date) -> None:
    root = Path(lake)

    def table(name: str) -> pl.DataFrame:
        rows = pl.read_delta(str(root / name))
        return rows.filter(pl.col("as_of") == as_of) if "as_of" in rows.columns else rows

    users = table("truth/users").filter(pl.col("fraud").is_null())
    lines = [*segments(table, users), *segment_features(table, users)]
    lines += [*rules(table), *weekdays(table), *staples(table, users)]
    print("\n".join(lines))


def segments(table: Table, users: pl.DataFrame) -> list[str]:
    known = table("models/segments").filter(pl.col("segment_id") > 0).join(users, on="user_id")
    active = known.filter(pl.col("visits_per_week") >= 0.5)
    of_all = adjusted_rand_score(known["segment"], known["segment_id"])
    of_active = adjusted_rand_score(active["segment"], active["segment_id"])
    groups = f"{known['segment_id'].n_unique()} found, {known['segment'].n_unique()} planted"
    cross = known.pivot("segment_id", index="segment", values="user_id", aggregate_function="len").fill_null(0)
    found = sorted(int(c) for c in cross.columns if c != "segment")
    rows = [
        f"  {row['segment']:12} " + " ".join(f"{row[str(n)]:5}" for n in found)
        for row in cross.sort("segment").iter_rows(named=True)
    ]
    return [
        f"segments: ARI {of_all:.3f} over {len(known):,} users ({groups}); "
        f"{of_active:.3f} over the {len(active):,} who visit every other week or more",
        "segments, planted by found: " + " ".join(str(n) for n in found),
        *rows,
    ]


def segment_features(table: Table, users: pl.DataFrame) -> list[str]:
    """How far features go, on users who shape the segments: those the suite uses, and what else tells users apart."""
    chosen = load("world").segment
    sold = table("silver/order_lines").filter(pl.col("quantity") > 0)
    online = (pl.col("channel") != "store").mean().alias("online_share")
    weekend = (pl.col("order_date").dt.weekday() >= 6).mean().alias("weekend_share")
    habits = sold.unique("order_id").group_by("user_id").agg(online, weekend)
    profiles = table("features/user_profile").filter(pl.col("orders") >= chosen.min_orders)
    of_truth = users.select("user_id", "segment", "churned")
    known = profiles.join(habits, on="user_id").join(of_truth, on="user_id").sort("user_id")
    planted = known["segment"].to_numpy()
    told = ", ".join(
        f"{name} {_between(_scaled(known, [name])[:, 0], planted):.2f}"
        for name in [*chosen.features, "discount_share", "online_share", "weekend_share"]
    )
    left = (known["churned"] <= known["as_of"]).fill_null(False).to_numpy()
    by_left = _between(_scaled(known, ["recency_days"])[:, 0], left)
    by_contacts = _between(_scaled(known, ["coupons_redeemed"])[:, 0], known["campaigns_received"].to_numpy())
    lines = [
        f"segments: share of a feature's variance that lies between the planted ones: {told}",
        f"  of recency_days between users who left and others: {by_left:.2f}; of coupons_redeemed between users by the "
        f"number of campaigns that contacted them: {by_contacts:.2f}",
    ]
    steady = [f for f in chosen.features if f not in ("recency_days", "coupons_redeemed")]
    by_depth = [f if f != "discounted_lines_share" else "discount_share" for f in steady]
    of_habit = ["online_share", "weekend_share"]
    for what, names in {
        "the suite's features": chosen.features,
        "without recency_days and coupons_redeemed": steady,
        "and discount_share for discounted_lines_share": by_depth,
        "and shares online and at weekends": by_depth + of_habit,
        "the suite's features and these shares": [*chosen.features, *of_habit],
    }.items():
        points, k = _scaled(known, names), known["segment"].n_unique()
        clusters = KMeans(k, n_init=10, random_state=0).fit(points).labels_
        forest = RandomForestClassifier(300, min_samples_leaf=3, random_state=0)
        taught = cross_val_predict(forest, points, planted, cv=5)
        lines.append(
            f"  {what}: k-means with {k} groups ARI {adjusted_rand_score(planted, clusters):.2f}; forest told the "
            f"planted ones ARI {adjusted_rand_score(planted, taught):.2f}, {np.mean(taught == planted):.0%} right"
        )
    return lines


def _scaled(rows: pl.DataFrame, names: Sequence[str]) -> Floats:
    """The features as the segment job scales them: logarithms of all but shares, in standard deviations."""
    columns = UserProfile.columns()
    points = []
    for name in names:
        values = rows[name].cast(pl.Float64).fill_null(strategy="mean").to_numpy()
        is_share = name not in columns or columns[name].unit == "share"
        points.append(values if is_share else np.log1p(values))
    unscaled = np.array(points).T
    scaled: Floats = (unscaled - unscaled.mean(axis=0)) / unscaled.std(axis=0)
    return scaled


def _between(values: Floats, groups: npt.NDArray[Any]) -> float:
    """The share of the variance that the groups' means have; the values have mean 0 and variance 1."""
    return float(sum((groups == g).mean() * values[groups == g].mean() ** 2 for g in np.unique(groups)))


def rules(table: Table) -> list[str]:
    planted = {(r["antecedent"], r["consequent"]): r["lift"] for r in table("truth/rules").iter_rows(named=True)}
    single = table("models/basket_rules").filter(
        (pl.col("antecedent").list.len() == 1) & (pl.col("consequent").list.len() == 1)
    )
    found = {(r["antecedent"][0], r["consequent"][0]): r["lift"] for r in single.iter_rows(named=True)}
    # A bundle shows in both directions: who has the drawn item often has what drew it.
    explained = planted.keys() | {(b, a) for a, b in planted}
    bundles = {(r["antecedent"][0], r["consequent"][0]) for r in single.filter("is_bundle").iter_rows(named=True)}
    right = {pair for pair in planted if pair in bundles or pair[::-1] in bundles}
    error = np.mean([abs(found[p] / planted[p] - 1) for p in planted if p in found]) if found else float("nan")
    return [
        f"rules: {len(right)} of {len(planted)} planted bundles found; {len(bundles - explained)} of {len(bundles)} "
        f"rules that are called bundles are none; lift is off by {error:.0%} on average where found"
    ]


def weekdays(table: Table) -> list[str]:
    products = table("silver/products").select("product_id", "category")
    demand = table("truth/demand").join(products, on="product_id")
    true = _profile(demand.rename({"units_wanted": "units"}), "category")
    of_category = table("models/forecasts").filter(pl.col("champion") & (pl.col("level") == "category"))
    forecast = _profile(of_category.with_columns(pl.col("item_id").alias("category")), "category")
    both = true.join(forecast, on=["category", "weekday"], suffix="_forecast")
    error = _mean((both["share"] - both["share_forecast"]).abs())
    flat = _mean((both["share"] - 1 / 7).abs())
    alike = np.corrcoef(both["share"], both["share_forecast"])[0, 1]
    return [
        f"weekdays: a category's share of a weekday is off by {error:.4f} in the forecast, by {flat:.4f} were all days "
        f"alike; correlation {alike:.3f} over {both['category'].n_unique()} categories"
    ]


def _profile(rows: pl.DataFrame, by: str) -> pl.DataFrame:
    daily = rows.group_by(by, pl.col("day").dt.weekday().alias("weekday")).agg(pl.col("units").sum())
    return daily.with_columns((pl.col("units") / pl.col("units").sum().over(by)).alias("share"))


def staples(table: Table, users: pl.DataFrame) -> list[str]:
    chances = table("truth/next_purchases").join(users.select("user_id"), on="user_id")
    listed = table("models/recommendations").filter(pl.col("rank") <= 10).select("user_id", "product_id")
    recommended = chances.join(listed, on=["user_id", "product_id"])
    of_listed = chances.join(recommended.select("user_id").unique(), on="user_id")
    return [
        f"recommendations: {len(recommended):,} staples stand among the first 10 of "
        f"{recommended['user_id'].n_unique():,} users; true chance of purchase in 28 days "
        f"{_mean(recommended['chance']):.3f}, of all staples of these users {_mean(of_listed['chance']):.3f}"
    ]


def _mean(values: pl.Series) -> float:
    mean = values.mean()
    assert isinstance(mean, float)
    return mean


if __name__ == "__main__":
    main(sys.argv[1], datetime.date.fromisoformat(sys.argv[2]))
