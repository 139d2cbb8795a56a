"""Whom the suite may profile: who refused is left out before anything personal is computed."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.schema import Col, Frame
from promo_spark.contracts.silver import Users

_USERS, _COULD, _AGREED = Users.columns(), "could", "_agreed"


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
    agreed = users.filter(consent).select(Users.user_id, F.lit(True).alias(_AGREED))
    kept = F.col(Users.user_id).isNull() | F.col(_AGREED).isNotNull()
    return rows.join(agreed, Users.user_id, "left").filter(kept).select(rows.columns)


class PermissionChange(Frame):
    """One row per user who may be profiled and could not be before, or the other way round."""

    user_id = _USERS[Users.user_id]
    may = Col(T.BooleanType(), "whether the user may be profiled now", required=True)


def permission_changes(then: DataFrame, now: DataFrame, *, unknown_consent: str) -> DataFrame:
    """One row per user whose permission changed. Users as they were, Users as they are → PermissionChange."""
    unknown = F.lit(unknown_consent == "eligible")
    before = then.select(Users.user_id, F.coalesce(Users.consent_profiling, unknown).alias(_COULD))
    after = now.select(Users.user_id, F.coalesce(Users.consent_profiling, unknown).alias(PermissionChange.may))
    could, may = F.coalesce(_COULD, unknown), F.coalesce(PermissionChange.may, unknown)
    both = before.join(after, Users.user_id, "outer").filter(could != may)
    return both.select(PermissionChange.user_id, may.alias(PermissionChange.may))


def unprofiled_users(users: DataFrame, *, unknown_consent: str) -> DataFrame:
    """One row per user of the master data who may not be profiled. Users → Users."""
    may = F.coalesce(Users.consent_profiling, F.lit(unknown_consent == "eligible"))
    return users.filter(~may)
