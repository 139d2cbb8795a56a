"""What a job's file needs: its declaration, and what a run of it is given."""

from promo_spark.runtime.context import Context, SourceCounts
from promo_spark.runtime.declaration import Earlier, Everyone, Job, job

__all__ = ["Context", "Earlier", "Everyone", "Job", "SourceCounts", "job"]
