"""Every error a user can meet, under one base.

    PromoSparkError
    ├── SettingsError     a setting is unknown, missing, of the wrong type or out of its bounds
    ├── SourceError       what a source delivers cannot be read or lacks what its mapping names
    ├── ContractError     a frame or a stored table does not keep its contract
    ├── InvariantError    a decision about to be published breaks a promise of its table
    ├── MissingDataError  a job has nothing to work on: table, date or history not there
    ├── RequirementError  Java, Python, memory, JARs or a cluster are not as needed
    └── BusyError         another run holds the tables that a job is about to write

Each message names the table, column, key or setting, what was found, and what to do.
"""

from __future__ import annotations


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
