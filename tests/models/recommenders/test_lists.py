"""Ranked lists on a catalogue small enough to score by hand."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from promo_spark.models.recommenders.item_model import NO_ITEM, ItemModel, PopularItems
from promo_spark.models.recommenders.lists import SOURCES, Lists, Recommender, nearest_own, ranked_lists
from promo_spark.models.recommenders.preferences import preferences, withheld
from promo_spark.models.recommenders.recommendations import list_rows
from promo_spark.models.recommenders.relevance import Relevance
from promo_spark.models.recommenders.user_batches import Policy, Ranked, UserBatch, user_batch

# Products 0 to 5. 0, 2, 3 and 5 are modelled; 1 and 4 have too few buyers.
MODEL = ItemModel(
    items=np.array([0, 2, 3, 5]),
    vectors=np.array([[1, 0], [0.8, 0.2], [0, 1], [0.1, 0.6]], np.float32),
    overall=PopularItems(np.array([4, 0, 2, 1, 3, 5]), np.array([9, 8, 7, 6, 5, 0])),
    by_segment={1: PopularItems(np.array([3, 1]), np.array([4, 2]))},
)


def one_user(
    vector: tuple[float, float] | None,
    own: dict[int, float] | None = None,
    banned: Sequence[int] = (),
    segment: int = 0,
) -> UserBatch:
    own = own or {}
    return UserBatch(
        vectors=np.array([vector or (0, 0)], np.float32),
        modelled=np.array([vector is not None]),
        segments=np.array([segment]),
        offsets=np.array([0, len(own)]),
        items=np.array(list(own), np.int64),
        strengths=np.array(list(own.values()), np.float32),
        orders=np.ones(len(own), np.int64),
        due=np.array([i not in banned for i in own], bool),
        lately=np.zeros(len(own), bool),
    )


def lists(who: UserBatch, recommender: Recommender, n: int = 4, weight: float = 0.5) -> Lists:
    return ranked_lists(
        MODEL,
        who,
        preferences(MODEL, who, 4),
        recommender=recommender,
        repeat_weight=weight,
        banned=who.banned("due_again"),
        n=n,
    )


def shown(found: Lists) -> list[tuple[int, str]]:
    return [(int(i), SOURCES[s]) for i, s in zip(found.items[0], found.sources[0], strict=True) if i != NO_ITEM]


def test_als_ranks_by_the_vectors_and_marks_what_was_bought_before() -> None:
    who = one_user((1, 0), own={0: 3.0})
    assert shown(lists(who, "als")) == [(0, "buy_again"), (2, "als"), (5, "als"), (3, "als")]  # 1, .8, .1, 0
    assert lists(who, "als").scores[0] == pytest.approx([1, 0.8, 0.1, 0])


def test_the_blend_adds_the_weighted_strength_of_own_purchases() -> None:
    found = lists(one_user((1, 0), own={3: 3.0}), "blend")
    assert shown(found) == [(3, "buy_again"), (0, "als"), (2, "als"), (5, "als")]
    assert found.scores[0] == pytest.approx([0 + 0.5 * 3, 1, 0.8, 0.1])


def test_buy_again_shows_own_purchases_then_what_is_popular() -> None:
    assert shown(lists(one_user((1, 0), own={0: 1.0, 3: 2.0}), "buy_again")) == [
        (3, "buy_again"),
        (0, "buy_again"),
        (4, "popular"),
        (2, "popular"),
    ]


@pytest.mark.parametrize("recommender", ["als", "blend", "buy_again", "popularity"])
def test_what_is_banned_is_never_shown_and_the_list_stays_full(recommender: Recommender) -> None:
    """G14: no banned purchase in the output, still exactly n rows."""
    found = shown(lists(one_user((1, 0), own={0: 5.0, 1: 5.0, 4: 5.0}, banned=(0, 4)), recommender))
    items = [i for i, _ in found]
    assert len(items) == len(set(items)) == 4
    assert not {0, 4} & set(items)


@pytest.mark.parametrize(
    ("policy", "banned"),
    [("exclude", [0, 1, 2, 3]), ("keep", [3]), ("due_again", [1, 2, 3]), ("not_within_days", [0, 2, 3])],
)
def test_the_policy_says_what_may_come_back(policy: Policy, banned: list[int]) -> None:
    """G14: 0 is due and was bought lately, 1 is neither, 2 was bought lately; 3 was taken back, and stays away."""
    who = replace(
        one_user(None, own={0: 1.0, 1: 1.0, 2: 1.0, 3: 0.0}),
        orders=np.array([1, 1, 1, 0]),
        due=np.array([True, False, False, True]),
        lately=np.array([True, False, True, False]),
    )
    assert np.flatnonzero(who.banned(policy)).tolist() == banned


@pytest.mark.parametrize("recommender", ["als", "blend", "buy_again", "popularity", "item_neighbours"])
def test_what_is_not_for_a_user_never_appears(recommender: Recommender) -> None:
    """G18: the user buys the cheapest: nothing more than two tiers above is new to them; 3 is for others.

    Tiers of 0 to 5: 1, 4, 3, 5, 0 (not known), 5; the limit is on 3. What the user bought, 5, is not too dear.
    """
    tiers, limited = np.array([1, 4, 3, 5, 0, 5]), np.array([[False, False, False, True, False, False]])
    model = replace(MODEL, relevance=Relevance(tiers, limited, price_tiers=2))
    who = replace(
        one_user((1, 0), own={0: 1.0, 5: 1.0}, segment=1),
        orders=np.array([3, 1]),
        outside=np.array([[True]]),
        ranked={"item_neighbours": Ranked(np.array([0, 3]), np.array([3, 1, 2]), np.ones(3), np.full(3, NO_ITEM))},
    )

    def ranked(user: UserBatch) -> Lists:
        return ranked_lists(
            model,
            user,
            preferences(model, user, 4),
            recommender=recommender,
            repeat_weight=0.5,
            banned=user.banned("keep"),
            n=6,
            not_for=withheld(model, user),
        )

    assert {item for item, _ in shown(ranked(who))} == {0, 2, 4, 5}  # neither 1, three tiers above, nor 3
    assert {item for item, _ in shown(ranked(replace(who, outside=np.array([[False]]))))} == {0, 2, 4, 5}  # 3 is dear
    rich = replace(who, orders=np.array([1, 9]), outside=np.array([[False]]))  # usually of tier 5
    assert {item for item, _ in shown(ranked(rich))} == {0, 1, 2, 3, 4, 5}
    assert withheld(MODEL, who) is None


def test_popularity_is_the_same_for_every_segment() -> None:
    """What the segment buys most, 3, comes first only where another recommender left the list short."""
    who = one_user((1, 0), segment=1)
    assert shown(lists(who, "popularity", n=2)) == [(4, "popular"), (0, "popular")]


def test_a_user_without_a_vector_gets_the_segments_popular_then_the_shops() -> None:
    """G13: user side; the segment's two products first, then what all buy, nothing twice."""
    assert shown(lists(one_user(None, segment=1), "blend")) == [
        (3, "popular_in_segment"),
        (1, "popular_in_segment"),
        (4, "popular"),
        (0, "popular"),
    ]
    assert shown(lists(one_user(None), "blend", n=2)) == [(4, "popular"), (0, "popular")]


def test_more_than_there_is_gives_all_there_is() -> None:
    assert len(shown(lists(one_user((1, 0)), "blend", n=20))) == 6
    assert len(shown(lists(one_user(None, own={0: 1.0}, banned=[0]), "blend", n=20))) == 5


def test_the_reason_is_the_own_product_pointing_the_same_way() -> None:
    who = one_user((1, 1), own={0: 1.0, 1: 9.0, 3: 1.0})  # 1 is not modelled, so no reason can name it
    found = lists(who, "als")
    assert found.items[0].tolist() == [0, 2, 3, 5]  # 1, 1, 1, .7
    assert nearest_own(MODEL, who, found)[0].tolist() == [0, 0, 3, 3]
    nobody = one_user(None, own={0: 1.0})
    assert set(nearest_own(MODEL, nobody, lists(nobody, "als"))[0]) == {NO_ITEM}


def test_a_product_without_a_vector_is_shown_for_what_the_user_bought_or_what_is_popular() -> None:
    """5 is new since the fit: its vector is of zeros. 4 and 0 are popular."""
    vectors = MODEL.vectors * np.array([[1], [1], [1], [0]], np.float32)
    model = ItemModel(MODEL.items, vectors, MODEL.overall, MODEL.by_segment)
    who, stranger = one_user((-1, -1), own={5: 3.0}), one_user(None, own={5: 3.0})

    def found(user: UserBatch, recommender: Recommender, n: int = 4) -> Lists:
        scores = preferences(model, user, 4)
        return ranked_lists(
            model, user, scores, recommender=recommender, repeat_weight=0.5, banned=user.banned("keep"), n=n
        )

    # −1, −1 and −1 by the vectors of 0, 2 and 3; 5 has half its strength of 3, and is never nearest to another
    assert shown(found(who, "blend")) == [(5, "buy_again"), (0, "als"), (2, "als"), (3, "als")]
    assert found(who, "blend").scores[0].tolist() == [1.5, -1, -1, -1]
    assert set(nearest_own(model, who, found(who, "blend"))[0]) == {NO_ITEM}
    assert shown(found(who, "buy_again", n=1)) == [(5, "buy_again")]
    assert shown(found(who, "als")) == [(0, "als"), (2, "als"), (3, "als"), (4, "popular")]
    assert shown(found(stranger, "blend", n=2)) == [(4, "popular"), (0, "popular")]


def test_a_model_without_products_gives_empty_lists() -> None:
    none = PopularItems(np.empty(0, np.int64), np.empty(0, np.int64))
    empty = ItemModel(np.empty(0, np.int64), np.empty((0, 2), np.float32), none, {})
    who = one_user((1, 0))
    found = ranked_lists(
        empty,
        who,
        preferences(empty, who, 4),
        recommender="blend",
        repeat_weight=1,
        banned=who.banned("due_again"),
        n=3,
    )
    assert shown(found) == []


def test_rows_of_spark_become_users_and_lists_become_rows() -> None:
    """Arrow in, Arrow out: a user with a vector and purchases, one with neither; a slice of a larger batch."""
    day = datetime.date(2017, 11, 2)
    entry = pa.struct(
        [
            ("item", pa.int32()),
            ("strength", pa.float64()),
            ("orders", pa.int64()),
            ("last_bought", pa.date32()),
            ("due", pa.bool_()),
            ("lately", pa.bool_()),
        ]
    )
    batch = pa.RecordBatch.from_arrays(
        [
            pa.array(["other", "regular", "new"]),
            pa.array([2, 1, None], pa.int32()),
            pa.array(
                [
                    [{"item": 3, "strength": 1.0, "orders": 1, "last_bought": day, "due": True, "lately": True}],
                    [
                        {"item": 0, "strength": 3.0, "orders": 7, "last_bought": day, "due": True, "lately": False},
                        {"item": 2, "strength": 1.0, "orders": 1, "last_bought": day, "due": False, "lately": True},
                    ],
                    None,
                ],
                pa.list_(entry),
            ),
            pa.array([[0.0, 1.0], [1.0, 0.0], None], pa.list_(pa.float32())),
        ],
        names=["user_id", "segment_id", "own", "features"],
    ).slice(1)
    group = user_batch(batch, rank=2)
    assert (group.offsets.tolist(), group.items.tolist(), group.orders.tolist()) == ([0, 2, 2], [0, 2], [7, 1])
    assert (group.due.tolist(), group.lately.tolist()) == ([True, False], [False, True])
    found = lists(group, "als", n=2)
    rows = list_rows(batch, group, found, nearest_own(MODEL, group, found)).to_pylist()
    assert [(r["user_id"], r["rank"], r["item"], r["source"]) for r in rows] == [
        ("regular", 1, 0, "buy_again"),
        ("regular", 2, 5, "als"),
        ("new", 1, 4, "popular"),
        ("new", 2, 0, "popular"),
    ]
    assert [(r["because"], r["orders"], r["last_bought"]) for r in rows] == [
        (None, 7, day),
        (2, None, None),
        (None, None, None),
        (None, None, None),
    ]
