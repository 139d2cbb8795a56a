"""What models are fitted on: each feature by its name and meaning, in the order in which learners are given them.

All of what users did in the days that a model looks back; unknown where there is nothing to tell it from.
"""

from __future__ import annotations

from pyspark.sql import types as T

from promo_spark.contracts.features import DailySales, UserProfile
from promo_spark.contracts.schema import Col, Frame

_DOUBLE = T.DoubleType()


class UserFeatures(Frame):
    """One row per user and day as of which the user is looked at."""

    recency_days = Col(_DOUBLE, "days since the last order day", unit="days")
    second_recency_days = Col(_DOUBLE, "days since the last but one", unit="days")
    fourth_recency_days = Col(_DOUBLE, "days since the fourth last", unit="days")
    tenure_days = Col(_DOUBLE, "days since the first order day", unit="days")
    account_days = Col(_DOUBLE, "days since the account was opened, 3660 at most", unit="days")
    order_days = Col(_DOUBLE, "days with an order")
    order_days_7 = Col(_DOUBLE, "of the last 7 days, those with an order")
    order_days_14 = Col(_DOUBLE, "of the last 14 days, those with an order")
    order_days_28 = Col(_DOUBLE, "of the last 28 days, those with an order")
    order_days_56 = Col(_DOUBLE, "of the last 56 days, those with an order")
    order_days_91 = Col(_DOUBLE, "of the last 91 days, those with an order")
    order_rate = Col(_DOUBLE, "days with an order in 28 days of the time since the first")
    gap_days = Col(_DOUBLE, "mean days between order days", unit="days")
    gap_spread = Col(_DOUBLE, "how far these scatter, a standard deviation", unit="days")
    silence = Col(_DOUBLE, "recency as a multiple of the usual gap")
    spend_28 = Col(_DOUBLE, "paid in the last 28 days", unit="currency")
    spend_91 = Col(_DOUBLE, "paid in the last 91 days", unit="currency")
    basket_value = Col(_DOUBLE, "mean amount paid on an order day", unit="currency")
    basket_lines = Col(_DOUBLE, "mean lines on an order day")
    discounted_share = Col(_DOUBLE, "share of lines bought at a discount", unit="share")
    weekend_share = Col(_DOUBLE, "share of order days on Saturdays and Sundays", unit="share")
    contacts_14 = Col(_DOUBLE, "campaigns that came in the last 14 days")
    contacts_28 = Col(_DOUBLE, "campaigns that came in the last 28 days")
    contacts_91 = Col(_DOUBLE, "campaigns that came in the last 91 days")
    redemptions = Col(_DOUBLE, "days on which a coupon was redeemed")
    redeemed_share = Col(_DOUBLE, "redemptions per campaign that came", unit="share")


class PairFeatures(Frame):
    """One row per user, product and day: of the pair, its category and the product; beside some of UserFeatures."""

    pair_days = Col(_DOUBLE, "days on which the user bought the product")
    pair_recency_days = Col(_DOUBLE, "days since the last of these", unit="days")
    pair_second_recency_days = Col(_DOUBLE, "days since the last but one", unit="days")
    pair_tenure_days = Col(_DOUBLE, "days since the first", unit="days")
    pair_days_28 = Col(_DOUBLE, "of the last 28 days, those on which it was bought")
    pair_days_91 = Col(_DOUBLE, "of the last 91 days, those on which it was bought")
    pair_gap_days = Col(_DOUBLE, "mean days between them", unit="days")
    pair_gap_spread = Col(_DOUBLE, "how far these scatter, a standard deviation", unit="days")
    pair_silence = Col(_DOUBLE, "days since the last as a multiple of the usual gap")
    pair_units = Col(_DOUBLE, "mean pieces on such a day", unit="pieces")
    pair_share = Col(_DOUBLE, "share of the user's order days on which it was bought", unit="share")
    pair_orders_since = Col(_DOUBLE, "the user's order days since the product was last bought")
    category_days = Col(_DOUBLE, "days on which the user bought of its category")
    category_recency_days = Col(_DOUBLE, "days since the last of these", unit="days")
    product_buyers = Col(_DOUBLE, "share of users who bought it of late", unit="share")
    product_repeat_share = Col(_DOUBLE, "share of its buyers who bought it again", unit="share")
    product_gap_days = Col(_DOUBLE, "mean days between a user's purchases of it", unit="days")
    product_regularity = Col(_DOUBLE, "1 less how far these scatter, as a share of the mean", unit="share")
    product_trend = Col(_DOUBLE, "days bought in the last 28 days over those in the 28 before")


class RankingFeatures(Frame):
    """One row per user, product and day: beside PairFeatures, what ranks products for a user."""

    pair_strength = Col(_DOUBLE, "days on which the user bought it, each counting less with its age")
    goes_together = Col(_DOUBLE, "how well it goes with what the user bought: EASE on a sample of users")
    bought_by_similar = Col(_DOUBLE, "weighted share of the most similar users who bought it lately", unit="share")
    product_buyers_28 = Col(_DOUBLE, "share of users who bought it in the last 28 days", unit="share")
    planned_display = Col(_DOUBLE, "mean share of stores that display it in the next 28 days", unit="share")
    planned_mailer = Col(_DOUBLE, "mean share of stores in whose mailer it stands in them", unit="share")
    past_display = Col(_DOUBLE, "mean share of stores that displayed it in the last 28 days", unit="share")
    past_mailer = Col(_DOUBLE, "mean share of stores in whose mailer it stood in them", unit="share")
    planned_display_7 = Col(_DOUBLE, "mean share of stores that display it in the next 7 days", unit="share")
    planned_mailer_7 = Col(_DOUBLE, "mean share of stores in whose mailer it stands in them", unit="share")


class ResponseFeatures(Frame):
    """One row per user: what the effects of offers are told from."""

    discount_share = Col(_DOUBLE, "discounts as a share of what was paid and taken off", unit="share")
    basket_value = Col(_DOUBLE, "log of the mean amount paid on an order day")
    basket_lines = Col(_DOUBLE, "log of the mean lines on an order day")
    visit_rate = Col(_DOUBLE, "log of order days per day since the first")
    discount_by_rate = Col(_DOUBLE, "discount_share times visit_rate")
    tenure = Col(_DOUBLE, "log of the days since the first order")
    days_7 = Col(_DOUBLE, "order days in the last 7 days")
    days_14 = Col(_DOUBLE, "order days in the last 14 days")
    days_28 = Col(_DOUBLE, "order days in the last 28 days")
    days_56 = Col(_DOUBLE, "order days in the last 56 days")
    recency = Col(_DOUBLE, "days since the last order; 999: none", unit="days")
    silence = Col(_DOUBLE, "these times the usual orders per day")
    pull = Col(_DOUBLE, "how much more often the user came while offers held, as earlier answers say")
    readiness = Col(_DOUBLE, "how likely the user is to redeem what has to be redeemed, by the same")
    mention = Col(_DOUBLE, "how much more of what an offer was for came into the basket, by the same")


class DemandFeatures(Frame):
    """One row per series, day as of which it is looked at, and day ahead: what one model of all series is given.

    A level is what the series sold a day of late, of the last 7, 28 and 91 days.
    """

    level = Col(_DOUBLE, "log of the series' level", unit="log of units")
    units_7 = Col(_DOUBLE, "units a day in the last 7 days, over the level")
    units_14 = Col(_DOUBLE, "the same in the last 14 days")
    units_28 = Col(_DOUBLE, "the same in the last 28 days")
    units_91 = Col(_DOUBLE, "the same in the last 91 days")
    zero_days_28 = Col(_DOUBLE, "of the last 28 days, those without a sale", unit="share")
    zero_days_91 = Col(_DOUBLE, "of the last 91 days, those without a sale", unit="share")
    silence_days = Col(_DOUBLE, "days since the last sale, 91 at most", unit="days")
    age_days = Col(_DOUBLE, "days since the first sale, 182 at most", unit="days")
    price_ratio = Col(_DOUBLE, "mean price of the last 7 days, over that of the last 91")
    display_level = Col(_DOUBLE, "share on display of late, as the level is made; null: no calendar", unit="share")
    mailer_level = Col(_DOUBLE, "the same in the mailer", unit="share")
    depth_level = Col(
        _DOUBLE, "mean announced reduction of late, as the level is made; null: no calendar", unit="share"
    )
    display_response = Col(_DOUBLE, "log of what it sold a day on display, over what it sold on all days")
    mailer_response = Col(_DOUBLE, "the same in the mailer")
    depth_response = Col(
        _DOUBLE, "log of what it sold a day at the reductions announced, over what it sold on all days"
    )
    same_day_28 = Col(_DOUBLE, "units of the same day of the week in the last 28 days, over the level")
    same_day_56 = Col(_DOUBLE, "the same in the last 56 days")
    seasons_ahead = Col(_DOUBLE, "whole weeks that the day lies ahead")
    day_of_season = Col(_DOUBLE, "which day of the week it is")
    holiday_days = Col(_DOUBLE, "days since the nearest holiday, negative before it, 8: none near; null: none known")
    planned_display = Col(_DOUBLE, "share on display on the day; null: no plan", unit="share")
    planned_mailer = Col(_DOUBLE, "share in the mailer on the day; null: no plan", unit="share")
    planned_depth = Col(_DOUBLE, "mean announced reduction on the day; null: no plan", unit="share")
    more_display = Col(_DOUBLE, "planned_display less display_level", unit="share")
    more_mailer = Col(_DOUBLE, "planned_mailer less mailer_level", unit="share")
    more_depth = Col(_DOUBLE, "planned_depth less depth_level", unit="share")


# By the job that fits the model.
FEATURES_OF: dict[str, tuple[type[Frame], ...]] = {
    "propensity": (UserFeatures,),
    "recommend": (UserFeatures, PairFeatures, RankingFeatures),
    "uplift": (ResponseFeatures,),
    "segment": (UserProfile,),
    "forecast": (DailySales, DemandFeatures),
}


def meaning_of(job: str, feature: str) -> str | None:
    """What a feature of a job's models means, with its unit; None: what it is called says it.

    >>> meaning_of("uplift", "tenure"), meaning_of("recommend", "order")
    ('log of the days since the first order', None)
    """
    for frame in FEATURES_OF.get(job, ()):
        if feature in frame.columns():
            return frame.columns()[feature].comment
    return None
