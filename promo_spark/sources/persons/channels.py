"""Who is who: the ids of several channels become the person behind them."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.schema import Col, Frame, Table
from promo_spark.contracts.silver import Contacts, Events, IdentityMap, Users

_ANY_CHANNEL = "*"


class _Persons(Frame):
    """One row per id that some channel uses: the persons behind it."""

    id = Col(T.StringType(), "the id", name="_id")
    person = Col(T.StringType(), "the person whom one channel says", name="_person")
    by_channel = Col(T.MapType(T.StringType(), T.StringType()), "channel → person", name="_by_channel")
    least = Col(T.StringType(), "the first of these persons", name="_least")
    greatest = Col(T.StringType(), "the last of them: the same where all channels agree", name="_greatest")


def with_persons(table: type[Table], rows: DataFrame, persons: DataFrame) -> DataFrame:
    """The candidates with each user_id that the identity map knows replaced by the person's.

    An entry of the row's own channel counts before one for every channel ('*'). Rows that name no channel
    take the person on whom all channels of the id agree. An id that is not in the map stays as it is.
    """
    if Users.user_id not in table.columns() or table is IdentityMap:
        return rows
    by_id = (
        persons.groupBy(IdentityMap.channel, IdentityMap.channel_user_id)
        .agg(F.min(IdentityMap.user_id).alias(_Persons.person))
        .groupBy(F.col(IdentityMap.channel_user_id).alias(_Persons.id))
        .agg(
            F.map_from_entries(F.collect_list(F.struct(IdentityMap.channel, _Persons.person))).alias(
                _Persons.by_channel
            ),
            F.min(_Persons.person).alias(_Persons.least),
            F.max(_Persons.person).alias(_Persons.greatest),
        )
    )
    # The channel of a contact is how the message went out, not where the id is used.
    has_channel = Events.channel in table.columns() and table is not Contacts
    channel = F.col(Events.channel) if has_channel else F.lit(None).cast("string")
    agreed = F.when(channel.isNull() & (F.col(_Persons.least) == F.col(_Persons.greatest)), F.col(_Persons.least))
    person = F.coalesce(
        F.try_element_at(_Persons.by_channel, channel),
        F.try_element_at(_Persons.by_channel, F.lit(_ANY_CHANNEL)),
        agreed,
        F.col(Users.user_id),
    )
    joined = rows.join(by_id, F.col(Users.user_id) == F.col(_Persons.id), how="left")
    return joined.withColumn(Users.user_id, person).select(*rows.columns)
