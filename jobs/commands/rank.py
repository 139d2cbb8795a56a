"""Recommends items to users by any table of ratings: `rank --ratings ratings.csv --test test.csv --out lists`.

The tables have columns user and item, and may have rating (above 0; without it every row counts 1) and time. All
recommenders are fitted, measured on the test, and the one that was best on the newest fifth of the ratings makes the
lists. Reads and writes nothing of the lake.
"""

from __future__ import annotations

from promo_spark.flows.rank.ranking import ranked, refuse_impossible
from promo_spark.runtime.command import Asked, command
from promo_spark.runtime.job import main

ARGUMENTS = {
    "--ratings": "what is learnt from: a file or folder, CSV with a header, .tsv, .parquet or .orc",
    "[--test]": "what lists are measured by, of the same columns; the newest fifth of the ratings if left out",
    "[--items]": "items: item, title, embedding (numbers with blanks between), attributes in any other column",
    "[--columns]": "where columns have other names: user=userId,item=movieId,rating=stars,time=timestamp",
    "[--models]": "recommenders, with commas between them; all if left out",
    "[--top]": "how many items a list has; 10 if left out",
    "[--relevant]": "the least rating of the test that counts, such as 4; all count if left out",
    "[--repeats]": "yes: what a user has may be recommended again; no if left out",
    "[--out]": "a folder for the lists, a new one or one of an earlier run: CSV, or Parquet if it ends in .parquet",
}


@command(ARGUMENTS, refuse=refuse_impossible)
def run(asked: Asked) -> str:
    return ranked(asked)


if __name__ == "__main__":
    main(run)
