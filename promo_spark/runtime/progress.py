"""What the user sees while a job runs: a spinner on a terminal, plain lines otherwise, always on stderr."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape


class Progress:
    """Steps of a run, each with its position, name, what it is doing, and how long it took."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True, highlight=False)
        self._step: str | None = None
        self._status = self.console.status("") if self.console.is_terminal else None

    @contextmanager
    def step(self, name: str, position: int = 1, of: int = 1) -> Iterator[None]:
        """Shows a step while its block runs; the block's exception passes through."""
        self._step = f"[{position}/{of}] {name}" if of > 1 else name
        started = time.monotonic()
        outcome = "failed"
        if self._status:
            self._status.update(f"{escape(self._step)} …")
            self._status.start()
        else:
            self.console.print(f"{self._step} …", markup=False, soft_wrap=True)
        try:
            yield
            outcome = "done"
        finally:
            if self._status:
                self._status.stop()
            seconds = time.monotonic() - started
            self.console.print(f"{self._step} {outcome} in {seconds:.1f} s", markup=False, soft_wrap=True)
            self._step = None

    def say(self, text: str) -> None:
        """One line about the step that is running."""
        if self._status:
            self._status.update(f"{escape(self._step or '')}: {escape(text)}")
        else:
            self.console.print(f"    {text}", markup=False, soft_wrap=True)

    def note(self, text: str) -> None:
        """One line that stays on the screen."""
        self.console.print(text, markup=False, soft_wrap=True)
