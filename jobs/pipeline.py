"""The daily run: every job in the order that its declared tables imply, in one Spark application.

A step whose inputs, settings and code have not moved is not run again, so that a run that failed or was
killed goes on where it stopped, and a repeated run changes nothing. Ends with a summary of one screen.
"""

from __future__ import annotations

from promo_spark.reports.screen import print_summary
from promo_spark.runtime.job import main
from promo_spark.runtime.pipeline import Pipeline
from promo_spark.runtime.registry import single_jobs

run = Pipeline("pipeline", __doc__ or "", single_jobs, print_summary)

if __name__ == "__main__":
    main(run)
