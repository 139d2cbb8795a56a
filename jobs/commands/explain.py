"""Why a user got these offers and no others: `explain --user U --date D`, with the id that decisions.promotions has.

The user's day is decided again, by the tables and settings that the run log has of that decision: every thing that
could have been offered, what it would have brought and given, and what it lost by. Nothing is written.
"""

from __future__ import annotations

from promo_spark.flows.explain import explained
from promo_spark.runtime.command import Asked, command
from promo_spark.runtime.job import main
from promo_spark.runtime.registry import single_jobs

ARGUMENTS = {
    "--user": "the user, by the id that decisions.promotions has",
    "--date": "the date of the offers, such as 2024-06-03",
}


@command(ARGUMENTS, personal=["--user"])
def run(asked: Asked) -> str:
    promote = single_jobs()["promote"]
    return explained(asked.lake, asked.settings, promote, user=asked.arguments["user"], date=asked.arguments["date"])


if __name__ == "__main__":
    main(run)
