"""What a retailer hands in, cleaned: one class per silver table, and the quarantine beside each.

Every silver row knows its source file and the run that wrote it. Ids are text, as retailers have them:
leading zeros survive. Money is exact decimal in the shop's currency, so that sums do not depend on the
order of rows. Timestamps are UTC; dates are business days in the configured time zone.
"""

from promo_spark.contracts.schema import Table
from promo_spark.contracts.silver.calendar import PromotionCalendar
from promo_spark.contracts.silver.campaigns import Assignments, Campaigns, Contacts, Coupons, Exposures, Redemptions
from promo_spark.contracts.silver.consents import ChannelConsents
from promo_spark.contracts.silver.events import EVENT_TYPES, Events
from promo_spark.contracts.silver.exclusions import PromotionExclusions
from promo_spark.contracts.silver.funds import PromotionFunds
from promo_spark.contracts.silver.orders import Holidays, OrderLines
from promo_spark.contracts.silver.points import PointRedemptions
from promo_spark.contracts.silver.products import Inventory, Market, Products, PromoCalendar
from promo_spark.contracts.silver.quarantine import Quarantined, quarantine_of
from promo_spark.contracts.silver.sourced import CHANGE, CLEANED_TYPE, PRODUCT_LEVELS, TAG, Cleanable, Sourced
from promo_spark.contracts.silver.strategies import SegmentStrategies
from promo_spark.contracts.silver.users import Feedback, IdentityMap, Users

SILVER: tuple[type[Table], ...] = (
    Users,
    Products,
    OrderLines,
    Events,
    Campaigns,
    Contacts,
    Coupons,
    Redemptions,
    Assignments,
    Exposures,
    PromoCalendar,
    PromotionExclusions,
    SegmentStrategies,
    PromotionFunds,
    PromotionCalendar,
    PointRedemptions,
    ChannelConsents,
    Holidays,
    Inventory,
    Feedback,
    IdentityMap,
    Market,
)

QUARANTINE: dict[type[Table], type[Quarantined]] = {silver: quarantine_of(silver) for silver in SILVER}

__all__ = [
    "CHANGE",
    "CLEANED_TYPE",
    "EVENT_TYPES",
    "PRODUCT_LEVELS",
    "QUARANTINE",
    "SILVER",
    "TAG",
    "Assignments",
    "Campaigns",
    "ChannelConsents",
    "Cleanable",
    "Contacts",
    "Coupons",
    "Events",
    "Exposures",
    "Feedback",
    "Holidays",
    "IdentityMap",
    "Inventory",
    "Market",
    "OrderLines",
    "PointRedemptions",
    "Products",
    "PromoCalendar",
    "PromotionCalendar",
    "PromotionExclusions",
    "PromotionFunds",
    "Quarantined",
    "Redemptions",
    "SegmentStrategies",
    "Sourced",
    "Users",
    "quarantine_of",
]
