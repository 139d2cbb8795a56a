"""Tags of products, such as eco or fair trade, written alike whoever wrote them."""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F


def tag(text: Column) -> Column:
    """A tag in lower case, with one space between its words and none around it; null where nothing is left."""
    written = F.trim(F.regexp_replace(F.lower(text), r"(?U)\s+", " "))  # (?U): spaces of all scripts
    return F.when(written != "", written)


def tags(texts: Column) -> Column:
    """The tags of an array of texts, each once, sorted; null where there is no array."""
    return F.array_sort(F.array_distinct(F.array_compact(F.transform(texts, tag))))
