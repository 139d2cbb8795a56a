"""A synthetic retailer with known truth."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from promo_spark.settings.sections import Days, Factor, Folder, Positive, Section, Share, Weight

DirtKind = Literal[
    "duplicate_row",
    "broken_date",
    "unknown_product",
    "zero_quantity",
    "negative_amount",
    "missing_product",
    "missing_user",
    "late_row",
]

# How an offer's saving turns into visits; see docs/worlds.md.
ResponseForm = Literal["log_linear", "logistic", "tree", "heavy_tailed"]
# What leads the promotions on the shelf.
PromotionPolicy = Literal["random", "demand_led"]


class WorldSegmentSettings(Section):
    """One planted kind of customer of a synthetic retailer."""

    share: Share
    visits_per_week: Annotated[float, Field(gt=0, le=7)]
    items_per_visit: Annotated[float, Field(ge=1, le=40)]
    price_sensitivity: Annotated[float, Field(ge=0, le=4)]
    online_share: Share
    weekend_share: Share
    churn_per_year: Share
    responses: dict[Literal["persuadable", "sure_thing", "lost_cause", "sleeping_dog"], Share]

    @model_validator(mode="after")
    def _every_response_has_its_share(self) -> WorldSegmentSettings:
        if len(self.responses) != 4 or not sum(self.responses.values()):
            raise ValueError("responses needs a share for persuadable, sure_thing, lost_cause and sleeping_dog")
        return self


class GenerateSettings(Section):
    """A synthetic retailer: its size, its habits, its dirt, and where its raw files go."""

    folder: Folder
    format: Literal["parquet", "csv", "json"]
    partitions: Positive
    truth: bool
    seed: Annotated[int, Field(ge=0, le=2**62)]
    users: Positive
    products: Annotated[int, Field(ge=40, le=2_000_000_000)]
    days: Annotated[int, Field(ge=28, le=3660)]
    horizon_days: Annotated[int, Field(ge=1, le=366)]
    topics: Annotated[int, Field(ge=2, le=200)]
    stores: Positive
    rules: Annotated[int, Field(ge=0, le=2**62)]
    users_per_block: Annotated[int, Field(ge=1, le=20000)]
    promotion_share: Share
    campaign_every_days: Days
    campaign_days: Days
    contact_share: Share
    welcome_saving: Annotated[float, Field(ge=0, le=0.9)]
    response_form: ResponseForm
    promotion_policy: PromotionPolicy
    elasticity_scatter: Annotated[float, Field(ge=0, le=1)]
    mailer_halo: Annotated[float, Field(ge=0, le=5)]
    drift_day: Annotated[int, Field(ge=0, le=4000)]
    drift_response: Weight
    drift_elasticity: Weight
    drift_visits: Factor
    stock_out_share: Share
    return_share: Share
    fraud_share: Share
    yearly_growth: Annotated[float, Field(gt=-1, le=5)]
    newcomer_share: Share
    inventory_days: Days
    dirt: dict[DirtKind, Share]
    segments: Annotated[dict[str, WorldSegmentSettings], Field(min_length=1)]

    @model_validator(mode="after")
    def _shares_make_sense(self) -> GenerateSettings:
        if sum(self.dirt.values()) > 1:
            raise ValueError("dirt: the rates together are more than 1, but a row has one kind of dirt at most")
        if not sum(s.share for s in self.segments.values()):
            raise ValueError("segments: the shares are all 0")
        return self
