"""Which device and which address an account is opened with: most have their own, some share one.

The accounts of a ring share both, one of the two, or, where the ring takes care, none. Honest households share too, so
that sharing alone proves nothing. A source does not deliver every account's: nobody knows the device of a card that was
filled in at the till.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from promo_spark.worlds.population import RING_SIZE, Population
from promo_spark.worlds.spec import WorldSpec
from promo_spark.worlds.streams import Bools, Ints, keyed_uniforms

RINGS_SHARING_BOTH, RINGS_SHARING_DEVICE, RINGS_SHARING_ADDRESS = 0.5, 0.2, 0.2  # of rings; the rest share nothing
HOUSEHOLDS = 0.04  # of groups of four neighbouring accounts, of which two to four live together
HOUSEHOLDS_SHARING_DEVICE = 0.5  # of households; all share the address
DEVICES_KNOWN, ADDRESSES_KNOWN = 0.9, 0.8  # share of accounts of which the source delivers it
_GROUP = 4
_SCATTERED, _NUMBERS = 2654435761, 10**8  # a bijection of the numbers below 10^8
_STREETS = (
    "Ash Lane",
    "Birch Road",
    "Cedar Street",
    "Elm Street",
    "Hazel Way",
    "Linden Avenue",
    "Maple Drive",
    "Oak Row",
)


def devices(spec: WorldSpec, users: Population) -> pa.Array:
    """Each user's device; null: not known."""
    both, one, _ = _ring_sharing(spec, users)
    owner = _owner(users, both | one, _in_household(spec, users) & _household_shares_device(spec, users))
    known = both | one | (keyed_uniforms(spec.seed, "device known", users.numbers) < DEVICES_KNOWN)
    return pa.array([f"D{_scattered(n):08d}" if k else None for n, k in zip(owner, known, strict=True)], pa.string())


def addresses(spec: WorldSpec, users: Population) -> pa.Array:
    """Each user's postal address; null: not known."""
    both, _, one = _ring_sharing(spec, users)
    owner = _owner(users, both | one, _in_household(spec, users))
    known = both | one | (keyed_uniforms(spec.seed, "address known", users.numbers) < ADDRESSES_KNOWN)
    return pa.array([_address(n) if k else None for n, k in zip(owner, known, strict=True)], pa.string())


def _ring_sharing(spec: WorldSpec, users: Population) -> tuple[Bools, Bools, Bools]:
    """Users whose ring shares both, the device alone, the address alone."""
    ring = users.ring.astype(np.int64)
    u = np.where(ring >= 0, keyed_uniforms(spec.seed, "ring sharing", ring), 1.0)
    edges = np.cumsum([RINGS_SHARING_BOTH, RINGS_SHARING_DEVICE, RINGS_SHARING_ADDRESS])
    kind = np.searchsorted(edges, u, side="right")
    return kind == 0, kind == 1, kind == 2


def _in_household(spec: WorldSpec, users: Population) -> Bools:
    group = users.numbers // _GROUP
    size = 2 + (keyed_uniforms(spec.seed, "household size", group) * (_GROUP - 1)).astype(np.int64)
    lives: Bools = keyed_uniforms(spec.seed, "households", group) < HOUSEHOLDS
    return lives & (users.numbers % _GROUP < size) & (users.ring < 0)


def _household_shares_device(spec: WorldSpec, users: Population) -> Bools:
    shares: Bools = keyed_uniforms(spec.seed, "household device", users.numbers // _GROUP) < HOUSEHOLDS_SHARING_DEVICE
    return shares


def _owner(users: Population, by_ring: Bools, by_household: Bools) -> Ints:
    """Whose device or address each account is opened with: the first one's of those who share."""
    own = np.where(by_household, users.numbers // _GROUP * _GROUP, users.numbers)
    return np.where(by_ring, users.ring.astype(np.int64) * RING_SIZE, own)


def _scattered(number: int) -> int:
    """Another number below 10^8, so that neighbouring accounts do not look alike.

    >>> _scattered(1), _scattered(2)
    (54435761, 8871522)
    """
    return int(number) * _SCATTERED % _NUMBERS


def _address(number: int) -> str:
    """A postal address, another for each number below 10^8.

    >>> _address(7)
    '78 Cedar Street, 81050'
    """
    rest, house = divmod(_scattered(number), 125)
    code, street = divmod(rest, len(_STREETS))
    return f"{house + 1} {_STREETS[street]}, {code:05d}"
