"""From a job's command line to its end: Spark started, the job run, what went wrong said in one message."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException

from promo_spark.contracts.schema.personal import redacted
from promo_spark.errors import PromoSparkError, SettingsError
from promo_spark.runtime.job import Job
from promo_spark.runtime.pipeline import Pipeline, run_in_order
from promo_spark.runtime.progress import Progress
from promo_spark.runtime.session import started_session
from promo_spark.storage.lake import Lake
from promo_spark.submission.arguments import parser, required_date, resolved_settings


def run_job(jobs: Mapping[str, Job | Pipeline], argv: Sequence[str]) -> int:
    """Parses, starts Spark, runs the job, and says in one message what went wrong if it did."""
    progress = Progress()
    try:
        if not argv or argv[0] not in jobs:
            raise SettingsError(f"there is no job {argv[0] if argv else ''!r}; there are: {', '.join(jobs)}")
        job = jobs[argv[0]]
        arguments = parser(job.name, job.description).parse_args(argv[1:])
        settings = resolved_settings(arguments)
        date = required_date(arguments, settings)
        spark = started_session(job.name, settings)
        try:
            lake = Lake(spark, settings.lake.root, settings.lake.catalog)
            if isinstance(job, Pipeline):
                job.start(lake, settings, date, progress, arguments.force)
            else:
                run_in_order([job], lake, settings, date, progress, arguments.force)
        finally:
            spark.stop()
    except PromoSparkError as error:
        progress.note(f"error: {redacted(str(error))}")
        return error.exit_code
    except (PySparkException, Py4JError) as error:
        progress.note(f"error: Spark stopped the job: {redacted(_cause(error))}")
        return 1
    return 0


def _cause(error: Exception) -> str:
    """What went wrong, without the stacks: the last error a Python worker told of, else Spark's first line."""
    lines = str(error).strip().splitlines()
    errors = [line.strip() for line in lines if re.match(r"\s*([A-Za-z_]+\.)*[A-Za-z_]+(Error|Exception): \S", line)]
    of_python = [line for line in errors if not line.startswith(("org.", "java.", "pyspark."))]
    return (of_python or errors or lines)[-1 if of_python else 0]
