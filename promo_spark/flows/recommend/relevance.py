"""What recommend.relevance says of the products of a catalogue and of users."""

from __future__ import annotations

import functools

import numpy as np
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts.features import ProductProfile
from promo_spark.contracts.silver import Users
from promo_spark.models.recommenders.recommendations import UserToRank
from promo_spark.models.recommenders.relevance import NO_TIER, Relevance
from promo_spark.models.recommenders.strengths import CatalogueItem
from promo_spark.runtime.job import Context
from promo_spark.settings.recommend import RecommendSettings

Ctx = Context[RecommendSettings]


def relevance_of(ctx: Ctx, items: DataFrame) -> Relevance | None:
    """The tiers of a catalogue's products, and which are limited. CatalogueItem → arrays; None: all are for all."""
    of = ctx.settings.relevance
    if of.price_tiers >= 4 and not of.limits:
        return None
    under = [_under(key).alias(f"_{number}") for number, key in enumerate(of.limits)]
    tier = F.coalesce(ProductProfile.price_tier, F.lit(NO_TIER)).alias(ProductProfile.price_tier)
    rows = (
        items.join(ctx.read(ProductProfile).drop(ProductProfile.title), CatalogueItem.product_id)
        .orderBy(CatalogueItem.item)
        .select(tier, *under)
        .toArrow()
    )
    limited = [rows[f"_{n}"].to_numpy() for n in range(len(under))]
    return Relevance(
        rows[ProductProfile.price_tier].to_numpy().astype(np.int64),
        np.array(limited, bool).reshape(len(under), rows.num_rows),
        of.price_tiers,
    )


def with_limits(ctx: Ctx, users: DataFrame) -> DataFrame:
    """The users, each with the numbers of the limits that the user does not meet. Users with user_id → with outside.

    Whose attribute is not known does not meet a limit by it.
    """
    limits = ctx.settings.relevance.limits
    if not limits:
        return users
    names = sorted({name for attributes in limits.values() for name in attributes})
    known = users.join(ctx.read_optional(Users).select(Users.user_id, *names), Users.user_id, "left")
    numbers = []
    for number, attributes in enumerate(limits.values()):
        met = [F.coalesce(F.col(name).isin(*among), F.lit(False)) for name, among in sorted(attributes.items())]
        numbers.append(F.when(~functools.reduce(Column.__and__, met), F.lit(number)))
    return known.withColumn(UserToRank.outside, F.array_compact(F.array(*numbers))).drop(*names)


def _under(key: str) -> Column:
    """Whether a product is under a limit. Of ProductProfile rows."""
    kind, _, value = key.partition(":")
    if kind == "tag":
        return F.coalesce(F.array_contains(ProductProfile.tags, value), F.lit(False))
    return F.coalesce(F.col(kind) == F.lit(value), F.lit(False))
