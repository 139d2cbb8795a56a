"""Every error a user can meet, under one base.

    PromoSparkError
    ├── SettingsError     a setting is unknown, missing, of the wrong type or out of its bounds
    ├── SourceError       what a source delivers cannot be read or lacks what its mapping names
    ├── ContractError     a frame or a stored table does not keep its contract
    ├── InvariantError    a decision about to be published breaks a promise of its table
    ├── MissingDataError  a job has nothing to work on: table, date or history not there
    ├── RequirementError  Java, Python, memory, JARs or a cluster are not as needed
    ├── BusyError         another run holds the tables that a job is about to write
    ├── TargetError       where an export goes cannot be reached, or is not as the export needs it
    └── Alarm             what is measured needs somebody's attention; nothing failed

Each message names the table, column, key or setting, what was found, and what to do.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

# Control characters, line and paragraph separators, marks that turn the direction of writing, halves of characters.
_NOT_SHOWN = re.compile(
    "[\\x00-\\x1f\\x7f-\\x9f\\u200b\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069\\ufeff\\ud800-\\udfff]"
)


def printable(text: str) -> str:
    """A text from outside as one line that a screen may show: what would steer the screen stands there escaped.

    >>> print(printable("tea\\x1b[2J\\nmilk, 牛奶"))
    tea\\x1b[2J\\nmilk, 牛奶
    """
    return _NOT_SHOWN.sub(lambda found: found.group().encode("unicode_escape").decode(), text)


class PromoSparkError(Exception):
    """Base of all errors of the suite; the command line prints its message and exits with `exit_code`."""

    exit_code = 1


class SettingsError(PromoSparkError):
    """Raised when a setting, option or date is unknown, missing, mistyped or out of its bounds."""

    exit_code = 2


class SourceError(PromoSparkError):
    """Raised when a source is missing, unreadable, empty, or lacks a mapped column."""

    exit_code = 3


class ContractError(PromoSparkError):
    """Raised when a frame or a stored table does not match its contract."""

    exit_code = 4


class InvariantError(PromoSparkError):
    """Raised when decisions about to be committed break a promise of decisions.promotions."""

    exit_code = 5


class MissingDataError(PromoSparkError):
    """Raised when a table, a date or enough history is not there for the job to work on."""

    exit_code = 6


class RequirementError(PromoSparkError):
    """Raised when Java, Python, memory, a JAR or a cluster is not as the suite needs it."""

    exit_code = 7


class BusyError(PromoSparkError):
    """Raised when another run holds the tables of a job and date for longer than lake.wait_seconds."""

    exit_code = 8


class TargetError(PromoSparkError):
    """Raised when a target of an export cannot be reached or written, or has other columns than the export."""

    exit_code = 9


# What may raise an alarm, as measurement.checks names it, and the exit code of its kind.
ALARM_CODES = {
    "freshness": 20,
    "sample_ratio": 21,
    "arms_kept": 21,
    "days_decided": 21,
    "exposures_known": 21,
    "drift": 22,
    "calibration": 23,
    "effect": 24,
    "placebo": 25,
    "aa": 25,
    "fairness": 26,
}
_OTHER_ALARM = 29  # of a check that is not known here, as of another version


class Alarm(PromoSparkError):  # noqa: N818 - nothing failed
    """Raised when something measured needs somebody's attention: its exit code is the lowest of what was found."""

    def __init__(self, message: str, checks: Iterable[str]) -> None:
        super().__init__(message)
        self.exit_code = min((ALARM_CODES.get(check, _OTHER_ALARM) for check in checks), default=_OTHER_ALARM)
