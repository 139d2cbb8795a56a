"""Examples that models learn from: a sample of users as of earlier dates, and what they did next."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from promo_spark.features.labels.batches import Batch
from promo_spark.features.labels.histories import Floats, Ints
from promo_spark.features.labels.users import (
    USER_FEATURES,
    Rows,
    kinds_of_users,
    known_users,
    ordered_within,
    redeemed_within,
    regular_users,
    spent_within,
    user_features,
)
from promo_spark.learners.representation import Groups
from promo_spark.learners.tables import FeatureTable
from promo_spark.models.propensity.fitting import Examples
from promo_spark.models.propensity.questions import (
    CHURN,
    CHURN_DAYS,
    ORDER,
    ORDER_DAYS,
    REDEMPTION,
    SPEND,
    SPEND_DAYS,
)
from promo_spark.settings.propensity import PropensitySettings


@dataclass(frozen=True)
class Sample:
    """The sampled users, sorted by id; a number drawn from each id; the date as a day since 1970.

    `groups`: by attribute, which group each of them is in.
    """

    batch: Batch
    drawn: NDArray[np.uint64]
    day: int
    groups: Mapping[str, Groups] = field(default_factory=dict)

    @staticmethod
    def of(batch: Batch, day: int, seed: int) -> Sample:
        return Sample(batch, drawn_numbers(batch.user_ids, seed), day)

    @property
    def first_day(self) -> int:
        """The first day on which one of them bought; the date itself, where none did."""
        return int(self.batch.of.orders.day.min(initial=self.day))


@dataclass(frozen=True)
class Windows:
    """Dates of which what happened in so many days is known: the latest, and those before that end when it begins."""

    latest: int | None
    past: tuple[int, ...]


def windows(sample: Sample, days: int, settings: PropensitySettings) -> Windows:
    """The dates whose windows of so many days are whole, and have enough history before them."""
    earliest = sample.first_day + settings.least_history_days
    latest = sample.day - days
    past = [latest - days - settings.training_every_days * n for n in range(settings.training_dates)]
    return Windows(latest if latest >= earliest else None, tuple(day for day in past if day >= earliest))


def user_examples(sample: Sample, target: str, settings: PropensitySettings) -> tuple[Examples, Examples]:
    """Of a target the examples before the last whole window, and those of it."""
    if target == REDEMPTION:
        return _redemptions(sample, settings)
    days = {ORDER: ORDER_DAYS, CHURN: CHURN_DAYS, SPEND: SPEND_DAYS}[target]
    found = windows(sample, days, settings)
    past = [users_as_of(sample.batch, day, target, settings) for day in found.past]
    latest = [users_as_of(sample.batch, found.latest, target, settings)] if found.latest is not None else []
    before, newest = (_answered(sample, _joined(rows, settings), target, settings) for rows in (past, latest))
    return before, newest


def users_as_of(batch: Batch, day: int, target: str, settings: PropensitySettings) -> Rows:
    """The users whom a target is about on a day."""
    everyone = Rows(np.arange(len(batch)), np.full(len(batch), day), settings.lookback_days)
    about = known_users(batch.of, everyone)
    if target == CHURN:
        about &= regular_users(
            batch.of, everyone, least_days=settings.regular_days, most_silence=settings.regular_silence
        )
    if target == REDEMPTION:
        about &= batch.of.contacts.count(everyone.user, everyone.day - settings.lookback_days, everyone.day) > 0
    return Rows(everyone.user[about], everyone.day[about], settings.lookback_days)


def population(sample: Sample, model: str, settings: PropensitySettings) -> Ints:
    """Of whom a model is asked on the date: users as numbers.

    Whom a campaign reaches is chosen, so that the model of redemptions is held to all users that are known.
    """
    target = ORDER if model == REDEMPTION else model
    return users_as_of(sample.batch, sample.day, target, settings).user


def drawn_numbers(ids: pa.Array, seed: int) -> NDArray[np.uint64]:
    """A number from each id, evenly spread and always the same.

    >>> drawn_numbers(pa.array(["u1"]), 7) == drawn_numbers(pa.array(["u0", "u1"]), 7)[1:]
    array([ True])
    """
    salt = str(seed).encode()[:16]
    digests = b"".join(hashlib.blake2b(i.encode(), digest_size=8, salt=salt).digest() for i in ids.to_pylist())
    return np.frombuffer(digests, "<u8").astype(np.uint64)


def mixed(number: NDArray[np.uint64], times: int) -> NDArray[np.uint64]:
    """Another number from each, by SplitMix64."""
    with np.errstate(over="ignore"):
        z = number + np.uint64(0x9E3779B97F4A7C15) * np.uint64(times + 1)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def _redemptions(sample: Sample, settings: PropensitySettings) -> tuple[Examples, Examples]:
    """The latest contacts whose windows are over, and those before them: was a coupon redeemed in time?"""
    contacts, days = sample.batch.of.contacts, settings.redemption_days
    known = (contacts.day <= sample.day - days) & (contacts.day >= sample.first_day + settings.least_history_days)
    rows = Rows(contacts.owner[known], contacts.day[known], settings.lookback_days)
    redeemed = redeemed_within(sample.batch.of, rows, days) > 0
    newest = _latest_contacts(rows.day, redeemed, sample.day - 2 * days + 1, settings.least_rows)
    parts = []
    for chosen in (rows.day < newest, rows.day >= newest):
        of_part = Rows(rows.user[chosen], rows.day[chosen], settings.lookback_days)
        parts.append(_answered(sample, _joined([of_part], settings), REDEMPTION, settings))
    return parts[0], parts[1]


def _latest_contacts(day: Ints, redeemed: NDArray[np.bool_], latest: int, least_rows: int) -> int:
    """The first day of the latest contacts: `latest`, or as long before as it takes to have enough of them.

    Campaigns are few: of the last days alone there may be nobody, or nobody who redeemed.

    >>> day, redeemed = np.array([10, 10, 20, 30]), np.array([True, False, False, False])
    >>> _latest_contacts(day, redeemed, 25, least_rows=2)
    10
    """
    for first in [latest, *np.unique(day[day < latest])[::-1].tolist()]:
        chosen = redeemed[day >= first]
        rarer = min(int(chosen.sum()), int((~chosen).sum()))
        if len(chosen) >= least_rows and rarer >= max(1, least_rows // 10):
            return int(first)
    return latest


def _answered(sample: Sample, rows: Rows, target: str, settings: PropensitySettings) -> Examples:
    of = sample.batch.of
    values = user_features(of, rows)
    answers: dict[str, Callable[[], Floats]] = {
        ORDER: lambda: ordered_within(of, rows, ORDER_DAYS),
        CHURN: lambda: 1 - ordered_within(of, rows, CHURN_DAYS),
        SPEND: lambda: spent_within(of, rows, SPEND_DAYS),
        REDEMPTION: lambda: redeemed_within(of, rows, settings.redemption_days),
    }
    return Examples(
        FeatureTable(USER_FEATURES, values), answers[target](), kinds_of_users(of, rows, values), rows.user, rows.day
    )


def _joined(parts: Sequence[Rows], settings: PropensitySettings) -> Rows:
    """The rows one after the other, those of the last users left out where they are too many."""
    nothing = [np.zeros(0, np.int64)]
    user = np.concatenate(nothing + [p.user for p in parts])[: settings.sample_rows]
    day = np.concatenate(nothing + [p.day for p in parts])[: settings.sample_rows]
    return Rows(user, day, settings.lookback_days)
