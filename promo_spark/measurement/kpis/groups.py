"""The arm and the segment that users were in on a day, as was decided then."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Final

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts.decisions import Promotions
from promo_spark.contracts.schema import Frame

_COLUMNS = Promotions.columns()


class UserGroup(Frame):
    """One row per user of whom something was decided on a day."""

    user_id = _COLUMNS[Promotions.user_id]
    arm = _COLUMNS[Promotions.arm]
    segment_id = _COLUMNS[Promotions.segment_id]


PARTS: Final[Mapping[str, str]] = {"arm": UserGroup.arm, "segment": UserGroup.segment_id}


def user_groups(promotions: DataFrame, day: datetime.date) -> DataFrame:
    """One row per user. Promotions → UserGroup. Rows of other dates do not count; a date not decided has no groups."""
    of_day = promotions.filter(F.col(Promotions.date) == F.lit(day))
    both = [F.max(column).alias(column) for column in PARTS.values()]  # the same in all rows of a user
    return UserGroup.shaped(of_day.groupBy(Promotions.user_id).agg(*both))
