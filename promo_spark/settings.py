"""Typed settings: conf/base.toml < conf/sources/<mapping>.toml < conf/<env>.toml < --set section.key=value.

One frozen section per job, named like the job. The numbers stand in conf/base.toml and only there, so
a section here has types and bounds but no defaults; only what a user writes per source has them. Unknown
keys, missing keys and wrong types are errors that name the key. Secrets appear only as references,
`env:NAME` or `file:PATH`, under keys that end in `_secret`.
"""

from __future__ import annotations

import datetime
import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from promo_spark.errors import SettingsError
from promo_spark.secret_references import HOW_TO_WRITE, REFERENCE

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[int, Field(gt=0)]
Days = Annotated[int, Field(gt=0, le=3660)]
Money = Annotated[float, Field(ge=0)]
Memory = Annotated[str, Field(pattern="^[1-9][0-9]*[kmgt]$")]
Identifier = Annotated[str, Field(pattern=r"^[^\W\d][\w$]*$")]
SecretReference = Annotated[str, Field(pattern=REFERENCE)]  # of keys that end in _secret


def _spark_time_pattern(text: str) -> str:
    if not re.fullmatch(r"('[^']*'|[GyMLdDEFaHhKkmsSVzOXxZ]|[^A-Za-z'])+", text):
        raise ValueError("write a pattern as Spark does, such as yyyy-MM-dd HH:mm:ss, other letters between ' and '")
    return text


TimePattern = Annotated[str, AfterValidator(_spark_time_pattern)]
Delimiter = Annotated[str, Field(min_length=1, pattern=r'^[^"\r\n]+$')]
Encoding = Literal["UTF-8", "GB18030", "Big5", "Shift_JIS", "EUC-KR", "ISO-8859-1", "windows-1252"]


class Section(BaseModel):
    """Base of all sections: frozen, no unknown keys, no silent conversion of types."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class LakeSettings(Section):
    """Where the tables lie: a path, or a catalog when one is configured."""

    root: str
    catalog: str


class PrivacySettings(Section):
    """Whether ids become pseudonyms, with which key, and whom the suite may profile."""

    pseudonymise: bool
    key_secret: SecretReference
    unknown_profiling_consent: Literal["eligible", "excluded"]


class BusinessSettings(Section):
    """What all jobs must agree on."""

    timezone: str
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")]
    excluded_departments: list[str]
    excluded_categories: list[str]
    assumed_margin: Share
    assumed_margin_by_department: dict[str, Share]
    holiday_countries: list[Annotated[str, Field(pattern="^[A-Z]{2}$")]]
    holiday_years: Annotated[int, Field(ge=0, le=50)]
    privacy: PrivacySettings


class SparkSettings(Section):
    """How a job is submitted: master, packages, memory, and any other Spark property in `conf`."""

    master: Annotated[str, Field(pattern=r"^(local(\[.+\])?|local-cluster\[.+\]|spark://.+|yarn|k8s://.+)$")]
    deploy_mode: Literal["client", "cluster"]
    driver_memory: Memory
    executor_memory: Memory
    executor_cores: Positive
    executor_instances: Positive
    packages: list[str]
    drivers: dict[Literal["postgresql", "mysql"], Annotated[str, Field(pattern=r"^[^:\s]+:[^:\s]+:[^:\s]+$")]]
    excludes: list[str]
    jars: list[str]
    repositories: list[str]
    ship_environment: bool
    class_archive: bool
    conf: dict[str, str]
    hadoop_secret: dict[str, SecretReference]


class ConnectionSettings(Section):
    """A database that sources are read from; who reads it is said by reference only."""

    url: str
    user_secret: SecretReference
    password_secret: SecretReference
    fetch_rows: Positive = 10_000

    @field_validator("url")
    @classmethod
    def _address_alone(cls, url: str) -> str:
        """Refuses a url that names a user or a password: Spark and the drivers print urls."""
        if not re.match(r"jdbc:(postgresql|mysql)://", url):
            raise ValueError("write it as jdbc:postgresql://HOST:PORT/DATABASE or jdbc:mysql://HOST:PORT/DATABASE")
        address, _, parameters = url.partition("?")
        named = [p.partition("=")[0].lower() for p in parameters.split("&")]
        if "@" in address or "(" in address or any(n == "user" or "passw" in n for n in named):
            raise ValueError("no user and no password in a url: give them as user_secret and password_secret")
        return url

    @property
    def database(self) -> Literal["postgresql", "mysql"]:
        """Which kind of database: the key of its driver in spark.drivers."""
        return "mysql" if self.url.startswith("jdbc:mysql:") else "postgresql"


class Extraction(Section):
    """How the rows of a source are had: from files, a table in a database, or a Delta table's change feed."""

    path: str = ""
    format: Literal["csv", "json", "parquet", "orc", "delta", "delta_changes", "jdbc"]
    delivery: Literal["whole_days", "rows"] = "whole_days"
    deletes: Literal["apply", "keep"] = "apply"
    connection: str = ""
    db_table: Annotated[str, Field(pattern=r"^([^\W\d][\w$]*(\.[^\W\d][\w$]*)?)?$")] = ""
    db_where: list[Annotated[list[str | int], Field(min_length=3, max_length=3)]] = Field(default_factory=list)
    partition_column: Annotated[str, Field(pattern=r"^([^\W\d][\w$]*)?$")] = ""
    partitions: Annotated[int, Field(gt=0, le=1000)] = 1
    lower_bound: str = ""
    upper_bound: str = ""

    @model_validator(mode="after")
    def _complete(self) -> Extraction:
        """Refuses what does not go together, in one sentence."""
        of_database = {
            "connection": self.connection, "db_table": self.db_table, "db_where": self.db_where,
            "partition_column": self.partition_column, "lower_bound": self.lower_bound, "upper_bound": self.upper_bound,
        }  # fmt: skip
        if self.format == "jdbc":
            needed = [k for k in ("connection", "db_table") if not of_database[k]] + ["no path"] * bool(self.path)
            if needed:
                raise ValueError(f'format = "jdbc" needs {" and ".join(needed)}')
            if (self.partitions > 1) != bool(self.partition_column):
                raise ValueError("partitions (2 or more) and partition_column go together")
            if bool(self.lower_bound) != bool(self.upper_bound) or (self.lower_bound and not self.partition_column):
                raise ValueError("lower_bound and upper_bound go together, with partition_column; or leave both out")
        elif not self.path:
            raise ValueError(f'format = "{self.format}" needs a path')
        elif any(of_database.values()) or self.partitions > 1:
            given = next((k for k, v in of_database.items() if v), "partitions")
            raise ValueError(f'{given} is for format = "jdbc" only')
        return self

    @property
    def by_rows(self) -> bool:
        """Whether a delivery holds single rows, merged by their key, and not all rows of its days."""
        return self.delivery == "rows" or self.format == "delta_changes"


class Condition(Section):
    """What must hold of a row: one of their columns, an operator, a literal; written as a list of the three.

    A number compares as a number, a text as a text; `in` takes a list, `is not null` nothing.
    """

    column: str
    operator: Literal["=", "!=", ">", ">=", "<", "<=", "in", "starts with", "is not null"]
    literal: str | int | float | list[str] | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_triple(cls, value: Any) -> Any:
        if not isinstance(value, list):
            return value
        if len(value) not in (2, 3):
            raise ValueError('write a condition as ["column", "operator", literal]')
        return dict(zip(("column", "operator", "literal"), value, strict=False))

    @model_validator(mode="after")
    def _literal_fits(self) -> Condition:
        if (self.literal is None) != (self.operator == "is not null"):
            raise ValueError("every operator but 'is not null' needs a literal, and that one takes none")
        if isinstance(self.literal, list) != (self.operator == "in"):
            raise ValueError("the operator 'in', and only this one, takes a list")
        return self


class ColumnMapping(Section):
    """How one of our columns is read: where the value comes from, and what is done to it, in this order.

    A plain text stands for { column = "theirs" }. The value comes from exactly one of `column`, `constant`,
    `first_of`, `concat` and `product_of`.
    """

    column: str | None = None  # their column
    constant: str | None = None  # the same for every row
    first_of: list[str] | None = None  # the first of their columns that has a value
    concat: list[str] | None = None  # their columns joined by `separator`; none where one of them has no value
    separator: str = "-"
    product_of: list[str] | None = None  # their columns multiplied, such as pieces and price

    map: dict[str, str] | None = None  # their value to ours; "" means no value
    otherwise: str | None = None  # what a value outside `map` becomes; without it, it stays
    whole_number: bool = False  # 13085.0 is the id 13085
    decimal_comma: bool = False  # 1.234,50 is 1234.50
    thousands: Literal[",", ".", "'", " "] | None = None  # 1,234.50 is 1234.50, and so with another sign between
    unit: Literal["s", "ms"] | None = None  # time as a number: seconds or milliseconds since 1970, UTC
    format: TimePattern | None = None  # of a date or time, as Spark writes patterns
    scale: float | None = None  # the number is multiplied by this
    negative_when: Condition | None = None  # rows whose number counts as negative, such as cancellations

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        return {"column": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _one_origin(self) -> ColumnMapping:
        origins = ("column", "constant", "first_of", "concat", "product_of")
        given = [name for name in origins if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"name exactly one of {', '.join(origins)}, not {' and '.join(given) or 'none'}")
        if self.otherwise is not None and self.map is None:
            raise ValueError("`otherwise` needs a `map`")
        if self.thousands == ("," if self.decimal_comma else "."):
            raise ValueError(f"`thousands` and the decimal mark are both {self.thousands}")
        return self

    def theirs(self) -> list[str]:
        """Their columns that the value needs."""
        named = [self.column] if self.column is not None else []
        named += [c for group in (self.first_of, self.concat, self.product_of) for c in group or ()]
        return named + ([self.negative_when.column] if self.negative_when else [])


class LookupSettings(Section):
    """A second file that completes the rows: joined by `keys`, of which each should stand there once.

    `keys` maps a column of the row to the key's name in the second file, `columns` a new name to the
    second file's column.
    """

    path: str
    format: Literal["csv", "json", "parquet", "delta"] = "csv"
    delimiter: Delimiter = ","
    encoding: Encoding = "UTF-8"
    keys: Annotated[dict[str, str], Field(min_length=1)]
    columns: Annotated[dict[str, str], Field(min_length=1)]


class UnpivotSettings(Section):
    """Wide to long: one row per row and column whose name starts with `prefix`, or is none of `except_columns`."""

    prefix: str = ""
    except_columns: list[str] = Field(default_factory=list)
    name: str  # the new column that holds the old column's name
    value: str  # the new column that holds its value

    @model_validator(mode="after")
    def _one_choice(self) -> UnpivotSettings:
        if bool(self.prefix) == bool(self.except_columns):
            raise ValueError("say which columns become rows: by `prefix`, or all but `except_columns`")
        return self


class SourceSettings(Extraction):
    """One source of one silver table: how its rows are had, and which column becomes which."""

    table: str = ""  # the silver table; "": the one of the source's name
    delimiter: Delimiter = ","
    encoding: Encoding = "UTF-8"
    columns: Annotated[dict[str, ColumnMapping], Field(min_length=1)]
    timestamp_format: TimePattern = "yyyy-MM-dd[['T'][' ']HH:mm:ss[.SSSSSS][XXX]]"
    date_format: TimePattern = "yyyy-MM-dd"
    timezone: str = ""  # of times that name none; "": business.timezone
    where: list[Condition] = Field(default_factory=list)
    unpivot: UnpivotSettings | None = None
    lookups: list[LookupSettings] = Field(default_factory=list)
    distinct: bool = False  # one row per key of the table, with the value that most rows have
    latest_by: str = ""  # with distinct: the values of the row with the largest such column
    equal_rows: Literal["duplicates", "pieces"] = "duplicates"  # what equal lines of an order are


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


class ColumnCleaning(Section):
    """What is done to the missing values of a column and to its outliers on the way to silver.

    An outlier lies beyond a fence: `robust_z` deviations from the median, or outside two `quantiles`.
    """

    missing: Literal["keep", "mean", "median", "forward_fill", "constant", "drop"] = "keep"
    constant: bool | int | float | str | None = None
    order_by: str = ""  # forward_fill: the last value along this column of ours
    outliers: Literal["keep", "flag", "winsorise", "drop"] = "keep"
    robust_z: Annotated[float, Field(ge=1)] | None = None
    quantiles: Annotated[list[Share], Field(min_length=2, max_length=2)] | None = None
    log: bool = False  # deviations of the logarithm: for amounts, whose large values are no mistakes; only above 0
    least_values: Positive = 20  # with fewer values nothing tells what is usual
    spare_promotions: bool = True  # of order lines: what sells on promotion is no outlier
    within: list[Identifier] = Field(default_factory=list)  # our columns: each combination of their values by itself

    @model_validator(mode="after")
    def _complete(self) -> ColumnCleaning:
        if (self.constant is not None) != (self.missing == "constant"):
            raise ValueError('missing = "constant" and a constant go together')
        if (self.missing == "forward_fill") != bool(self.order_by):
            raise ValueError('missing = "forward_fill" and order_by go together')
        if self.missing == "forward_fill" and not self.within:
            raise ValueError('missing = "forward_fill" needs within: the columns that tell one series from another')
        fences = [name for name in ("robust_z", "quantiles") if getattr(self, name) is not None]
        if len(fences) != (self.outliers != "keep"):
            raise ValueError("outliers need exactly one of robust_z and quantiles, and neither makes sense without")
        if self.quantiles and self.quantiles[0] >= self.quantiles[1]:
            raise ValueError("quantiles are the lower and the upper one, such as [0.005, 0.995]")
        if self.missing == "keep" and self.outliers == "keep":
            raise ValueError("nothing is to be done: say what to do with missing values or with outliers")
        return self


class MostlyMissing(Section):
    """Rows that say too little: those where a larger share of the columns than this has no value are rejected."""

    columns: Annotated[list[Identifier], Field(min_length=1)]
    max_share: Share


class IngestSettings(Section):
    """Which sources feed silver, what happens to rows that fail a check, and when a delivery is refused."""

    adapter: Literal["complete_journey", "files"]
    mapping: str
    folder: str
    policies: dict[str, Literal["reject", "warn", "off"]]
    checks: list[OwnCheck]
    cleaning: dict[str, dict[str, ColumnCleaning]]
    mostly_missing: dict[str, MostlyMissing]
    test_users: list[str]
    bot_events_per_minute: Positive
    gate: GateSettings
    connections: dict[Identifier, ConnectionSettings]
    sources: dict[str, SourceSettings]

    @model_validator(mode="after")
    def _known_connections(self) -> IngestSettings:
        for name, source in self.sources.items():
            if source.format == "jdbc" and source.connection not in self.connections:
                raise ValueError(
                    f"sources.{name}.connection is {source.connection!r}, which is not in ingest.connections; "
                    f"there are: {', '.join(self.connections) or 'none'}"
                )
        return self

    def databases(self) -> list[Literal["postgresql", "mysql"]]:
        """The kinds of database that a source is read from."""
        read = {self.connections[s.connection].database for s in self.sources.values() if s.format == "jdbc"}
        return sorted(read) if self.adapter == "files" else []


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

    folder: str
    format: Literal["parquet", "csv", "json"]
    partitions: Positive
    truth: bool
    seed: Annotated[int, Field(ge=0)]
    users: Positive
    products: Annotated[int, Field(ge=40)]
    days: Annotated[int, Field(ge=28, le=3660)]
    horizon_days: Annotated[int, Field(ge=1, le=366)]
    topics: Annotated[int, Field(ge=2, le=200)]
    stores: Positive
    rules: Annotated[int, Field(ge=0)]
    users_per_block: Annotated[int, Field(ge=1, le=20000)]
    promotion_share: Share
    campaign_every_days: Days
    campaign_days: Days
    contact_share: Share
    stock_out_share: Share
    return_share: Share
    fraud_share: Share
    yearly_growth: Annotated[float, Field(gt=-1, le=5)]
    newcomer_share: Share
    inventory_days: Days
    dirt: dict[
        Literal[
            "duplicate_row", "broken_date", "unknown_product", "zero_quantity", "negative_amount",
            "missing_product", "missing_user", "late_row",
        ],
        Share,
    ]
    segments: Annotated[dict[str, WorldSegmentSettings], Field(min_length=1)]

    @model_validator(mode="after")
    def _shares_make_sense(self) -> GenerateSettings:
        if sum(self.dirt.values()) > 1:
            raise ValueError("dirt: the rates together are more than 1, but a row has one kind of dirt at most")
        if not sum(s.share for s in self.segments.values()):
            raise ValueError("segments: the shares are all 0")
        return self


class SimulateSettings(Section):
    """How the simulated day is computed; the world says where its raw files go."""

    partitions: Positive


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
    generate: GenerateSettings
    simulate: SimulateSettings
    pipeline: PipelineSettings

    @model_validator(mode="before")
    @classmethod
    def _one_folder(cls, values: Any) -> Any:
        """A world whose folder is "" lies where ingest looks for it, so that one setting moves both."""
        generate, ingest = (dict(values).get(name) for name in ("generate", "ingest"))
        if isinstance(generate, Mapping) and isinstance(ingest, Mapping) and generate.get("folder") == "":
            return {**values, "generate": {**generate, "folder": ingest.get("folder", "")}}
        return values  # what is wrong with them is told of each section


CONF = Path(__file__).resolve().parents[1] / "conf"


def environments(conf: Path = CONF) -> list[str]:
    """Names that --env takes: the files of conf/ but base."""
    return sorted(p.stem for p in conf.glob("*.toml") if p.stem != "base")


def mappings(conf: Path = CONF) -> list[str]:
    """Names that ingest.mapping takes: the files of conf/sources/."""
    return sorted(p.stem for p in (conf / "sources").glob("*.toml"))


def load(env: str | None = None, overrides: Sequence[str] = (), conf: Path = CONF) -> Settings:
    """The settings of an environment with overrides such as "promote.daily_budget=500.0".

    A ready mapping, chosen by ingest.mapping, stands between base and environment, so that either of the
    user's ways to set a key changes it. Raises SettingsError naming each key that is unknown, missing,
    mistyped or out of bounds.
    """
    base, own = _toml(conf / "base.toml"), {}
    if env is not None:
        if env not in environments(conf):
            raise SettingsError(
                f"--env {env}: there is no conf/{env}.toml; there are: {', '.join(environments(conf))}"
            )
        own = _toml(conf / f"{env}.toml")
    for override in overrides:
        own = _merged(own, _override(override))
    mapping = _merged(base, own).get("ingest", {}).get("mapping", "")
    if mapping:
        if mapping not in mappings(conf):
            raise SettingsError(
                f"ingest.mapping {mapping!r}: there is no conf/sources/{mapping}.toml; there are: "
                f"{', '.join(mappings(conf))}"
            )
        base = _merged(base, _toml(conf / "sources" / f"{mapping}.toml"))
    return validated(_merged(base, own))


def validated(values: Mapping[str, Any]) -> Settings:
    """Settings from plain values, as read from TOML or JSON."""
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        problems = [
            f"  {'.'.join(str(p) for p in e['loc'])}: {_sentence(e['type'], e['msg'])}{_found(e)}"
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
    if kind == "extra_forbidden":
        return "there is no such setting"
    if kind == "missing":
        return kind
    return message.removeprefix("Value error, ") if kind == "value_error" else message[0].lower() + message[1:]


_SENSITIVE = re.compile(r"secret|passw|token|credential|api_?key|connections\.", re.IGNORECASE)


def _found(problem: Any) -> str:
    """The value that was found, unless it may be a secret, or hold one, or is a whole section."""
    if problem["type"] in ("missing", "value_error"):
        return ""
    named = ".".join(str(p) for p in problem["loc"])
    if _SENSITIVE.search(named):
        return f", found a value that is not shown; a secret is given by reference: {HOW_TO_WRITE}"
    found = repr(problem["input"])
    return f", found {'values that are not shown' if _SENSITIVE.search(found) else found}"


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
    """`section.key=value` as a line of TOML, so that a key with dots may be quoted; a bare word counts as text."""
    path, equals, raw = text.partition("=")
    for value in (raw, json.dumps(raw)):
        try:
            nested = tomllib.loads(f"{path} = {value}")
        except tomllib.TOMLDecodeError:
            continue
        if equals and isinstance(next(iter(nested.values())), dict):
            return nested
    shown = "(what may be a secret is not shown)" if _SENSITIVE.search(text) else repr(text)
    raise SettingsError(f"--set {shown}: write it as section.key=value, such as promote.daily_budget=500.0")
