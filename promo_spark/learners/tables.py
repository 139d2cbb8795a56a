"""What a learner is given: rows of numbers with the names of their columns; an unknown number is NaN."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from promo_spark.contracts.sensitive import refuse_sensitive

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class FeatureTable:
    """One row per thing to be judged, one column per feature. Raises ContractError for a sensitive attribute.

    So whatever declares its features, no learner is ever given one.
    """

    names: tuple[str, ...]
    values: Floats

    def __post_init__(self) -> None:
        refuse_sensitive(self.names)

    def __len__(self) -> int:
        return len(self.values)

    def rows(self, chosen: NDArray[np.bool_] | Ints) -> FeatureTable:
        """Some of the rows, in their order."""
        return FeatureTable(self.names, self.values[chosen])

    def columns(self, names: Sequence[str]) -> FeatureTable:
        """Some of the columns, in the order asked for; KeyError where one is not there."""
        places = {name: place for place, name in enumerate(self.names)}
        return FeatureTable(tuple(names), self.values[:, [places[name] for name in names]])
