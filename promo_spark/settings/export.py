"""Where the decisions of a date go: files, tables of databases, topics."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, Field, field_validator, model_validator

from promo_spark.secret_references import REFERENCE
from promo_spark.settings.sections import Identifier, SecretReference, Section, plain_folder
from promo_spark.settings.sources import address_alone
from promo_spark.settings.topics import Topic, without_secrets

Database = Literal["postgresql", "mysql"]
Parts = Annotated[int, Field(gt=0, le=1000)]

LONGEST_TABLE = 40  # a staging table has its name and a date; PostgreSQL cuts names at 63 letters, unasked
_OF_KIND = {
    "csv": ("path",),
    "jsonl": ("path",),
    "postgresql": ("url", "user_secret", "password_secret", "table"),
    "mysql": ("url", "user_secret", "password_secret", "table"),
    "kafka": ("servers", "topic"),
}
_OWN_OPTIONS = ("acks", "enable.idempotence", "transactional.id", "bootstrap.servers", "key.serializer")


class TargetSettings(Section):
    """One place that takes what was decided: which rows, with which ids, and how it is reached."""

    kind: Literal["csv", "jsonl", "postgresql", "mysql", "kafka"]
    what: Literal["promotions", "summary"] = "promotions"
    rows: Literal["offers", "all"] = "offers"  # all: users who get none have a row, too
    ids: Literal["pseudonyms", "channel"] = "pseudonyms"
    parts: Parts = 1  # files, or connections that fill the staging table at a time
    path: Annotated[str, AfterValidator(plain_folder)] = ""  # no Location: another folder is another target
    url: Annotated[str, AfterValidator(lambda url: url and address_alone(url))] = ""
    user_secret: Annotated[str, Field(pattern=rf"^$|{REFERENCE}")] = ""
    password_secret: Annotated[str, Field(pattern=rf"^$|{REFERENCE}")] = ""
    table: Annotated[str, Field(pattern=r"^([^\W\d][\w$]*(\.[^\W\d][\w$]*)?)?$")] = ""
    servers: str = ""
    topic: Topic = ""
    options: dict[str, str] = Field(default_factory=dict)
    options_secret: dict[str, SecretReference] = Field(default_factory=dict)

    @field_validator("options")
    @classmethod
    def _not_secret(cls, options: dict[str, str]) -> dict[str, str]:
        for name in options:
            if name.removeprefix("kafka.") in _OWN_OPTIONS:
                raise ValueError(f"{name} is set by the suite: without it offers could be lost or doubled")
        return without_secrets(options)

    @model_validator(mode="after")
    def _complete(self) -> TargetSettings:
        """Refuses what does not go together, in one sentence."""
        needed = _OF_KIND[self.kind]
        missing = [name for name in needed if not getattr(self, name)]
        if missing:
            raise ValueError(f'kind = "{self.kind}" needs {" and ".join(missing)}')
        known = {name for names in _OF_KIND.values() for name in names} | {"options", "options_secret"}
        own = {*needed, *(("options", "options_secret") if self.kind == "kafka" else ())}
        foreign = sorted(name for name in known - own if getattr(self, name))
        if foreign:
            raise ValueError(f'{foreign[0]} is not for kind = "{self.kind}"')
        if self.kind == "kafka" and self.parts > 1:
            raise ValueError('parts is not for kind = "kafka"')
        if self.kind in get_args(Database) and not self.url.startswith(f"jdbc:{self.kind}:"):
            raise ValueError(f'kind = "{self.kind}" needs a url that begins with jdbc:{self.kind}://')
        if len(self.table.rpartition(".")[2]) > LONGEST_TABLE:
            raise ValueError(f"the name of a table has {LONGEST_TABLE} letters at most, found {self.table}")
        if self.what == "summary" and (self.rows != "offers" or self.ids != "pseudonyms"):
            raise ValueError('a summary has rows of groups, no users: leave out rows and ids with what = "summary"')
        return self

    def where(self) -> str:
        """The place, as messages and tables may name it."""
        return self.path or self.table or self.topic

    @property
    def driver(self) -> Literal["postgresql", "mysql", "kafka"] | None:
        """The key of what reaches it in spark.drivers; None: Spark by itself."""
        return None if self.kind == "csv" or self.kind == "jsonl" else self.kind


class ExportSettings(Section):
    """Where the decisions of a date go, and how small a group may be that leaves as a sum."""

    least_group: Annotated[int, Field(ge=5, le=1_000_000)]
    targets: dict[Identifier, TargetSettings]

    @model_validator(mode="after")
    def _one_each(self) -> ExportSettings:
        """Refuses two targets at one place: each would take away what the other brings."""
        places: dict[tuple[str, ...], str] = {}
        for name, target in self.targets.items():
            place = (target.url or target.servers, target.where().rstrip("/"))
            if place in places:
                raise ValueError(f"targets {places[place]} and {name} both go to {target.where()}: give each its own")
            places[place] = name
        return self

    def drivers(self) -> list[Literal["postgresql", "mysql", "kafka"]]:
        """What has to be reached, by the keys of spark.drivers."""
        return sorted({target.driver for target in self.targets.values() if target.driver is not None})
