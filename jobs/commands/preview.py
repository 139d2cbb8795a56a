"""What a changed setting would do: `preview --date D --set promote.daily_budget=1000`.

Decides the date as promote would, by the settings as given and the newest tables, and tells offers, money, limits and
reasons beside those that stand in decisions.promotions, how many users' offers would change, and ten offers. Nothing is
written.
"""

from __future__ import annotations

from promo_spark.flows.preview import previewed
from promo_spark.runtime.command import Asked, command
from promo_spark.runtime.job import main
from promo_spark.runtime.registry import single_jobs

ARGUMENTS = {"--date": "the date of the offers, such as 2024-06-03"}


@command(ARGUMENTS)
def run(asked: Asked) -> str:
    return previewed(asked.lake, asked.settings, single_jobs()["promote"], date=asked.arguments["date"])


if __name__ == "__main__":
    main(run)
