"""What scripts/submit.sh and promo-spark give to spark-submit: runs the job that the arguments name."""

import sys
from pathlib import Path

# This file's own folder is no place to import from; where its package lies is, before any other promo_spark that the
# environment may hold. In a cluster the package comes as a zip instead.
_home = Path(__file__).resolve().parents[2]
sys.path[:1] = [str(_home)] if (_home / "promo_spark").is_dir() else []

from promo_spark.submission.parent_watch import end_with_spark_submit  # noqa: E402 - the path comes first
from promo_spark.submission.supervision import announce_driver  # noqa: E402 - the path comes first

announce_driver()
end_with_spark_submit()

from promo_spark.runtime.registry import main  # noqa: E402 - importing Spark takes a second, in which it may be ended

main()
