"""Everything that the lake holds about a person, as JSON: `access --person ID --to FILE`.

By the id as the shop has it or as the tables have it; the ids by which channels know the person go with it. The file
may be read by who asked alone. Who was asked for is not recorded; that somebody was, is.
"""

from __future__ import annotations

from promo_spark.flows.maintain.access import written_about
from promo_spark.runtime.command import Asked, command
from promo_spark.runtime.job import main

ARGUMENTS = {
    "--person": "the person, by the id that the shop has, or that the tables have",
    "--to": "the file that is written, of the machine on which the driver runs",
}


@command(ARGUMENTS, personal=["--person"])
def run(asked: Asked) -> str:
    return written_about(asked)


if __name__ == "__main__":
    main(run)
