"""What determines a world: two worlds of equal spec are equal row by row."""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

from promo_spark.errors import SettingsError
from promo_spark.settings.generate import DirtKind, GenerateSettings, PromotionPolicy, ResponseForm

RESPONSES = ("persuadable", "sure_thing", "lost_cause", "sleeping_dog")
DIRT: tuple[DirtKind, ...] = get_args(DirtKind)


@dataclass(frozen=True)
class SegmentSpec:
    """One planted kind of customer; the numbers are means, users scatter around them."""

    name: str
    share: float
    visits_per_week: float
    items_per_visit: float
    price_sensitivity: float
    online_share: float
    weekend_share: float
    churn_per_year: float
    responses: tuple[float, ...]


@dataclass(frozen=True)
class WorldSpec:
    """Everything a world depends on. Days count from `start`: history is 0 to days − 1, the future comes after."""

    seed: int
    start: datetime.date
    days: int
    horizon_days: int
    users: int
    products: int
    topics: int
    stores: int
    rules: int
    users_per_block: int
    promotion_share: float
    campaign_every_days: int
    campaign_days: int
    contact_share: float
    welcome_saving: float
    response_form: ResponseForm
    promotion_policy: PromotionPolicy
    elasticity_scatter: float
    mailer_halo: float
    drift_day: int
    drift_response: float
    drift_elasticity: float
    drift_visits: float
    stock_out_share: float
    return_share: float
    fraud_share: float
    yearly_growth: float
    newcomer_share: float
    inventory_days: int
    segments: tuple[SegmentSpec, ...]
    dirt: tuple[tuple[str, float], ...]

    @property
    def user_blocks(self) -> int:
        return -(-self.users // self.users_per_block)

    @property
    def all_days(self) -> int:
        """History and future together."""
        return self.days + self.horizon_days

    @property
    def weeks(self) -> int:
        return -(-self.all_days // 7)

    def day(self, date: datetime.date) -> int:
        return (date - self.start).days

    def future_day(self, date: datetime.date) -> int:
        """The number of a day that can be simulated. Raises SettingsError for one before or after the future."""
        day = self.day(date)
        if not self.days <= day < self.all_days - 1:
            raise SettingsError(
                f"--date {date}: the world's history ends before {self.date(self.days)} and its future on "
                f"{self.date(self.all_days - 2)}; choose a date between, or set generate.horizon_days"
            )
        return day

    def has_drifted(self, day: int) -> bool:
        """Whether the drift's factors hold on the day."""
        return 0 < self.drift_day <= day

    def date(self, day: int) -> datetime.date:
        return self.start + datetime.timedelta(days=day)

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:16]

    def to_json(self) -> str:
        return json.dumps({**dataclasses.asdict(self), "start": self.start.isoformat()}, sort_keys=True)


def world_spec(settings: GenerateSettings, date: datetime.date) -> WorldSpec:
    """The world whose history ends on the day before `date`."""
    shares = sum(s.share for s in settings.segments.values())
    segments = tuple(
        SegmentSpec(
            name=name,
            share=s.share / shares,
            visits_per_week=s.visits_per_week,
            items_per_visit=s.items_per_visit,
            price_sensitivity=s.price_sensitivity,
            online_share=s.online_share,
            weekend_share=s.weekend_share,
            churn_per_year=s.churn_per_year,
            responses=_shares(s.responses),
        )
        for name, s in sorted(settings.segments.items())
    )
    taken = {f.name for f in dataclasses.fields(WorldSpec)} - {"start", "segments", "dirt"}
    return WorldSpec(
        start=date - datetime.timedelta(days=settings.days),
        segments=segments,
        dirt=tuple((kind, rate) for kind, rate in sorted(settings.dirt.items()) if rate),
        **{name: getattr(settings, name) for name in taken},
    )


def _shares(responses: Mapping[Any, float]) -> tuple[float, ...]:
    return tuple(responses[r] / sum(responses.values()) for r in RESPONSES)


def spec_from_json(text: str) -> WorldSpec:
    """The spec that `to_json` wrote. Raises SettingsError for a world that another version made."""
    values = json.loads(text)
    if set(values) != {field.name for field in dataclasses.fields(WorldSpec)}:
        raise SettingsError("truth.worlds: the world was made by another version of promo_spark; run generate again")
    values["start"] = datetime.date.fromisoformat(values["start"])
    values["segments"] = tuple(SegmentSpec(**{**s, "responses": tuple(s["responses"])}) for s in values["segments"])
    values["dirt"] = tuple((kind, rate) for kind, rate in values["dirt"])
    return WorldSpec(**values)
