"""What a section of a page is made of: sentences, figures, tables, charts; no HTML, which the templates make of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from promo_spark.reports.charts import Chart

Tone = Literal["", "good", "bad", "warn", "quiet"]


@dataclass(frozen=True)
class Toned:
    """A text that is good news, bad news, or to be looked at."""

    text: str
    tone: Tone


Cell = str | Toned


@dataclass(frozen=True)
class Column:
    """A column of a table: its heading, and whether it holds numbers, or long texts."""

    heading: str
    number: bool = False
    long: bool = False


@dataclass(frozen=True)
class Sentence:
    """A paragraph; the first of an empty section says why it is empty."""

    kind: ClassVar[str] = "sentence"
    text: str
    tone: Tone = ""


@dataclass(frozen=True)
class Heading:
    """A heading inside a section."""

    kind: ClassVar[str] = "heading"
    text: str


@dataclass(frozen=True)
class Facts:
    """Few figures that are to be seen first: what each is, and how much."""

    kind: ClassVar[str] = "facts"
    facts: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Grid:
    """A table; with a `folded` title only that is seen until it is opened."""

    kind: ClassVar[str] = "grid"
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    folded: str = ""


@dataclass(frozen=True)
class Sentences:
    """Sentences of one kind, one below the other."""

    kind: ClassVar[str] = "sentences"
    texts: Sequence[str]


@dataclass(frozen=True)
class Pictures:
    """Charts side by side where there is room, and what stands beside them: the numbers, or sentences."""

    kind: ClassVar[str] = "pictures"
    charts: Sequence[Chart]
    beside: Grid | Sentences | None = None


@dataclass(frozen=True)
class Card:
    """One thing of several, such as an offer or a segment: its name, what it says, figures, and what else to know."""

    title: str
    text: str
    facts: Sequence[tuple[str, str]]
    notes: Sequence[str] = ()
    mark: str = ""


@dataclass(frozen=True)
class Cards:
    """Cards side by side where there is room."""

    kind: ClassVar[str] = "cards"
    cards: Sequence[Card]


@dataclass(frozen=True)
class Link:
    """A sentence that leads to another page of the same folder."""

    kind: ClassVar[str] = "link"
    text: str
    page: str


Block = Sentence | Heading | Facts | Grid | Pictures | Sentences | Cards | Link


@dataclass(frozen=True)
class Section:
    """A section of a page, reached by its name."""

    name: str
    title: str
    blocks: Sequence[Block]
