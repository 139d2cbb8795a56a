"""Which version of decisions.policy was in force when: what jobs that look back at several dates need."""

from __future__ import annotations

import datetime
import functools
from collections.abc import Mapping, Sequence
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts.policy import Policy
from promo_spark.decisions.adjustment.factors import InForceOn
from promo_spark.decisions.policy import AS_SET, InForce, in_force
from promo_spark.runtime.job import Context

Row = Mapping[str, Any]


def versions_since(ctx: Context[Any], first: datetime.date) -> list[Row]:
    """The versions in force from the day on up to the date. Policy, declared with Earlier and without.

    A row per parameter of a few hundred dates at most: the driver holds them.
    """
    every: DataFrame = ctx.read_earlier(Policy).unionByName(ctx.read_optional(Policy))
    before = every.filter(F.col(Policy.valid_from) < F.lit(first)).agg(F.max(Policy.valid_from)).collect()[0][0]
    rows = every.filter(F.col(Policy.valid_from) >= F.lit(before or first))
    return [row.asDict() for row in rows.collect()]


def version_on(versions: Sequence[Row]) -> InForceOn:
    """What each date was decided by; asked for a date again it is remembered."""

    @functools.cache
    def of_date(date: datetime.date) -> InForce:
        return in_force([row for row in versions if row[Policy.valid_from] <= date]) if versions else AS_SET

    return of_date
