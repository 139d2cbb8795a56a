"""The base of all sections, and the kinds of value they have."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from promo_spark.contracts.vocabulary import USER_ATTRIBUTES
from promo_spark.secret_references import REFERENCE

Share = Annotated[float, Field(ge=0, le=1)]
Factor = Annotated[float, Field(gt=0, le=1e6)]
Weight = Annotated[float, Field(ge=0, le=1e6)]
Positive = Annotated[int, Field(gt=0, le=2_000_000_000)]
Count = Annotated[int, Field(ge=0, le=2_000_000_000)]
Seed = Annotated[int, Field(ge=-(2**62), le=2**62)]
Days = Annotated[int, Field(gt=0, le=3660)]
Money = Annotated[float, Field(ge=0, le=1e13)]  # cents of more are no longer exact
Memory = Annotated[str, Field(pattern="^[1-9][0-9]*[kmgt]$")]
Identifier = Annotated[str, Field(pattern=r"^[^\W\d][\w$]*$")]
SecretReference = Annotated[str, Field(pattern=REFERENCE)]  # of keys that end in _secret


class SameResult:
    """Marks a setting with which the result is the same, whatever its value."""


class Location(SameResult):
    """Marks a setting that says where something lies."""


def one_of(what: str, names: Sequence[str]) -> AfterValidator:
    """Lets through the names that there are.

    >>> one_of("scenario", ["bundle"]).func("bundel")
    Traceback (most recent call last):
    ValueError: there is no scenario bundel; there are: bundle
    """

    def judged(name: str) -> str:
        if name not in names:
            raise ValueError(f"there is no {what} {name}; there are: {', '.join(names)}")
        return name

    return AfterValidator(judged)


def each_once_of(what: str, names: Sequence[str]) -> AfterValidator:
    """Lets through a list of names that there are, each once.

    >>> each_once_of("model", ["Theta", "TSB"]).func(["Theta", "Theta"])
    Traceback (most recent call last):
    ValueError: Theta stands there twice; name each model once
    """

    def judged(chosen: list[str]) -> list[str]:
        unknown = [name for name in chosen if name not in names]
        if unknown:
            raise ValueError(f"there is no {what} {', '.join(unknown)}; there are: {', '.join(names)}")
        twice = [name for name in dict.fromkeys(chosen) if chosen.count(name) > 1]
        if twice:
            raise ValueError(f"{', '.join(twice)} stands there twice; name each {what} once")
        return chosen

    return AfterValidator(judged)


def plain_folder(path: str) -> str:
    """Refuses characters that Hadoop reads as patterns or escapes, and folders of which Delta would write two."""
    strange = sorted({c for c in path if c in "{}[]*?%\\" or not c.isprintable()})
    if strange:
        raise ValueError(
            f"Hadoop reads {' '.join(repr(c)[1:-1] for c in strange)} in the name of a folder as a pattern or an "
            f"escape: rename the folder, or make a link to it with another name; found {path!r}"
        )
    return path


def _timezone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # the last: a folder of the database, such as Europe
        raise ValueError(
            f"there is no time zone {name!r}; write a name of the IANA database, such as Europe/Berlin or UTC"
        ) from None
    return name


def _spark_time_pattern(text: str) -> str:
    if not re.fullmatch(r"('[^']*'|[GyMLdDEFaHhKkmsSVzOXxZ]|[^A-Za-z'])+", text):
        raise ValueError("write a pattern as Spark does, such as yyyy-MM-dd HH:mm:ss, other letters between ' and '")
    return text


Attributes = Annotated[list[str], each_once_of("attribute of users", USER_ATTRIBUTES)]
Folder = Annotated[str, AfterValidator(plain_folder), Location()]
TimeZone = Annotated[str, AfterValidator(_timezone)]
OwnTimeZone = Annotated[str, AfterValidator(lambda name: name and _timezone(name))]  # "": that of the business
TimePattern = Annotated[str, AfterValidator(_spark_time_pattern)]
Delimiter = Annotated[str, Field(min_length=1, pattern=r'^[^"\r\n]+$')]
Refit = Literal["daily", "weekly", "when it drifts"]  # when a job fits its model again
Encoding = Literal["UTF-8", "GB18030", "Big5", "Shift_JIS", "EUC-KR", "ISO-8859-1", "windows-1252"]


class Section(BaseModel):
    """Base of all sections: frozen, no unknown keys, no silent conversion of types, no infinite number."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    def identity(self) -> dict[str, Any]:
        """What the result depends on, as plain values."""
        return {
            name: _plain(getattr(self, name))
            for name, field in type(self).model_fields.items()
            if not any(isinstance(mark, SameResult) for mark in field.metadata)
        }


def _plain(value: Any) -> Any:
    if isinstance(value, Section):
        return value.identity()
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, (list, tuple)) else value
