"""Codes of coupons: what a customer types in or shows at the till."""

from __future__ import annotations

import hashlib
import hmac

from pyspark.sql import Column
from pyspark.sql import functions as F

_DIGITS, _GROUP = 16, 4  # among a hundred million coupons the chance that any two are the same is 1 in 3,700


def coupon_code(user_id: Column, promotion_id: Column, *, key: str) -> Column:
    """A code such as 3F09-A1C2-77DE-0B54: the same for the same user and offer, another one for any other.

    Without the key, which is not in the plan, nobody can tell it from an offer's id.
    """
    salt = hmac.new(key.encode(), b"coupon code", hashlib.sha256).hexdigest()
    digest = F.upper(F.sha2(F.concat_ws("/", F.lit(salt), user_id, promotion_id), 256))
    return F.concat_ws("-", *[F.substring(digest, start, _GROUP) for start in range(1, _DIGITS, _GROUP)])
