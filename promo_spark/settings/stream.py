"""What is taken in between the days, from where, and how often."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from promo_spark.settings.dated_paths import checked_path
from promo_spark.settings.sections import Count, Folder, Identifier, Location, Positive, SameResult, Section

AVAILABLE_NOW = "available_now"
_TRIGGER = re.compile(rf"{AVAILABLE_NOW}|[1-9]\d{{0,4}} seconds?")


def _trigger(text: str) -> str:
    if not _TRIGGER.fullmatch(text):
        raise ValueError(f'write "{AVAILABLE_NOW}", or how often as "60 seconds"')
    return text


class StreamSourceSettings(Section):
    """Where rows of the day arrive that a source of ingest describes: its table, columns and conditions."""

    mapping: Identifier  # the source of ingest.sources that says how they are read
    format: Literal["csv", "json", "parquet", "orc", "delta"]
    path: Annotated[str, AfterValidator(checked_path), Location()]


class StreamSettings(Section):
    """What is taken in between the days, from where, and how often."""

    trigger: Annotated[str, AfterValidator(_trigger), SameResult()]
    stop_after_seconds: Annotated[Count, SameResult()]
    checkpoints: Folder
    files_per_batch: Annotated[Positive, SameResult()]
    watermark_minutes: Annotated[int, Field(gt=0, le=1440)]
    sources: dict[Identifier, StreamSourceSettings]

    @property
    def every_seconds(self) -> int | None:
        """The seconds from one look for new rows to the next; None: one look is all."""
        return None if self.trigger == AVAILABLE_NOW else int(self.trigger.split()[0])

    @model_validator(mode="after")
    def _one_each(self) -> StreamSettings:
        """Refuses two sources at one place: each would count what the other brings."""
        places: dict[str, str] = {}
        for name, source in self.sources.items():
            place = source.path.rstrip("/")
            if place in places:
                raise ValueError(f"sources {places[place]} and {name} both read {place}: name one of them")
            places[place] = name
        return self
