"""What is asked of a job or a command reaches it: the options that the submitter passes on say the same."""

from __future__ import annotations

import pytest

from promo_spark.runtime.registry import all_commands, single_jobs
from promo_spark.settings import Settings
from promo_spark.submission.arguments import job_options, parser


@pytest.mark.parametrize("name", sorted(all_commands()))
def test_every_argument_of_a_command_reaches_it(name: str, settings: Settings) -> None:
    """Also of one that has a date among others, such as explain."""
    wanted = all_commands()[name].arguments
    asked = parser(name, "", wanted)
    given = {argument: f"value of {argument.lstrip('-')}" for argument in wanted}
    line = [
        part for argument, value in given.items() for part in ([argument, value] if argument[0] == "-" else [value])
    ]
    passed = asked.parse_args(job_options(asked.parse_args(line), settings))
    assert {argument: getattr(passed, argument.lstrip("-")) for argument in wanted} == given


@pytest.mark.parametrize("name", ["promote", "ingest"])
def test_the_options_of_a_job_reach_it(name: str, settings: Settings) -> None:
    assert name in single_jobs()
    asked = parser(name, "")
    passed = asked.parse_args(job_options(asked.parse_args(["--date", "2024-06-01", "--force"]), settings))
    assert (passed.date, passed.force) == ("2024-06-01", True)
