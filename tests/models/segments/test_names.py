"""Names say what is special about a centre."""

from __future__ import annotations

from itertools import permutations

from promo_spark.models.segments.names import segment_names

FEATURES = ["recency_days", "orders_per_30d", "spend_90d", "basket_value", "discounted_lines_share"]
CENTRES = [
    [-0.9, 1.5, 1.2, 0.1, 0.2],
    [1.8, -1.1, -1.0, -0.6, 0.0],
    [0.1, 0.0, -0.3, 0.2, -0.2],
    [0.0, 0.0, 0.5, 1.4, 0.9],
]


def test_a_name_says_the_three_most_telling_features() -> None:
    assert segment_names(FEATURES, CENTRES) == [
        "recently active, very frequent, very high-spending",  # 1.5 and 1.2
        "not recently active, infrequent, low-spending",
        "average customers",  # nothing is 0.4 standard deviations from the mean
        "high-spending, very large baskets, deal-seeking",
    ]


def test_permuting_the_ids_changes_no_name() -> None:
    """A name follows its centre into every order, twins included."""
    centres = [*CENTRES, CENTRES[0], [0.1, 0.0, -0.3, 0.2, -0.1]]
    names = dict(zip(map(tuple, centres), segment_names(FEATURES, centres), strict=True))
    for permuted in permutations(centres[:2] + centres[3:4] + centres[5:]):
        assert len(set(segment_names(FEATURES, permuted))) == len(permuted)
    for order in (centres[::-1], centres[2:] + centres[:2]):
        again = segment_names(FEATURES, order)
        assert {tuple(c): n.split(" (")[0] for c, n in zip(order, again, strict=True)} == {
            c: n.split(" (")[0] for c, n in names.items()
        }


def test_names_differ_within_a_day() -> None:
    close = [[0.0, 1.5, 1.1, 0.5, 0.2], [0.0, 1.4, 1.1, 0.6, -0.1]]  # the same three; the next feature parts them
    assert segment_names(FEATURES, close) == [
        "very frequent, high-spending, large baskets, deal-seeking",
        "very frequent, high-spending, large baskets, full-price",
    ]
    twins = segment_names(FEATURES, [[1.0, 2.0, 2.0, 2.0, 2.0], [1.0, 3.0, 3.0, 3.0, 3.0]])
    assert [name[-4:] for name in twins] == [" (1)", " (2)"]


def test_a_feature_without_phrases_is_called_by_its_name() -> None:
    names = segment_names(["return_lines_share"], [[2.0], [-2.0]])
    assert names == ["high return lines share", "low return lines share"]


def test_of_features_that_say_much_the_same_a_name_mentions_one() -> None:
    features = ["orders_90d", "spend_90d", "orders_per_30d", "spend"]
    centres = [[-2.1, -2.8, -1.5, -1.8], [0.5, 0.5, 0.4, 0.6], [1.3, 0.9, 1.5, 1.1]]
    assert segment_names(features, centres) == [
        "very few recent orders, very low-spending",
        "many recent orders, high total spend",
        "very frequent, high total spend",
    ]
