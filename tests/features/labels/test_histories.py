"""What was known at a day, and what happened next: no day counts for both."""

from __future__ import annotations

import numpy as np
import pytest

from promo_spark.features.labels.histories import Histories, Ints, OrderDays, Purchases, histories
from promo_spark.features.labels.pairs import (
    PAIR_FEATURES,
    Pairs,
    bought_within,
    own_pairs,
    pair_features,
    product_figures,
    units_within,
)
from promo_spark.features.labels.users import (
    KINDS,
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

LOOKBACK = 182
CATEGORY = np.array([0, 0, 1])
# user, day, product, units, cents
LINES = np.array(
    [
        (0, 1000, 0, 2, 500),
        (0, 1000, 1, 1, 300),  # the same order day
        (0, 1010, 0, 2, 400),
        (0, 1024, 0, 1, 250),  # gaps 10 and 14
        (1, 1020, 2, 1, 900),
        (0, 1030, 1, 1, 300),  # on the day: what happened next
        (1, 1043, 2, 3, 2700),
    ]
)
DAY = 1030


def shop(lines: Ints = LINES, users: int = 3) -> Histories:
    """User 2 registered and never bought. User 0 was contacted twice and redeemed on day 1024."""
    user, day, product, units, cents = lines.T
    one = np.ones(len(lines), np.int64)
    return histories(
        np.array([-1, 1015, 1025])[:users],
        OrderDays(user, day, cents, one, (cents == 250).astype(np.int64)),
        Purchases(user, day, product, units * 1000),
        (np.array([0, 0, 0]), np.array([1003, 1020, 1031])),
        (np.array([0]), np.array([1024])),
        CATEGORY,
    )


def as_of(day: int = DAY, users: int = 3) -> Rows:
    return Rows(np.arange(users), np.full(users, day), LOOKBACK)


def column(name: str, values: np.typing.NDArray[np.float64]) -> list[float]:
    return [float(v) for v in values[:, USER_FEATURES.index(name)]]


def test_features_of_users_count_what_was_before_the_day() -> None:
    values = user_features(shop(), as_of())
    nan = pytest.approx(float("nan"), nan_ok=True)
    assert column("recency_days", values) == [6, 10, nan]  # from 1024 and 1020
    assert column("second_recency_days", values) == [20, nan, nan]
    assert column("order_days", values) == [3, 1, 0]
    assert column("order_days_14", values) == [1, 1, 0]  # from 1016 on
    assert column("tenure_days", values) == [30, 10, nan]
    assert column("account_days", values) == [nan, 15, 5]
    assert column("gap_days", values) == [12, nan, nan]  # of 10 and 14
    assert column("gap_spread", values) == [2, nan, nan]
    assert column("silence", values) == [0.5, nan, nan]
    assert column("spend_28", values) == [6.5, 9, 0]  # 1002 and later
    assert column("basket_value", values) == [pytest.approx(14.5 / 3), 9, nan]
    assert column("discounted_share", values) == [0.25, 0, nan]
    assert column("contacts_28", values) == [2, 0, 0]
    assert column("redeemed_share", values) == [0.5, nan, nan]
    assert [KINDS[k] for k in kinds_of_users(shop(), as_of(), values)] == ["active", "one order day", "never ordered"]
    later = as_of(1040 + LOOKBACK)  # days from 1040 on count: user 1 bought on 1043
    kinds = kinds_of_users(shop(), later, user_features(shop(), later))
    assert [KINDS[k] for k in kinds] == ["ordered long ago", "one order day", "never ordered"]


def test_days_before_the_lookback_count_for_nothing() -> None:
    """With 25 days of lookback user 0 began on day 1010, and the gap before it lies outside."""
    values = user_features(shop(), Rows(np.array([0]), np.array([DAY]), 25))
    assert column("order_days", values) == [2]
    assert column("tenure_days", values) == [20]
    assert column("gap_days", values) == [14]


def test_labels_count_from_the_day_on() -> None:
    of, rows = shop(), as_of()
    assert ordered_within(of, rows, 13).tolist() == [1, 0, 0]
    assert ordered_within(of, rows, 14).tolist() == [1, 1, 0]  # day 1043 is the fourteenth
    assert spent_within(of, rows, 14).tolist() == [3, 27, 0]
    assert redeemed_within(of, Rows(np.array([0, 0]), np.array([1020, 1025]), LOOKBACK), 5).tolist() == [1, 0]
    assert known_users(of, as_of(1021)).tolist() == [True, True, False]
    assert regular_users(of, as_of(), least_days=3, most_silence=3).tolist() == [True, False, False]
    assert regular_users(of, as_of(1060), least_days=3, most_silence=3).tolist() == [True, False, False]
    # gaps of 10, 14 and 6 days, 10 on average: 31 days are more than three of them
    assert regular_users(of, as_of(1061), least_days=3, most_silence=3).tolist() == [False, False, False]


def test_deleting_later_rows_changes_no_feature() -> None:
    """Of a random shop, features as of a day are the same to the bit with and without the rows from the day on."""
    draw = np.random.default_rng(1)
    lines = np.column_stack(
        [
            draw.integers(0, 40, 2000),
            draw.integers(900, 1100, 2000),
            draw.integers(0, 3, 2000),
            draw.integers(1, 4, 2000),
            draw.integers(100, 900, 2000),
        ]
    )
    cut = 1030

    def made(kept: Ints) -> Histories:
        user, day, product, units, cents = kept.T
        one = np.ones(len(kept), np.int64)
        contacts = np.tile(np.arange(40), 2), np.repeat([1000, 1060], 40)
        seen = contacts[1] < kept[:, 1].max() + 1
        redeemed = np.arange(40), np.full(40, 1040)
        told = redeemed[1] < kept[:, 1].max() + 1
        return histories(
            np.full(40, -1),
            OrderDays(user, day, cents, one, one),
            Purchases(user, day, product, units),
            (contacts[0][seen], contacts[1][seen]),
            (redeemed[0][told], redeemed[1][told]),
            CATEGORY,
        )

    whole, before = made(lines), made(lines[lines[:, 1] < cut])
    rows = as_of(cut, 40)
    np.testing.assert_array_equal(user_features(whole, rows), user_features(before, rows))
    pairs = [own_pairs(of, cut, LOOKBACK) for of in (whole, before)]
    np.testing.assert_array_equal(pairs[0].user, pairs[1].user)
    np.testing.assert_array_equal(pairs[0].product, pairs[1].product)
    regular, then = (regular_users(of, rows, least_days=2, most_silence=3) for of in (whole, before))
    np.testing.assert_array_equal(regular, then)
    figures = [product_figures(of, CATEGORY, cut, LOOKBACK) for of in (whole, before)]
    np.testing.assert_array_equal(figures[0].values, figures[1].values)
    known = pair_features(whole, pairs[0], figures[0])
    np.testing.assert_array_equal(known, pair_features(before, pairs[1], figures[1]))
    assert ordered_within(whole, rows, 28).sum() > ordered_within(before, rows, 28).sum() == 0


def test_features_do_not_depend_on_who_stands_beside() -> None:
    whole, alone = shop(), shop(LINES[LINES[:, 0] == 0], users=1)
    figures = product_figures(whole, CATEGORY, DAY, LOOKBACK)
    np.testing.assert_array_equal(user_features(whole, as_of())[:1], user_features(alone, as_of(users=1)))
    pairs = own_pairs(alone, DAY, LOOKBACK)
    np.testing.assert_array_equal(pair_features(whole, pairs, figures), pair_features(alone, pairs, figures))


def test_features_and_labels_of_pairs() -> None:
    """User 0 with product 0, bought on three days, and with product 2, never bought; user 1 with product 2."""
    of = shop()
    rows = Pairs(np.array([0, 0, 1]), np.array([0, 2, 2]), np.full(3, DAY), LOOKBACK)
    values = pair_features(of, rows, product_figures(of, CATEGORY, DAY, LOOKBACK))
    nan = pytest.approx(float("nan"), nan_ok=True)

    def of_pairs(name: str) -> list[float]:
        return [float(v) for v in values[:, PAIR_FEATURES.index(name)]]

    assert of_pairs("pair_days") == [3, 0, 1]
    assert of_pairs("pair_recency_days") == [6, nan, 10]
    assert of_pairs("pair_gap_days") == [12, nan, nan]
    assert of_pairs("pair_units") == [pytest.approx(5 / 3), nan, 1]
    assert of_pairs("pair_share") == [1, 0, 1]
    assert of_pairs("pair_orders_since") == [0, 3, 0]
    assert of_pairs("category_days") == [3, 0, 1]
    assert bought_within(of, rows, 28).tolist() == [0, 0, 1]
    assert units_within(of, rows, 28).tolist() == [0, 0, 3]


def test_a_shop_without_anything_has_features_too() -> None:
    empty = shop(LINES[:0])
    assert column("order_days", user_features(empty, as_of())) == [0, 0, 0]
    assert len(own_pairs(empty, DAY, LOOKBACK).user) == 0
    rows = Pairs(np.array([0]), np.array([1]), np.array([DAY]), LOOKBACK)
    assert pair_features(empty, rows, product_figures(empty, CATEGORY, DAY, LOOKBACK)).shape == (1, len(PAIR_FEATURES))
    assert bought_within(empty, rows, 28).tolist() == [0]
