"""The named predicates: what is wrong with a row that no comparison of one column with a literal can say.

Each gives a condition on the row's own columns, so that it costs no pass of its own. Those that need to know
other rows (the product list, the users, what a session did) compare with a small set of ids.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts.raw_rows import IncomingRow
from promo_spark.contracts.silver import Campaigns, Events, OrderLines, PromotionCalendar, Users
from promo_spark.contracts.silver.sourced import TEST_USER

_ID, _MINUTE, _EVENTS = "id", "minute", "events"
MARK = "_mark_"  # a row whose column stands in the set of a predicate has a mark of the predicate's name


@dataclass(frozen=True)
class ComparedWith:
    """What a row is compared with beyond itself; a set that is None is not known."""

    date: datetime.date
    timezone: str
    test_users: Sequence[str] = ()
    products: DataFrame | None = None
    users: DataFrame | None = None
    bot_sessions: DataFrame | None = None
    promoted_days: DataFrame | None = None

    def next_day(self) -> datetime.datetime:
        """The instant at which the day after the run's date begins where the shop is."""
        midnight = datetime.datetime.combine(self.date + datetime.timedelta(1), datetime.time())
        return midnight.replace(tzinfo=ZoneInfo(self.timezone))


Condition = Callable[[str, ComparedWith], Column]
IdsOf = Callable[[ComparedWith], DataFrame | None]


def _always(_compared: ComparedWith) -> bool:
    return True


@dataclass(frozen=True)
class Predicate:
    """When a row fails, given the check's column; `ids` is the set, of one column, that it looks up.

    Where it does not apply (nothing to compare with is known) the check is left out.
    """

    fails: Condition
    applies: Callable[[ComparedWith], bool] = _always
    ids: IdsOf | None = None


def mark(name: str) -> str:
    return MARK + name


def known_ids(rows: DataFrame, column: str) -> DataFrame:
    """One row per id that the rows have. Rows → ids."""
    return rows.select(F.col(column).alias(_ID)).distinct()


def bot_sessions(events: DataFrame, events_per_minute: int) -> DataFrame:
    """The sessions with more events within one minute of the clock than a person makes. Candidates → ids."""
    minutes = events.filter(F.col(Events.session_id).isNotNull()).groupBy(
        Events.session_id, F.date_trunc(_MINUTE, Events.ts).alias(_MINUTE)
    )
    busy = minutes.agg(F.count(F.lit(1)).alias(_EVENTS)).filter(F.col(_EVENTS) > events_per_minute)
    return known_ids(busy, Events.session_id)


def with_test_users(rows: DataFrame, test_users: Sequence[str]) -> DataFrame:
    """The candidates with a mark on those of test users: made while ids are still those of the settings."""
    if not test_users or Users.user_id not in rows.columns:
        return rows
    user = F.col(Users.user_id)
    is_tester = user.isin([name for name in test_users if not name.endswith("*")])
    for beginning in (name[:-1] for name in test_users if name.endswith("*")):
        is_tester = is_tester | user.startswith(beginning)
    return rows.withColumn(mark(TEST_USER.name), F.coalesce(is_tester, F.lit(False)))


def _test_user(_column: str, _compared: ComparedWith) -> Column:
    return F.col(mark(TEST_USER.name))


def _amount_negative(column: str, _compared: ComparedWith) -> Column:
    return (F.col(column) < 0) & (F.col(OrderLines.quantity) >= 0)


def _amount_of_return_positive(column: str, _compared: ComparedWith) -> Column:
    return (F.col(column) > 0) & (F.col(OrderLines.quantity) < 0)


def _discount_negative(column: str, _compared: ComparedWith) -> Column:
    least = F.least(column, OrderLines.discount_coupon, OrderLines.discount_coupon_match)
    return (least < 0) & (F.col(OrderLines.quantity) > 0)


def _list_below_paid(column: str, _compared: ComparedWith) -> Column:
    return (F.col(column) < F.col(OrderLines.amount_paid)) & (F.col(OrderLines.quantity) > 0)


def _future_timestamp(column: str, compared: ComparedWith) -> Column:
    return F.col(column) >= F.lit(compared.next_day())


def _future_day(column: str, compared: ComparedWith) -> Column:
    return F.col(column) > F.lit(compared.date)


def _ends_before_start(column: str, _compared: ComparedWith) -> Column:
    return F.col(column) < F.col(Campaigns.start_date)


def _half_a_scope(_column: str, _compared: ComparedWith) -> Column:
    return F.col(PromotionCalendar.level).isNull() != F.col(PromotionCalendar.value).isNull()


def _control_character(_column: str, _compared: ComparedWith) -> Column:
    unread = F.col(IncomingRow.unparsed)  # of text columns only ids stand there
    return (F.size(unread) > 0) & F.array_join(unread, ",").rlike("_id(,|$)")


def _not_among(name: str) -> Condition:
    return lambda column, _compared: F.col(column).isNotNull() & F.col(mark(name)).isNull()


def _among(name: str) -> Condition:
    return lambda _column, _compared: F.col(mark(name)).isNotNull()


def _looked_up(fails: Condition, ids: IdsOf) -> Predicate:
    return Predicate(fails, lambda compared: ids(compared) is not None, ids)


PREDICATES: Mapping[str, Predicate] = {
    "amount_negative": Predicate(_amount_negative),
    "amount_of_return_positive": Predicate(_amount_of_return_positive),
    "bot_session": _looked_up(_among("bot_session"), lambda compared: compared.bot_sessions),
    "control_character_in_id": Predicate(_control_character),
    "discount_negative": Predicate(_discount_negative),
    "ends_before_start": Predicate(_ends_before_start),
    "future_day": Predicate(_future_day),
    "future_timestamp": Predicate(_future_timestamp),
    "half_a_scope": Predicate(_half_a_scope),
    "list_below_paid": Predicate(_list_below_paid),
    "test_user": Predicate(_test_user, lambda compared: bool(compared.test_users)),
    "unknown_product": _looked_up(_not_among("unknown_product"), lambda compared: compared.products),
    "unknown_user": _looked_up(_not_among("unknown_user"), lambda compared: compared.users),
}
