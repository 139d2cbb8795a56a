"""Put a date of a table back as a run wrote it: `revert TABLE --date D --run RUN_ID`, as ops.runs names runs.

The other dates stay as they are. It takes an earlier version of the table, so it can be done for as long as
maintain.vacuum_hours keep its files. `restore` sets a whole table back, `rollback` is for how offers are decided.
"""

from __future__ import annotations

from promo_spark.flows.revert import refuse_impossible, reverted
from promo_spark.runtime.command import Asked, command
from promo_spark.runtime.job import main

ARGUMENTS = {
    "table": "the table, such as decisions.promotions",
    "--date": "the date, or the day of a table by days, such as 2024-06-03",
    "--run": "the run, by its run_id in ops.runs",
}


@command(ARGUMENTS, refuse=refuse_impossible)
def run(asked: Asked) -> str:
    return reverted(asked)


if __name__ == "__main__":
    main(run)
