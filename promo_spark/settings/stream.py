"""What is taken in between the days, from where, and how often."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from promo_spark.settings.dated_paths import checked_path
from promo_spark.settings.sections import (
    Count,
    Folder,
    Identifier,
    Location,
    Positive,
    SameResult,
    SecretReference,
    Section,
)
from promo_spark.settings.topics import Topic, without_secrets

AVAILABLE_NOW = "available_now"
_TRIGGER = re.compile(rf"{AVAILABLE_NOW}|[1-9]\d{{0,4}} seconds?")


def _trigger(text: str) -> str:
    if not _TRIGGER.fullmatch(text):
        raise ValueError(f'write "{AVAILABLE_NOW}", or how often as "60 seconds"')
    return text


class StreamSourceSettings(Section):
    """Where rows of the day arrive that a source of ingest describes: its table, columns and conditions."""

    mapping: Identifier  # the source of ingest.sources that says how they are read
    format: Literal["csv", "json", "parquet", "orc", "delta", "kafka"]
    path: Annotated[str, AfterValidator(checked_path), Location()] = ""
    servers: Annotated[str, Location()] = ""
    topic: Topic = ""
    options: Annotated[dict[str, str], AfterValidator(without_secrets), SameResult()] = Field(default_factory=dict)
    options_secret: Annotated[dict[str, SecretReference], SameResult()] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _complete(self) -> StreamSourceSettings:
        """Refuses what does not go together, in one sentence."""
        of_topic = {name: getattr(self, name) for name in ("servers", "topic", "options", "options_secret")}
        if self.format == "kafka":
            missing = [name for name in ("servers", "topic") if not of_topic[name]] + ["no path"] * bool(self.path)
            if missing:
                raise ValueError(f'format = "kafka" needs {" and ".join(missing)}')
        elif not self.path:
            raise ValueError(f'format = "{self.format}" needs a path')
        elif foreign := [name for name, given in of_topic.items() if given]:
            raise ValueError(f'{foreign[0]} is for format = "kafka" only')
        return self

    def where(self) -> str:
        """The place, as messages may name it."""
        return self.path.rstrip("/") or f"{self.servers}/{self.topic}"


class StreamSettings(Section):
    """What is taken in between the days, from where, and how often."""

    trigger: Annotated[str, AfterValidator(_trigger), SameResult()]
    stop_after_seconds: Annotated[Count, SameResult()]
    checkpoints: Folder
    files_per_batch: Annotated[Positive, SameResult()]
    messages_per_batch: Annotated[Positive, SameResult()]
    offers: Literal["all", "new_users", "none"]
    watermark_minutes: Annotated[int, Field(gt=0, le=1440)]
    sources: dict[Identifier, StreamSourceSettings]

    @property
    def every_seconds(self) -> int | None:
        """The seconds from one look for new rows to the next; None: one look is all."""
        return None if self.trigger == AVAILABLE_NOW else int(self.trigger.split()[0])

    def drivers(self) -> list[Literal["kafka"]]:
        """What has to be reached, by the keys of spark.drivers."""
        return ["kafka"] if any(source.format == "kafka" for source in self.sources.values()) else []

    @model_validator(mode="after")
    def _one_each(self) -> StreamSettings:
        """Refuses two sources at one place: each would count what the other brings."""
        places: dict[str, str] = {}
        for name, source in self.sources.items():
            place = source.where()
            if place in places:
                raise ValueError(f"sources {places[place]} and {name} both read {place}: name one of them")
            places[place] = name
        return self
