"""The scenarios of the folder: found by themselves, held to the contract and to the settings."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from promo_spark.contracts.decisions import MECHANICS, SCENARIOS
from promo_spark.decisions.offers.texts import slot_columns, slots_of
from promo_spark.decisions.scenarios import all_targets, registry
from promo_spark.decisions.scenarios.inputs import ScenarioInputs
from promo_spark.decisions.scenarios.scenario import Scenario
from promo_spark.errors import SettingsError
from promo_spark.settings import Settings


def test_registry_contract_and_settings_name_the_same_scenarios(settings: Settings) -> None:
    assert set(registry()) == set(SCENARIOS) - {"none"} == set(settings.promote.scenarios)


@pytest.mark.parametrize("scenario", registry().values(), ids=list(registry()))
@pytest.mark.usefixtures("spark")
def test_a_scenario_is_named_like_its_file_and_fills_every_slot(scenario: Scenario) -> None:
    """I25, I32: no slot is left unfilled, in no language; both say the same, and English where a third is asked for."""
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


OF_ANOTHER_PACKAGE = """
from dataclasses import replace
from promo_spark.decisions.scenarios.recommended_item import RECOMMENDED_ITEM
BIRTHDAY = replace(RECOMMENDED_ITEM, name="birthday", texts={"en-US": "Happy birthday: {title} for {offer}."})
"""
ASKED = """
from promo_spark.contracts.vocabulary import SCENARIOS
from promo_spark.decisions.scenarios import registry
from promo_spark.settings import load
birthday = registry().get("birthday")
both = load(None, ['promote.scenarios=["birthday", "bundle"]', "promote.depth.birthday=[0.1, 0.2]"]).promote.scenarios
print(SCENARIOS[-2:], both, birthday.text("zh-CN"))
"""
GROUP = "promo_spark.scenarios"


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ("birthday = greetings:BIRTHDAY", "('birthday', 'none') ['birthday', 'bundle'] Happy birthday"),
        (
            "birthday = greetings:replace",
            f"the entry point birthday = greetings:replace of {GROUP} has to be a Scenario",
        ),
        (
            "bundle = greetings:BIRTHDAY",
            f"the entry point bundle = greetings:BIRTHDAY of {GROUP} has the name of another",
        ),
    ],
)
def test_another_package_brings_its_scenario_without_a_fork(tmp_path: Path, entry: str, told: str) -> None:
    """A package that is only installed: its name is known to settings and contract, and what is wrong is named."""
    (tmp_path / "greetings.py").write_text(OF_ANOTHER_PACKAGE)
    (installed := tmp_path / "greetings-1.0.dist-info").mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: greetings\nVersion: 1.0\n")
    (installed / "entry_points.txt").write_text(f"[{GROUP}]\n{entry}\n")
    found = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    done = subprocess.run([sys.executable, "-c", ASKED], env=found, capture_output=True, text=True, check=False)
    assert told in done.stdout + done.stderr, done.stderr
