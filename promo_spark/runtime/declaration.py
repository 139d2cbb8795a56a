"""How a job is declared: what it reads, for whom, from when; what it writes; by which settings.

    @job(reads=[OrderLines], optional=[Earlier(SegmentPortraits)], writes=[Segments], settings=SegmentSettings)
    def run(ctx: Context[SegmentSettings]) -> None:
        ctx.write(Segments, segments(ctx.read(OrderLines), ctx.read_earlier(SegmentPortraits), …))

The declarations are enforced: a job that reads or writes an undeclared table stops with an error. So they are the
true lineage: the pipeline's order and the documentation are generated from them.
"""

from __future__ import annotations

import datetime
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pyspark.sql import SparkSession

from promo_spark.contracts.schema import RESTRICTED, Personal, Table
from promo_spark.contracts.silver import Users
from promo_spark.errors import ContractError
from promo_spark.settings import Section
from promo_spark.settings.business import BusinessSettings

if TYPE_CHECKING:
    from promo_spark.runtime.context import Context
    from promo_spark.storage.table_logs import TableLogs

S = TypeVar("S", bound=Section)

# Jobs that may declare restricted tables: none of those that profile, model or decide.
_MAY_KNOW_PERSONS = frozenset({"ingest", "export", "maintain", "stream"})


@dataclass(frozen=True)
class Everyone:
    """The rows of all users, also of those who may not be profiled: for sums over everybody. `why` says which."""

    table: type[Table]
    why: str


@dataclass(frozen=True)
class Earlier:
    """The rows of dates before the job's own: the only way in which a job reads a table to its right."""

    table: type[Table]


@dataclass(frozen=True)
class ByHand:
    """What people say of a date that is decided: read as it stands, and no reason to compute the date again.

    A job whose result `follows` it computes the date again once people have said something new.
    """

    table: type[Table]
    follows: bool = False


@dataclass(frozen=True)
class Ahead:
    """The rows that jobs of the same date write for the day after, such as the policy that follows from it."""

    table: type[Table]


@dataclass(frozen=True)
class Where:
    """The rows of a table that is optional, and read only where the settings of the job's section ask for it.

    Where they do not, the job need not wait for who writes the table, nor run again because of it.
    """

    table: type[Table]
    asked: Callable[[Any], bool]


Readable = type[Table] | Everyone | Earlier | ByHand | Ahead | Where


@dataclass(frozen=True)
class Job:
    """A job as declared: its name is the stem of its file, its description the file's docstring.

    `reads` and `optional` hold the tables that are read for the date. `everyone` says why all users' rows of a
    table are read; `profiled` names the tables of which only users who may be profiled are read. `earlier` holds
    the tables of which only earlier dates are read, `by_hand` those that people write, `said` those of them that the
    result follows, `ahead` those of which the rows of the day after are read. A job that `follows` may go on from what
    it wrote itself for an earlier date, see earlier_runs. `beside`: sections of other jobs that it needs. `idle` says
    why the settings give it nothing to do, or nothing. `pages`: what it writes for people, see page_names. A job that
    `keeps_house` has all tables in hand, runs while no other run does, and is never current. One
    that `goes_on` takes what came since it last ran: no date of it is ever done. `refreshes`: tables of other jobs in
    which it changes rows of its date without making them anew. `leaves` says why a date is left as it is though its
    inputs have changed, or nothing. `where`: of optional tables that only some settings ask for, which do.
    """

    name: str
    description: str
    reads: tuple[type[Table], ...]
    optional: tuple[type[Table], ...]
    writes: tuple[type[Table], ...]
    settings: type[Section]
    function: Callable[[Context[Any]], None]
    inputs: Callable[[Any, SparkSession | None, datetime.date], str] | None = None
    look: Callable[[Context[Any]], str] | None = None
    refuse: Callable[[Any, BusinessSettings], None] | None = None
    everyone: Mapping[type[Table], str] = field(default_factory=dict)
    profiled: tuple[type[Table], ...] = ()
    earlier: tuple[type[Table], ...] = ()
    by_hand: tuple[type[Table], ...] = ()
    ahead: tuple[type[Table], ...] = ()
    said: tuple[type[Table], ...] = ()
    idle: Callable[[Any], str] | None = None
    follows: bool = False
    beside: tuple[type[Section], ...] = ()
    pages: tuple[str, ...] = ()
    keeps_house: bool = False
    goes_on: bool = False
    refreshes: tuple[type[Table], ...] = ()
    leaves: Callable[[TableLogs, datetime.date], str] | None = None
    where: Mapping[type[Table], Callable[[Any], bool]] = field(default_factory=dict)

    def asked_by(self, settings: Section) -> Job:
        """The job without the tables that settings of its section do not ask for, see Where."""
        not_asked = {table for table, asked in self.where.items() if not asked(settings)}
        return replace(self, optional=tuple(t for t in self.optional if t not in not_asked))

    def page_names(self, date: datetime.date) -> list[str]:
        """What its pages of a date are called, below the folder of pages."""
        return [page.format(date=date) for page in self.pages]


def job(
    *,
    reads: Sequence[Readable],
    writes: Sequence[type[Table]],
    settings: type[S],
    optional: Sequence[Readable] = (),
    inputs: Callable[[S, SparkSession | None, datetime.date], str] | None = None,
    look: Callable[[Context[S]], str] | None = None,
    refuse: Callable[[S, BusinessSettings], None] | None = None,
    idle: Callable[[S], str] | None = None,
    follows: bool = False,
    beside: Sequence[type[Section]] = (),
    pages: Sequence[str] = (),
    keeps_house: bool = False,
    goes_on: bool = False,
    refreshes: Sequence[type[Table]] = (),
    leaves: Callable[[TableLogs, datetime.date], str] | None = None,
) -> Callable[[Callable[[Context[S]], None]], Job]:
    """Declares the function as the job that its file is named after.

    `inputs` gives a digest of what the job reads from outside the lake, so that a change of it is noticed. It may be
    called before Spark starts, without a session, and then raises SparkNeededError for what only Spark can tell.
    `refuse` raises SettingsError for settings that cannot be right; it is called before Spark starts.
    A job that `follows` may go on from its own tables of an earlier date where that gives the same rows, to the bit, as
    without them. So they are no inputs: neither the run's id nor whether the date is current depends on them.
    `idle` says why settings give the job nothing to do, "" where they do; the pipeline then leaves it out.
    `beside` names sections of other jobs, of which the result depends too: `ctx.beside(PromoteSettings)`.
    `pages` are the names of the pages that it writes beside the tables, with {date} for the date. Like rows of tables
    they carry the run's id, by which the date is known to be current.
    A job that `keeps_house` may take every table in hand (`ctx.every_table`), with files that no run's id names: it
    runs each time it is asked to, and while no other run is open.
    `refreshes` names tables of other jobs in which it changes rows, see refreshing. `leaves` says why the job leaves a
    date as it is, whatever its inputs, unless it is forced: what has been done about it since would be undone.
    A job that `goes_on` takes what came since it last ran, in steps that stay: see Context.settle.
    `look` is what --check shows: what the job would make of its inputs, without writing anything.
    Raises ContractError for a restricted table in a job that is not to know who a user is, and for Everyone of a
    table without users.
    """

    def declared(function: Callable[[Context[S]], None]) -> Job:
        module = inspect.getmodule(function)
        file = inspect.getsourcefile(function)
        assert module is not None and file is not None
        name = Path(file).stem
        everyone = {r.table: r.why for r in (*reads, *optional) if isinstance(r, Everyone)}
        _refuse_needless(name, everyone)
        plain = [_table(r) for r in (*reads, *optional) if isinstance(r, (type, Where))]
        profiled = tuple(dict.fromkeys(t for t in plain if has_users(t)))
        current = tuple(dict.fromkeys(_table(r) for r in reads if not isinstance(r, (Earlier, ByHand, Ahead))))
        where_there = [_table(r) for r in optional if not isinstance(r, (Earlier, ByHand, Ahead))]
        if profiled:
            where_there.append(Users)  # it says who may be profiled
        earlier = tuple(r.table for r in (*reads, *optional) if isinstance(r, Earlier))
        by_hand = tuple(r.table for r in (*reads, *optional) if isinstance(r, ByHand))
        ahead = tuple(r.table for r in (*reads, *optional) if isinstance(r, Ahead))
        where = {r.table: r.asked for r in optional if isinstance(r, Where)}
        said = tuple(r.table for r in (*reads, *optional) if isinstance(r, ByHand) and r.follows)
        _refuse_restricted(name, [*current, *where_there, *earlier, *by_hand, *ahead, *writes, *refreshes])
        return Job(
            name=name,
            description=(module.__doc__ or "").strip(),
            reads=current,
            optional=tuple(dict.fromkeys(t for t in where_there if t not in current)),
            writes=tuple(writes),
            settings=settings,
            function=function,
            inputs=inputs,
            look=look,
            refuse=refuse,
            everyone=everyone,
            profiled=profiled,
            earlier=earlier,
            by_hand=by_hand,
            ahead=ahead,
            said=said,
            idle=idle,
            follows=follows,
            beside=tuple(beside),
            pages=tuple(pages),
            keeps_house=keeps_house,
            goes_on=goes_on,
            refreshes=tuple(refreshes),
            leaves=leaves,
            where=where,
        )

    return declared


def has_users(table: type[Table]) -> bool:
    """Whether a table of what a retailer delivers has rows of users, so that consent decides who is in it."""
    return table.layer == "silver" and table.personal().get(Users.user_id) is Personal.IDENTIFIER


def _table(readable: Readable) -> type[Table]:
    return readable if isinstance(readable, type) else readable.table


def _refuse_needless(name: str, everyone: Mapping[type[Table], str]) -> None:
    for table, why in everyone.items():
        if not has_users(table):
            raise ContractError(f"job {name} declares Everyone({table.full_name()}), which has no users: name it alone")
        if not why.strip():
            raise ContractError(f"job {name} declares Everyone({table.full_name()}) without a reason: say why")


def _refuse_restricted(name: str, tables: Sequence[type[Table]]) -> None:
    restricted = sorted({t.full_name() for t in tables if t.layer == RESTRICTED})
    if restricted and name not in _MAY_KNOW_PERSONS:
        raise ContractError(
            f"job {name} declares {', '.join(restricted)}: only {', '.join(sorted(_MAY_KNOW_PERSONS))} may; "
            "work with the pseudonym, user_id"
        )
