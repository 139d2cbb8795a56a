"""What needs attention: `alarms --date D` says each alarm of what was measured in one line, and nothing else.

The exit code is 0 where all is well, else of the kind of alarm, the lowest where there are several: 20 freshness,
21 arms and exposures, 22 drift, 23 calibration, 24 an effect below 0, 25 placebo and A/A, 26 a group of users that gets
offers too seldom. Where evaluate.alarms.webhook_secret is set, the alarms are posted there too. Nothing is written but
the run, in ops.runs.
"""

from __future__ import annotations

from promo_spark.flows.alarms import told
from promo_spark.runtime.command import Asked, command
from promo_spark.runtime.job import main

ARGUMENTS = {"--date": "the date that was evaluated, such as 2024-06-03"}


@command(ARGUMENTS)
def run(asked: Asked) -> str:
    return told(asked)


if __name__ == "__main__":
    main(run)
