"""Tables of users, items, ratings and times: read, parted by time, and laid out by user."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as F
from scipy import sparse

from promo_spark.contracts.ratings import RatedItem, RatedItems, Rating
from promo_spark.errors import MissingDataError, SettingsError, SourceError
from promo_spark.measures.arrow_lists import entries_of_lists, in_one_piece
from promo_spark.models.recommenders.first_stage.content import TITLE, ItemContent
from promo_spark.models.recommenders.top_n import Integers
from promo_spark.storage.rating_files import text_rows

PAST, VALIDATION, TEST = 0, 1, 2
HELD_BACK = 0.2  # the share of the newest ratings, where no test is given, and of the rest to learn weights by
EMBEDDING = "embedding"
_ROLES = (Rating.user, Rating.item, Rating.rating, Rating.time)
_TEXT, _NUMBER, _PLACE = "text", "number", "place"


def named_columns(text: str) -> dict[str, str]:
    """The column of each role, as --columns says: user=userId,item=movieId. Raises SettingsError for another role.

    >>> named_columns("user=userId")["user"], named_columns("")["item"]
    ('userId', 'item')
    """
    names = {role: role for role in _ROLES}
    for part in filter(None, (part.strip() for part in text.split(","))):
        role, sign, column = (piece.strip() for piece in part.partition("="))
        if role not in names or not sign or not column:
            raise SettingsError(f"--columns {part!r}: write ROLE=COLUMN; roles are {', '.join(_ROLES)}")
        names[role] = column
    return names


def ratings(spark: SparkSession, path: str, names: Mapping[str, str], *, rated_only: bool = False) -> DataFrame:
    """One row per user and item. A file of `names` → Rating.

    Without a column of ratings every row counts 1, and those of a user and item add up. With one, the newest row of a
    user and item counts, of equal ones the highest. Raises SourceError for a value that is no rating or no time, for a
    row without user or item, and, if `rated_only`, for a file without ratings.
    """
    optional = {names[Rating.rating], names[Rating.time]}
    rows = _read(spark, path, [names[Rating.user], names[Rating.item]], lambda name: name in optional)
    if rated_only and names[Rating.rating] not in rows.columns:
        raise SourceError(
            f"source {path} has no column {names[Rating.rating]}, of which --relevant is the least value that counts: "
            "give one, or leave --relevant out"
        )
    rated, timed = (names[role] in rows.columns for role in (Rating.rating, Rating.time))
    rating = F.col(f"`{names[Rating.rating]}`").try_cast("double") if rated else F.lit(1.0)
    time = _seconds(F.col(f"`{names[Rating.time]}`")) if timed else F.lit(None).cast("double")
    typed = rows.select(
        F.col(f"`{names[Rating.user]}`").alias(Rating.user),
        F.col(f"`{names[Rating.item]}`").alias(Rating.item),
        rating.alias(Rating.rating),
        time.alias(Rating.time),
        F.to_json(F.struct(*(F.col(f"`{c}`") for c in rows.columns))).alias(_TEXT),
    )
    no_rating = F.col(Rating.rating).isNull() | F.isnan(Rating.rating) | (F.col(Rating.rating) <= 0)
    wrong = typed.filter(
        F.col(Rating.user).isNull()
        | F.col(Rating.item).isNull()
        | no_rating
        | (F.col(Rating.time).isNull() if timed else F.lit(False))
    ).take(1)
    if wrong:
        raise SourceError(
            f"source {path}: {wrong[0][_TEXT]} is no rating: it needs a user, an item, a rating above 0 and, if there "
            "is a column of times, a number, a day or an instant in it"
        )
    pair = [Rating.user, Rating.item]
    if rated:
        newest = Window.partitionBy(*pair).orderBy(F.desc_nulls_last(Rating.time), F.desc(Rating.rating))
        kept = typed.withColumn(_PLACE, F.row_number().over(newest)).filter(F.col(_PLACE) == 1)
    else:
        kept = typed.groupBy(*pair).agg(
            F.sum(Rating.rating).alias(Rating.rating), F.max(Rating.time).alias(Rating.time)
        )
    return kept.select(*Rating.columns())


def _read(spark: SparkSession, path: str, columns: Sequence[str], also: Callable[[str], bool]) -> DataFrame:
    try:
        return text_rows(spark, path, columns, also)
    except SourceError as error:
        raise SourceError(
            f"{error}. Columns are parted by commas, of .tsv by tabs; --columns user=NAME,item=NAME says other names"
        ) from error


def _seconds(text: Column) -> Column:
    """A number as it is; a day or an instant as seconds since 1970."""
    return F.coalesce(text.try_cast("double"), text.try_cast("timestamp").cast("double"))


def parted(train: DataFrame, test: DataFrame | None, seed: int) -> DataFrame:
    """One row per user, item and part. Rating → Rating with part.

    Without a test the newest fifth is the test; the newest fifth of what is left teaches weights. Where no time is
    known, parts are drawn by a hash of the pair.
    """
    if test is None:
        train = _held_back(train, seed, TEST)
        return _held_back_rest(train, seed)
    learnt = _held_back_rest(train.withColumn(RatedItem.part, F.lit(PAST)), seed)
    return learnt.unionByName(test.withColumn(RatedItem.part, F.lit(TEST)))


def _held_back(rows: DataFrame, seed: int, part: int) -> DataFrame:
    """Rows with the part; the rest is of the past."""
    border = rows.agg(F.percentile(Rating.time, F.lit(1 - HELD_BACK))).collect()[0][0]
    if border is None:
        drawn = F.pmod(F.xxhash64(F.lit(seed + part), Rating.user, Rating.item), F.lit(1000))
        late = drawn < F.lit(int(1000 * HELD_BACK))
    else:
        late = F.col(Rating.time) > F.lit(border)
    return rows.withColumn(RatedItem.part, F.when(late, part).otherwise(PAST))


def _held_back_rest(rows: DataFrame, seed: int) -> DataFrame:
    past = F.col(RatedItem.part) == PAST
    return _held_back(rows.filter(past).drop(RatedItem.part), seed, VALIDATION).unionByName(rows.filter(~past))


@dataclass(frozen=True)
class Items:
    """All items by number, sorted by id, and what is known of each."""

    ids: tuple[str, ...]
    contents: tuple[ItemContent, ...]
    group: Integers  # of each: the number of its first attribute's value

    @property
    def grouped(self) -> bool:
        """Whether anything is known by which items are of one group or another."""
        return len(np.unique(self.group)) > 1

    @property
    def described(self) -> bool:
        return any(one.attributes or one.title or one.embedding for one in self.contents)


def items_of(spark: SparkSession, rated: DataFrame, path: str, id_column: str) -> Items:
    """The items that are rated or described. Rating, a file of items → arrays on the driver, as large as the catalogue.

    In the file each column beside the item is an attribute; `title` is taken apart into words, `embedding` is numbers,
    as a list or with blanks between them.
    """
    known: dict[str, ItemContent] = {}
    if path:
        rows = _read(spark, path, [id_column], lambda _: True)
        names = sorted(c for c in rows.columns if c not in (id_column, TITLE, EMBEDDING))
        for row in rows.collect():
            attributes = {name: row[name] for name in names if row[name]}
            title = row[TITLE] if TITLE in rows.columns else None
            given = row[EMBEDDING] if EMBEDDING in rows.columns else None
            known[row[id_column]] = ItemContent(attributes, title, _embedding(path, given))
    ids = tuple(sorted({*known, *(row[0] for row in rated.select(Rating.item).distinct().collect())}))
    if not ids:
        raise MissingDataError("the ratings have no rows: there is nothing to rank")
    contents = tuple(known.get(item, ItemContent({})) for item in ids)
    firsts = [min(one.attributes.items(), default=("", ""))[1] for one in contents]
    numbers = {value: number for number, value in enumerate(sorted(set(firsts)))}
    return Items(ids, contents, np.array([numbers[value] for value in firsts], np.int64))


def _embedding(path: str, given: object) -> list[float] | None:
    if given is None or given == "":
        return None
    values = given.split() if isinstance(given, str) else given
    try:
        return [float(value) for value in values]  # type: ignore[attr-defined]  # TypeError, below
    except (TypeError, ValueError):
        raise SourceError(f"source {path}: embedding {given!r} is no list of numbers") from None


def by_user(spark: SparkSession, rows: DataFrame, items: Items) -> DataFrame:
    """One row per user. Rating with part → RatedItems."""
    table = pa.table({Rating.item: pa.array(items.ids), _NUMBER: pa.array(range(len(items.ids)), pa.int32())})
    numbers = F.broadcast(spark.createDataFrame(table))
    entry = F.struct(F.col(_NUMBER).alias(RatedItem.item), Rating.rating, RatedItem.part)
    return (
        rows.join(numbers, Rating.item)
        .groupBy(Rating.user)
        .agg(F.array_sort(F.collect_list(entry)).alias(RatedItems.rated))
        .select(*RatedItems.columns())
    )


def matrices(rows: pa.RecordBatch | pa.Table, items: int, *parts: tuple[int, ...]) -> tuple[sparse.csr_array, ...]:
    """RatedItems → users × items of ratings, one matrix per choice of parts."""
    user, entries = entries_of_lists(in_one_piece(rows.column(RatedItems.rated)))
    item, part = (np.asarray(pc.cast(entries.field(n), pa.int64())) for n in (RatedItem.item, RatedItem.part))
    rating = np.asarray(entries.field(RatedItem.rating))
    shape = (rows.num_rows, items)
    chosen = (np.isin(part, wanted) for wanted in parts)
    return tuple(sparse.csr_array((rating[c], (user[c], item[c])), shape=shape) for c in chosen)
