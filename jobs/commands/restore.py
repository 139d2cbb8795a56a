"""Bring a table back to a version that is whole: `restore TABLE --version N`, as the error of a damaged table says.

A commit that was cut off is moved aside, then the table is set to the version. The next run computes again what
the dates lost by it.
"""

from __future__ import annotations

from promo_spark.flows.restore import refuse_impossible, restored
from promo_spark.runtime.command import Asked, command
from promo_spark.runtime.job import main

ARGUMENTS = {
    "table": "the table, such as decisions.promotions",
    "--version": "the version to go back to, a number",
}


@command(ARGUMENTS, refuse=refuse_impossible)
def run(asked: Asked) -> str:
    return restored(asked.lake, asked.arguments["table"], asked.arguments["version"])


if __name__ == "__main__":
    main(run)
