"""The alarms command: silent where all is well, else lines, an exit code and a post; never the webhook's address."""

from __future__ import annotations

import datetime
import json
import re
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from promo_spark.contracts.measurement import Checks, Effects, Fairness
from promo_spark.contracts.ops import Runs
from promo_spark.errors import ALARM_CODES, Alarm, MissingDataError
from promo_spark.runtime import command_line
from promo_spark.runtime.progress import Progress
from promo_spark.runtime.registry import all_commands
from promo_spark.settings import load
from promo_spark.storage.lake import Lake
from promo_spark.storage.webhook import posted

DATE = datetime.date(2024, 6, 3)
SECRET = "t0ken-of-the-hook"
SETTING = "evaluate.alarms.webhook_secret"
BY_ENVIRONMENT = f"{SETTING}=env:ALARM_WEBHOOK"
Row = dict[str, Any]

WELL = {"check": "freshness", "slice": "silver.order_lines", "value": 0.0, "threshold": 2.0, "n": 9, "outcome": "ok"}
UNKNOWN = {"check": "aa", "slice": "all", "n": 9, "outcome": "insufficient", "message": "too few users"}
STALE = {"check": "freshness", "slice": "silver.events", "value": 5.0, "threshold": 2.0, "n": 7}
STALE |= {"outcome": "alarm", "message": "the newest rows are of 2024-05-28"}
DRIFT = {"check": "drift", "slice": "user_profile.region", "value": 0.61, "threshold": 0.25, "n": 900}
DRIFT |= {"outcome": "alarm", "message": "not distributed\nas it was"}  # two lines are said in one
LOSS = {"window_days": 28, "slice": "all", "metric": "margin", "method": "holdout", "verdict": "stop"}
LOSS |= {"estimate": -0.25, "ci_low": -0.4, "ci_high": -0.1, "first_day": DATE}


def measured(lake: Lake, checks: Sequence[Row], effects: Sequence[Row] = ()) -> None:
    """What evaluate wrote for DATE; and an alarm of the day before, which is over."""
    before = DATE - datetime.timedelta(1)
    for day, rows in ((before, [STALE | {"slice": "silver.inventory"}]), (DATE, checks)):
        lake.write(Checks, [{"date": day, "run_id": "e", **row} for row in rows], {"date": day})
    if effects:
        lake.write(Effects, [{"date": DATE, "run_id": "e", **row} for row in effects], {"date": DATE})


@dataclass
class Told:
    """What a call showed before it ended, the alarm that it ended with, and what ops.runs has of it."""

    shown: str
    alarm: Alarm | None
    run: Any


def ask(lake: Lake, *overrides: str) -> Told:
    screen, alarm = StringIO(), None
    try:
        progress = Progress(Console(file=screen))
        all_commands()["alarms"].start(lake, load(None, overrides), {"date": DATE.isoformat()}, progress)
    except Alarm as raised:
        alarm = raised
    return Told(screen.getvalue(), alarm, lake.read(Runs).orderBy(Runs.started_at).collect()[-1])


def test_where_all_is_well_nothing_is_said(lake: Lake) -> None:
    """What cannot be told is no alarm; neither are effects that rose, of other metrics, or of single segments."""
    measured(
        lake, [WELL, UNKNOWN], [LOSS | {"verdict": "ship"}, LOSS | {"slice": "segment:3"}, LOSS | {"metric": "paid"}]
    )
    told = ask(lake)
    assert (told.shown, told.alarm) == ("", None)
    assert (told.run.job, told.run.outcome, told.run.message) == ("alarms", "succeeded", None)


def test_a_date_that_was_never_evaluated_is_no_date_on_which_all_is_well(lake: Lake) -> None:
    with pytest.raises(MissingDataError, match=r"measurement\.checks has no row for 2024-06-03.* evaluate --date"):
        ask(lake)
    lake.write(Checks, [{"date": datetime.date(2024, 6, 4), **WELL}], {"date": datetime.date(2024, 6, 4)})
    with pytest.raises(MissingDataError, match=r"run .* evaluate --date 2024-06-03 first"):
        ask(lake)
    assert {row.outcome for row in lake.read(Runs).collect()} == {"failed"}


def test_each_alarm_is_a_line_and_the_run_is_an_alarm_not_a_failure(lake: Lake) -> None:
    """Of several kinds the lowest exit code wins: freshness, 20, before drift, 22."""
    measured(lake, [DRIFT, WELL, UNKNOWN, STALE])
    told = ask(lake)
    assert told.alarm is not None and told.alarm.exit_code == 20
    assert str(told.alarm).split("\n") == [
        "alarm: freshness of silver.events: 5, limit 2: the newest rows are of 2024-05-28",
        r"alarm: drift of user_profile.region: 0.61, limit 0.25: not distributed\nas it was",
    ]
    assert (told.run.outcome, told.run.message) == ("alarm", str(told.alarm))
    assert json.loads(told.run.settings) == {"date": "2024-06-03"}
    assert told.shown == ""  # the command line says the alarms, once


def test_money_that_was_lost_for_sure_is_one_alarm_per_metric(lake: Lake) -> None:
    """Whatever the window and the method; a check that says the same of the metric is enough."""
    effects = [LOSS | {"window_days": 7, "estimate": -0.1}, LOSS, LOSS | {"metric": "roi", "ci_low": None}]
    measured(lake, [WELL], effects)
    margin, roi = str(ask(lake).alarm).split("\n")
    assert margin == (
        "alarm: effect of margin: -0.25, limit 0: offers lowered margin: in 28 days by -0.25 per user (-0.4 to -0.1), "
        "holdout; in 7 days by -0.1 per user (-0.4 to -0.1), holdout; see measurement.effects, and stop what loses"
    )
    assert roi.startswith("alarm: effect of roi: -0.25, limit 0: ") and "28 days by -0.25 per user, holdout" in roi
    measured(lake, [WELL, DRIFT | {"check": "effect", "slice": "margin"}], effects)
    told = ask(lake)
    assert told.alarm is not None and told.alarm.exit_code == 24
    assert [line.split(":")[1] for line in str(told.alarm).split("\n")] == [" effect of margin", " effect of roi"]
    assert "not distributed" in str(told.alarm).split("\n")[0]


def test_a_group_that_gets_offers_too_seldom_for_sure_is_an_alarm(lake: Lake) -> None:
    """N07 (part): what may be chance is none, and where another date has one, this one has none."""
    measured(lake, [WELL])
    unequal = {"attribute": "region", "metric": "disparate_impact", "run_id": "p", "outcome": "stop", "n": 400}
    unequal |= {"group_name": "South", "estimate": 0.2, "message": "10.0% of region=South have an offer"}
    rows = [unequal, unequal | {"group_name": "East", "outcome": "warn"}]
    for day, own in ((DATE, rows[1:]), (DATE + datetime.timedelta(1), rows)):
        lake.write(Fairness, [{"date": day, **row} for row in own], {"date": day})
    assert ask(lake).alarm is None
    lake.write(Fairness, [{"date": DATE, **row} for row in rows], {"date": DATE})
    told = ask(lake)
    assert told.alarm is not None and told.alarm.exit_code == 26
    assert str(told.alarm) == "alarm: fairness of region=South: 0.2, limit 0.8: 10.0% of region=South have an offer"


def test_every_check_of_the_contract_has_an_exit_code() -> None:
    named = re.findall(r"(\w+): ", Checks.columns()[Checks.check].comment)
    assert {*named, "fairness"} == set(ALARM_CODES)  # fairness has a table of its own
    assert {Alarm("", [check]).exit_code for check in ALARM_CODES} == set(range(20, 27))
    assert Alarm("", ["drift", "aa"]).exit_code == 22
    assert Alarm("", ["of_another_version", "aa"]).exit_code == 25 and Alarm("", ["of_another_version"]).exit_code == 29


def test_the_command_line_says_alarms_without_calling_them_errors(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A call as spark-submit makes it, in the session of the tests; signals are left as they are."""
    monkeypatch.setattr(command_line, "session_of", lambda *_, **__: nullcontext(lake.spark))
    monkeypatch.setattr(command_line, "_raise_on_signals", lambda _: None)
    argv = ["alarms", "--date", "2024-06-03", "--set", f"lake.root={lake.root}"]
    measured(lake, [DRIFT])
    assert command_line.run_job(all_commands(), argv) == 22
    assert capfd.readouterr().err.splitlines()[-1].startswith("alarm: drift of user_profile.region: 0.61, limit 0.25")
    measured(lake, [WELL])
    capfd.readouterr()
    assert command_line.run_job(all_commands(), argv) == 0
    shown = capfd.readouterr()
    assert not [line for line in (shown.out + shown.err).splitlines() if "WARN" not in line]
    assert command_line.run_job(all_commands(), [*argv[:2], "2020-01-01", *argv[3:]]) == MissingDataError.exit_code


@dataclass
class Hook:
    """A server on this machine: what was posted to it, and how it answers."""

    status: int = 200
    seconds: float = 0.0
    taken: list[tuple[str, str, bytes]] = field(default_factory=list)  # path, content type, body
    address: str = ""


@contextmanager
def listening(hook: Hook) -> Iterator[None]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            hook.taken.append((self.path, self.headers["Content-Type"], body))
            time.sleep(hook.seconds)
            self.send_response(hook.status)
            self.send_header("Location", "/elsewhere")
            self.end_headers()

        def do_GET(self) -> None:
            hook.taken.append((self.path, "", b""))

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hook.address = f"http://127.0.0.1:{server.server_port}/{SECRET}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hook]:
    monkeypatch.setenv("no_proxy", "*")
    hook = Hook()
    with listening(hook):
        monkeypatch.setenv("ALARM_WEBHOOK", hook.address)
        yield hook


def test_alarms_are_posted_as_json_and_nothing_else_is(lake: Lake, hook: Hook) -> None:
    measured(lake, [WELL])
    ask(lake, BY_ENVIRONMENT)
    assert hook.taken == []
    measured(lake, [STALE | {"value": float("nan")}, WELL], [LOSS])
    told = ask(lake, BY_ENVIRONMENT)
    assert told.alarm is not None and told.shown == ""
    [(path, kind, body)] = hook.taken
    assert (path, kind) == (f"/{SECRET}", "application/json")
    stale, loss = json.loads(body)["alarms"]
    assert json.loads(body)["date"] == "2024-06-03"
    assert stale == {
        "check": "freshness",
        "slice": "silver.events",
        "value": None,
        "threshold": 2.0,
        "message": "the newest rows are of 2024-05-28",
    }
    assert (loss["check"], loss["slice"], loss["value"], loss["threshold"]) == ("effect", "margin", -0.25, 0.0)


@pytest.mark.parametrize("status", [200, 302, 307, 404, 500])
def test_an_answer_that_is_no_success_is_a_warning_and_no_redirect_is_followed(
    lake: Lake, hook: Hook, status: int, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    hook.status = status
    measured(lake, [STALE])
    told = ask(lake, BY_ENVIRONMENT)
    warning = f"warning: the alarms were not posted to the address of {SETTING}: it answered with status {status}\n"
    assert told.shown == ("" if status == 200 else warning)
    assert [path for path, *_ in hook.taken] == [f"/{SECRET}"]
    address_is_nowhere(told, capfd, caplog)


def address_is_nowhere(told: Told, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> None:
    """Neither on the screen nor in what Spark says, the logs, the run log or the alarm, which stands all the same."""
    assert told.alarm is not None and told.alarm.exit_code == 20
    assert told.alarm.__cause__ is None and told.alarm.__context__ is None
    shown = capfd.readouterr()
    everything = [told.shown, shown.out, shown.err, caplog.text, str(told.run), str(told.alarm), repr(told.alarm)]
    assert not [text for text in everything if SECRET in text or "127.0.0.1" in text]


def closed_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@pytest.mark.parametrize(
    ("address", "wrong"),
    [
        (f"http://127.0.0.1:PORT/{SECRET}", "it cannot be reached (ConnectionRefusedError)"),
        (f"https://127.0.0.1:PORT/{SECRET}", "it cannot be reached (ConnectionRefusedError)"),
        (f"http://127.0.0.1:PORT/{SECRET} x", "it cannot be reached (InvalidURL)"),
        (f"http://{SECRET}@[/", "it cannot be reached (ValueError)"),
        (f"file:///tmp/{SECRET}", "it is no address that begins with https:// or http://"),
        (SECRET, "it is no address that begins with https:// or http://"),
    ],
)
def test_a_webhook_that_cannot_be_reached_is_a_warning_that_names_the_setting_alone(
    lake: Lake,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    address: str,
    wrong: str,
) -> None:
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setenv("ALARM_WEBHOOK", address.replace("PORT", str(closed_port())))
    measured(lake, [STALE])
    told = ask(lake, BY_ENVIRONMENT)
    assert told.shown == f"warning: the alarms were not posted to the address of {SETTING}: {wrong}\n"
    address_is_nowhere(told, capfd, caplog)


def test_a_webhook_that_is_not_set_where_the_driver_runs_is_said(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ALARM_WEBHOOK", raising=False)
    measured(lake, [STALE])
    told = ask(lake, BY_ENVIRONMENT)
    assert told.shown.startswith(f"warning: the alarms were not posted: {SETTING} = 'env:ALARM_WEBHOOK': ")
    assert told.alarm is not None and told.alarm.exit_code == 20


def test_a_slow_webhook_holds_nobody_up(hook: Hook) -> None:
    hook.seconds = 1.5
    began = time.monotonic()
    wrong = posted(hook.address, {"date": "2024-06-03"}, seconds=0.2)
    assert time.monotonic() - began < 1.0
    assert wrong in {"there was no answer within 0.2 seconds", "it cannot be reached (TimeoutError)"}
