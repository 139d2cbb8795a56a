"""Let the offers of a date go out: `approve --date D`, where promote.approval is required.

Until then its offers are `proposed` in decisions.promotions. Who approved, when and why stands in decisions.actions;
should promote decide the date once more, its offers are approved as well.
"""

from __future__ import annotations

from promo_spark.flows.actions import approved
from promo_spark.runtime.command import Asked, command
from promo_spark.runtime.job import main

ARGUMENTS = {
    "--date": "the date of the offers, such as 2024-06-03",
    "[--by]": "who approves; the user of this machine, if left out",
    "[--reason]": "why, in your own words",
}


@command(ARGUMENTS)
def run(asked: Asked) -> str:
    return approved(asked)


if __name__ == "__main__":
    main(run)
