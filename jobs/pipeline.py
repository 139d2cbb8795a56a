"""The daily run: every job in the order that its declared tables imply, in one Spark application.

A step whose inputs, settings and code have not moved is not run again, so that a run that failed or was
killed goes on where it stopped, and a repeated run changes nothing. Ends with a summary of one screen.
"""

from __future__ import annotations

from collections.abc import Mapping

import jobs
from promo_spark.reports.screen import print_summary
from promo_spark.runtime.job import Job
from promo_spark.runtime.pipeline import Pipeline


def single_jobs() -> Mapping[str, Job]:
    """All jobs but this one."""
    return {name: job for name, job in jobs.all_jobs().items() if isinstance(job, Job)}


run = Pipeline("pipeline", __doc__ or "", single_jobs, print_summary)
