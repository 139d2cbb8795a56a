"""Typed settings: conf/base.toml < conf/<env>.toml < --set section.key=value.

One frozen section per job, named like the job. The numbers stand in conf/base.toml and only there, so
a section here has types and bounds but no defaults. Unknown keys, missing keys and wrong types are
errors that name the key. Secrets appear only as references, `env:NAME` or `file:PATH`, under keys that
end in `_secret`.
"""

from __future__ import annotations

import datetime
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from promo_spark.errors import SettingsError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[int, Field(gt=0)]
Days = Annotated[int, Field(gt=0, le=3660)]
Money = Annotated[float, Field(ge=0)]
Memory = Annotated[str, Field(pattern="^[1-9][0-9]*[kmgt]$")]


class Section(BaseModel):
    """Base of all sections: frozen, no unknown keys, no silent conversion of types."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class LakeSettings(Section):
    """Where the tables lie: a path, or a catalog when one is configured."""

    root: str
    catalog: str


class BusinessSettings(Section):
    """What all jobs must agree on."""

    timezone: str
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")]
    excluded_departments: list[str]
    excluded_categories: list[str]
    assumed_margin: Share
    assumed_margin_by_department: dict[str, Share]


class SparkSettings(Section):
    """How a job is submitted: master, packages, memory, and any other Spark property in `conf`."""

    master: Annotated[str, Field(pattern=r"^(local(\[.+\])?|local-cluster\[.+\]|spark://.+|yarn|k8s://.+)$")]
    deploy_mode: Literal["client", "cluster"]
    driver_memory: Memory
    executor_memory: Memory
    executor_cores: Positive
    executor_instances: Positive
    packages: list[str]
    excludes: list[str]
    jars: list[str]
    repositories: list[str]
    ship_environment: bool
    class_archive: bool
    conf: dict[str, str]


class FileMapping(Section):
    """One table read from files: where, in which format, and which column becomes which."""

    path: str
    format: Literal["csv", "json", "parquet", "delta"]
    columns: dict[str, str]
    constants: dict[str, str] = Field(default_factory=dict)
    timestamp_format: str = "yyyy-MM-dd'T'HH:mm:ss[.SSSSSS][XXX]"
    date_format: str = "yyyy-MM-dd"
    delimiter: Annotated[str, Field(min_length=1, pattern=r'^[^"\r\n]+$')] = ","
    encoding: Literal["UTF-8", "GB18030", "Big5", "Shift_JIS", "EUC-KR", "ISO-8859-1", "windows-1252"] = "UTF-8"


class OwnCheck(Section):
    """A check of the user's own: what holds of a good row of a table, as column, operator and literal."""

    table: str
    name: Annotated[str, Field(pattern="^[a-z][a-z0-9_]*$")]
    column: str
    operator: Literal["=", "!=", ">", ">=", "<", "<=", "in", "between", "is not null"]
    literal: bool | int | float | str | list[int | float | str] | None = None
    criticality: Literal["reject", "warn"]
    meaning: str = ""


class GateLimits(Section):
    """Limits of one source that differ from those of all."""

    judged_from_rows: Positive | None = None
    max_rejected_share: Share | None = None
    min_share_of_usual: Annotated[float, Field(ge=0)] | None = None
    max_share_of_usual: Annotated[float, Field(gt=0)] | None = None
    max_missing_days: Annotated[int, Field(ge=0)] | None = None
    day_before_expected: bool | None = None


class GateSettings(Section):
    """When a delivery as a whole is refused."""

    judged_from_rows: Positive
    max_rejected_share: Share
    usual_loads: Positive
    least_loads: Positive
    min_share_of_usual: Annotated[float, Field(ge=0)]
    max_share_of_usual: Annotated[float, Field(gt=0)]
    max_missing_days: Annotated[int, Field(ge=0)]
    day_before_expected: bool
    sources: dict[str, GateLimits]


class IngestSettings(Section):
    """Which source feeds silver, what happens to rows that fail a check, and when a delivery is refused."""

    adapter: Literal["complete_journey", "files"]
    folder: str
    policies: dict[str, Literal["reject", "warn", "off"]]
    checks: list[OwnCheck]
    test_users: list[str]
    bot_events_per_minute: Positive
    gate: GateSettings
    files: dict[str, FileMapping]


class ProfileSettings(Section):
    """Windows and thresholds of user and product profiles, and which sales series are made."""

    recent_days: Days
    activity_days: Days
    interest_half_life_days: Days
    interests_kept: Positive
    repurchases_kept: Positive
    first_time_days: Days
    loyal_orders_90d: Positive
    high_value_quantile: Share
    lapsing_cadences: Annotated[float, Field(gt=0)]
    lapsing_min_days: Days
    lost_days: Days
    series_levels: Annotated[list[Literal["product", "category", "store"]], Field(min_length=1)]
    top_products: Positive
    top_stores: Positive


class SegmentSettings(Section):
    """How users are grouped."""

    features: list[str]
    k: Annotated[list[Annotated[int, Field(ge=2, le=50)]], Field(min_length=1)]
    starts: Positive
    max_iterations: Positive
    sample_users: Positive
    min_orders: Positive
    stability_rounds: Annotated[int, Field(ge=2)]
    min_share: Share
    k_switch_margin: Share
    max_drift: Annotated[float, Field(gt=0)]
    top_categories: Positive
    seed: int


class BasketsSettings(Section):
    """What counts as bought together."""

    level: Literal["product", "subcategory", "category"]
    history_days: Days
    miner: Literal["levels", "fpgrowth"]
    min_baskets: Positive
    min_support: Share
    min_confidence: Share
    max_items_quantile: Share
    max_antecedent: Annotated[int, Field(ge=1, le=4)]
    max_p_value: Share
    min_improvement: Share
    max_rules: Positive


class RecommendSettings(Section):
    """How products are ranked for a user."""

    top_n: Positive
    history_days: Days
    half_life_days: Days
    rank: Positive
    iterations: Positive
    regularisation: Annotated[float, Field(gt=0)]
    alpha: Annotated[float, Field(gt=0)]
    blocks: Positive
    min_orders: Positive
    min_buyers: Positive
    bought: Literal["exclude", "keep", "due_again"]
    due_lead_days: Annotated[int, Field(ge=0)]
    repeat_weight: Annotated[float, Field(ge=0)]
    popular_days: Days
    holdout_days: Days
    evaluation_users: Positive
    seed: int


class ForecastSettings(Section):
    """Horizon, models and backtest of the sales forecasts."""

    horizon_days: Days
    season_days: Positive
    min_history_days: Days
    dead_days: Days
    intermittent_gap: Annotated[float, Field(gt=1)]
    backtest_windows: Positive
    top_series: Annotated[int, Field(ge=0)]
    models_regular: list[str]
    models_intermittent: list[str]
    models_top: list[str]
    champion_by_regular: Literal["mae", "rmse"]
    champion_by_intermittent: Literal["mae", "rmse"]
    batch_series: Positive
    partitions: Positive


class PromoteSettings(Section):
    """Scenarios, depths, budgets and the experiment."""

    scenarios: list[str]
    min_margin: Share
    depth: dict[str, Annotated[list[Share], Field(min_length=2, max_length=2)]]
    daily_budget: Money
    mechanic_budgets: dict[str, Money]
    max_offers_per_user: Positive
    candidates_per_scenario: Positive
    holdout_share: Share
    holdout_key: Annotated[str, Field(min_length=8)]
    unknown_consent: Literal["eligible", "excluded"]
    blocked_risk_tiers: list[str]
    valid_days: Days
    response_window_days: Days
    response_prior_strength: Annotated[float, Field(gt=0)]
    unknown_response: Share
    repurchase_lead_days: Annotated[int, Field(ge=0)]
    win_back_lifecycles: list[str]
    min_spend_stretch: Annotated[float, Field(ge=1)]
    coupon_min_discounted_share: Share
    clearance_trend: Annotated[float, Field(gt=0)]
    welcome_amount: Money
    welcome_min_spend: Money
    policy_version: str


class PipelineSettings(Section):
    """Which jobs make the daily run."""

    jobs: Annotated[list[str], Field(min_length=1)]
    date: str
    side_by_side: Positive


class Settings(Section):
    """All sections; the section of a job is named like the job."""

    lake: LakeSettings
    business: BusinessSettings
    spark: SparkSettings
    ingest: IngestSettings
    profile: ProfileSettings
    segment: SegmentSettings
    baskets: BasketsSettings
    recommend: RecommendSettings
    forecast: ForecastSettings
    promote: PromoteSettings
    pipeline: PipelineSettings


CONF = Path(__file__).resolve().parents[1] / "conf"


def environments(conf: Path = CONF) -> list[str]:
    """Names that --env takes: the files of conf/ but base."""
    return sorted(p.stem for p in conf.glob("*.toml") if p.stem != "base")


def load(env: str | None = None, overrides: Sequence[str] = (), conf: Path = CONF) -> Settings:
    """The settings of an environment with overrides such as "promote.daily_budget=500.0".

    Raises SettingsError naming each key that is unknown, missing, mistyped or out of bounds.
    """
    values = _toml(conf / "base.toml")
    if env is not None:
        if env not in environments(conf):
            raise SettingsError(
                f"--env {env}: there is no conf/{env}.toml; there are: {', '.join(environments(conf))}"
            )
        values = _merged(values, _toml(conf / f"{env}.toml"))
    for override in overrides:
        values = _merged(values, _override(override))
    return validated(values)


def validated(values: Mapping[str, Any]) -> Settings:
    """Settings from plain values, as read from TOML or JSON."""
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        problems = [
            f"  {'.'.join(str(p) for p in e['loc'])}: {_sentence(e['type'], e['msg'])}, found {e['input']!r}"
            if e["type"] != "missing"
            else f"  {'.'.join(str(p) for p in e['loc'])}: missing"
            for e in error.errors()
        ]
        raise SettingsError("these settings are wrong (see conf/base.toml):\n" + "\n".join(problems)) from None


def parsed_date(text: str) -> datetime.date:
    """A date from YYYY-MM-DD, strictly; SettingsError for anything else."""
    try:
        found = datetime.datetime.strptime(text, "%Y-%m-%d").date()
    except ValueError:
        found = None
    if found is None or found.isoformat() != text:
        raise SettingsError(f"--date {text!r} is not a date; write it as YYYY-MM-DD, such as 2017-12-01")
    return found


def _sentence(kind: str, message: str) -> str:
    return "there is no such setting" if kind == "extra_forbidden" else message[0].lower() + message[1:]


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SettingsError(f"{path} is missing; run from a full checkout") from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path} is not valid TOML: {error}") from None


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = _merged(merged[key], value) if both else value
    return merged


def _override(text: str) -> dict[str, Any]:
    """`section.key=value` with the value in TOML; a bare word counts as text."""
    path, equals, raw = text.partition("=")
    keys = [k.strip() for k in path.split(".")]
    if not equals or len(keys) < 2 or not all(keys):
        raise SettingsError(f"--set {text!r}: write it as section.key=value, such as promote.daily_budget=500.0")
    try:
        value = tomllib.loads(f"value = {raw}")["value"]
    except tomllib.TOMLDecodeError:
        value = raw
    nested: dict[str, Any] = {keys[-1]: value}
    for key in reversed(keys[:-1]):
        nested = {key: nested}
    return nested
