"""What the JDBC drivers of databases take and say: their classes, properties and quotes, and what an error means."""

from __future__ import annotations

import re
from collections.abc import Iterable

from promo_spark.errors import SettingsError

DRIVER = {"postgresql": "org.postgresql.Driver", "mysql": "com.mysql.cj.jdbc.Driver"}
QUOTE = {"postgresql": '"', "mysql": "`"}
PROPERTIES: dict[str, dict[str, str]] = {
    "postgresql": {"connectTimeout": "30"},
    "mysql": {
        "connectTimeout": "30000",
        "useCursorFetch": "true",  # else the whole result is held in memory, whatever the fetch size
        "connectionTimeZone": "UTC",  # instants are instants, whatever the zone of the server
        "forceConnectionTimeZoneToSession": "true",
        "tinyInt1isBit": "false",  # else a number kept as tinyint(1) comes as true
        "zeroDateTimeBehavior": "CONVERT_TO_NULL",  # 0000-00-00 is no date; one such row must not stop the load
    },
}

# What the drivers say, and what it means to who configured it.
CAUSES: tuple[tuple[str, str], ...] = (
    (
        r"ClassNotFoundException|No suitable driver",
        "its JDBC driver is not on the class path; it comes with spark.drivers, or its JAR has to stand in spark.jars",
    ),
    (
        r"password authentication failed|Access denied for user .* \(using password|no password was provided",
        "user or password is wrong; they are looked up at user_secret and password_secret of the connection",
    ),
    (
        r"database \"[^\"]*\" does not exist|Unknown database|Access denied for user .* to database",
        "the database that its url names is not there, or not for this user",
    ),
    (
        r"(relation|column) \"[^\"]*\" does not exist|Table '[^']*' doesn't exist|Unknown column",
        "there is no such table or column; names are taken as they are written, capitals included",
    ),
    (r"permission denied|command denied to user", "the user of the connection has no right to it"),
    (
        r"Connection to \S+ refused|link failure|connection attempt failed|UnknownHostException|timed? ?out",
        "the database cannot be reached: is it running, and does the connection's url name it?",
    ),
)


def quoted(identifier: str, database: str) -> str:
    """A name as the database quotes it, part by part; the settings let letters, digits, _ and $ through alone."""
    quote = QUOTE[database]
    if quote in identifier:
        raise SettingsError(f"{identifier!r} is no name of a table or column")
    return ".".join(f"{quote}{part}{quote}" for part in identifier.split("."))


def explained(error: BaseException, secrets: Iterable[str]) -> str:
    """What an error of a database or its driver means, with what it said; no secret is in it."""
    text = _whole_text(error)
    for secret in secrets:
        text = text.replace(secret, "***")
    why = next((meaning for pattern, meaning in CAUSES if re.search(pattern, text)), None)
    return f"{why or 'the database refused'}. What it said: {_said(text)}"


def _whole_text(error: BaseException) -> str:
    """What an error says, with its causes: of a refused connection Spark itself only says that there was none."""
    texts = []
    cause: BaseException | None = error
    while cause is not None:
        texts.append(str(cause))
        cause = getattr(cause, "_cause", None)  # PySpark keeps what lies behind an error of the JVM here
    return "\n".join(texts)


def _said(text: str) -> str:
    """The line that tells most: the database's own words before those of the layers around it."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    telling = re.compile(r"(SQL|JDBC|Communications|ClassNotFound)\w*Exception: |FATAL|ERROR: ")
    own = [line for line in lines if telling.search(line)]
    return re.sub(r"^(Caused by: |: )+", "", (own or lines or ["nothing"])[0])[:300]
