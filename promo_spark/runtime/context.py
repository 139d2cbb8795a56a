"""What a running job may use: its date, its settings, the tables that it declared."""

from __future__ import annotations

import contextlib
import datetime
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar, cast

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from promo_spark.contracts.models import Metrics
from promo_spark.contracts.schema import Table
from promo_spark.contracts.silver import Users
from promo_spark.errors import ContractError, MissingDataError
from promo_spark.installation import launcher
from promo_spark.measures.consent import profiled
from promo_spark.runtime.declaration import Job
from promo_spark.runtime.earlier_runs import EarlierRun, earlier_run
from promo_spark.runtime.freshness import NO_ROWS
from promo_spark.runtime.own_lake import OwnLake
from promo_spark.runtime.progress import Step
from promo_spark.runtime.source_counts import SourceCounts
from promo_spark.settings import Section
from promo_spark.settings.business import BusinessSettings
from promo_spark.storage.commits import Mark, TableVersion
from promo_spark.storage.driver_rows import Rows
from promo_spark.storage.histories import days_touched, with_id
from promo_spark.storage.lake import Lake, Written
from promo_spark.storage.literals import SliceValue
from promo_spark.storage.pages import why_no_pages, write_page
from promo_spark.storage.refused_rows import collected

S = TypeVar("S", bound=Section)
B = TypeVar("B", bound=Section)

_RUN_ID = "run_id"  # of every table that jobs write: the run that wrote the row
REFUSED = "-refused"  # ends the run_id of rows that only say why a delivery was refused


@dataclass
class Context(Generic[S]):
    """One run of a job. Every table is read at one version, the one at which the run began."""

    job: Job
    date: datetime.date
    settings: S
    business: BusinessSettings
    run_id: str
    whole_lake: Lake = field(repr=False)
    step: Step
    earlier_rows: Mapping[str, Sequence[int]] = field(default_factory=dict)  # source → rows of loads for other dates
    taken: Mapping[str, int] = field(default_factory=dict)  # change feed → version that the last succeeded run took
    force: bool = False  # what was read and written before counts for nothing: --force
    began: int = 0  # by the clock of the lake's file system, in milliseconds
    versions_in: Mapping[str, int] = field(default_factory=dict)  # table → version to read
    runs_in: Mapping[str, str] = field(default_factory=dict)  # table → the run that wrote its rows of the date
    left_empty: AbstractSet[str] = field(default_factory=set)  # tables in which a run for the date wrote no row
    wait_seconds: float = 120.0  # how long it waits for another run that writes the same rows
    made_by: str = ""  # digest of the code and the settings
    sections: Mapping[type[Section], Section] = field(default_factory=dict)  # those of other jobs that it names
    takes: dict[str, int] = field(default_factory=dict)  # change feed → version that this run takes
    rows_out: dict[str, int] = field(default_factory=dict)
    versions_out: dict[str, int] = field(default_factory=dict)
    versions_before: dict[type[Table], int | None] = field(default_factory=dict)
    sources: dict[str, SourceCounts] = field(default_factory=dict)
    stop_asked: threading.Event = field(default_factory=threading.Event)
    _slices: dict[type[Table], Mapping[str, SliceValue]] = field(default_factory=dict)
    _kept: list[DataFrame] = field(default_factory=list)
    _lasting: list[DataFrame] = field(default_factory=list)  # those of them that outlive a step
    _inputs: dict[str, TableVersion] = field(default_factory=dict)  # of a job that follows

    @property
    def spark(self) -> SparkSession:
        return self.whole_lake.spark

    @property
    def lake(self) -> OwnLake:
        return OwnLake(self.whole_lake, self.job)

    @property
    def every_table(self) -> Lake:
        """The lake as a whole, for a job that keeps house. Raises ContractError in any other."""
        if not self.job.keeps_house:
            raise ContractError(f"job {self.job.name} wants all tables in hand: only one declared with keeps_house may")
        return self.whole_lake

    def read(self, table: type[Table]) -> DataFrame:
        """The table; of tables by date, the rows of the job's date; of tables with users, those who may be profiled.

        Rows of nobody in particular, such as anonymous sales, are in it. Raises MissingDataError if there are none,
        unless the job that writes them has run for the date and had none to write.
        """
        self._declared(table, self.job.reads + self.job.optional, "reads")
        if table in self.job.everyone and table not in self.job.profiled:
            raise ContractError(
                f"job {self.job.name} declares Everyone({table.full_name()}): use read_everyone, or declare "
                f"{table.full_name()} itself for the rows of users who may be profiled"
            )
        rows = self._of_date(table)
        return self._profiled(rows) if table in self.job.profiled else rows

    def read_optional(self, table: type[Table]) -> DataFrame:
        """The table as `read` gives it, or an empty frame where it is missing."""
        self._declared(table, self.job.optional, "optional")
        try:
            return self.read(table)
        except MissingDataError:
            return table.frame(self.spark)

    def beside(self, section: type[B]) -> B:
        """The settings of another job, as declared with beside."""
        found = self.sections.get(section)
        if not isinstance(found, section):
            raise ContractError(f"job {self.job.name} reads {section.__name__}: declare it with beside")
        return found

    def under(self, section: type[B], date: datetime.date | None = None) -> Context[B]:
        """The same run as a step of another job sees it: under its settings, if need be for another date."""
        changed: Any = replace(self, date=date or self.date)
        changed.settings = self.beside(section)
        return cast("Context[B]", changed)

    def exists(self, table: type[Table]) -> bool:
        """Whether an optional table is there at all."""
        self._declared(table, self.job.optional, "optional")
        return self.whole_lake.exists(table)

    def read_everyone(self, table: type[Table]) -> DataFrame:
        """The rows of all users, as declared with Everyone; an empty frame where an optional table is missing."""
        self._declared(table, self.job.everyone, "Everyone(…)")
        if table in self.job.optional and not self.whole_lake.exists(table):
            return table.frame(self.spark)
        return self._of_date(table)

    def read_earlier(self, table: type[Table]) -> DataFrame:
        """The rows of dates before the job's date, as declared with Earlier; an empty frame where there are none."""
        self._declared(table, self.job.earlier, "Earlier(…)")
        if table.dated_by is None:
            raise ContractError(f"{table.full_name()} has no date, so it has no earlier rows to read")
        if not self.whole_lake.exists(table):
            return table.frame(self.spark)
        return self._at_version(table).filter(F.col(table.dated_by) < F.lit(self.date))

    def earlier(self, table: type[Table]) -> DataFrame | None:
        """The same; None where there is no such table, so that nobody need ask a frame whether it is empty."""
        return self.read_earlier(table) if self.whole_lake.exists(table) else None

    def read_ahead(self, table: type[Table]) -> DataFrame:
        """The rows of the day after, as declared with Ahead; an empty frame where there are none."""
        self._declared(table, self.job.ahead, "Ahead(…)")
        if not self.whole_lake.exists(table):
            return table.frame(self.spark)
        return self._at_version(table, self.date + datetime.timedelta(table.days_ahead))

    def read_by_hand(self, table: type[Table]) -> DataFrame:
        """What people wrote into a table, as declared with ByHand; an empty frame where nobody did."""
        self._declared(table, self.job.by_hand, "ByHand(…)")
        return self.whole_lake.read(table) if self.whole_lake.exists(table) else table.frame(self.spark)

    def own(self, table: type[Table]) -> DataFrame:
        """What this job itself wrote into the table before; an empty frame where it did not."""
        self._declared(table, self.job.writes, "writes")
        return self.whole_lake.read(table) if self.whole_lake.exists(table) else table.frame(self.spark)

    def earlier_run(self, days: int, tables: Sequence[type[Table]] = ()) -> EarlierRun | None:
        """The newest run of the job, for one of so many days before the date, that this run can go on from.

        `tables` are those that it goes on from, if not all that the job writes. None: there is none, or all is to be
        computed anew.
        """
        if not self.job.follows:
            raise ContractError(f"job {self.job.name} goes on from an earlier date, but is not declared with follows")
        if self.force or not days:
            return None
        found = earlier_run(self.whole_lake, self.job, self.date, self.made_by, days, tables or self.job.writes)
        ids = {name: version.table_id for name, version in self._followable().items()}
        made_anew = found and any(ids.get(name, v.table_id) != v.table_id for name, v in found.inputs.items())
        return None if made_anew else found

    def own_rows(self, table: type[Table], of: EarlierRun) -> DataFrame:
        """What an earlier run wrote into a table of the job, without users who may not be profiled any more."""
        self._declared(table, self.job.writes, "writes")
        rows = self.whole_lake.read(table, of.tables[table.full_name()], of.date)
        return self._profiled(rows) if Users.user_id in table.personal() else rows

    def read_then(self, table: type[Table], of: EarlierRun) -> DataFrame:
        """A table as an earlier run found it, empty where it was not there; with users, as declared with Everyone."""
        if Users.user_id in table.columns():
            self._declared(table, self.job.everyone, "Everyone(…)")
        else:
            self._declared(table, self.job.reads + self.job.optional, "reads")
        read = of.inputs.get(table.full_name())
        return table.frame(self.spark) if read is None else self.whole_lake.read(table, read.version)

    def unchanged(self, table: type[Table], since: EarlierRun) -> bool:
        """Whether a table is at the version that an earlier run read, or was not there then either."""
        name = table.full_name()
        return self._followable().get(name) == since.inputs.get(name)

    def days_changed(self, table: type[Table], since: EarlierRun) -> list[datetime.date] | None:
        """The days of a table by days that commits touched since an earlier run read it; None: not known any more."""
        self._declared(table, self.job.reads, "reads")
        name = table.full_name()
        return days_touched(self.whole_lake, table, since.inputs[name].version, self.versions_in[name])

    def write(
        self,
        table: type[Table],
        df: DataFrame | Rows,
        slice_values: Mapping[str, SliceValue] | None = None,
        stays: bool = False,
        by_key: bool = False,
        gone: DataFrame | None = None,
    ) -> Written:
        """The rows in place of what the table held for this date; taken back if the job fails later.

        Rows that the driver holds are best given as they are, not as a frame: they then take no query.

        The table's date, the run's id and, where several jobs write, the job are stamped here, in one place. With
        `by_key` and `gone` rows are merged and deleted by their keys, see Lake.write. What `stays` is not taken
        back: it says why the job failed, and its run_id says that the run was refused.
        """
        self._going_on()
        self._declared(table, self.job.writes, "writes")
        slice_of_run: dict[str, SliceValue] = (
            {table.dated_by: self.date + datetime.timedelta(table.days_ahead)} if table.dated_by else {}
        )
        if table.written_by:
            slice_of_run[table.written_by] = self.job.name
        if table not in self.versions_before and not stays:
            # two loads side by side may write the same table: the first counts
            self.versions_before.setdefault(table, self.whole_lake.version(table))
            self._slices[table] = slice_of_run
        mark = Mark(self.run_id, self.job.name, self.date.isoformat())
        if self.job.follows:
            mark = replace(mark, made_by=self.made_by, inputs=self._followable())
        written = self.whole_lake.write(
            table, self._stamped(table, df, stays), {**slice_of_run, **(slice_values or {})}, by_key, gone, mark
        )
        name = table.full_name()
        self.versions_out[name] = written.version
        self.rows_out[name] = self.rows_out.get(name, 0) + written.rows
        return written

    def why_no_pages(self) -> str | None:
        """Why the lake cannot hold pages; None where it can."""
        return why_no_pages(self.whole_lake)

    def write_page(self, name: str, html: str) -> str:
        """A declared page in place of what was there, marked with the run's id; its path."""
        self._going_on()
        if name not in self.job.page_names(self.date):
            raise ContractError(f"job {self.job.name} writes the page {name}, which its pages do not declare")
        return write_page(self.whole_lake, name, html, self.run_id)

    def metrics(self, df: DataFrame | Rows) -> Written:
        """Quality figures (metric, slice, value, n) of this job and date: so few that the driver holds them."""
        return self.write_few(Metrics, df) if isinstance(df, DataFrame) else self.write(Metrics, df)

    def write_few(self, table: type[Table], df: DataFrame) -> Written:
        """As `write`, of a frame with so few rows that the driver holds them: one query in place of two."""
        return self.write(table, [row.asDict() for row in collected(df)])

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
        self._going_on()
        self.step.say(text)

    def note(self, text: str) -> None:
        """Says something that stays on the screen, such as what the job had to do without."""
        self._going_on()
        self.step.note(text)

    def release(self) -> None:
        for df in self._kept:
            df.unpersist()
        self._kept.clear()
        self._lasting.clear()

    def make_room(self) -> None:
        """Deletes what this run's unfinished writes left on the disk."""
        for table in self.versions_before:
            self.whole_lake.make_room(table, self.began)

    def take_back(self) -> None:
        """Every table that this run wrote, as it was before the run: the rows of its date, or the whole table."""
        for table, version in reversed(self.versions_before.items()):
            self.whole_lake.take_back(table, version, self._slices[table], self.run_id)

    def checkpoints(self) -> str:
        """The folder of the lake in which a job that goes on may write down how far it came."""
        return f"{self.whole_lake.root}/_checkpoints/{self.job.name}"

    def settle(self) -> None:
        """Ends a step of a job that goes on: what is written stays, whatever becomes of the steps after it."""
        if not self.job.goes_on:
            raise ContractError(f"job {self.job.name} keeps a part of its work, but is not declared with goes_on")
        self.versions_before.clear()
        self._slices.clear()
        lasting = {id(df) for df in self._lasting}
        for df in self._kept:
            if id(df) not in lasting:
                df.unpersist()
        self._kept[:] = self._lasting

    @contextlib.contextmanager
    def kept_for_all_steps(self) -> Iterator[None]:
        """What the block keeps is held until the job ends, and not only until its step does."""
        before = len(self._kept)
        yield
        self._lasting += self._kept[before:]

    def _going_on(self) -> None:
        """Raises KeyboardInterrupt in a job's own thread once the call is asked to stop."""
        if self.stop_asked.is_set():
            raise KeyboardInterrupt("stopped by Ctrl-C or SIGTERM")

    def _followable(self) -> Mapping[str, TableVersion]:
        """The versions that this run reads, for the commits of a job that follows; of any other job none."""
        if self.job.follows and not self._inputs:
            tables = {table.full_name(): table for table in (*self.job.reads, *self.job.optional)}
            self._inputs |= {
                name: with_id(self.whole_lake, tables[name], version)
                for name, version in self.versions_in.items()
                if name in tables
            }
        return self._inputs

    def _of_date(self, table: type[Table]) -> DataFrame:
        rows = self._at_version(table, self.date)
        if table.dated_by and table.full_name() not in self.left_empty and self._is_empty(table, rows):
            raise MissingDataError(
                f"{table.full_name()} has no rows for {self.date}: run the job that writes it for that date first "
                f"({launcher()} pipeline runs all in order)"
            )
        return rows

    def _is_empty(self, table: type[Table], rows: DataFrame) -> bool:
        """Whether there are no rows of the date: known already of what the run's id was made of."""
        runs = self.runs_in.get(table.full_name())
        return rows.isEmpty() if runs is None else runs == NO_ROWS

    def _at_version(self, table: type[Table], date: datetime.date | None = None) -> DataFrame:
        try:
            return self.whole_lake.read(table, self.versions_in.get(table.full_name()), date)
        except MissingDataError as error:
            if table.layer != "silver":
                hint = f"run the job that writes it first ({launcher()} pipeline runs all in order)"
                raise MissingDataError(f"{error}: {hint}") from None
            hint = f"no source of ingest has fed it, see [ingest.sources.{table.name}] in docs/sources.md"
            raise MissingDataError(f"{error}: {hint}") from None

    def _profiled(self, rows: DataFrame) -> DataFrame:
        users = self._at_version(Users) if self.whole_lake.exists(Users) else Users.frame(self.spark)
        return profiled(rows, users, unknown_consent=self.business.privacy.unknown_profiling_consent)

    def _stamped(self, table: type[Table], df: DataFrame | Rows, stays: bool) -> DataFrame | Rows:
        stamps: dict[str, Any] = {}
        if table.dated_by:
            stamps[table.dated_by] = self.date + datetime.timedelta(table.days_ahead)
        if table.written_by:
            stamps[table.written_by] = self.job.name
        if _RUN_ID in table.columns():
            stamps[_RUN_ID] = self.run_id + (REFUSED if stays else "")
        if not isinstance(df, DataFrame):
            return [{**row, **stamps} for row in df]
        return df.withColumns({name: F.lit(value) for name, value in stamps.items()}) if stamps else df

    def _declared(self, table: type[Table], declared: Collection[type[Table]], what: str) -> None:
        if table not in declared:
            raise ContractError(f"job {self.job.name} uses {table.full_name()}, which its {what} do not declare")
