"""A command: something a person asks of a lake by hand, such as `restore`. Recorded in ops.runs, never run by pipeline.

ARGUMENTS = {"table": "the table, such as decisions.promotions", "--version": "the version to go back to"}

@command(ARGUMENTS)
def run(asked: Asked) -> str:
    …
    return "what was done, in one sentence"
"""

from __future__ import annotations

import datetime
import inspect
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from promo_spark.runtime.declaration import Job
from promo_spark.runtime.freshness import Inputs
from promo_spark.runtime.progress import Progress
from promo_spark.runtime.run_log import Attempt, RunLog
from promo_spark.settings import Section, Settings
from promo_spark.storage.lake import Lake
from promo_spark.submission.arguments import argument_name


@dataclass(frozen=True)
class Asked:
    """What a command is given: the lake, the settings, and its arguments by name."""

    lake: Lake
    settings: Settings
    arguments: Mapping[str, str]  # of one that was left out: empty
    say: Callable[[str], None] = lambda _text: None


@dataclass(frozen=True)
class Command:
    """A command as declared: its name is the stem of its file, its description the file's docstring.

    What is given for a `personal` argument, such as a user's id, is not recorded.
    """

    name: str
    description: str
    arguments: Mapping[str, str]
    function: Callable[[Asked], str]
    personal: frozenset[str] = frozenset()
    refuse: Callable[[Mapping[str, str], Settings], None] | None = None

    def start(self, lake: Lake, settings: Settings, arguments: Mapping[str, str], progress: Progress) -> str:
        """Runs the command and records it; what was done, which is also shown: nothing, where it says nothing."""
        started = datetime.datetime.now(datetime.timezone.utc)
        described = Job(self.name, self.description, (), (), (), Section, lambda _ctx: None)
        attempt = Attempt(described, started.date(), "by hand", started, Inputs({}, {}), {}, {}, {}, {})
        run_log = RunLog(lake)
        recorded = {name: "not recorded" if name in self.personal else given for name, given in arguments.items()}
        try:
            done = self.function(Asked(lake, settings, arguments, progress.note))
        except BaseException as error:
            personal = [given for name, given in arguments.items() if name in self.personal and given]
            run_log.record_failure(attempt, settings, error, progress.note, asked=recorded, hidden=personal)
            raise
        run_log.record(attempt, settings, asked=recorded)
        if done:
            progress.note(done)
        return done


def command(
    arguments: Mapping[str, str],
    personal: Collection[str] = (),
    refuse: Callable[[Mapping[str, str], Settings], None] | None = None,
) -> Callable[[Callable[[Asked], str]], Command]:
    """Declares the function as the command that its file is named after; `arguments` gives each its meaning.

    `personal` names those that say who somebody is. `refuse` raises SettingsError for arguments that cannot be right;
    it is called before Spark starts.
    """

    def declared(function: Callable[[Asked], str]) -> Command:
        module = inspect.getmodule(function)
        file = inspect.getsourcefile(function)
        assert module is not None and file is not None
        names = frozenset(argument_name(name) for name in personal)
        return Command(Path(file).stem, (module.__doc__ or "").strip(), arguments, function, names, refuse)

    return declared
