"""The scenarios: each a file with an eligibility rule, a price rule, a reason and a text in one Scenario object.

A new file <scenario>.py in this folder that makes a Scenario of the same name is one more scenario: nothing here
lists them. Its name stands in contracts/vocabulary.py, which promises the names to readers of decisions.promotions, and
its settings in conf. Another package brings scenarios by entry points of the group promo_spark.scenarios, each named
like its Scenario.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping, Sequence
from functools import cache, reduce
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType

from pyspark.sql import DataFrame

from promo_spark.contracts.vocabulary import GIVING_MECHANICS, SCENARIOS_GROUP
from promo_spark.decisions.scenarios.inputs import ScenarioInputs
from promo_spark.decisions.scenarios.scenario import Scenario
from promo_spark.errors import SettingsError


@cache
def registry() -> Mapping[str, Scenario]:
    """Every Scenario object of this folder's files, and of other packages, by name.

    Raises SettingsError for an entry point that is none, or has the name of another.
    """
    modules = [importlib.import_module(f"{__name__}.{m.name}") for m in pkgutil.iter_modules(__path__)]
    found = {s.name: s for module in modules for s in vars(module).values() if isinstance(s, Scenario)}
    for entry in sorted(entry_points(group=SCENARIOS_GROUP), key=lambda entry: (entry.name, entry.value)):
        if entry.name in found or entry.name == "none":
            raise SettingsError(
                f"the entry point {entry.name} = {entry.value} of {SCENARIOS_GROUP} has the name of another scenario; "
                "give it a name of its own"
            )
        found[entry.name] = _loaded(entry)
    return MappingProxyType(found)


def _loaded(entry: EntryPoint) -> Scenario:
    brought = entry.load()
    if not isinstance(brought, Scenario) or brought.name != entry.name or brought.mechanic not in GIVING_MECHANICS:
        raise SettingsError(
            f"the entry point {entry.name} = {entry.value} of {SCENARIOS_GROUP} has to be a Scenario of that name with "
            f"a mechanic of {', '.join(GIVING_MECHANICS)}, found {brought!r:.200}"
        )
    return brought


def scenarios_with_funds_only() -> list[str]:
    """The scenarios whose offers are made with a fund's money only."""
    return sorted(name for name, scenario in registry().items() if scenario.needs_fund)


def all_targets(inputs: ScenarioInputs, names: Sequence[str]) -> DataFrame:
    """One row per user and thing that the named scenarios could offer. → OfferTarget.

    Raises SettingsError for a scenario that does not exist.
    """
    unknown = [n for n in names if n not in registry()]
    if unknown or not names:
        raise SettingsError(
            f"promote.scenarios is {list(names)}: "
            + (f"{', '.join(unknown)} is unknown" if unknown else "it names none")
            + f"; there are: {', '.join(registry())}"
        )
    targets = reduce(DataFrame.unionByName, [registry()[n].targets(inputs) for n in sorted(set(names))])
    # In as many parts as a shuffle, and not in the sum of the scenarios': each task is handed the plan of all of them.
    return targets.coalesce(int(inputs.users.sparkSession.conf.get("spark.sql.shuffle.partitions") or 1))
