"""The segment of each user: the nearest, unless the user's own of before is nearly as near."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T
from pyspark.sql.pandas.functions import pandas_udf

from promo_spark.contracts.features import UserProfile
from promo_spark.contracts.models import Segments
from promo_spark.contracts.vocabulary import BEHAVIOUR, VALUE
from promo_spark.models.segments.clustering import Points
from promo_spark.models.segments.names import NO_ORDERS
from promo_spark.models.segments.prototypes import Prototypes
from promo_spark.models.segments.scaling import log_value
from promo_spark.models.segments.stored import FittedSegments

NO_ORDERS_ID = 0
_DECIMALS = 6
# of each grouping: the columns of id, name, distance, membership
COLUMNS = {
    VALUE: (Segments.segment_id, Segments.segment_name, Segments.distance, Segments.membership),
    BEHAVIOUR: (
        Segments.behaviour_id,
        Segments.behaviour_name,
        Segments.behaviour_distance,
        Segments.behaviour_membership,
    ),
}
_HAS_ORDERS = "has_orders"


def segments(
    profiles: DataFrame,
    value: FittedSegments,
    behaviour: FittedSegments | None,
    *,
    before: DataFrame | None,
    stay: float,
) -> DataFrame:
    """One row per user. UserProfile, Segments of an earlier date → Segments.

    A user belongs to the nearest segment, ties to the lower index; but to the segment that `before` says, as long as no
    other segment is nearer by more than the share `stay` of the distance. In one pass; by k-means, without a Python
    worker. Users without orders get segment 0 and no distance. Distances are in standard deviations.
    """
    groupings = {VALUE: value} if behaviour is None else {VALUE: value, BEHAVIOUR: behaviour}
    users = profiles.withColumn(_HAS_ORDERS, F.col(UserProfile.orders) > 0)
    earlier = [COLUMNS[g][0] for g in groupings]
    if before is not None and stay:
        ids = [F.col(column).alias(_earlier(column)) for column in earlier]
        users = users.join(before.select(Segments.user_id, *ids), UserProfile.user_id, "left")
    else:
        users = users.withColumns({_earlier(column): F.lit(None).cast(T.IntegerType()) for column in earlier})
    scaled = {
        _scaled(g, f): (F.coalesce(log_value(f), F.lit(float(mean))) - float(mean)) / float(deviation)
        for g, of in groupings.items()
        for f, mean, deviation in zip(of.scaling.features, of.scaling.mean, of.scaling.deviation, strict=True)
    }
    kept = (UserProfile.user_id, _HAS_ORDERS, *map(_earlier, earlier))
    on_scale = users.select(*kept, *[column.alias(name) for name, column in scaled.items()])
    to_each = on_scale.select(
        *kept,
        *[
            _distances([_scaled(g, f) for f in of.scaling.features], of.prototypes).alias(g)
            for g, of in groupings.items()
        ],
    )
    own = to_each.withColumns({_own(g): _position(g, of.ids, stay) for g, of in groupings.items()})
    columns = [column for g, of in groupings.items() for column in _told(g, of)]
    if behaviour is None:
        columns += [F.lit(None).cast(Segments.type_of(name)).alias(name) for name in COLUMNS[BEHAVIOUR]]
    return own.select(Segments.user_id, *columns)


def _position(grouping: str, ids: Sequence[int], stay: float) -> Column:
    """The position of the user's centre, from 1, in the array of distances."""
    distances, earlier = F.col(grouping), F.col(_earlier(COLUMNS[grouping][0]))
    least = F.array_min(distances)
    before = F.array_position(F.lit([int(i) for i in ids]), earlier)  # 0: there is no such segment any more
    # a position of 0 has no element; F.when does not evaluate it then
    stays = F.when(before > 0, F.element_at(distances, before.cast("int")) * (1 - stay) <= least)
    return F.when(stays, before).otherwise(F.array_position(distances, least)).cast("int")


def _told(grouping: str, of: FittedSegments) -> list[Column]:
    """Id, name, distance and membership of the user's centre."""
    has_orders, own, distances = F.col(_HAS_ORDERS), F.col(_own(grouping)), F.col(grouping)
    segment_id, name, distance, membership = COLUMNS[grouping]
    to_own = F.element_at(distances, own)
    nearest = F.array_min(distances)
    to_other = F.when(to_own > nearest, nearest).otherwise(F.get(F.sort_array(distances), 1))
    # by F.when, not by a null position: element_at of a literal array takes the last element for null (Spark 4.2)
    return [
        F.when(has_orders, F.element_at(F.lit([int(i) for i in of.ids]), own))
        .otherwise(NO_ORDERS_ID)
        .cast(T.IntegerType())
        .alias(segment_id),
        F.when(has_orders, F.element_at(F.lit(list(of.names)), own)).otherwise(NO_ORDERS).alias(name),
        F.when(has_orders, F.round(to_own, _DECIMALS)).alias(distance),
        F.when(has_orders, F.round(F.try_divide(to_other, to_own + to_other), _DECIMALS)).alias(membership),
    ]


def _distances(columns: Sequence[str], prototypes: Prototypes) -> Column:
    """The distance to each group; of other than plain centres by numpy, in Arrow batches."""
    if prototypes.plain:
        return F.array(*[_distance(columns, centre) for centre in prototypes.points])

    @pandas_udf("array<double>")  # type: ignore[call-overload,untyped-decorator]  # its stubs take no text
    def to_groups(*features: pd.Series) -> pd.Series:
        return pd.Series(list(prototypes.distances(np.column_stack([f.to_numpy(float) for f in features]))))

    found: Column = to_groups(*columns)
    return found


def _distance(columns: Sequence[str], centre: Points) -> Column:
    squares = [(F.col(c) - float(x)) * (F.col(c) - float(x)) for c, x in zip(columns, centre, strict=True)]
    return F.sqrt(sum(squares[1:], squares[0]))


def _scaled(grouping: str, feature: str) -> str:
    return f"{grouping}_{feature}"


def _earlier(column: str) -> str:
    return f"earlier_{column}"


def _own(grouping: str) -> str:
    return f"own_{grouping}"
