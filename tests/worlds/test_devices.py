"""Who shares a device or an address: most rings, some households, nobody else."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest

from promo_spark.worlds import devices, records
from promo_spark.worlds.population import RING_SIZE, Population, population
from promo_spark.worlds.spec import WorldSpec


@pytest.fixture(scope="module")
def spec(world: Callable[..., WorldSpec]) -> WorldSpec:
    return world("users=20000", "users_per_block=20000", "days=28", "fraud_share=0.2", "welcome_saving=0.2")


@pytest.fixture(scope="module")
def users(spec: WorldSpec) -> Population:
    return population(spec, 0)


def test_rings_share_as_planted(spec: WorldSpec, users: Population) -> None:
    """J04: half of the rings share both, a fifth each the device or the address alone, a tenth nothing."""
    device, address = np.array(devices.devices(spec, users)), np.array(devices.addresses(spec, users))
    rings = np.unique(users.ring[users.ring >= 0])
    rings = rings[rings < len(users) // RING_SIZE]  # a last one may have fewer accounts
    shared = np.array([[len(set(v[users.ring == ring])) == 1 for v in (device, address)] for ring in rings])
    assert len(rings) > 200
    for cells, share in (((True, True), 0.5), ((True, False), 0.2), ((False, True), 0.2), ((False, False), 0.1)):
        assert (shared == cells).all(axis=1).mean() == pytest.approx(share, abs=0.1), cells


def test_some_households_share_so_that_sharing_is_no_proof(spec: WorldSpec, users: Population) -> None:
    device, address = np.array(devices.devices(spec, users)), np.array(devices.addresses(spec, users))
    honest = users.fraud == 0
    for values, known, least, most in ((address, 0.8, 0.01, 0.05), (device, 0.9, 0.005, 0.03)):
        assert np.mean([v is not None for v in values[honest]]) == pytest.approx(known, abs=0.02)
        found, count = np.unique([v for v in values[honest] if v is not None], return_counts=True)
        shared = count[count > 1].sum() / honest.sum()
        assert least < shared < most and count.max() <= 4
        assert len(found) > 0.7 * honest.sum()


def test_they_are_delivered_and_do_not_depend_on_blocks(spec: WorldSpec, users: Population) -> None:
    """Rings and households that lie across two blocks share all the same."""
    told = records.users(spec, 0).to_pandas().set_index("user_id")
    numbers = told.index.str[1:].astype(int)
    blocks = [population(dataclasses.replace(spec, users_per_block=1001), block) for block in range(20)]
    for name, made in (("device", devices.devices), ("address", devices.addresses)):
        whole = made(spec, users).to_pylist()
        assert [value for part in blocks for value in made(spec, part).to_pylist()] == whole
        assert [v if isinstance(v, str) else None for v in told[name]] == [whole[n] for n in numbers]
