"""Recommenders of the first stage, behind one interface, on matrices small enough to compute by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from promo_spark.learners.implicit_factors import Objective
from promo_spark.models.recommenders.first_stage.content import Content, ItemContent, ItemFeatures
from promo_spark.models.recommenders.first_stage.hybrid import Hybrid, learnt_weights, window_worth
from promo_spark.models.recommenders.first_stage.interface import (
    FirstStage,
    UserItems,
    best_entries,
    best_items,
)
from promo_spark.models.recommenders.first_stage.item2vec import ItemToVec
from promo_spark.models.recommenders.first_stage.neighbours import ItemNeighbours, UserNeighbours
from promo_spark.models.recommenders.first_stage.popularity import OwnStrength, Popular
from promo_spark.models.recommenders.first_stage.rules import RuledProducts, Rules
from promo_spark.models.recommenders.first_stage.vectors import Als, Svd, Together
from promo_spark.models.recommenders.fold_in import FoldIn
from promo_spark.models.recommenders.item_model import NO_ITEM
from promo_spark.models.recommenders.neighbours import Neighbours
from promo_spark.models.recommenders.similarities import similarities
from tests.models.recommenders.test_neighbours import BOUGHT, G, matrix

U, V = matrix(np.array([[5, 4, 3, 2, 1]])), matrix(np.array([[4, 3, 2, 1, 5]]))
SHOES = ItemFeatures.of(
    [
        ItemContent({"category": "shoes", "brand": "Fox"}, "Running shoes red"),
        ItemContent({"category": "shoes", "brand": "Fox"}, "Trail shoes"),
        ItemContent({"category": "shoes", "brand": "Owl"}, "Running shoes blue"),
        ItemContent({"category": "tea", "brand": "Owl"}, "Green tea"),
        ItemContent({"category": "tea"}, "绿茶 100g"),
    ]
)


def of_g(model: FirstStage, n: int = 4) -> list[tuple[int, float]]:
    """What G, who bought 1 and 2, is shown of the rest: items from 1 on, and scores."""
    users = UserItems.of(matrix(BOUGHT), place=np.arange(7)).rows(G, G + 1)
    found = best_items(model, users, n, own=False)
    return [(int(i) + 1, float(s)) for i, s in zip(found.items[0], found.scores[0], strict=True) if i != NO_ITEM]


def test_similarities_of_two_users() -> None:
    """G03, G04: [5, 4, 3, 2, 1] · [4, 3, 2, 1, 5] = 45 of 55; less their means, 3 each: 0. All are shared: 1."""
    assert similarities(U, V, "cosine")[0, 0] == pytest.approx(45 / 55)
    assert similarities(U, V, "pearson")[0, 0] == 0.0
    assert similarities(U, V, "jaccard")[0, 0] == 1.0
    # of columns that both have, 5, 4 against 4, 2: both fall, so 1; one shared column tells nothing
    few = matrix(np.array([[4, 2, 0, 0, 0], [0, 0, 0, 0, 3]]))
    assert similarities(U, few, "pearson")[0].tolist() == pytest.approx([1.0, 0.0])
    assert similarities(U, few, "jaccard")[0].tolist() == pytest.approx([2 / 5, 1 / 5])


@pytest.mark.parametrize("measure", ["cosine", "pearson", "jaccard"])
def test_similarities_are_those_of_the_definition(measure: str) -> None:
    """G03, G04: against loops over the columns, on random ratings, more rows than are taken at once."""
    draw = np.random.default_rng(3)
    ratings = draw.integers(1, 6, (30, 12)) * (draw.random((30, 12)) < 0.5)

    def by_hand(x: np.ndarray, y: np.ndarray) -> float:
        both = (x > 0) & (y > 0)
        if measure == "cosine":
            return float(x @ y / max(np.linalg.norm(x) * np.linalg.norm(y), 1e-9))
        if measure == "jaccard":
            return float(both.sum() / max(((x > 0) | (y > 0)).sum(), 1))
        if both.sum() < 2 or not (x[both].std() and y[both].std()):
            return 0.0
        return float(np.corrcoef(x[both], y[both])[0, 1])

    expected = [[by_hand(x, y) for y in ratings] for x in ratings]
    assert similarities(matrix(ratings), matrix(ratings), measure) == pytest.approx(np.array(expected), abs=1e-5)  # type: ignore[arg-type]


def test_items_like_the_users_own() -> None:
    """G02, G16: cosine(1, 2) = .8165, (1, 5) = .5774, (2, 4) = 0; of G 5 .9309, 3 .6422, 4 .4714, 6 .4082."""
    model = ItemNeighbours.of(matrix(BOUGHT), measure="cosine", most=5)
    assert model.similar.toarray()[[0, 0, 1], [1, 4, 3]].tolist() == pytest.approx([0.8165, 0.5774, 0.0], abs=1e-4)
    found = of_g(model)
    assert [item for item, _ in found] == [5, 3, 4, 6]
    assert [score for _, score in found] == pytest.approx([0.9309, 0.6422, 0.4714, 0.4082], abs=1e-4)
    # 5 is nearer to 1, .5774, than to 2, .3536
    users = UserItems.of(matrix(BOUGHT)).rows(G, G + 1)
    assert model.because(users, np.array([0]), np.array([4])).tolist() == [0]


def test_normalised_scores_are_ratings() -> None:
    """G16: 5 and 2 stars for the two neighbours of item 2, of similarity .9 and .3: (4.5 + .6) / 1.2 = 4.25."""
    similar = sparse.csr_array(np.array([[0, 0, 0], [0, 0, 0], [0.9, 0.3, 0]], np.float32))
    of_user = UserItems.of(matrix(np.array([[5, 2, 0]])))
    assert ItemNeighbours(similar, normalised=True).scores(of_user)[0, 2] == pytest.approx(4.25)
    assert ItemNeighbours(similar).scores(of_user)[0, 2] == pytest.approx(5.1)


def test_what_users_like_the_user_have() -> None:
    """G01, G15: normalised, 5 has .3165, 4 .2317, 3 .2007, 6 .1159; nobody is a neighbour of their own."""
    found = of_g(UserNeighbours(matrix(BOUGHT), matrix(BOUGHT), "cosine", 6))
    assert [item for item, _ in found] == [5, 4, 3, 6]
    assert [score for _, score in found] == pytest.approx([0.3165, 0.2317, 0.2007, 0.1159], abs=1e-4)
    # of late only E bought 4, and nobody 5: .4082 / 3.5236
    lately = np.zeros_like(BOUGHT)
    lately[4, 3] = 1
    [(item, score)] = of_g(UserNeighbours(matrix(BOUGHT), matrix(lately), "cosine", 6))
    assert item == 4 and score == pytest.approx(0.1158, abs=1e-4)


def test_as_many_singular_vectors_as_ranks_give_the_matrix_back() -> None:
    """G07: a matrix of rank 2 is reconstructed to 1e-6 with k = 2."""
    draw = np.random.default_rng(1)
    rank_2 = (draw.random((30, 2)) @ draw.random((2, 20))).astype(np.float32)
    found = Svd.of(matrix(rank_2), 2).scores(UserItems.of(matrix(rank_2)))
    assert np.abs(found - rank_2).max() < 1e-6 * 10 and found.dtype == np.float32  # float32 has seven digits


def test_items_are_alike_by_what_they_are() -> None:
    """G05, C13: equal attributes 1, none shared 0; of one category and brand nearer than of another brand."""
    twins = ItemFeatures.of([ItemContent({"a": "x"}), ItemContent({"a": "x"}), ItemContent({"a": "y"})])
    assert (twins.vectors @ twins.vectors.T).toarray()[0].tolist() == [1.0, 1.0, 0.0]
    items, _ = Content(SHOES).alike(0, 5)
    assert items.tolist()[:2] == [1, 2] or items.tolist()[:2] == [2, 1]
    assert 3 not in items.tolist()  # neither category nor brand nor a word
    only = ItemFeatures.of(
        [ItemContent({"category": "s", "brand": b}) for b in ("Fox", "Fox", "Owl")] + [ItemContent({"category": "s"})]
    )
    alike = (only.vectors @ only.vectors.T).toarray()
    assert alike[0, 1] == pytest.approx(1.0)
    assert alike[0, 2] == pytest.approx(0.5)  # one of two blocks
    assert alike[0, 3] == pytest.approx(1 / np.sqrt(2))  # no brand known


def test_a_user_is_drawn_to_what_the_users_items_are() -> None:
    """G08, C14: who bought Fox shoes only sees the other Fox shoes first; the interest in one item is its vector."""
    users = UserItems.of(matrix(np.array([[1, 0, 0, 0, 0]])))
    found = best_items(Content(SHOES), users, 5, own=False)
    assert found.items[0].tolist()[:2] == [1, 2] or found.scores[0][0] == found.scores[0][1]
    assert found.because[0][0] == 0
    assert SHOES.of_history(users.strength).toarray() == pytest.approx(SHOES.vectors[[0]].toarray())


def test_an_item_that_nobody_bought_is_found_by_what_it_is() -> None:
    """G13 (item side): item 2 was never bought: neighbours cannot know it, content shows it."""
    bought = matrix(np.array([[1, 0, 0, 0, 0], [1, 1, 0, 0, 0], [1, 1, 0, 1, 0]]))
    users = UserItems.of(bought)
    by_content = best_items(Content(SHOES), users, 5, own=False)
    assert all(2 in row for row in by_content.items.tolist())
    by_neighbours = best_items(ItemNeighbours.of(bought, measure="cosine", most=5), users, 5, own=False)
    assert 2 not in by_neighbours.items


def test_what_was_searched_for_and_declared_is_an_interest() -> None:
    """A02, C14: who has searched for running shoes only is drawn to shoes; tags alone give an interest."""
    interest = SHOES.interest("running shoes")
    assert interest.nnz
    assert np.argsort(-Content(SHOES).of_interests(interest)[0], kind="stable")[:2].tolist() == [0, 2]
    tagged = Content(SHOES).of_interests(SHOES.interest(attributes=[("category", "tea")]))[0]
    assert np.flatnonzero(np.isfinite(tagged)).tolist() == [3, 4]
    assert np.flatnonzero(np.isfinite(Content(SHOES).of_interests(SHOES.interest("绿茶"))[0])).tolist() == [4]
    assert SHOES.interest("nothing of the kind", [("brand", "Nobody")]).nnz == 0


def test_given_embeddings_change_neighbours_and_may_be_missing() -> None:
    """O04: 0 is as near to 1 as to 2 by its category; an embedding draws it to 2; 1, which has none, falls back."""
    plain = [ItemContent({"category": "c"}) for _ in range(3)]
    assert Content(ItemFeatures.of(plain)).alike(0, 2)[1].tolist() == pytest.approx([1.0, 1.0])
    seen = [ItemContent({"category": "c"}, embedding=e) for e in ([0.6, 0.8], None, [0.6, 0.8])]
    items, cosines = Content(ItemFeatures.of(seen)).alike(0, 2)
    assert items.tolist() == [2, 1]
    assert cosines.tolist() == pytest.approx([1.0, 1 / np.sqrt(2)])


def test_rules_recommend_what_follows() -> None:
    """G19: who holds A gets B by A ⇒ B; A and B ⇒ C needs both; the surest rule counts and says why."""
    rules = Rules.of([[0], [0, 1], [3], [3]], [1, 2, 2, 1], np.array([0.4, 0.9, 0.5, 0.6]), RuledProducts.themselves(4))
    users = UserItems.of(matrix(np.array([[1, 0, 0, 0], [1, 1, 0, 1], [0, 0, 1, 0]])))
    scores = rules.scores(users)
    assert scores[0].tolist() == pytest.approx([-np.inf, 0.4, -np.inf, -np.inf])
    assert scores[1].tolist() == pytest.approx([-np.inf, 0.6, 0.9, -np.inf])
    assert not np.isfinite(scores[2]).any()
    assert rules.because(users, np.array([0, 1, 1, 2]), np.array([1, 1, 2, 1])).tolist() == [0, 3, 0, NO_ITEM]


def test_rules_of_kinds_recommend_the_best_products_of_what_follows() -> None:
    """G19: tea ⇒ cake at .5; 0 and 1 are tea, 2 and 3 cake, of which 3 sells twice as well; 4 is of no kind."""
    about = RuledProducts(np.array([0, 0, 1, 1, NO_ITEM]), 2, np.array([1, 1, 0.5, 1, 1], np.float32))
    rules = Rules.of([[0]], [1], np.array([0.5]), about)
    users = UserItems.of(matrix(np.array([[0, 1, 0, 0, 0], [0, 0, 1, 0, 1]])))
    assert rules.scores(users)[0].tolist() == [-np.inf, -np.inf, 0.25, 0.5, -np.inf]
    assert not np.isfinite(rules.scores(users)[1]).any()
    assert rules.because(users, np.array([0, 0, 1]), np.array([3, 4, 3])).tolist() == [1, NO_ITEM, NO_ITEM]


def test_what_is_popular_in_the_group_comes_before_what_all_buy() -> None:
    """G13 (part): group 0 bought item 2 twice, all bought item 0 most; without a group what all buy."""
    bought = matrix(np.array([[0, 0, 1], [0, 1, 1], [1, 0, 0], [1, 0, 0], [1, 1, 0]]))
    model = Popular.of(bought, np.array([0, 0, 1, 1, 1]))
    strangers = UserItems.of(matrix(np.zeros((3, 3))), group=np.array([0, 1, -1]))
    assert best_items(model, strangers, 3).items.tolist() == [[2, 1, 0], [0, 1, 2], [0, 1, 2]]


def test_a_hybrid_of_one_weight_is_that_recommender() -> None:
    """G09: weights of 1 and 0 give the order of the one exactly, whatever the other says."""
    items = ItemNeighbours.of(matrix(BOUGHT), measure="cosine", most=5)
    users = UserNeighbours(matrix(BOUGHT), matrix(BOUGHT), "cosine", 6)
    models: dict[str, FirstStage] = {"items": items, "users": users}
    assert [i for i, _ in of_g(Hybrid.of(models, {"items": 1.0, "users": 0.0}))] == [i for i, _ in of_g(items)]
    assert [i for i, _ in of_g(Hybrid.of(models, {"items": 0.0, "users": 1.0}))] == [i for i, _ in of_g(users)]


def test_learnt_weights_are_no_worse_than_the_best_alone() -> None:
    """G09: on two tastes that different recommenders know, both together are worth more than either."""
    draw = np.random.default_rng(7)
    past, later = (draw.random((60, 30)) < 0.15).astype(np.float32), np.zeros((60, 30), np.float32)
    later[:30] = past[:30] * (draw.random((30, 30)) < 0.5)  # half of the users buy some of their own again
    past[30:, :5] = 0
    past[:, :5] += draw.random((60, 5)) < 0.3
    past = np.minimum(past, 1)
    later[30:, :5] = 1  # the others what most buy
    users = UserItems.of(matrix(past))
    models: dict[str, FirstStage] = {"own": OwnStrength(), "popular": Popular.of(matrix(past), users.group)}
    worth = window_worth(models, users, matrix(later), allowed=np.ones(30, bool), k=5)
    weights = learnt_weights(list(models), worth)
    assert worth(weights) > max(worth({"own": 1.0}), worth({"popular": 1.0}))
    # what was worth most is what the hybrid's own lists are worth
    hits = best_items(Hybrid.of(models, weights), users, 5).items
    found = np.take_along_axis(later, np.maximum(hits, 0), axis=1) * (hits >= 0)
    gains = 1 / np.log2(np.arange(2, 7))
    best = np.cumsum(gains)[np.minimum(later.sum(axis=1), 5).astype(int) - 1]
    asked = later.sum(axis=1) > 0
    assert worth(weights) == pytest.approx(float(((found @ gains)[asked] / best[asked]).mean()))


def test_every_recommender_answers_alike_and_ties_go_to_the_lower_item() -> None:
    """G14: nothing of the user's own, nothing that is not allowed, each item once, for every recommender."""
    x = matrix(BOUGHT)
    vectors = np.linalg.svd(BOUGHT, full_matrices=False)[2][:2].T.astype(np.float32)
    models: list[FirstStage] = [
        ItemNeighbours.of(x, measure="jaccard", most=5),
        UserNeighbours(x, x, "pearson", 6),
        Svd.of(x, 2),
        ItemToVec.of(x, 2),
        Als(np.arange(6), vectors, FoldIn.of(vectors, Objective(2.0, 1.0, 0.1, 1.0, 0.0))),
        Together(Neighbours.of(x, x, ridge=1.0, nearest=6, least_buyers=1)),
        Rules.of([[0]], [3], np.array([0.5]), RuledProducts.themselves(6)),
        Popular.of(x, np.zeros(7, np.int64)),
        OwnStrength(),
    ]
    users = UserItems.of(x, place=np.arange(7))
    allowed = np.array([True, True, True, True, True, False])
    for model in models:
        found = best_items(model, users, 6, allowed=allowed, own=False, filler=models[7])
        for user, row in enumerate(found.items):
            shown = [int(i) for i in row if i != NO_ITEM]
            assert len(set(shown)) == len(shown) == 5 - int((BOUGHT[user] > 0)[:5].sum())
            assert not (BOUGHT[user, shown] > 0).any() and 5 not in shown
        entries = best_entries(model, users, most_own=1, most_new=2, allowed=allowed)
        assert (np.bincount(entries.user, minlength=7) <= 3).all()
        order = np.lexsort((entries.item, -entries.score, entries.user))
        assert (order == np.arange(len(order))).all()
    nobody = UserItems.of(matrix(np.zeros((1, 6))))
    assert not any(np.isfinite(model.scores(nobody)).any() for model in models if not isinstance(model, Popular))
    assert best_items(models[7], nobody, 3).items.tolist() == [[0, 1, 3]]  # 6, 4 and 3 buyers


def test_items_of_the_same_visits_are_nearest() -> None:
    """G10: item2vec: planted co-session items are nearest neighbours, also where what everybody buys is beside them.

    Items 0 to 29 are of ten kinds, three each; a visit has two or three of one kind, and mostly item 30, which goes
    with all. The two nearest of each item are those of its kind; item 31 was met alone.
    """
    draw = np.random.default_rng(11)
    visits = np.zeros((2000, 32))
    for visit in visits:
        kind = draw.integers(10)
        visit[kind * 3 + draw.permutation(3)[: draw.integers(2, 4)]] = 1
        visit[30] = draw.random() < 0.8
    visits[0] = np.eye(32)[31]
    found = ItemToVec.of(matrix(visits), 16)
    alike = found.vectors @ found.vectors.T
    np.fill_diagonal(alike, -1)
    for item in range(30):
        nearest = {int(i) for i in np.argsort(-alike[item])[:2]}
        assert nearest == {other for other in range(item // 3 * 3, item // 3 * 3 + 3) if other != item}
    assert not found.vectors[31].any()
    lengths = np.linalg.norm(found.vectors[:30], axis=1)
    assert lengths == pytest.approx(np.ones(30), abs=1e-5)
    again = ItemToVec.of(matrix(visits[::-1].copy()), 16)  # visits in another order: the same vectors
    assert (again.vectors == found.vectors).all()
    who = UserItems.of(matrix(np.eye(32)[[0]]))  # somebody who has item 0
    best = best_items(found, who, 2, own=False)
    assert set(best.items[0]) == {1, 2} and set(best.because[0]) == {0}


def test_more_vectors_than_there_are_and_items_that_never_meet() -> None:
    assert not ItemToVec.of(matrix(np.eye(4)), 8).vectors.any()
    two = ItemToVec.of(matrix(np.array([[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 1], [0, 0, 1, 1]] * 3)), 8).vectors
    assert two.shape == (4, 8)
