"""The steps of the explain command: one user's day decided again as promote did, and why what was not offered lost."""

from __future__ import annotations

import datetime
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F

from promo_spark.contracts.currencies import digits_of
from promo_spark.contracts.decisions import Budget, Explored, Promotions
from promo_spark.contracts.ops import Runs
from promo_spark.contracts.policy import Policy
from promo_spark.contracts.schema import Table
from promo_spark.decisions.allocation.limits import parts_of_unit
from promo_spark.decisions.eligibility import UserEligibility
from promo_spark.decisions.explanations import Candidate, Decided, products_named, reason_of_each
from promo_spark.decisions.offers.targets import Fund, categories, product_ids
from promo_spark.decisions.offers.topics import topics_of
from promo_spark.decisions.options import uses_of_offers
from promo_spark.decisions.policy import AS_SET, InForce
from promo_spark.decisions.rooms import Room
from promo_spark.decisions.valuation import MICRO, ValuedOffer
from promo_spark.errors import MissingDataError
from promo_spark.flows.policy import by_policy, policy_in_force
from promo_spark.flows.promote import considered, users_of_the_day
from promo_spark.flows.promote_context import promote_context, tables_decided_by
from promo_spark.flows.stream.offers import by_stream
from promo_spark.measures.money import minor_per_unit
from promo_spark.measures.offers_in_force import offers_in_force
from promo_spark.runtime.job import Job
from promo_spark.settings import Section, Settings, parsed_date
from promo_spark.settings.business import BusinessSettings
from promo_spark.settings.promote import PromoteSettings
from promo_spark.storage.damage import versions_left
from promo_spark.storage.jvm import SparkFailure
from promo_spark.storage.lake import Lake

_PRODUCTS, _TOPICS, _USES = "products", "topics", "uses_of_offer"


@dataclass(frozen=True)
class _Logged:
    """How a run decided: its settings, and the versions of the tables that it read."""

    promote: PromoteSettings
    business: BusinessSettings
    versions: Mapping[str, int]

    def may_have_read(self, table: type[Table]) -> bool:
        """Whether the run can have read a table: not one that was made after it."""
        return not self.versions or table.full_name() in self.versions


def explained(lake: Lake, settings: Settings, promote: Job, *, user: str, date: str) -> str:
    """What the user was offered or why nothing, then every other candidate and why it lost, a line each.

    The user alone is looked at again, by the settings and the versions that the run log has of that decision, and at
    the prices of limits in decisions.budget. Raises MissingDataError where nothing was decided for the user that day.
    """
    day = parsed_date(date)
    rows = _decided(lake, user, day)
    before = [_heading(rows), *_held(lake, user, day)]
    if rows[0][Promotions.arm] == "explore" and "exploring" not in rows[0][Promotions.reason_codes]:
        return "\n".join([*before, *_drawn(lake, user, day)])
    if by_stream(rows[0][Promotions.run_id]):
        return "\n".join([*before, *_made_within_the_day(rows)])
    logged = _logged(lake, rows[0][Promotions.run_id], settings)
    try:
        told = _decided_again(lake, promote, rows, logged)
    except SparkFailure as error:
        left = versions_left(lake, error, tables_decided_by(promote), logged.versions)
        if not left:
            raise
        newest = {table.full_name(): version for table, version in left.items()}
        before.append(
            f"Files that promote read then have been deleted since, by maintain: of {', '.join(sorted(newest))} "
            "the rows of today count, so figures may differ."
        )
        told = _decided_again(lake, promote, rows, replace(logged, versions={**logged.versions, **newest}))
    return "\n".join([*before, *told])


def _decided_again(lake: Lake, promote: Job, rows: list[Row], logged: _Logged) -> list[str]:
    """What became of each candidate of the user of these rows, as promote found and valued them by what is logged."""
    user, day = rows[0][Promotions.user_id], rows[0][Promotions.date]
    ctx = promote_context(
        lake,
        promote,
        day,
        settings=logged.promote,
        business=logged.business,
        versions=logged.versions,
        command="explain",
    )
    digits, prices = digits_of(logged.business.currency), _prices(lake, day)
    try:
        policy = policy_in_force(ctx) if logged.may_have_read(Policy) else AS_SET
        ctx = by_policy(ctx, policy)
        everyone = users_of_the_day(ctx)
        found = considered(ctx, _with_linked(everyone, user), policy, everyone)
        own = found.offers.filter(F.col(ValuedOffer.user_id) == user)
        candidates = _candidates(own, digits, prices.keys(), policy)
        room = found.rooms.filter(F.col(Room.user_id) == user).head()
    finally:
        ctx.release()
    decided = Decided(
        made={row[Promotions.promotion_id]: row[Promotions.rank] for row in rows},
        prices={name: price for name, price in prices.items() if price is not None},
        least_gain=logged.promote.least_gain,
        room=room[Room.room] if room else logged.promote.max_offers_per_user,
        ring_is_full=room is not None and room[Room.ring_is_full],
        currency=logged.business.currency,
    )
    return [*reason_of_each(candidates, decided), *_differing(rows, candidates, digits)]


def _with_linked(users: DataFrame, user: str) -> DataFrame:
    """The user, and the accounts that act together with it. UserEligibility → UserEligibility."""
    own = F.col(UserEligibility.user_id) == user
    row = users.filter(own).select(UserEligibility.ring).head()
    ring = row[UserEligibility.ring] if row else None
    return users.filter(own if ring is None else own | (F.col(UserEligibility.ring) == ring))


def _decided(lake: Lake, user: str, day: datetime.date) -> list[Row]:
    rows = lake.read(Promotions, date=day).filter(F.col(Promotions.user_id) == user).orderBy(Promotions.rank).collect()
    if not rows:
        raise MissingDataError(
            f"decisions.promotions has no row of user {user!r} for {day}: give an id and a date as they stand there"
        )
    return rows


def _logged(lake: Lake, run_id: str, settings: Settings) -> _Logged:
    """As the run log has it; today's settings and tables where it has no such run."""
    runs = lake.read(Runs) if lake.exists(Runs) else Runs.frame(lake.spark)
    ended = runs.filter((F.col(Runs.run_id) == run_id) & (F.col(Runs.outcome) == "succeeded"))
    row = ended.orderBy(F.desc(Runs.started_at)).head()
    if row is None:
        return _Logged(settings.promote, settings.business, {})
    told = json.loads(row[Runs.settings])
    return _Logged(
        PromoteSettings.model_validate(as_logged(settings.promote, told["promote"])),
        BusinessSettings.model_validate(as_logged(settings.business, told["business"])),
        row[Runs.input_versions],
    )


def as_logged(section: Section, told: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a section that a run was logged with; of a setting that there was not yet, today's."""
    today = section.model_dump()
    return {name: told.get(name, today[name]) for name in today}


def _candidates(offers: DataFrame, digits: int, limits: Collection[str], policy: InForce) -> list[Candidate]:
    """Of ValuedOffer of one user, under the limits that stood that day."""
    products = product_ids(F.col(ValuedOffer.parts))
    topics = topics_of(F.col(ValuedOffer.mechanic), products, categories(F.col(ValuedOffer.parts)))
    uses, unit = uses_of_offers(digits, limits).alias(_USES), minor_per_unit(digits)
    rows = offers.select("*", products.alias(_PRODUCTS), topics.alias(_TOPICS), uses).collect()  # one user's
    return [
        Candidate(
            promotion_id=row[ValuedOffer.promotion_id],
            scenario=row[ValuedOffer.scenario],
            mechanic=row[ValuedOffer.mechanic],
            products=tuple(row[_PRODUCTS]),
            topics=frozenset(row[_TOPICS]),
            rate=row[ValuedOffer.rate],
            value=row[ValuedOffer.aim_micro] / MICRO,
            error=row[ValuedOffer.error_micro] / MICRO,
            cost=Decimal(row[ValuedOffer.cost_minor]) / unit,
            fund=row[ValuedOffer.fund][Fund.fund_id] if row[ValuedOffer.fund] else None,
            fund_cost=Decimal(row[ValuedOffer.fund_minor]) / unit,
            worthwhile=row[ValuedOffer.worthwhile],
            in_strategy=row[ValuedOffer.in_strategy],
            paused=_is_paused(policy, row),
            stopped=row[ValuedOffer.paused] > 0 and not _is_paused(policy, row),
            uses={name: Decimal(amount) / parts_of_unit(name, digits) for name, amount in row[_USES]},
        )
        for row in rows
    ]


def _is_paused(policy: InForce, offer: Row) -> bool:
    scopes = (f"mechanic:{offer[ValuedOffer.mechanic]}", f"scenario:{offer[ValuedOffer.scenario]}")
    return any(policy.pause(scope) for scope in scopes)


def _prices(lake: Lake, day: datetime.date) -> dict[str, float | None]:
    """What one unit more of each limit of the day would bring; None: it does not bind."""
    rows = lake.read(Budget, date=day).select(Budget.constraint, Budget.dual_price)
    return dict(rows.collect())  # a row per limit


def _heading(rows: list[Row]) -> str:
    first = rows[0]
    who = f"{first[Promotions.user_id]} on {first[Promotions.date]}, arm {first[Promotions.arm]}"
    if first[Promotions.scenario] == "none":
        return f"{who}: no offer ({', '.join(first[Promotions.reason_codes])})"
    return f"{who}: {len(rows)} offer{'s' * (len(rows) > 1)}"


def _held(lake: Lake, user: str, day: datetime.date) -> list[str]:
    """A line per offer of an earlier day that the user can still use: it takes a place, and is not made again."""
    own = lake.read(Promotions).filter((F.col(Promotions.user_id) == user) & (F.col(Promotions.date) <= F.lit(day)))
    earlier = offers_in_force(own, day).filter(F.col(Promotions.date) < F.lit(day))
    return [
        f"  held until {row[Promotions.valid_to]}, since {row[Promotions.date]}: {row[Promotions.scenario]}, "
        f"{row[Promotions.mechanic]} of {products_named(row[Promotions.product_ids])}"
        for row in earlier.orderBy(Promotions.date, Promotions.rank).collect()  # one user's
    ]


def _made_within_the_day(rows: list[Row]) -> list[str]:
    """What the rows say: how much the limits had left when the batch came is not kept, so nothing is decided again."""
    told = []
    for row in rows:
        if row[Promotions.scenario] != "none":
            gain, cost = row[Promotions.objective_value], row[Promotions.expected_cost]
            why = ", ".join(row[Promotions.reason_codes])
            told.append(f"  {row[Promotions.scenario]} ({why}): a gain of {gain} at a cost of {cost}")
    return [*told, "  decided within the day by stream, at the prices of the morning, of what its limits had left"]


def _drawn(lake: Lake, user: str, day: datetime.date) -> list[str]:
    """What an explored user could have drawn, as it was logged: nothing has to be decided again."""
    rows = lake.read(Explored, date=day).filter(F.col(Explored.user_id) == user).orderBy(Explored.promotion_id)
    told = []
    for row in rows.collect():  # one user's
        of = products_named(row[Explored.product_ids])
        what = "no offer" if row[Explored.scenario] == "none" else f"{row[Explored.mechanic]} of {of}"
        drawn = "drawn" if row[Explored.chosen] else "not drawn"
        told.append(f"  {drawn}: {row[Explored.scenario]}, {what}, probability {row[Explored.action_propensity]}")
    return told


def _differing(rows: list[Row], candidates: Sequence[Candidate], digits: int) -> list[str]:
    """A line per offer that is not found again just as it stands: the code has changed since, or the lake was."""
    found = {one.promotion_id: one for one in candidates}
    unit = Decimal(1) / minor_per_unit(digits)
    differing = []
    for row in rows:
        one = found.get(row[Promotions.promotion_id])
        stands = (row[Promotions.objective_value], row[Promotions.expected_cost])
        if row[Promotions.scenario] != "none" and (
            one is None or (Decimal(str(one.value)).quantize(unit, ROUND_HALF_UP), one.cost) != stands
        ):
            differing.append(
                f"  {row[Promotions.promotion_id]} stands with a gain of {stands[0]} and a cost of {stands[1]}, which "
                "is not found again: the code has changed since, or a table that it read"
            )
    return differing
