"""Accounts that are linked by a device, an address or equal orders, directly or by others: connected components.

Each account takes the smallest label among those it is linked with, and again, a bounded number of times (label
propagation): chains are not followed further than that. What more accounts share than make a ring links nobody, such as
the address of an office.
"""

from __future__ import annotations

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from promo_spark.contracts.silver import Users
from promo_spark.models.risk.frames import Account, AccountFigures, EqualOrders, Link, RingMember, SharedDigest

ROUNDS = 4  # each passes a label on to all accounts that share something: the members of most rings share one thing
_LABEL, _NEW_FIRST = "_label", "_new_first"


def accounts(users: DataFrame) -> DataFrame:
    """One row per user of the master data. Users → Account."""
    opened = F.date_diff(F.to_date(Users.registered_at), F.lit("1970-01-01"))
    return Account.shaped(users.withColumn(Account.opened, opened))


def digests(accounts: DataFrame) -> DataFrame:
    """One row per user and digest that is known, of a device or an address. Account → SharedDigest but `accounts`."""
    kinds = (Account.device_digest, Account.address_digest)
    each = F.array(*[F.struct(F.lit(kind).alias("kind"), F.col(kind).alias("digest")) for kind in kinds])
    known = accounts.select(Account.user_id, F.inline(each)).filter(F.col("digest").isNotNull())
    return known.select(SharedDigest.user_id, F.xxhash64("kind", "digest").alias(SharedDigest.of))


def usable_digests(digests: DataFrame, *, largest_ring: int) -> DataFrame:
    """Those that no more than `largest_ring` accounts have. → SharedDigest."""
    accounts = F.count("*").over(Window.partitionBy(SharedDigest.of))
    counted = digests.withColumn(SharedDigest.accounts, accounts)
    return SharedDigest.shaped(counted.filter(F.col(SharedDigest.accounts) <= largest_ring))


def links(usable: DataFrame, equal: DataFrame, *, chance: float) -> DataFrame:
    """What links accounts: digests, and equal orders of three accounts or more that are less likely than `chance`.

    SharedDigest, EqualOrders → Link.
    """
    shared = usable.filter(F.col(SharedDigest.accounts) > 1).select(Link.user_id, Link.of)
    sure = (F.col(EqualOrders.accounts) >= 3) & (F.col(EqualOrders.chance) <= chance)
    runs = equal.filter(sure).select(EqualOrders.user_id, F.col(EqualOrders.run).alias(Link.of))
    return Link.shaped(shared.unionByName(runs))


def components(links: DataFrame, *, rounds: int = ROUNDS) -> DataFrame:
    """One row per linked user: user_id and the label of the component, the smallest hash of a user in it. Link → …"""
    labelled = links.withColumn(_LABEL, F.xxhash64(Link.user_id))
    for _ in range(rounds):
        for side in (Link.of, Link.user_id):
            labelled = labelled.withColumn(_LABEL, F.min(_LABEL).over(Window.partitionBy(side)))
    return labelled.groupBy(Link.user_id).agg(F.min(_LABEL).alias(RingMember.ring))


def ring_members(
    of_links: DataFrame, figures: DataFrame, *, opened_within_days: int, opened_from: int, largest_ring: int
) -> DataFrame:
    """One row per linked user. Link, Account with AccountFigures → RingMember."""
    ring = Window.partitionBy(RingMember.ring)
    near = ring.orderBy(Account.opened).rangeBetween(-(opened_within_days - 1), opened_within_days - 1)
    is_new = F.coalesce(F.col(Account.opened) >= opened_from, F.lit(False))
    has_orders = F.coalesce(F.col(AccountFigures.orders), F.lit(0)) > 0
    known = figures.select(
        Account.user_id,
        Account.opened,
        F.coalesce(AccountFigures.orders, F.lit(0)).alias("_orders"),
        F.coalesce(AccountFigures.coupon_orders, F.lit(0)).alias("_coupons"),
        (is_new & has_orders).cast("long").alias(_NEW_FIRST),
    )
    dated = F.col(Account.opened).isNotNull()
    of_ring = (
        components(of_links)
        .join(known, Account.user_id)
        .withColumn(RingMember.members, F.count("*").over(ring))
        .filter(F.col(RingMember.members).between(2, largest_ring))
    )
    return RingMember.shaped(
        of_ring.withColumns(
            {
                RingMember.opened_near: F.when(dated, F.count(Account.opened).over(near) - 1),
                RingMember.others_dated: F.count(Account.opened).over(ring) - dated.cast("long"),
                RingMember.orders: F.sum("_orders").over(ring),
                RingMember.coupon_orders: F.sum("_coupons").over(ring),
                RingMember.first_orders: F.sum(_NEW_FIRST).over(ring),
            }
        )
    )
