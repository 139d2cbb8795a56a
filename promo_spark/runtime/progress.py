"""What the user sees while jobs run: live lines on a terminal, plain lines otherwise, always on stderr."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.status import Status
from rich.text import Text

from promo_spark.errors import printable


class Progress:
    """Steps of a run, each with its position, name, what it is doing, and how long it took."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True, highlight=False)
        self._lock = threading.Lock()
        self._status: Status | None = None
        self._doing: dict[str, str] = {}

    @contextmanager
    def step(self, name: str, position: int = 1, of: int = 1) -> Iterator[Step]:
        """Shows a step while its block runs; the block's exception passes through."""
        title = f"[{position}/{of}] {name}" if of > 1 else name
        step = Step(self, title)
        started = time.monotonic()
        self.show(title, "")
        try:
            yield step
        except BaseException:
            step.outcome = "failed"
            raise
        finally:
            self._hide(title)
            self.note(f"{title} {step.outcome} ({time.monotonic() - started:.1f} s)")

    def note(self, text: str) -> None:
        """Lines that stay on the screen, as they are: nothing in them is markup."""
        shown = "\n".join(printable(line) for line in text.split("\n"))
        self.console.print(shown, markup=False, emoji=False, soft_wrap=True)

    def show(self, title: str, doing: str) -> None:
        """What a step is doing: a line of its own, or on a terminal the one that changes."""
        with self._lock:
            self._doing[title] = doing
            if not self.console.is_terminal:
                line = printable(f"{title} {doing or '…'}")
                self.console.print(line, markup=False, emoji=False, soft_wrap=True)
            elif self._status is None:
                self._status = self.console.status(self._lines())
                self._status.start()
            else:
                self._status.update(self._lines())

    def _hide(self, title: str) -> None:
        with self._lock:
            self._doing.pop(title, None)
            if self._status is not None and self._doing:
                self._status.update(self._lines())
            elif self._status is not None:
                self._status.stop()
                self._status = None

    def _lines(self) -> Text:
        return Text(printable("  ".join(f"{title}: {doing or '…'}" for title, doing in self._doing.items())))


class Step:
    """One running step; `outcome` is the word it ends with."""

    def __init__(self, progress: Progress, title: str) -> None:
        self.outcome = "done"
        self._progress = progress
        self._title = title
        self._doing = ""
        self._tasks: tuple[int, int] | None = None

    @property
    def on_terminal(self) -> bool:
        return self._progress.console.is_terminal

    def say(self, text: str) -> None:
        """What the step is doing now."""
        self._doing, self._tasks = text, None
        self._progress.show(self._title, text)

    def show_tasks(self, tasks: tuple[int, int] | None) -> None:
        """How many tasks of what the step is doing have ended, and how many there are; None: not known."""
        if tasks != self._tasks:
            self._tasks = tasks
            counted = f"{self._doing}: {tasks[0]:,} of {tasks[1]:,} tasks".lstrip(": ") if tasks else self._doing
            if tasks or self.on_terminal:
                self._progress.show(self._title, counted)

    def note(self, text: str) -> None:
        """A line of the step that stays on the screen."""
        self._progress.note(f"{self._title}: {text}")
