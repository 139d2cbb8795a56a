"""How a job is declared, and what it is given to work with.

    @job(reads=[OrderLines], writes=[BasketRules], settings=BasketsSettings)
    def run(ctx: Context[BasketsSettings]) -> None:
        ctx.write(BasketRules, basket_rules(ctx.read(OrderLines), ...))

The declarations are enforced: reading or writing an undeclared table is an error. That makes them the
true lineage, from which the pipeline's order and the documentation are generated.
"""

from __future__ import annotations

import datetime
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from promo_spark.contracts.models import Metrics
from promo_spark.contracts.schema import RESTRICTED, Table, WriteMode
from promo_spark.errors import ContractError, MissingDataError
from promo_spark.runtime.progress import Step
from promo_spark.settings import Section
from promo_spark.settings.business import BusinessSettings
from promo_spark.storage.lake import Lake, SliceValue, Written

S = TypeVar("S", bound=Section)

_DATE_COLUMNS = ("as_of", "date")

# Jobs that may declare restricted tables: none of those that profile, model or decide.
_MAY_KNOW_PERSONS = frozenset({"ingest", "export", "maintain"})


@dataclass(frozen=True)
class SourceCounts:
    """Rows of one source: rows_in = accepted + quarantined + blank, and the rejected by reason."""

    rows_in: int
    accepted: int
    quarantined: int
    blank: int
    reasons: Mapping[str, int]

    def balanced(self) -> bool:
        return self.rows_in == self.accepted + self.quarantined + self.blank


@dataclass(frozen=True)
class Job:
    """A job as declared: its name is the stem of its file, its description the file's docstring."""

    name: str
    description: str
    reads: tuple[type[Table], ...]
    optional: tuple[type[Table], ...]
    writes: tuple[type[Table], ...]
    settings: type[Section]
    function: Callable[[Context[Any]], None]
    inputs: Callable[[Section, SparkSession], str] | None = None

    def date_dependent(self, table: type[Table]) -> bool:
        return _date_column(table) is not None


@dataclass
class Context(Generic[S]):
    """What a running job may use: its date, its settings, the tables it declared."""

    job: Job
    date: datetime.date
    settings: S
    business: BusinessSettings
    run_id: str
    lake: Lake
    step: Step
    earlier_rows: Mapping[str, Sequence[int]] = field(default_factory=dict)  # source → rows of loads for other dates
    taken: Mapping[str, int] = field(default_factory=dict)  # change feed → version that the last succeeded run took
    takes: dict[str, int] = field(default_factory=dict)  # change feed → version that this run takes
    rows_out: dict[str, int] = field(default_factory=dict)
    versions_out: dict[str, int] = field(default_factory=dict)
    versions_before: dict[type[Table], int | None] = field(default_factory=dict)
    sources: dict[str, SourceCounts] = field(default_factory=dict)
    _kept: list[DataFrame] = field(default_factory=list)

    @property
    def spark(self) -> SparkSession:
        return self.lake.spark

    def read(self, table: type[Table]) -> DataFrame:
        """The table; of tables by date, the rows of the job's date. MissingDataError if there are none."""
        self._declared(table, self.job.reads + self.job.optional, "reads")
        df = self.lake.read(table)
        date_column = _date_column(table)
        if date_column is None:
            return df
        df = df.filter(F.col(date_column) == F.lit(self.date))
        if df.isEmpty():
            raise MissingDataError(
                f"{table.full_name()} has no rows for {self.date}: run the job that writes it for that date first "
                "(scripts/submit.sh pipeline runs all in order)"
            )
        return df

    def read_optional(self, table: type[Table]) -> DataFrame:
        """The table as `read` gives it, or an empty frame where it is missing."""
        self._declared(table, self.job.optional, "optional")
        try:
            return self.read(table)
        except MissingDataError:
            return table.frame(self.spark)

    def own(self, table: type[Table]) -> DataFrame:
        """What this job itself wrote into the table before; an empty frame where it did not."""
        self._declared(table, self.job.writes, "writes")
        return self.lake.read(table) if self.lake.exists(table) else table.frame(self.spark)

    def history(self, table: type[Table]) -> DataFrame:
        """The rows of dates before the job's date; an empty frame where there are none."""
        self._declared(table, self.job.optional, "optional")
        date_column = _date_column(table)
        if date_column is None:
            raise ContractError(f"{table.full_name()} has no date, so it has no history to read")
        if not self.lake.exists(table):
            return table.frame(self.spark)
        return self.lake.read(table).filter(F.col(date_column) < F.lit(self.date))

    def write(
        self,
        table: type[Table],
        df: DataFrame,
        slice_values: Mapping[str, SliceValue] | None = None,
        stays: bool = False,
        by_key: bool = False,
        gone: DataFrame | None = None,
    ) -> Written:
        """The frame in place of what the table held for this date; taken back if the job fails later.

        With `by_key` and `gone` rows are merged and deleted by their keys, see Lake.write. What `stays` is not
        taken back: it tells why the job failed.
        """
        self._declared(table, self.job.writes, "writes")
        if table not in self.versions_before and not stays:
            # two loads side by side may write the same table: the first counts
            self.versions_before.setdefault(table, self.lake.version(table))
        of_date: dict[str, SliceValue] = {c: self.date for c in _DATE_COLUMNS if c in table.columns()}
        if table is Metrics:
            of_date["job"] = self.job.name
        written = self.lake.write(table, df, {**of_date, **(slice_values or {})}, by_key, gone)
        name = table.full_name()
        self.versions_out[name] = written.version
        self.rows_out[name] = self.rows_out.get(name, 0) + written.rows
        return written

    def metrics(self, df: DataFrame) -> Written:
        """Quality figures (metric, slice, value, n) of this job and date."""
        return self.write(Metrics, df.withColumn("as_of", F.lit(self.date)).withColumn("job", F.lit(self.job.name)))

    def keep(self, df: DataFrame) -> DataFrame:
        """The frame, computed once and held until the job ends."""
        kept = df.persist()
        self._kept.append(kept)
        return kept

    def count_source(self, source: str, counts: SourceCounts) -> None:
        """Puts a source's balance into the run log; an unbalanced one stops the job."""
        if not counts.balanced():
            raise ContractError(
                f"source {source}: {counts.rows_in} rows in, but {counts.accepted} accepted + "
                f"{counts.quarantined} quarantined + {counts.blank} blank; rows would be lost, so nothing is kept"
            )
        self.sources[source] = counts

    def say(self, text: str) -> None:
        self.step.say(text)

    def release(self) -> None:
        for df in self._kept:
            df.unpersist()
        self._kept.clear()

    def take_back(self) -> None:
        """Every table this run wrote, as it was before the run."""
        for table, version in self.versions_before.items():
            self.lake.restore(table, version)

    def _declared(self, table: type[Table], declared: Sequence[type[Table]], what: str) -> None:
        if table not in declared:
            raise ContractError(f"job {self.job.name} uses {table.full_name()}, which its {what} do not declare")


def job(
    *,
    reads: Sequence[type[Table]],
    writes: Sequence[type[Table]],
    settings: type[S],
    optional: Sequence[type[Table]] = (),
    inputs: Callable[[S, SparkSession], str] | None = None,
) -> Callable[[Callable[[Context[S]], None]], Job]:
    """Declares the function as the job that its file is named after.

    `inputs` gives a digest of what the job reads from outside the lake, so that a change of it is noticed.
    Raises ContractError for a restricted table in a job that is not to know who a user is.
    """

    def declared(function: Callable[[Context[S]], None]) -> Job:
        module = inspect.getmodule(function)
        file = inspect.getsourcefile(function)
        assert module is not None and file is not None
        name = Path(file).stem
        _refuse_restricted(name, [*reads, *optional, *writes])
        return Job(
            name=name,
            description=(module.__doc__ or "").strip(),
            reads=tuple(reads),
            optional=tuple(optional),
            writes=tuple(writes),
            settings=settings,
            function=function,
            inputs=inputs,  # type: ignore[arg-type]  # the section given is always of the declared type
        )

    return declared


def _refuse_restricted(name: str, tables: Sequence[type[Table]]) -> None:
    restricted = sorted({t.full_name() for t in tables if t.layer == RESTRICTED})
    if restricted and name not in _MAY_KNOW_PERSONS:
        raise ContractError(
            f"job {name} declares {', '.join(restricted)}: only {', '.join(sorted(_MAY_KNOW_PERSONS))} may; "
            "work with the pseudonym, user_id"
        )


def _date_column(table: type[Table]) -> str | None:
    """The column that tells for which date a row was computed; facts by day have none."""
    if table.write_mode is WriteMode.REPLACE_DAYS:
        return None
    return next((c for c in _DATE_COLUMNS if c in table.partition), None)
