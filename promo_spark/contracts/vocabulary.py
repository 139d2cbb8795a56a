"""Names that tables and settings share: what a column may say is what a setting may name.

No import of Spark: settings are judged before it starts.
"""

from __future__ import annotations

from importlib.metadata import entry_points

# Why there is an offer.
_OWN_SCENARIOS = (
    "recommended_item",
    "bundle",
    "repurchase",
    "win_back",
    "clearance",
    "new_user_welcome",
    "spend_and_save",
    "flash_sale",
    "abandoned_cart",
    "likely_buyer",
    "members_only",
    "high_value_rebate",
    "holiday",
    "partner_offer",
    "store_coupon",
    "points_reward",
    "share_reward",
    "gift_with_purchase",
)
SCENARIOS_GROUP = "promo_spark.scenarios"  # the entry points by which another package brings scenarios
_BROUGHT = {entry.name for entry in entry_points(group=SCENARIOS_GROUP)} - {*_OWN_SCENARIOS, "none"}
OFFERING = (*_OWN_SCENARIOS, *sorted(_BROUGHT))
SCENARIOS = (*OFFERING, "none")  # none: there is no offer
# How an offer is given.
GIVING_MECHANICS = ("discount", "coupon", "bundle", "threshold", "flash", "rebate", "points", "gift")
MECHANICS = (*GIVING_MECHANICS, "none")
# Which offers are made of those that could be.
POLICIES_GROUP = "promo_spark.policies"  # the entry points by which another package brings policies
_OWN_POLICIES = ("prices", "greedy")
POLICIES = (*_OWN_POLICIES, *sorted({entry.name for entry in entry_points(group=POLICIES_GROUP)} - {*_OWN_POLICIES}))
# Attributes that tell groups of users.
USER_GROUPS = ("region", "member_tier", "lifecycle", "segment_name", "main_channel")
# The groups of those of whom an attribute is not known, and of all that are too small or too many to be named.
UNKNOWN_GROUP, OTHER_GROUPS = "unknown", "other groups"
# What silver.users knows of a person beside ids: whether groups by it are treated alike can be looked at.
USER_ATTRIBUTES = (
    "gender",
    "age_band",
    "income_band",
    "region",
    "home_ownership",
    "marital_status",
    "household_size",
    "household_composition",
    "kids_count",
    "member_tier",
)
# Of scores from 1 to 5: what counts as satisfied from here on, and as negative up to here.
SATISFIED_FROM, NEGATIVE_TO = 4, 2
# What offers are chosen for.
OBJECTIVES = ("profit", "revenue", "clearance", "retention")
# What a user did, beside buying. try_on: looked at on oneself, as in a virtual fitting room.
EVENT_TYPES = ("view", "search", "click", "cart", "purchase", "review", "share", "coupon_claim", "try_on")
# Where a user stands with the shop.
LIFECYCLES = ("new", "first_time", "repeat", "loyal", "high_value", "lapsing", "lost")
RISK_TIERS = ("low", "medium", "high", "blocked")
# How users are grouped: how much and how often they buy; how they buy, and answer to offers.
GROUPINGS = VALUE, BEHAVIOUR = ("value", "behaviour")
# By which algorithms users are grouped.
CLUSTERINGS = ("kmeans", "kmedians", "bisecting", "ward", "gaussian_mixture", "density")
# What is advised for the users of a segment: by value, by behaviour, and where nothing sets them apart.
NO_TRAIT = "none_special"
ADVICE = (
    "win_back",
    "thank",
    "bring_again",
    "fill_baskets",
    "remind",
    "coupons",
    "reductions",
    "full_price",
    "bundles",
    "one_more",
    "reward_visits",
    NO_TRAIT,
)
# Columns of features.user_profile that are numbers: what users can be grouped by.
PROFILE_NUMBERS = (
    "orders",
    "lines",
    "spend",
    "orders_90d",
    "spend_90d",
    "active_days_30d",
    "recency_days",
    "tenure_days",
    "orders_per_30d",
    "basket_value",
    "basket_median",
    "basket_lines",
    "products",
    "categories",
    "discount_share",
    "discounted_lines_share",
    "return_lines_share",
    "campaigns_received",
    "coupons_redeemed",
    "cadence_days",
    "expected_orders_30d",
    "channel_change_days",
    "power_band",
)
# Recommenders that score products for a user by what users bought, by what products are, or by rules.
FIRST_STAGE_MODELS = (
    "item_neighbours",
    "user_neighbours",
    "together",
    "svd",
    "item2vec",
    "content",
    "rules",
    "popular_in_store",
    "hybrid",
)
# Where a recommendation comes from.
RECOMMENDATION_SOURCES = ("als", "buy_again", "popular_in_segment", "popular", "ranked", *FIRST_STAGE_MODELS)
# Models that forecast the sales of one series.
FORECAST_MODELS = (
    "SeasonalNaive",
    "WindowAverage",
    "SeasonalWindowAverage",
    "SeasonalExponentialSmoothing",
    "CrostonSBA",
    "TSB",
    "IMAPA",
    "ADIDA",
    "Theta",
    "DynamicOptimizedTheta",
    "MFLES",
    "AutoETS",
    "AutoARIMA",
)
