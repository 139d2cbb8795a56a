"""Posts a message to an address that is a secret: no answer of it, and no error, tells the address to anybody."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from typing import Any

SECONDS = 10.0


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """The message is for the address that was given: where another is named, it goes nowhere."""

    def redirect_request(self, *_: Any) -> None:
        return None


def posted(address: str, message: Mapping[str, Any], *, seconds: float = SECONDS) -> str:
    """Posts a message as JSON; empty, or what went wrong, in words that do not tell the address.

    The whole attempt, with the look-up of the host's name, takes so many seconds at most.
    """
    body = json.dumps(message, allow_nan=False).encode()
    told: list[str] = []
    attempt = threading.Thread(target=lambda: told.append(_sent(address, body, seconds)), daemon=True)
    attempt.start()
    attempt.join(seconds)
    return told[0] if told else f"there was no answer within {seconds:g} seconds"


def _sent(address: str, body: bytes, seconds: float) -> str:
    try:
        if urllib.parse.urlsplit(address).scheme not in ("http", "https"):
            return "it is no address that begins with https:// or http://"
        request = urllib.request.Request(address, body, {"Content-Type": "application/json"}, method="POST")
        with urllib.request.build_opener(_NoRedirects).open(request, timeout=seconds):
            return ""
    except urllib.error.HTTPError as error:
        error.close()
        return f"it answered with status {error.code}"
    except Exception as error:  # noqa: BLE001 - whatever it is, its text may hold the address
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        kind = type(reason).__name__ if isinstance(reason, Exception) else type(error).__name__
        return f"it cannot be reached ({kind})"
