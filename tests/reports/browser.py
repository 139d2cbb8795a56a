"""Debian's Chromium without a window, for tests: one start, driven by the DevTools protocol over a pipe."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from tests.storage.database_servers import commands

FOLDED = "document.querySelectorAll('details').forEach(d => d.open = true)"


@dataclass(frozen=True)
class Seen:
    """A page as a browser shows it at a width: what its console says, and how wide it became."""

    complaints: list[str]
    scroll_width: int
    inner_width: int
    text: str


@dataclass
class Browser:
    """A running Chromium with one tab."""

    to: BinaryIO
    back: BinaryIO
    session: str = ""
    events: list[dict[str, Any]] = field(default_factory=list)
    sent: int = 0
    came: bytearray = field(default_factory=bytearray)

    def call(self, method: str, **values: Any) -> dict[str, Any]:
        """The answer to a command. What happens meanwhile is kept in `events`."""
        self.sent += 1
        message = {"id": self.sent, "method": method, "params": values}
        if self.session:
            message["sessionId"] = self.session
        self.to.write(json.dumps(message).encode() + b"\0")
        self.to.flush()
        while (answer := self.read()).get("id") != self.sent:
            self.events.append(answer)
        assert "error" not in answer, f"{method}: {answer['error']}"
        return dict(answer["result"])

    def read(self) -> dict[str, Any]:
        while b"\0" not in self.came:
            part = os.read(self.back.fileno(), 1 << 20)
            assert part, "Chromium ended"
            self.came += part
        text, _, rest = bytes(self.came).partition(b"\0")
        self.came = bytearray(rest)
        return dict(json.loads(text))

    def wait_for(self, method: str) -> None:
        while not any(e.get("method") == method for e in self.events):
            self.events.append(self.read())

    def open(self, page: Path, width: int, before: str = "") -> None:
        """Opens a file at a width, and runs a script in it."""
        self.events.clear()
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 600
        )
        self.call("Page.navigate", url=page.resolve().as_uri())
        self.wait_for("Page.loadEventFired")
        if before:
            self.value(before)

    def value(self, expression: str) -> Any:
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def seen(self, page: Path, width: int, before: str = FOLDED) -> Seen:
        """The page as it is at a width, with everything unfolded."""
        self.open(page, width, before)
        wide = self.value("[document.documentElement.scrollWidth, window.innerWidth]")
        text = str(self.value("document.body.innerText"))
        complaints = [json.dumps(e) for e in self.events if _complains(e)]
        return Seen(complaints, int(wide[0]), int(wide[1]), text)

    def screenshot(self, page: Path, width: int, image: Path, before: str = "") -> None:
        """The whole page as a picture."""
        self.open(page, width, before)
        shot = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        image.write_bytes(base64.b64decode(shot["data"]))


def _complains(event: dict[str, Any]) -> bool:
    """Whether a browser tells of something wrong: an error, a warning, a request that failed, or any to elsewhere."""
    method, values = event.get("method"), event.get("params", {})
    if method == "Runtime.consoleAPICalled":
        return values["type"] in ("error", "warning", "assert")
    if method == "Network.requestWillBeSent":
        return not values["request"]["url"].startswith(("file:", "data:"))
    return method in ("Runtime.exceptionThrown", "Log.entryAdded", "Network.loadingFailed")


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser; installed where it is missing and this user may, else the test fails."""
    (command,) = commands("chromium", "chromium")
    with tempfile.TemporaryDirectory(prefix="browser", ignore_cleanup_errors=True) as profile:
        to_read, to_write = os.pipe()
        back_read, back_write = os.pipe()
        options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run"]
        redirected = f'exec "$0" "$@" 3<&{to_read} 4>&{back_write}'  # the numbers on which it listens and answers
        started = ["bash", "-c", redirected, command, *options, f"--user-data-dir={profile}", "--remote-debugging-pipe"]
        process = subprocess.Popen(
            started, pass_fds=(to_read, back_write), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        os.close(to_read)
        os.close(back_write)
        with os.fdopen(to_write, "wb") as to, os.fdopen(back_read, "rb") as back:
            browser = Browser(to, back)
            try:
                target = browser.call("Target.createTarget", url="about:blank")["targetId"]
                browser.session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
                for domain in ("Page", "Runtime", "Log", "Network"):
                    browser.call(f"{domain}.enable")
                yield browser
            finally:
                process.terminate()
                process.wait(20)
