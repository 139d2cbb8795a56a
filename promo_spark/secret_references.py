"""Secrets by reference: settings, logs and run logs hold `env:NAME` or `file:PATH`, never what it stands for.

    key_secret = "env:SHOP_KEY"        the environment variable of the driver
    key_secret = "file:/run/secrets/k" the file's text, without a line end after it

A secret is looked up where it is used, on the driver, as late as possible; no message and no `repr` shows it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from promo_spark.errors import SettingsError

REFERENCE = r"^(env:[A-Za-z_][A-Za-z0-9_]*|file:.+)$"
HOW_TO_WRITE = "write env:NAME for an environment variable, or file:PATH for a file that holds it"


def resolved(reference: str, key: str, environ: Mapping[str, str] | None = None) -> str:
    """The secret that a reference stands for; `key` is the setting that holds the reference.

    Raises SettingsError, which names the key and where was looked, never a value: for something that is no
    reference (it may be the secret itself, and is not shown), and for a missing or empty secret.
    """
    if not re.fullmatch(REFERENCE, reference):
        raise SettingsError(f"{key} is no reference to a secret (its value is not shown): {HOW_TO_WRITE}")
    kind, _, name = reference.partition(":")
    if kind == "env":
        found = (os.environ if environ is None else environ).get(name)
        where = f"the environment variable {name}"
    else:
        found, where = _text_of(name, key), f"the file {name}"
    secret = (found or "").rstrip("\r\n")
    if not secret:
        raise SettingsError(f"{key} = {reference!r}: {where} is not set or empty where the driver runs")
    return secret


def _text_of(path: str, key: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        # The cause is left out: a decoding error carries the bytes.
        raise SettingsError(f"{key} = 'file:{path}': {_why(error)}") from None


def _why(error: Exception) -> str:
    return error.strerror or "it cannot be read" if isinstance(error, OSError) else "it is not UTF-8 text"
