"""The explore arm: users who get none, or any of the offers that could be made, by chance: evidence for effects.

None has a probability of its own, as those who drew it are whom all others are compared with: were it as likely as
each of dozens of offers, hardly anybody would draw it. The offers share the rest equally.

A draw is never mended afterwards, as the probabilities that are logged would not be true then. So only as many users
are explored, in the order of a keyed hash of user and date, as the arm's own share of every budget can pay at the
dearest that each of them could draw; and none who could draw more than a tenth of it, as one would leave nothing to
the others.

Limits of a part of what is sold, or of some users, must not decide how many of all are explored. So where a fund has a
budget the same offer is drawn with the shop's own money, once and not twice; of a campaign with a budget nothing is
drawn, nor is an offer that is more than a tenth of what the arm has of its department, of the stock of its product or
of what a group of its user may have; and when the arm's share of such a limit is used up, those go on to be explored
who could draw nothing of it.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from decimal import ROUND_DOWN, Decimal

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql import types as T

from promo_spark.contracts.decisions import NONE_SHARE
from promo_spark.contracts.schema import RATE, Col, Frame, Personal
from promo_spark.decisions.allocation.limits import (
    is_of_a_department,
    is_of_a_group,
    is_of_a_list,
    is_of_stock,
    of_campaign,
    of_department,
    product_of,
)
from promo_spark.decisions.allocation.user_options import OptionUse, UserOption, UserOptions
from promo_spark.decisions.eligibility import UserEligibility, in_share, keyed_draw
from promo_spark.decisions.groups import GroupedOffer
from promo_spark.decisions.offers.targets import Fund, OfferedProduct, departments
from promo_spark.decisions.valuation import ValuedOffer, could_be_drawn

_LARGEST_PART = 0.1  # of the share of a limit, that one user could draw
_ORDER, _PLACE = "order_of_user", "place_drawn"


class Draw(Frame):
    """One row per explored user: what was drawn."""

    user_id = Col(T.StringType(), "the user", required=True, personal=Personal.IDENTIFIER)
    promotion_id = Col(T.StringType(), "the offer; null: none")
    offer_propensity = Col(
        RATE, "probability of each offer that could be drawn; that of none is NONE_SHARE", "share", required=True
    )


def draws(options: DataFrame, *, limits: Mapping[str, int], share: float, key: str, date: datetime.date) -> DataFrame:
    """One row per explored user. UserOptions of the users in the explore arm → Draw.

    `limits` in whole units, of which the arm has the share. Who has room for no offer, or could be made
    none, is not explored.
    """
    order = keyed_draw(F.col(UserOptions.user_id), key=key, purpose=f"order {date}")
    up_to_here = Window.orderBy(_ORDER, UserOptions.user_id).rowsBetween(Window.unboundedPreceding, Window.currentRow)
    dearest: dict[str, Column] = {}  # by a name without the dots that a constraint's may have
    affordable, few = F.lit(True), F.lit(True)
    for place, name in enumerate(sorted(name for name in limits if not _is_one_of_many(name))):
        used, most = f"{_DEAREST}_{place}", _of_arm(limits[name], share)
        dearest[used] = _dearest(F.col(UserOptions.options), name)
        within = F.sum(used).over(up_to_here) <= F.lit(most)
        affordable = affordable & ((within | (F.col(used) == 0)) if is_of_a_department(name) else within)
        few = few & (F.col(used) <= F.lit(_most_of_one(most)))
    count = F.size(UserOptions.options)
    none = in_share(F.col(UserOptions.user_id), share=NONE_SHARE, key=key, purpose=f"none {date}")
    offer = keyed_draw(F.col(UserOptions.user_id), key=key, purpose=f"draw {date}") % count
    could_get = options.filter((F.col(UserOptions.room) > 0) & (count > 0))
    in_order = could_get.withColumns({_ORDER: order, **dearest}).filter(few)
    if any(map(_is_one_of_many, limits)):
        in_order = in_order.join(_beyond_one_of_many(in_order, limits, share), UserOptions.user_id, "left_anti")
    return Draw.shaped(
        in_order.withColumn(_PLACE, affordable)
        .filter(_PLACE)
        .withColumns(
            {
                Draw.promotion_id: F.when(
                    ~none, F.get(UserOptions.options, offer.cast("int"))[UserOption.promotion_id]
                ),
                Draw.offer_propensity: (F.lit(1 - NONE_SHARE).cast("decimal(18,6)") / count).cast(RATE),
            }
        )
    )


def _is_one_of_many(constraint: str) -> bool:
    """Whether the constraint is of a product or of a group of users, of which there may be many."""
    return is_of_stock(constraint) or is_of_a_group(constraint)


def _beyond_one_of_many(in_order: DataFrame, limits: Mapping[str, int], share: float) -> DataFrame:
    """One row per user who could draw of a product, or of what a group may have, that those before used up.

    UserOptions with their order → user_id. Of each the arm's share; by one window for all of them.
    """
    up_to_here = (
        Window.partitionBy(OptionUse.constraint)
        .orderBy(_ORDER, UserOptions.user_id)
        .rowsBetween(Window.unboundedPreceding, Window.currentRow)
    )
    of_arm = [(name, _of_arm(limit, share)) for name, limit in limits.items() if _is_one_of_many(name)]
    most = in_order.sparkSession.createDataFrame(of_arm, f"{OptionUse.constraint} string, {_MOST} long")
    uses = F.flatten(F.transform(UserOptions.options, lambda option: option[UserOption.uses]))
    return (
        in_order.select(UserOptions.user_id, _ORDER, F.inline(uses))
        .join(F.broadcast(most), OptionUse.constraint, "inner")
        .groupBy(UserOptions.user_id, _ORDER, OptionUse.constraint, _MOST)
        .agg(F.max(OptionUse.amount).alias(OptionUse.amount))
        .withColumn(OptionUse.amount, F.sum(OptionUse.amount).over(up_to_here))
        .filter(F.col(OptionUse.amount) > F.col(_MOST))
        .select(UserOptions.user_id)
        .distinct()
    )


_MOST, _DEAREST = "most_of_arm", "dearest"


def drawable_offers(offers: DataFrame, limits: Mapping[str, int], share: float) -> DataFrame:
    """The offers that chance draws from, if they are of users in the explore arm. ValuedOffer → ValuedOffer.

    Not those of funds and campaigns with a budget: how little one has must not decide how many users are explored.
    Nor what the policy in force closes.

    `limits` and `share` as in `draws`.
    """
    of_lists = F.coalesce(F.col(ValuedOffer.fund)[Fund.limited], F.lit(False)) | F.coalesce(
        of_campaign(F.col(ValuedOffer.campaign_id)).isin([name for name in limits if is_of_a_list(name)]), F.lit(False)
    )
    names = F.transform(departments(F.col(ValuedOffer.parts)), of_department)
    small = F.lit(True)
    for name, limit in sorted(limits.items()):
        if is_of_a_department(name):
            fits = F.col(ValuedOffer.cost_minor) <= F.lit(_most_of_one(_of_arm(limit, share)))
            small = small & (fits | ~F.coalesce(F.array_contains(names, name), F.lit(False)))
    small = small & _small_for_groups(limits, share)
    return _of_small_pieces(offers.filter(could_be_drawn() & ~of_lists & small), limits, share)


def _small_for_groups(limits: Mapping[str, int], share: float) -> Column:
    """Whether an offer is no more than one user may draw of what each group of the user may have. Of GroupedOffer."""
    most = {name: _most_of_one(_of_arm(limit, share)) for name, limit in limits.items() if is_of_a_group(name)}
    if not most:
        return F.lit(True)
    by_name = F.create_map(*[F.lit(one) for entry in sorted(most.items()) for one in entry])
    fits = F.col(ValuedOffer.cost_minor)
    return F.forall(
        GroupedOffer.groups, lambda group: F.coalesce(fits <= F.try_element_at(by_name, group), F.lit(True))
    )


def _of_small_pieces(offers: DataFrame, limits: Mapping[str, int], share: float) -> DataFrame:
    """Without what one user may not draw of the stock of its products. ValuedOffer → ValuedOffer."""
    of_one = [
        (product, _most_of_one(_of_arm(limit, share)))
        for product, limit in ((product_of(name), limit) for name, limit in limits.items())
        if product is not None
    ]
    if not of_one:
        return offers
    most = F.broadcast(offers.sparkSession.createDataFrame(of_one, f"{_PRODUCT} string, {_MOST} long"))
    for place in range(2):  # an offer is about two products at most
        product_id = F.get(ValuedOffer.parts, F.lit(place))[OfferedProduct.product_id]
        units = F.get(ValuedOffer.units_milli, F.lit(place))
        offers = (
            offers.withColumn(_PRODUCT, product_id)
            .join(most, _PRODUCT, "left")
            .filter(F.coalesce(units <= F.col(_MOST), F.lit(True)))
            .drop(_PRODUCT, _MOST)
        )
    return offers


_PRODUCT = "product_of_part"


def _of_arm(limit: int, share: float) -> int:
    """The arm's share of a limit."""
    return int((Decimal(limit) * Decimal(str(share))).to_integral_value(ROUND_DOWN))


def _most_of_one(of_arm: int) -> int:
    """The most of it that one user may be able to draw."""
    return int(of_arm * _LARGEST_PART)


def with_arms_as_drawn(users: DataFrame, draws: DataFrame) -> DataFrame:
    """The users, where only those are in the explore arm for whom chance decides. UserEligibility, Draw → the same.

    Whom the arm's share of the budgets does not reach, or to whom nothing could be offered, is treated like others.
    """
    drawn = draws.select(Draw.user_id, F.lit(True).alias(_DRAWN))
    arm = F.col(UserEligibility.arm)
    exploring = F.array_contains(UserEligibility.exclusions, "exploring")
    left_out = (arm == "explore") & F.col(_DRAWN).isNull() & ~exploring
    return UserEligibility.shaped(
        users.join(drawn, UserEligibility.user_id, "left").withColumn(
            UserEligibility.arm, F.when(left_out, "treatment").otherwise(arm)
        )
    )


_DRAWN = "drawn"


def _dearest(options: Column, constraint: str) -> Column:
    """The most that any of the options uses of a constraint."""

    def used(option: Column) -> Column:
        own = F.filter(option[UserOption.uses], lambda use: use[OptionUse.constraint] == constraint)
        return F.aggregate(own, F.lit(0).cast("long"), lambda total, use: total + use[OptionUse.amount])

    return F.coalesce(F.array_max(F.transform(options, used)), F.lit(0).cast("long"))
