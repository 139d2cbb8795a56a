"""What a person is, and what no price may follow from: attributes that no model of offers may have as a feature.

Offers follow from what users do. Gender, age, income, region and the like are known (silver.users) to tell groups
apart: whether they are treated alike, and how the market is made up.
"""

from __future__ import annotations

from collections.abc import Iterable

from promo_spark.contracts.schema import Personal
from promo_spark.contracts.silver.users import Users
from promo_spark.errors import ContractError

SENSITIVE_ATTRIBUTES = frozenset(name for name, col in Users.columns().items() if col.personal is Personal.ATTRIBUTE)


def declared_features(*names: str) -> tuple[str, ...]:
    """The names as declared features of a model. Raises ContractError where one is a sensitive attribute.

    >>> declared_features("recency_days", "basket_value")
    ('recency_days', 'basket_value')
    """
    refuse_sensitive(names)
    return names


def refuse_sensitive(names: Iterable[str]) -> None:
    """Raises ContractError where one of the names is a sensitive attribute."""
    found = sorted(SENSITIVE_ATTRIBUTES.intersection(names))
    if found:
        be, it = ("is a sensitive attribute", "it") if len(found) == 1 else ("are sensitive attributes", "them")
        raise ContractError(
            f"{', '.join(found)} {be} of silver.users: what offers follow from may not have {it} as a feature. Take "
            f"{it} out; groups by {it} are compared in measurement.fairness"
        )
