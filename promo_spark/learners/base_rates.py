"""What is predicted where nothing can be fitted: the same for everybody."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from promo_spark.learners.tables import FeatureTable, Floats


@dataclass(frozen=True)
class BaseRate:
    """The share of rows in which it happened, or the mean amount; NaN: there were no rows."""

    names: tuple[str, ...]
    value: float
    engine: str = "base_rate"

    def predicted(self, table: FeatureTable) -> Floats:
        """The same for each row."""
        return np.full(len(table), self.value)

    def contributions(self, table: FeatureTable) -> Floats:
        """No feature adds anything."""
        given = np.zeros((len(table), len(self.names) + 1))
        given[:, -1] = self.value
        return given

    def to_plain(self) -> dict[str, Any]:
        return {"names": self.names, "value": None if np.isnan(self.value) else self.value}

    @staticmethod
    def from_plain(plain: Mapping[str, Any]) -> BaseRate:
        value = plain["value"]
        return BaseRate(tuple(plain["names"]), float("nan") if value is None else value)
