"""What ingest takes in, how it judges and cleans rows, and when it refuses a delivery."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from promo_spark.settings.sections import Count, Factor, Folder, Identifier, Positive, Section, Share, Weight
from promo_spark.settings.sources import ConnectionSettings, SourceSettings


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
    min_share_of_usual: Weight | None = None
    max_share_of_usual: Factor | None = None
    max_missing_days: Count | None = None
    max_changed_types: Count | None = None
    max_removed_share: Share | None = None
    day_before_expected: bool | None = None


class GateSettings(Section):
    """When a delivery as a whole is refused."""

    judged_from_rows: Positive
    max_rejected_share: Share
    usual_loads: Positive
    least_loads: Positive
    min_share_of_usual: Weight
    max_share_of_usual: Factor
    max_missing_days: Count
    max_changed_types: Count
    max_removed_share: Share
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
    robust_z: Annotated[float, Field(ge=1, le=1e6)] | None = None
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
    folder: Folder
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

    def placed(self, path: str) -> str:
        """A path of a mapping where it lies: a relative one in the folder, without one where the run starts."""
        if path.startswith("/") or ":/" in path or not self.folder:
            return path
        return f"{self.folder.rstrip('/')}/{path}"

    def databases(self) -> list[Literal["postgresql", "mysql"]]:
        """The kinds of database that a source is read from."""
        read = {self.connections[s.connection].database for s in self.sources.values() if s.format == "jdbc"}
        return sorted(read) if self.adapter == "files" else []
