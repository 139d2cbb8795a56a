"""What spark-submit runs: the job that its arguments name."""

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])  # the jobs lie beside this folder, or in the zip of --py-files

from promo_spark.submission.parent_watch import end_with_spark_submit  # noqa: E402 - the path comes first
from promo_spark.submission.supervision import announce_driver  # noqa: E402 - the path comes first

announce_driver()
end_with_spark_submit()

from jobs import main  # noqa: E402 - importing every job takes a second, in which it may be ended

main()
