"""The scenarios of the folder: found by themselves, held to the contract and to the settings."""

from __future__ import annotations

import importlib
from dataclasses import replace

import pytest

from promo_spark.contracts.decisions import MECHANICS, SCENARIOS
from promo_spark.decisions.offers.texts import slot_columns, slots_of
from promo_spark.decisions.scenarios import REGISTRY, all_targets
from promo_spark.decisions.scenarios.inputs import ScenarioInputs
from promo_spark.decisions.scenarios.scenario import Scenario
from promo_spark.errors import SettingsError
from promo_spark.settings import Settings


def test_registry_contract_and_settings_name_the_same_scenarios(settings: Settings) -> None:
    assert set(REGISTRY) == set(SCENARIOS) - {"none"} == set(settings.promote.scenarios)


@pytest.mark.parametrize("scenario", REGISTRY.values(), ids=list(REGISTRY))
@pytest.mark.usefixtures("spark")
def test_a_scenario_is_named_like_its_file_and_fills_every_slot(scenario: Scenario) -> None:
    """I25: no slot is left unfilled. I32: in no language; both say the same, and English where a third is asked for."""
    module = importlib.import_module(f"promo_spark.decisions.scenarios.{scenario.name}")
    assert scenario in vars(module).values()
    assert scenario.mechanic in MECHANICS and scenario.mechanic != "none"
    assert set(scenario.texts) == {"en-US", "zh-CN"} and scenario.text("fr-FR") == scenario.texts["en-US"]
    assert set(slots_of(scenario.text("zh-CN"))) == set(slots_of(scenario.text("en-US")))
    assert set(slots_of(scenario.text("en-US"))) <= set(slot_columns(currency="USD"))


def test_an_unknown_scenario_is_named(inputs: ScenarioInputs) -> None:
    with pytest.raises(SettingsError, match=r"fleeting is unknown; there are: abandoned_cart, bundle, clearance"):
        all_targets(inputs, ["bundle", "fleeting"])
    with pytest.raises(SettingsError, match="it names none"):
        all_targets(inputs, [])


def test_missing_or_turned_bounds_are_named(inputs: ScenarioInputs) -> None:
    wrong = replace(inputs, settings=inputs.settings.model_copy(update={"depth": {"bundle": [0.3, 0.1]}}))
    with pytest.raises(SettingsError, match=r"promote.depth.clearance is missing"):
        wrong.bounds("clearance")
    with pytest.raises(SettingsError, match=r"promote.depth.bundle is \[0.3, 0.1\]: the least depth comes first"):
        wrong.bounds("bundle")
