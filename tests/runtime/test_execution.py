"""Jobs run once, resume, take back what failed, and log what they did, on a real lake with two toy jobs."""

from __future__ import annotations

import datetime
import json

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.ops import DataQuality, Runs
from promo_spark.contracts.schema import Col, Table, WriteMode
from promo_spark.errors import ContractError, MissingDataError, SourceError
from promo_spark.runtime.job import Context, Job, SourceCounts
from promo_spark.runtime.pipeline import dependencies, run_in_order
from promo_spark.runtime.progress import Progress
from promo_spark.runtime.run_log import RunLog
from promo_spark.settings import load
from promo_spark.settings.baskets import BasketsSettings
from promo_spark.settings.ingest import IngestSettings
from promo_spark.settings.segment import SegmentSettings
from promo_spark.storage.lake import Lake

DATE = datetime.date(2017, 12, 1)


class Numbers(Table):
    """One row per number taken in."""

    layer, name = "silver", "numbers"
    key = ("n",)
    write_mode = WriteMode.OVERWRITE
    n = Col(T.LongType(), "the number", required=True)
    run_id = Col(T.StringType(), "the run")


class Sums(Table):
    """One row per date."""

    layer, name = "models", "sums"
    key = ("as_of",)
    partition = ("as_of",)
    dated_by = "as_of"
    as_of = Col(T.DateType(), "the date", required=True)
    run_id = Col(T.StringType(), "the run")
    total = Col(T.LongType(), "sum of the numbers", required=True)


class Shop:
    """What the toy jobs take in, and how often they ran; `broken` makes the second fail after its write."""

    def __init__(self) -> None:
        self.numbers = [1, 2]
        self.ran: list[str] = []
        self.broken = False

    def jobs(self) -> list[Job]:
        def take_in(ctx: Context[IngestSettings]) -> None:
            self.ran.append("ingest")
            ctx.write(Numbers, Numbers.frame(ctx.spark, [{"n": n} for n in self.numbers]))
            judged = {"source": "numbers", "criticality": "gate", "rows": len(self.numbers)}
            ctx.write(DataQuality, [judged])
            ctx.count_source("numbers", SourceCounts(len(self.numbers) + 2, len(self.numbers), 1, 1, {"odd": 1}))

        def add_up(ctx: Context[BasketsSettings]) -> None:
            self.ran.append("baskets")
            total = ctx.read(Numbers).agg(F.sum("n").alias("total")).withColumn("as_of", F.lit(ctx.date))
            ctx.write(Sums, total)
            if self.broken:
                raise SourceError("broken on purpose")

        return [
            Job("baskets", "Adds up.", (Numbers,), (), (Sums,), BasketsSettings, add_up),
            Job(
                "ingest",
                "Takes in.",
                (),
                (),
                (Numbers, DataQuality),
                IngestSettings,
                take_in,
                lambda _settings, _spark, _date: str(self.numbers),
            ),
        ]

    def run(self, lake: Lake, *overrides: str, date: datetime.date = DATE, force: bool = False) -> dict[str, str]:
        self.ran.clear()
        ended = run_in_order(self.jobs(), lake, load(None, overrides), date, Progress(), force)
        return {name: done.outcome for name, done in ended.items()}


def test_jobs_run_in_the_order_of_their_declarations() -> None:
    assert dependencies(Shop().jobs()) == {"baskets": {"ingest"}, "ingest": set()}


def test_a_repeated_run_changes_nothing_and_a_moved_input_runs_what_depends_on_it(lake: Lake) -> None:
    """O09 (idempotent jobs): the second run writes no version of any table."""
    shop = Shop()
    assert shop.run(lake) == {"ingest": "written", "baskets": "written"}
    versions = {t: lake.version(t) for t in (Numbers, Sums, Runs)}
    assert shop.run(lake) == {"ingest": "current", "baskets": "current"}
    assert shop.ran == []
    assert {t: lake.version(t) for t in (Numbers, Sums, Runs)} == versions

    # A setting of the second job moves: only it runs again.
    assert shop.run(lake, "baskets.min_baskets=7") == {"ingest": "current", "baskets": "written"}
    # The source moves: both run again.
    shop.numbers.append(3)
    assert shop.run(lake) == {"ingest": "written", "baskets": "written"}
    assert [r.total for r in lake.read(Sums).collect()] == [6]  # 1 + 2 + 3
    # Another date leaves the first one's rows alone; the source is current whatever the date.
    assert shop.run(lake, date=DATE + datetime.timedelta(1))["baskets"] == "written"
    assert lake.read(Sums).count() == 2
    # What a delivery is compared with: the 3 numbers and the odd row of the other date, its blank one left out.
    [take_in] = [job for job in shop.jobs() if job.name == "ingest"]
    assert RunLog(lake).earlier_rows(take_in, DATE) == {"numbers": [4]}
    assert RunLog(lake).earlier_rows(take_in, DATE + datetime.timedelta(2)) == {"numbers": [4, 4]}


def test_a_table_that_the_settings_do_not_ask_for_makes_no_job_run_again(lake: Lake) -> None:
    ran: list[bool] = []

    def count(ctx: Context[SegmentSettings]) -> None:
        ran.append(Numbers in ctx.job.optional)
        ctx.write(Sums, [{"as_of": ctx.date, "total": 1}])

    optional: tuple[type[Table], ...] = (Numbers,)
    asked = dict.fromkeys(optional, lambda settings: bool(settings.k == [2]))
    job = Job("segment", "Counts.", (), optional, (Sums,), SegmentSettings, count, where=asked)

    def run(k: int) -> str:
        return run_in_order([job], lake, load(None, {"segment.k": [k]}), DATE, Progress())["segment"].outcome

    lake.write(Numbers, [{"n": 1, "run_id": "one"}])
    assert (run(2), run(3), run(3)) == ("written", "written", "current")
    lake.write(Numbers, [{"n": 2, "run_id": "another"}])
    assert (run(3), run(2)) == ("current", "written")
    assert ran == [True, False, True]


def test_force_runs_what_is_current(lake: Lake) -> None:
    shop = Shop()
    shop.run(lake)
    assert shop.run(lake, force=True) == {"ingest": "written", "baskets": "written"}


def test_a_failed_job_is_taken_back_recorded_and_resumed(lake: Lake) -> None:
    shop = Shop()
    shop.broken = True
    with pytest.raises(SourceError, match="broken on purpose"):
        shop.run(lake)
    assert lake.read(Sums).count() == 0, "what the failed job wrote is gone"
    failed = [r for r in lake.read(Runs).collect() if r.outcome == "failed"]
    assert [(r.job, r.message) for r in failed] == [("baskets", "broken on purpose")]
    shop.broken = False
    assert shop.run(lake) == {"ingest": "current", "baskets": "written"}, "goes on where it stopped"


def test_the_run_log_traces_a_run(lake: Lake) -> None:
    """The run log: inputs' runs and versions, resolved settings, code version and balanced counts."""
    Shop().run(lake)
    log = {r.job: r for r in RunLog(lake).succeeded()}
    assert log["baskets"].input_runs == {"silver.numbers": log["ingest"].run_id}
    assert log["baskets"].input_versions == {"silver.numbers": lake.version(Numbers)}
    assert log["baskets"].rows_out == {"models.sums": 1}
    assert json.loads(log["baskets"].settings)["baskets"]["min_baskets"] == load().baskets.min_baskets
    counts = log["ingest"].sources["numbers"]
    assert counts.rows_in == counts.accepted + counts.quarantined + counts.blank == 4


def test_an_unbalanced_source_stops_the_job(lake: Lake) -> None:
    ctx = _context(lake, Shop().jobs()[1])
    with pytest.raises(ContractError, match=r"source s: 10 rows in, but 8 accepted \+ 1 quarantined \+ 0 blank"):
        ctx.count_source("s", SourceCounts(10, 8, 1, 0, {}))


def test_undeclared_tables_are_refused_and_missing_ones_named(lake: Lake, spark: SparkSession) -> None:
    baskets = Shop().jobs()[0]
    ctx = _context(lake, baskets)
    with pytest.raises(ContractError, match=r"job baskets uses models\.sums, which its reads do not declare"):
        ctx.read(Sums)
    with pytest.raises(ContractError, match=r"job baskets uses silver\.numbers, which its writes do not declare"):
        ctx.write(Numbers, Numbers.frame(spark))
    with pytest.raises(MissingDataError, match=r"silver\.numbers is not in the lake"):
        ctx.read(Numbers)


def _context(lake: Lake, job: Job) -> Context[BasketsSettings]:
    settings = load()
    with Progress().step(job.name) as step:
        return Context(job, DATE, settings.baskets, settings.business, "run", lake, step)
