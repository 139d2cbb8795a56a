"""Who is who: the ids of several channels become the person behind them."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts.schema import Table
from promo_spark.contracts.silver import Contacts, IdentityMap

_ANY_CHANNEL = "*"


def with_persons(table: type[Table], rows: DataFrame, persons: DataFrame) -> DataFrame:
    """The candidates with each user_id that the identity map knows replaced by the person's.

    An entry of the row's own channel counts before one for every channel ('*'). Rows that name no channel
    take the person on whom all channels of the id agree. An id that is not in the map stays as it is.
    """
    if "user_id" not in table.columns() or table is IdentityMap:
        return rows
    by_id = (
        persons.groupBy(IdentityMap.channel, IdentityMap.channel_user_id)
        .agg(F.min(IdentityMap.user_id).alias("_person"))
        .groupBy(F.col(IdentityMap.channel_user_id).alias("_id"))
        .agg(
            F.map_from_entries(F.collect_list(F.struct(IdentityMap.channel, "_person"))).alias("_by_channel"),
            F.min("_person").alias("_least"),
            F.max("_person").alias("_greatest"),
        )
    )
    # The channel of a contact is how the message went out, not where the id is used.
    has_channel = "channel" in table.columns() and table is not Contacts
    channel = F.col("channel") if has_channel else F.lit(None).cast("string")
    agreed = F.when(channel.isNull() & (F.col("_least") == F.col("_greatest")), F.col("_least"))
    person = F.coalesce(
        F.try_element_at("_by_channel", channel),
        F.try_element_at("_by_channel", F.lit(_ANY_CHANNEL)),
        agreed,
        F.col("user_id"),
    )
    joined = rows.join(by_id, F.col("user_id") == F.col("_id"), how="left")
    return joined.withColumn("user_id", person).select(*rows.columns)
