"""By which channel a user may be sent offers, and when: consent by channel, quiet hours."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from zoneinfo import ZoneInfo

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts.silver import ChannelConsents
from promo_spark.decisions.offers.targets import OfferTarget
from promo_spark.decisions.users import DailyUser


def with_channels(users: DataFrame, consents: DataFrame) -> DataFrame:
    """The users with the channel to send by and those that they refused. DailyUser, ChannelConsents → DailyUser.

    The main channel, unless it is refused: then the first, by name, that the user said yes to; null where there is
    none.
    """
    consent, channel = F.col(ChannelConsents.consent), F.col(ChannelConsents.channel)
    said = consents.groupBy(ChannelConsents.user_id).agg(
        F.array_sort(F.collect_set(F.when(~consent, channel))).alias(_REFUSED),
        F.min(F.when(consent, channel)).alias(_AGREED),
    )
    refused = F.coalesce(F.col(_REFUSED), F.array().cast("array<string>"))
    main = F.when(~F.array_contains(refused, F.col(DailyUser.main_channel)), F.col(DailyUser.main_channel))
    return DailyUser.shaped(
        users.join(said, DailyUser.user_id, "left").withColumns(
            {DailyUser.refused_channels: refused, DailyUser.channel: F.coalesce(main, F.col(_AGREED))}
        )
    )


_REFUSED, _AGREED = "channels_refused", "channel_agreed"


def allowed_by_channel(targets: DataFrame, users: DataFrame) -> DataFrame:
    """What may be offered: nothing that holds only in a channel which the user refused. OfferTarget, DailyUser → …"""
    refused = users.select(F.col(DailyUser.user_id).alias(_USER), F.explode(DailyUser.refused_channels).alias(_CHANNEL))
    same = (F.col(_USER) == F.col(OfferTarget.user_id)) & (F.col(_CHANNEL) == F.col(OfferTarget.channel))
    return OfferTarget.shaped(targets.join(refused, same, "left_anti"))


_USER, _CHANNEL = "user_who_refused", "channel_refused"


def sending_hours(
    date: datetime.date, quiet: Sequence[str], timezone: str
) -> tuple[datetime.datetime, datetime.datetime] | None:
    """From when until when a message of the date may go out, UTC; None: at any time.

    Quiet hours that begin in the evening end on the next morning: the date's messages go out between them. Those within
    a day are over when messages go out.

    >>> [hour.isoformat() for hour in sending_hours(datetime.date(2024, 6, 1), ["21:00", "08:00"], "Europe/Berlin")]
    ['2024-06-01T06:00:00+00:00', '2024-06-01T19:00:00+00:00']
    >>> [hour.isoformat() for hour in sending_hours(datetime.date(2024, 6, 1), ["12:00", "14:00"], "UTC")]
    ['2024-06-01T14:00:00+00:00', '2024-06-02T00:00:00+00:00']
    """
    if not quiet:
        return None
    zone = ZoneInfo(timezone)
    begin, end = (datetime.time.fromisoformat(hour) for hour in quiet)
    next_day = datetime.datetime.combine(date + datetime.timedelta(days=1), datetime.time(), zone)
    first = datetime.datetime.combine(date, end, zone)
    last = datetime.datetime.combine(date, begin, zone) if begin > end else next_day
    return first.astimezone(datetime.timezone.utc), last.astimezone(datetime.timezone.utc)
