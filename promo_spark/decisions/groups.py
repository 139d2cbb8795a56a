"""Groups of users that are to have their share of the day's budget: by region, member tier, and the like."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from decimal import Decimal

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.schema import Col
from promo_spark.contracts.vocabulary import UNKNOWN_GROUP
from promo_spark.decisions.allocation.limits import of_group
from promo_spark.decisions.users import DailyUser
from promo_spark.decisions.valuation import ValuedOffer
from promo_spark.errors import SettingsError
from promo_spark.measures.best_rows import best_rows

MOST_GROUPS = 50  # of an attribute


class GroupedOffer(ValuedOffer):
    """One row per offer that could be made, with the limits of its user's groups."""

    groups = Col(T.ArrayType(T.StringType()), "names of the constraints of the user's groups", required=True)


def groups_of_user(attributes: Collection[str]) -> Column:
    """The constraints' names of the groups that a user is of. Of DailyUser."""
    return F.array(*[of_group(name, F.coalesce(F.col(name), F.lit(UNKNOWN_GROUP))) for name in sorted(attributes)])


def user_groups(users: DataFrame, attributes: Collection[str]) -> DataFrame:
    """One row per user: the id and the groups. DailyUser → columns of GroupedOffer."""
    return users.select(DailyUser.user_id, groups_of_user(attributes).alias(GroupedOffer.groups))


def with_groups(offers: DataFrame, users: DataFrame, attributes: Collection[str]) -> DataFrame:
    """The offers with the groups of their users, if there are attributes. ValuedOffer, DailyUser → GroupedOffer."""
    if not attributes:
        return offers
    return GroupedOffer.shaped(offers.join(user_groups(users, attributes), DailyUser.user_id, "inner"))


def group_limits(users: DataFrame, shares: Mapping[str, float], daily: int) -> dict[str, int]:
    """What each group may reserve of the day's budget, by constraint, in its minor units, rounded down.

    DailyUser of all who may get offers. `shares`: by attribute, how many times its share of these users a group may
    have. A group that may have all has no limit. Raises SettingsError for an attribute of more than MOST_GROUPS groups.
    """
    if not shares:
        return {}
    of_attribute = Window.partitionBy(_ATTRIBUTE)
    groups = (
        users.select(F.posexplode(groups_of_user(shares)).alias(_ATTRIBUTE, _GROUP))
        .groupBy(_ATTRIBUTE, _GROUP)
        .agg(F.count("*").alias(_MEMBERS))
        .withColumns({_GROUPS: F.count("*").over(of_attribute), _ALL: F.sum(_MEMBERS).over(of_attribute)})
    )
    few = best_rows(groups, of=[_ATTRIBUTE], by=[_GROUP], keep=MOST_GROUPS)
    attributes, limits = sorted(shares), dict[str, int]()
    for place, group, members, count, everyone in sorted(few.collect()):  # 50 of an attribute at most
        attribute = attributes[place]
        if count > MOST_GROUPS:
            raise SettingsError(
                f"promote.group_shares.{attribute}: there are {count} groups by {attribute}; more than {MOST_GROUPS} "
                "are too many to give each its share. Name an attribute with fewer values, or map its values to fewer "
                "in the source"
            )
        most = int(Decimal(str(shares[attribute])) * members * daily / everyone)
        if most < daily:
            limits[group] = most
    return limits


_ATTRIBUTE, _GROUP, _MEMBERS = "attribute", "group_name", "members"
_GROUPS, _ALL = "groups_by_attribute", "members_of_all"
