"""How many users an experiment needs: `power --base 0.05 --lift 0.15`.

Says how many users each arm needs so that a conversion that rises from the base by that share of it is found. Reads
nothing of the lake.
"""

from __future__ import annotations

from promo_spark.flows.power import needed
from promo_spark.runtime.command import Asked, command
from promo_spark.runtime.job import main

ARGUMENTS = {
    "--base": "conversion without the offers, such as 0.05",
    "--lift": "how much it rises, as a share of it: 0.15 is from 0.05 to 0.0575; below 0: it falls",
    "[--share]": "share of the users who get offers; 0.5 if left out, 0.9 with a holdout of a tenth",
    "[--alpha]": "how often something seems to change where nothing does; 0.05 if left out",
    "[--power]": "how often such a rise is seen; 0.8 if left out",
}


@command(ARGUMENTS)
def run(asked: Asked) -> str:
    return needed(asked.arguments)


if __name__ == "__main__":
    main(run)
