"""The scenarios: each a module with an eligibility rule, a price rule and a reason, listed here and only here.

To add one: write a module with `candidates(world) -> DataFrame` in the shape of decisions/candidates.py, add it
to the table below, its template to texts.py, its name to contracts/decisions.py and its depth to conf/base.toml.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce

from pyspark.sql import DataFrame

from promo_spark.decisions.scenarios import (
    bundle,
    clearance,
    new_user_welcome,
    recommended_item,
    repurchase,
    win_back,
)
from promo_spark.decisions.scenarios.inputs import World
from promo_spark.errors import SettingsError

Scenario = Callable[[World], DataFrame]

REGISTRY: dict[str, Scenario] = {
    "new_user_welcome": new_user_welcome.candidates,
    "repurchase": repurchase.candidates,
    "win_back": win_back.candidates,
    "recommended_item": recommended_item.candidates,
    "bundle": bundle.candidates,
    "clearance": clearance.candidates,
}


def all_candidates(world: World, names: Sequence[str]) -> DataFrame:
    """One row per user and what a scenario could offer. Raises SettingsError for a scenario that is not there."""
    unknown = [n for n in names if n not in REGISTRY]
    if unknown or not names:
        raise SettingsError(
            f"promote.scenarios is {list(names)}: "
            + (f"{', '.join(unknown)} is unknown" if unknown else "it names none")
            + f"; there are: {', '.join(REGISTRY)}"
        )
    return reduce(DataFrame.unionByName, [REGISTRY[n](world) for n in sorted(set(names))])
