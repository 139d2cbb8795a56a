"""The scenarios: each a file with an eligibility rule, a price rule, a reason and a text in one Scenario object.

A new file <scenario>.py in this folder that makes a Scenario of the same name is one more scenario: nothing here
lists them. Its name stands in SCENARIOS of contracts/decisions.py, which promises the names to readers of
decisions.promotions, and its settings in conf.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Sequence
from functools import reduce

from pyspark.sql import DataFrame

from promo_spark.decisions.scenarios.inputs import ScenarioInputs
from promo_spark.decisions.scenarios.scenario import Scenario
from promo_spark.errors import SettingsError


def _scenarios() -> dict[str, Scenario]:
    """Every Scenario object of this folder's files, by name."""
    modules = [importlib.import_module(f"{__name__}.{m.name}") for m in pkgutil.iter_modules(__path__)]
    return {s.name: s for module in modules for s in vars(module).values() if isinstance(s, Scenario)}


REGISTRY = _scenarios()


def all_targets(inputs: ScenarioInputs, names: Sequence[str]) -> DataFrame:
    """One row per user and thing that the named scenarios could offer. → OfferTarget.

    Raises SettingsError for a scenario that does not exist.
    """
    unknown = [n for n in names if n not in REGISTRY]
    if unknown or not names:
        raise SettingsError(
            f"promote.scenarios is {list(names)}: "
            + (f"{', '.join(unknown)} is unknown" if unknown else "it names none")
            + f"; there are: {', '.join(REGISTRY)}"
        )
    return reduce(DataFrame.unionByName, [REGISTRY[n].targets(inputs) for n in sorted(set(names))])
