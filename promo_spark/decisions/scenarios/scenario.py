"""What a scenario is: one object, in a file of its own that is named like it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promo_spark.decisions.offers.candidates import OfferCandidate
from promo_spark.decisions.offers.texts import offer_text
from promo_spark.decisions.scenarios.inputs import ScenarioInputs


@dataclass(frozen=True)
class Scenario:
    """A reason to make offers.

    `candidates` gives one row per user and offer that could be made, see ProposedOffer. The slots of `text`, such
    as {title}, are those of offers/texts.py.
    """

    name: str
    mechanic: str
    candidates: Callable[[ScenarioInputs], DataFrame]
    text: str

    def offers(self, inputs: ScenarioInputs) -> DataFrame:
        """One row per user and offer that the scenario could make. → OfferCandidate."""
        return OfferCandidate.shaped(
            self.candidates(inputs).withColumns(
                {
                    OfferCandidate.scenario: F.lit(self.name),
                    OfferCandidate.mechanic: F.lit(self.mechanic),
                    OfferCandidate.held_offers: F.lit(0),
                    OfferCandidate.text: offer_text(self.text, valid_to=inputs.valid_to, currency=inputs.currency),
                }
            )
        )
