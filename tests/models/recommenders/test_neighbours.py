"""Scores by neighbours, on matrices small enough to compute by hand, and the candidates that follow from them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from promo_spark.models.recommenders.candidates import Breadth, Own, Shoppers, candidates
from promo_spark.models.recommenders.neighbours import Neighbours

# Users A to G × products 1 to 6.
BOUGHT = np.array(
    [
        [1, 1, 0, 0, 0, 0],
        [1, 1, 0, 0, 0, 0],
        [0, 0, 1, 1, 0, 0],
        [1, 1, 1, 0, 1, 0],
        [1, 0, 0, 1, 1, 0],
        [1, 0, 0, 1, 0, 1],
        [1, 1, 0, 0, 0, 0],
    ],
    np.float32,
)
G = 6


def matrix(rows: np.ndarray) -> sparse.csr_array:
    return sparse.csr_array(rows.astype(np.float32))


def neighbours(nearest: int = 7) -> Neighbours:
    return Neighbours.of(matrix(BOUGHT), matrix(BOUGHT), ridge=1.0, nearest=nearest, least_buyers=1)


def test_products_are_scored_by_the_cosine_of_users() -> None:
    """G01, G03, G15: sim(G, A) = sim(G, B) = 1, D .7071, E and F .4082, C 0: 3.5236 in all.

    Product 5 has D and E, 1.1153; 4 has C, E and F, .8165; 3 has C and D, .7071; 6 has F, .4082.
    """
    scores = neighbours().scores(matrix(BOUGHT[[G]]), np.array([G]))[1][0]
    assert scores[2:] == pytest.approx([0.2007, 0.2317, 0.3165, 0.1159], abs=1e-4)


def test_only_the_nearest_count() -> None:
    """The two nearest, A and B, bought only what G bought too. With G itself as a stranger, G is among the nearest."""
    assert neighbours(2).scores(matrix(BOUGHT[[G]]), np.array([G]))[1][0].tolist() == [1, 1, 0, 0, 0, 0]
    assert neighbours(4).scores(matrix(BOUGHT[[G]]), np.array([-1]))[1][0][2:] == pytest.approx(
        [0.7071 / 3.7071, 0, 0.7071 / 3.7071, 0], abs=1e-4
    )


def test_a_user_who_is_not_in_the_sample_is_scored_by_the_same_weights() -> None:
    """EASE among products, (XᵀX + λI)⁻¹ inverted whole, gives the same for a user whom nobody in the sample equals."""
    gram = np.linalg.inv(BOUGHT.T @ BOUGHT + np.eye(6))
    weights = np.eye(6) - gram / np.diag(gram)
    stranger = np.array([[0, 0, 0, 1, 0, 1]], np.float32)
    assert neighbours().together(matrix(stranger)) == pytest.approx(stranger @ weights, abs=1e-5)
    assert neighbours().scores(matrix(stranger), np.array([-1]))[0] == pytest.approx(stranger @ weights, abs=1e-5)


def test_products_with_too_few_buyers_have_no_score() -> None:
    few = Neighbours.of(matrix(BOUGHT), matrix(BOUGHT), ridge=1.0, nearest=3, least_buyers=2)
    assert few.products.tolist() == [0, 1, 2, 3, 4]  # 6 has one buyer


def test_candidates_are_own_products_then_what_neighbours_buy_then_what_is_popular() -> None:
    """G bought 1, twice as strongly as 2, of which one may come back; 5 is the best of both scores, 4 popular."""
    own = Own(np.array([G, G]), np.array([0, 1]), np.array([2.0, 1.0]))
    shoppers = Shoppers(matrix(BOUGHT), np.arange(7))
    [(scored, user, product)] = candidates(
        neighbours(), shoppers, own, popular=np.array([0, 3]), breadth=Breadth(own=1, similar=1, popular=2)
    )
    assert product[user == G].tolist() == [0, 3, 4]
    _, similar = scored.of(user, product)
    assert similar[user == G][1:] == pytest.approx([0.2317, 0.3165], abs=1e-4)


def test_nobody_and_nothing_give_no_candidates_but_popular_ones() -> None:
    """A new user has what is popular, without scores where no product has enough buyers."""
    none = Neighbours.of(matrix(BOUGHT), matrix(BOUGHT), ridge=1.0, nearest=3, least_buyers=9)
    nobody = Own(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))
    stranger = Shoppers(matrix(np.zeros((1, 6))), np.array([-1]))
    [(scored, user, product)] = candidates(none, stranger, nobody, np.array([3]), Breadth(own=5, similar=5, popular=5))
    assert (user.tolist(), product.tolist()) == ([0], [3])
    assert np.isnan(scored.of(user, product)).all()
