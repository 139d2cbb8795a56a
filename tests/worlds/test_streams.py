"""Random numbers: the same for the same keys, fair, and untouched by what else is drawn."""

from __future__ import annotations

import numpy as np

from promo_spark.worlds.streams import choices_by_group, choices_by_row, keyed_uniforms, stream


def test_a_stream_is_its_seed_purpose_and_keys() -> None:
    first = stream(1, "visits", 7).random(3)
    assert (stream(1, "visits", 7).random(3) == first).all()
    for other in (stream(2, "visits", 7), stream(1, "items", 7), stream(1, "visits", 8)):
        assert (other.random(3) != first).all()


def test_keyed_numbers_do_not_depend_on_their_neighbours() -> None:
    users, products = np.arange(50_000), np.arange(50_000) % 7
    drawn = keyed_uniforms(3, "mention", users, products)
    assert (keyed_uniforms(3, "mention", users[::10], products[::10]) == drawn[::10]).all()
    # uniform: mean 1/2 within 4 · √(1/12 / 50,000) = 0.0052, and neighbours uncorrelated
    assert abs(drawn.mean() - 0.5) < 0.0052
    assert abs(np.corrcoef(drawn[1:], drawn[:-1])[0, 1]) < 0.02


def test_choices_are_where_the_cumulative_weight_passes_the_number() -> None:
    draw = np.random.default_rng(1)
    weights = draw.gamma(0.05, 1, (5, 3000))  # very uneven: many items next to nothing
    row, u = draw.integers(0, 5, 20_000), draw.random(20_000)
    cumulative = np.cumsum(weights, axis=1) / weights.sum(axis=1, keepdims=True)
    wanted = [np.searchsorted(cumulative[r], x, side="right") for r, x in zip(row, u, strict=True)]
    assert (choices_by_row(weights).drawn(row, u) == wanted).mean() > 0.9999  # but where rounding splits a hair


def test_choices_of_a_group_stay_in_it_and_follow_the_weights() -> None:
    group, weight = np.array([1, 0, 1, 0, 1]), np.array([1.0, 2.0, 3.0, 2.0, 0.0])
    choices = choices_by_group(group, weight)
    u = (np.arange(1000) + 0.5) / 1000
    assert np.bincount(choices.drawn(np.zeros(1000, int), u), minlength=5).tolist() == [0, 500, 0, 500, 0]  # 2 : 2
    assert np.bincount(choices.drawn(np.ones(1000, int), u), minlength=5).tolist() == [250, 0, 750, 0, 0]  # 1 : 3 : 0
    assert choices.drawn(np.array([1]), np.array([np.nextafter(1, 0)])).tolist() in ([2], [4])
