"""What a promotion would bring: `what_if --products tea,milk --depth 0.2 --weeks 2024-06-03,2024-06-10`.

Units, margin and stock per product, by the newest elasticities, forecasts and product profiles, and the depth that
would bring most. The forecast stands for the weeks without the promotion. Nothing is written.
"""

from __future__ import annotations

from promo_spark.flows.what_if import answered
from promo_spark.runtime.command import Asked, command
from promo_spark.runtime.job import main

ARGUMENTS = {
    "--products": "ids of products, with commas between them",
    "--depth": "reduction as a share of the price charged now, such as 0.2; 'calendar': as silver.promo_calendar plans",
    "--weeks": "first days of the weeks, with commas between them, such as 2024-06-03,2024-06-10",
}


@command(ARGUMENTS)
def run(asked: Asked) -> str:
    return answered(asked.lake, asked.arguments["products"], asked.arguments["depth"], asked.arguments["weeks"])


if __name__ == "__main__":
    main(run)
