"""Whom the suite may profile: who refused is left out before anything personal is computed."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts.silver import Users


def profiled(rows: DataFrame, users: DataFrame, *, unknown_consent: str) -> DataFrame:
    """The rows without those of users who may not be profiled. Any frame with user_id, Users → the same columns.

    Rows of nobody in particular (user_id null) stay. A user is unknown where consent_profiling is null, or
    where Users has no such user: kept when `unknown_consent` is 'eligible', left out when 'excluded'. What is
    summed over all users, such as daily sales, needs no consent and takes all rows.
    """
    consent = F.col(Users.consent_profiling)
    if unknown_consent == "eligible":
        refused = users.filter(~consent).select(Users.user_id)
        return rows.join(refused, Users.user_id, "left_anti")
    agreed = users.filter(consent).select(Users.user_id, F.lit(True).alias("_agreed"))
    kept = F.col(Users.user_id).isNull() | F.col("_agreed").isNotNull()
    return rows.join(agreed, Users.user_id, "left").filter(kept).select(rows.columns)


def unprofiled_users(users: DataFrame, *, unknown_consent: str) -> DataFrame:
    """One row per user of the master data who may not be profiled. Users → Users."""
    may = F.coalesce(Users.consent_profiling, F.lit(unknown_consent == "eligible"))
    return users.filter(~may)
