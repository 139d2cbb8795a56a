"""Which function makes the rows of which raw table, from what."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa

from promo_spark.worlds import outreach, records
from promo_spark.worlds.shopping import History
from promo_spark.worlds.spec import WorldSpec

OF_PRODUCT_BLOCK: dict[str, Callable[[WorldSpec, int], pa.RecordBatch]] = {
    "products": records.products,
    "coupons": outreach.coupons,
    "promo_calendar": records.promo_calendar,
    "inventory": records.inventory,
}
OF_USER_BLOCK: dict[str, Callable[[WorldSpec, int], pa.RecordBatch]] = {
    "users": records.users,
    "contacts": outreach.contacts,
    "assignments": outreach.assignments,
    "exposures": outreach.exposures,
    "feedback": outreach.feedback,
}
OF_HISTORY: dict[str, Callable[[WorldSpec, History, int], pa.RecordBatch]] = {
    "order_lines": records.order_lines,
    "late_order_lines": lambda spec, past, block: records.order_lines(spec, past, block, late=True),
    "events": records.events,
    "redemptions": lambda spec, past, _block: outreach.redemptions(spec, past),
}
