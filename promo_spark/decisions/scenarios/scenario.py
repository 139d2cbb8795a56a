"""What a scenario is: one object, in a file of its own that is named like it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promo_spark.decisions.offers.targets import OfferTarget
from promo_spark.decisions.scenarios.inputs import ScenarioInputs
from promo_spark.settings.promote import PromoteSettings

ENGLISH = "en-US"


def _usual_days(settings: PromoteSettings) -> int:
    return settings.valid_days


def _any_channel(_: PromoteSettings) -> str | None:
    return None


@dataclass(frozen=True)
class Scenario:
    """A reason to make offers.

    `candidates` gives one row per user and thing that could be offered, see ProposedOffer. `texts` are sentences by
    language, English always among them; their slots, such as {title}, are those of offers/texts.py. `days`: how long
    its offers hold, `promote.valid_days` unless it says less. `needs_fund`: they are made with a fund's money only, as
    those have to be whose text names the partner. `channel`: the one in which they hold; None: any.
    """

    name: str
    mechanic: str
    candidates: Callable[[ScenarioInputs], DataFrame]
    texts: Mapping[str, str]
    days: Callable[[PromoteSettings], int] = _usual_days
    needs_fund: bool = False
    channel: Callable[[PromoteSettings], str | None] = _any_channel

    def text(self, language: str) -> str:
        """The sentence in a language; in English where there is none."""
        return self.texts.get(language, self.texts[ENGLISH])

    def targets(self, inputs: ScenarioInputs) -> DataFrame:
        """One row per user and thing that the scenario could offer. → OfferTarget."""
        return OfferTarget.shaped(
            self.candidates(inputs).withColumns(
                {
                    OfferTarget.scenario: F.lit(self.name),
                    OfferTarget.mechanic: F.lit(self.mechanic),
                    OfferTarget.days: F.lit(self.days(inputs.settings)),
                    OfferTarget.fund: F.lit(None),  # see offers/funds.py
                    OfferTarget.campaign_id: F.lit(None),  # see offers/campaigns.py
                    OfferTarget.objective: F.lit(None),  # the same
                    OfferTarget.channel: F.lit(self.channel(inputs.settings)).cast("string"),
                }
            )
        )
