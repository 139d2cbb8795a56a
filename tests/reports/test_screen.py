"""The screen, log lines and pages show what came from outside as it is: never as markup, never as a command."""

from __future__ import annotations

import datetime
import io

import pytest
from rich.console import Console

from promo_spark.contracts.decisions import Budget
from promo_spark.contracts.models import BasketRules
from promo_spark.contracts.segments import SegmentPortraits
from promo_spark.reports.screen import print_summary
from promo_spark.runtime.progress import Progress
from promo_spark.settings import load
from promo_spark.storage.lake import Lake
from promo_spark.storage.local_logs import logs_of
from tests.reports.test_data_quality import page

DATE = datetime.date(2024, 6, 15)
MILK = "milk [/uht] [link=https://evil.example]here[/link] :warning: \x1b[2J\x1b]8;;x\x07 one\ntwo \u202eback"
SHOWN = "milk [/uht] [link=https://evil.example]here[/link] :warning: \\x1b[2J\\x1b]8;;x\\x07 one\\ntwo \\u202eback"


def test_a_name_from_outside_is_shown_as_it_is_on_the_screen(lake: Lake) -> None:
    """A category, a segment and a constraint with markup and control characters: no traceback, no link, no escape."""
    rule = {"as_of": DATE, "antecedent": ["a"], "consequent": ["b"], "lift": 2.0, "sentence": MILK, "is_bundle": True}
    lake.write(BasketRules, [rule], {"as_of": DATE})
    portrait = {"as_of": DATE, "segment_id": 1, "segment_name": MILK}
    lake.write(SegmentPortraits, [portrait], {"as_of": DATE})
    lake.write(Budget, [{"date": DATE, "constraint": MILK}], {"date": DATE})
    screen = io.StringIO()
    terminal = Console(file=screen, force_terminal=True, color_system=None, width=400, highlight=False)
    print_summary(logs_of(lake), load(), DATE, ["baskets"], 1.0, terminal)
    lines = [line for line in screen.getvalue().splitlines() if "milk" in line]
    assert len(lines) == 3 and all(SHOWN in line for line in lines)
    assert "\x1b]8" not in screen.getvalue() and "\x1b[2J" not in screen.getvalue()


@pytest.mark.parametrize("terminal", [True, False])
def test_a_line_of_progress_is_one_line(terminal: bool) -> None:
    written = io.StringIO()
    console = Console(file=written, force_terminal=terminal, color_system=None, width=400, highlight=False)
    progress = Progress(console)
    with progress.step("ingest") as step:
        step.say(f"orders has new columns: {MILK}")
    progress.note(f"error: source orders is refused\n{MILK.splitlines()[0]}")
    text = written.getvalue()
    assert "milk [/uht] [link=https://evil.example]here[/link] :warning: \\x1b[2J" in text
    assert "\x1b[2J" not in text and "\x1b]8" not in text and "\u202e" not in text
    assert "error: source orders is refused\n" in text  # a message of several lines keeps them


def test_a_page_shows_control_characters_too() -> None:
    html = page(MILK, 20)
    assert "\x1b" not in html and "\u202e" not in html and "\\x1b[2J" in html and "one\\ntwo" in html
