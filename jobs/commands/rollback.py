"""Decide by an earlier policy again: `rollback --to VERSION --date D`, or by the settings alone: `--to settings`.

From the date on offers are decided by what the version said; the versions before stay in decisions.policy. What is
adjusted later starts from there.
"""

from __future__ import annotations

from promo_spark.flows.policy import rolled_back
from promo_spark.runtime.command import Asked, command
from promo_spark.runtime.job import main

ARGUMENTS = {
    "--to": "a version of decisions.policy, as decisions.promotions.policy_version has it after the +, or settings",
    "--date": "the first date that is decided so, such as 2024-06-03",
    "[--by]": "who says so; the user of this machine, if left out",
    "[--reason]": "why, in your own words",
}


@command(ARGUMENTS)
def run(asked: Asked) -> str:
    return rolled_back(asked)


if __name__ == "__main__":
    main(run)
