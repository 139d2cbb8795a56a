"""What is asked of a job or a command reaches it: the options that the submitter passes on say the same."""

from __future__ import annotations

import pytest

from promo_spark.errors import SettingsError
from promo_spark.runtime.registry import all_commands, single_jobs
from promo_spark.settings import Settings
from promo_spark.submission.arguments import argument_name, job_options, parser


@pytest.mark.parametrize("name", sorted(all_commands()))
def test_every_argument_of_a_command_reaches_it(name: str, settings: Settings) -> None:
    """Also of one that has a date among others, such as explain."""
    wanted = all_commands()[name].arguments
    asked = parser(name, "", wanted)
    given = {argument_name(argument): f"value of {argument}" for argument in wanted}
    given |= {"date": "2024-06-01"} if "date" in given else {}
    line = [part for a in wanted for part in ([a.strip("[]")] if "-" in a else []) + [given[argument_name(a)]]]
    passed = asked.parse_args(job_options(asked.parse_args(line), settings))
    assert {name: getattr(passed, name) for name in given} == given


def test_an_argument_in_brackets_may_be_left_out(settings: Settings) -> None:
    asked = parser("stop", "", {"--date": "when", "[--reason]": "why"})
    passed = asked.parse_args(job_options(asked.parse_args(["--date", "2024-06-01"]), settings))
    assert (passed.date, passed.reason) == ("2024-06-01", "")


@pytest.mark.parametrize("name", sorted(n for n, of in all_commands().items() if "--date" in of.arguments))
def test_a_date_of_a_command_that_is_none_is_refused_before_spark_starts(name: str, settings: Settings) -> None:
    asked = parser(name, "", {"--date": "when"}).parse_args(["--date", "3 June"])
    with pytest.raises(SettingsError, match=r"--date '3 June' is not a date; write it as YYYY-MM-DD"):
        job_options(asked, settings)


@pytest.mark.parametrize("name", ["promote", "ingest"])
def test_the_options_of_a_job_reach_it(name: str, settings: Settings) -> None:
    assert name in single_jobs()
    asked = parser(name, "")
    passed = asked.parse_args(job_options(asked.parse_args(["--date", "2024-06-01", "--force"]), settings))
    assert (passed.date, passed.force) == ("2024-06-01", True)
