"""What every section is given beside its rows: how to say things, for which date, and which tables there are."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from promo_spark.contracts.schema import Table
from promo_spark.models.segments.names import VERY
from promo_spark.reports.blocks import Column, Sentence
from promo_spark.reports.wording import Wording

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Told:
    """How to say things, the date that is told of, how far back, and the tables that are in the lake."""

    words: Wording
    date: datetime.date
    days: int
    tables: frozenset[type[Table]]

    def why_empty(self, table: type[Table]) -> Sentence:
        """Why there is nothing to show of a table."""
        return Sentence(self.words.why_empty(table, self.date, table in self.tables), "quiet")

    def columns(self, *texts: str) -> list[Column]:
        """The columns of a table by the keys of their headings; before a key `#`: numbers, `~`: long texts."""
        return [Column(self.words.say(f"column.{k.lstrip('#~')}"), k.startswith("#"), k.startswith("~")) for k in texts]


def segment_name(name: str, told: Told) -> str:
    """A segment's name in the page's language: it is made of phrases, see models.segments.names.

    A phrase that is not known stands as it is.
    """
    w = told.words
    return w.listed([_phrase(phrase, told) for phrase in name.split(", ")])


def _phrase(phrase: str, told: Told) -> str:
    w, plain = told.words, phrase.removeprefix(VERY)
    if not w.knows("segment", plain):
        return phrase
    word = w.word("segment", plain)
    return word if plain == phrase else w.say("customers.very", phrase=word)
