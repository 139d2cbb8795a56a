"""What holds for every job, checked over all of them at once. No Spark session is started here."""

from __future__ import annotations

import pytest

from promo_spark.contracts.catalogue import ALL_TABLES
from promo_spark.contracts.decisions import Promotions
from promo_spark.contracts.models import BasketRules
from promo_spark.contracts.ops import Runs
from promo_spark.contracts.policy import Policy
from promo_spark.contracts.restricted import Persons
from promo_spark.contracts.schema import RESTRICTED, Table
from promo_spark.contracts.silver import OrderLines, Users
from promo_spark.contracts.truth import TRUTH
from promo_spark.errors import ContractError, SettingsError
from promo_spark.runtime.declaration import has_users
from promo_spark.runtime.job import Context, Job, Where
from promo_spark.runtime.job import job as declared_job
from promo_spark.runtime.pipeline import dependencies
from promo_spark.runtime.registry import all_jobs, single_jobs
from promo_spark.settings import Settings, load
from promo_spark.settings.promote import PromoteSettings
from promo_spark.submission.arguments import parser, required_date

JOBS = single_jobs()
OF_SYNTHETIC_RETAILERS = {"generate", "simulate"}
BY_THEMSELVES = {*OF_SYNTHETIC_RETAILERS, "maintain", "stream"}


@pytest.mark.parametrize("name", all_jobs())
def test_every_job_is_named_like_its_file_and_explains_itself(name: str) -> None:
    """M06: each job has --help with its description and the shared options."""
    job = all_jobs()[name]
    assert job.name == name
    shown = parser(job.name, job.description).format_help()
    assert job.description.splitlines()[0] in shown
    for option in ("--env", "--date", "--set", "--force", "--dry-run"):
        assert option in shown


@pytest.mark.parametrize("job", JOBS.values(), ids=lambda j: j.name)
def test_every_job_has_the_settings_section_of_its_name(job: Job) -> None:
    assert Settings.model_fields[job.name].annotation is job.settings


def test_every_table_has_exactly_one_writer_but_for_those_that_name_the_job() -> None:
    writers = [(table, job.name) for job in JOBS.values() for table in job.writes if not table.written_by]
    assert len({table for table, _ in writers}) == len(writers)
    by_several = {table for job in JOBS.values() for table in job.writes if table.written_by}
    by_hand = {table for job in JOBS.values() for table in job.by_hand}  # by commands
    of_others = {Runs}  # the run itself writes it
    unwritten = set(ALL_TABLES) - {table for table, _ in writers} - by_several - by_hand - of_others
    assert not unwritten, "a contract nobody writes is a promise nobody keeps"


LAYERS = ["silver", "features", "models", "decisions", "measurement", "truth"]


def test_jobs_read_tables_to_their_right_only_of_earlier_dates() -> None:
    """Sources → features → models → decisions; what stands to the right is read of dates before alone."""
    for job in JOBS.values():
        today = [t for t in job.writes if t.layer in LAYERS and not t.written_by and not t.days_ahead]
        leftmost = min((LAYERS.index(t.layer) for t in today), default=len(LAYERS))
        for table in (*job.reads, *job.optional):
            right = table.layer in LAYERS and LAYERS.index(table.layer) > leftmost  # ops stands beside them
            own = table in job.writes and not table.days_ahead  # what it wrote for this date the day before it may read
            assert not right and not own, f"{job.name} reads {table.full_name()}"
        for table in job.earlier:
            assert table.dated_by, f"{table.full_name()} has no date, so it has no earlier rows"


def test_a_job_reads_users_who_may_be_profiled_unless_it_says_why_everyone() -> None:
    for job in JOBS.values():
        with_users = {t for t in (*job.reads, *job.optional) if has_users(t)}
        assert with_users - {Users} == {*job.profiled, *job.everyone} - {Users}, job.name
        assert Users in with_users or not job.profiled, "whoever reads users' rows reads who may be profiled"


def test_no_job_that_works_on_a_retailers_data_knows_the_truth_about_it() -> None:
    for job in JOBS.values():
        if job.name not in OF_SYNTHETIC_RETAILERS:
            assert not {*job.reads, *job.optional, *job.writes} & set(TRUTH), job.name


def test_no_job_that_models_or_decides_knows_who_a_user_is() -> None:
    """N03: strategy jobs do not reference the restricted layer, and could not: declaring it is refused."""
    for name, known in JOBS.items():
        declared = {t.layer for t in (*known.reads, *known.optional, *known.by_hand, *known.writes)}
        assert (RESTRICTED in declared) == (name in ("ingest", "export", "maintain", "stream")), name

    def run(_ctx: Context[PromoteSettings]) -> None:
        raise AssertionError("never runs")

    reading: tuple[list[type[Table]], list[type[Table]]] = ([Persons], [])
    for reads, writes in (reading, reading[::-1]):
        with pytest.raises(
            ContractError, match=r"declares restricted\.persons: only export, ingest, maintain, stream may"
        ):
            declared_job(reads=reads, writes=writes, settings=PromoteSettings)(run)


def test_the_pipeline_runs_every_job_and_its_order_has_no_cycle() -> None:
    assert set(load().pipeline.jobs) == set(JOBS) - BY_THEMSELVES
    needed = dependencies(list(JOBS.values()))
    assert needed["ingest"] == set()
    assert needed["profile"] == {"ingest"}
    models = {"segment", "baskets", "recommend", "forecast", "propensity", "uplift", "elasticity", "risk"}
    assert models <= needed["promote"]


@pytest.mark.parametrize(("models", "waits_for_rules"), [([], False), (["content", "rules"], True)])
def test_a_job_waits_for_what_its_settings_ask_for_alone(models: list[str], waits_for_rules: bool) -> None:
    asked = JOBS["recommend"].asked_by(load(None, {"recommend.models": models}).recommend)
    assert (BasketRules in asked.optional) is waits_for_rules
    assert ("baskets" in dependencies([*JOBS.values(), asked])["recommend"]) is waits_for_rules
    assert BasketRules in JOBS["recommend"].optional, "lineage has it"


def test_consent_decides_also_in_a_table_that_only_some_settings_ask_for() -> None:
    def run(_ctx: Context[PromoteSettings]) -> None:
        raise AssertionError("never runs")

    some = declared_job(
        reads=[], optional=[Where(OrderLines, lambda _: True)], writes=[Promotions], settings=PromoteSettings
    )(run)
    assert some.profiled == (OrderLines,) and Users in some.optional


def test_what_is_written_for_the_day_after_makes_no_job_of_today_wait() -> None:
    """L01 (the back edge): what leads back is data of one date for the next, not an edge of the graph of a date."""

    def run(_ctx: Context[PromoteSettings]) -> None:
        raise AssertionError("never runs")

    adjusts = declared_job(reads=[Promotions], writes=[Policy], settings=PromoteSettings)(run)
    needed = dependencies([JOBS["promote"], adjusts])
    assert needed == {"promote": set(), adjusts.name: {"promote"}}


def test_a_missing_date_is_asked_for() -> None:
    arguments = parser("profile", "").parse_args([])
    with pytest.raises(SettingsError, match="--date is missing"):
        required_date(arguments, load())
    assert required_date(arguments, load("demo")).isoformat() == "2017-12-01"
