"""What settings of topics share: their names, and options that are no secrets."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

Topic = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{0,249}$")]
_SECRET_OPTION = re.compile(r"passw|secret|jaas|token|credential", re.IGNORECASE)


def without_secrets(options: dict[str, str]) -> dict[str, str]:
    """The options as they are. Raises ValueError for one that holds a secret."""
    for name in options:
        if _SECRET_OPTION.search(name):
            raise ValueError(f"{name} is a secret: give a reference to it in options_secret")
    return options


def kafka_options(options: Mapping[str, str]) -> dict[str, str]:
    """Options of a client of Kafka under the names by which Spark's connector hands them on.

    >>> kafka_options({"security.protocol": "SSL", "kafka.acks": "all"})
    {'kafka.security.protocol': 'SSL', 'kafka.acks': 'all'}
    """
    return {f"kafka.{name.removeprefix('kafka.')}": text for name, text in options.items()}
