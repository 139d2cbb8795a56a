"""How offers are given: what each mechanic takes off, and what has to be done for it."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from promo_spark.settings.promote import FACE_MECHANICS


@dataclass(frozen=True)
class Mechanic:
    """One kind of offer."""

    on_products: bool  # takes off named products; else off a basket, from a minimum spend on
    together: bool  # only for all its products in one basket
    chosen: bool  # the user has to do something for it, and may leave it
    once: bool  # one order at most; else every order while it is valid
    felt: float  # share of the saving that is felt as a lower price of each product


GIFT: Final = "gift"
MECHANICS: Final = MappingProxyType(
    {
        "discount": Mechanic(on_products=True, together=False, chosen=False, once=False, felt=1.0),
        "coupon": Mechanic(on_products=False, together=False, chosen=True, once=True, felt=0.0),
        "bundle": Mechanic(on_products=True, together=True, chosen=False, once=False, felt=1.0),
        "threshold": Mechanic(on_products=False, together=False, chosen=False, once=False, felt=0.0),
        GIFT: Mechanic(on_products=False, together=False, chosen=False, once=True, felt=0.0),
        "points": Mechanic(on_products=True, together=False, chosen=False, once=False, felt=0.5),
        "flash": Mechanic(on_products=True, together=False, chosen=False, once=False, felt=1.0),
        "rebate": Mechanic(on_products=True, together=False, chosen=True, once=False, felt=0.5),
    }
)
NAMES: Final = tuple(MECHANICS)
ON_BASKETS: Final = tuple(name for name, mechanic in MECHANICS.items() if not mechanic.on_products)
OFF_BASKETS: Final = FACE_MECHANICS  # those of them that take an amount off; a gift takes nothing off
