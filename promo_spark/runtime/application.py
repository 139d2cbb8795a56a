"""What scripts/submit.sh and promo-spark give to spark-submit: runs the job that the arguments name."""

import sys
from pathlib import Path


def _look_here_first() -> None:
    """Puts the folder of this package before any other promo_spark that the environment may hold.

    This file's own folder is no place to import from. In a cluster the package comes as a zip instead.
    """
    home = Path(__file__).resolve().parents[2]
    sys.path[:1] = [str(home)] if (home / "promo_spark").is_dir() else []


def main() -> None:
    """Runs the job, its signals and its end tied to spark-submit's."""
    from promo_spark.submission.parent_watch import end_with_spark_submit
    from promo_spark.submission.supervision import announce_driver

    announce_driver()
    end_with_spark_submit()

    from promo_spark.runtime import registry  # importing Spark takes a second, in which it may be ended

    registry.main()


if __name__ == "__main__":
    _look_here_first()
    main()
