"""What items are: attributes, words of titles, price tier, given embeddings; and what users are drawn to by these.

So an item that nobody has bought yet can be recommended, and a user who has bought nothing but searched or declared
something can be served.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy import sparse

from promo_spark.models.recommenders.first_stage.interface import UserItems, strongest_link
from promo_spark.models.recommenders.similarities import nearest
from promo_spark.models.recommenders.top_n import Floats, Integers

_WORD = re.compile(r"[^\W\d_]+|\d+")
_SPACELESS = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]+")  # scripts that do not part words
TITLE = "title"


@dataclass(frozen=True)
class ItemContent:
    """What is known of one item. An attribute that is not known is left out, an embedding is None."""

    attributes: Mapping[str, str]
    title: str | None = None
    embedding: Sequence[float] | None = None


def words(text: str) -> list[str]:
    """The words of a text in lower case; of scripts that do not part them, the pairs of signs that follow one another.

    >>> words("Running-Shoes 42"), words("跑步鞋")
    (['running', 'shoes', '42'], ['跑步', '步鞋'])
    """
    found: list[str] = []
    for word in _WORD.findall(text.lower()):
        if _SPACELESS.fullmatch(word) and len(word) > 1:
            found.extend(word[place : place + 2] for place in range(len(word) - 1))
        else:
            found.append(word)
    return found


@dataclass(frozen=True)
class ItemFeatures:
    """Items × features, each row of length 1 (0 where nothing is known of an item), and which feature is which.

    A row is made of blocks: each attribute, the words of the title by TF-IDF, the embedding. Each block that is known
    counts as much as another, so that a missing embedding leaves the other blocks to speak.
    """

    vectors: sparse.csr_array
    place: Mapping[tuple[str, str], int] = field(repr=False)  # (attribute, value) and (TITLE, word) → column
    idf: Mapping[str, float] = field(repr=False)

    @staticmethod
    def of(items: Sequence[ItemContent]) -> ItemFeatures:
        """The features of a catalogue, in the order of its items."""
        titles = [words(item.title or "") for item in items]
        among = Counter(word for title in titles for word in set(title))
        idf = {word: float(np.log((1 + len(items)) / (1 + count)) + 1) for word, count in among.items()}
        names = sorted({(name, value) for item in items for name, value in item.attributes.items()})
        names += sorted((TITLE, word) for word in idf)
        place = {name: column for column, name in enumerate(names)}
        dimensions = max((len(item.embedding) for item in items if item.embedding is not None), default=0)
        cells: list[tuple[int, int, float]] = []
        for number, (item, title) in enumerate(zip(items, titles, strict=True)):
            for block in _blocks(item, title, place, idf):
                length = float(np.linalg.norm(list(block.values())))
                for feature, amount in block.items():
                    cells.append((number, feature, amount / (length or 1.0)))
        shape = (len(items), len(place) + dimensions)
        return ItemFeatures(_of_length_1(_matrix(cells, shape)), place, idf)

    def interest(self, searched: str = "", attributes: Iterable[tuple[str, str]] = ()) -> sparse.csr_array:
        """What a user without history is drawn to, by what was searched for and by declared tags, as one row.

        Words and values that no item has say nothing.
        """
        found: dict[int, float] = {}
        for word in words(searched):
            if (TITLE, word) in self.place:
                column = self.place[TITLE, word]
                found[column] = found.get(column, 0.0) + self.idf[word]
        for pair in attributes:
            if pair in self.place:
                found[self.place[pair]] = found.get(self.place[pair], 0.0) + 1.0
        cells = [(0, column, amount) for column, amount in sorted(found.items())]
        return _of_length_1(_matrix(cells, (1, self.vectors.shape[1])))

    def of_history(self, strength: sparse.csr_array) -> sparse.csr_array:
        """Users × features: the mean of their items' vectors, weighted by strength, of length 1."""
        return _of_length_1(sparse.csr_array(strength @ self.vectors))


@dataclass(frozen=True)
class Content:
    """Items by the cosine of their vector and the user's: the mean of the vectors of what the user is tied to."""

    features: ItemFeatures

    def scores(self, users: UserItems) -> Floats:
        return self.of_interests(self.features.of_history(users.strength))

    def of_interests(self, interests: sparse.csr_array) -> Floats:
        """The same of users × features, wherever these come from."""
        found = (interests @ self.features.vectors.T).toarray().astype(np.float32)
        return np.where(found > 0, found, -np.inf).astype(np.float32)

    def because(self, users: UserItems, user: Integers, item: Integers) -> Integers:
        """The own item of most strength × cosine."""
        wanted, place = np.unique(item, return_inverse=True)
        links = sparse.csr_array(self.features.vectors[wanted] @ self.features.vectors.T)
        return strongest_link(links, users, user, place.astype(np.int64))

    def alike(self, item: int, most: int) -> tuple[Integers, Floats]:
        """The items nearest to one by content, most alike first, and the cosines."""
        of_item = nearest(self.features.vectors[[item]], self.features.vectors, "cosine", most, np.array([item]))
        order = np.lexsort((of_item.indices, -of_item.data))
        return of_item.indices[order].astype(np.int64), np.asarray(of_item.data[order], np.float32)


def _blocks(
    item: ItemContent, title: Sequence[str], place: Mapping[tuple[str, str], int], idf: Mapping[str, float]
) -> Iterable[dict[int, float]]:
    for pair in item.attributes.items():
        yield {place[pair]: 1.0}
    if title:
        yield {place[TITLE, word]: count * idf[word] for word, count in Counter(title).items()}
    if item.embedding is not None:
        yield {len(place) + number: float(value) for number, value in enumerate(item.embedding)}


def _matrix(cells: Sequence[tuple[int, int, float]], shape: tuple[int, int]) -> sparse.csr_array:
    """From rows, columns and values."""
    row, column, value = (np.array([cell[place] for cell in cells]) for place in range(3))
    return sparse.csr_array((value.astype(np.float64), (row.astype(np.int64), column.astype(np.int64))), shape=shape)


def _of_length_1(rows: sparse.csr_array) -> sparse.csr_array:
    lengths = np.sqrt(np.asarray(rows.multiply(rows).sum(axis=1)).ravel())
    scale = sparse.diags_array(1 / np.where(lengths > 0, lengths, 1.0))
    return sparse.csr_array(scale @ rows, dtype=np.float32)
