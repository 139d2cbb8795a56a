"""End offers that still hold: `stop --promotion ID --date D`, from that day on.

Names one offer by its promotion_id, or many: scenario:flash_sale, mechanic:coupon, campaign:2024-summer, product:4711.
Their status in decisions.promotions becomes `stopped`, with the day; who stopped them and why stands in
decisions.actions. Offers that promote makes on later dates are others.
"""

from __future__ import annotations

from promo_spark.flows.actions import stopped
from promo_spark.runtime.command import Asked, command
from promo_spark.runtime.job import main

ARGUMENTS = {
    "--promotion": "a promotion_id, or scenario:NAME, mechanic:NAME, campaign:ID, product:ID, all",
    "--date": "the first day on which they do not hold any more, such as 2024-06-03",
    "[--by]": "who stops them; the user of this machine, if left out",
    "[--reason]": "why, in your own words",
}


@command(ARGUMENTS)
def run(asked: Asked) -> str:
    return stopped(asked)


if __name__ == "__main__":
    main(run)
