"""What a job's file needs: its declaration, what a run of it is given, and how the file itself is run."""

from promo_spark.runtime.command_line import main
from promo_spark.runtime.context import Context
from promo_spark.runtime.declaration import Ahead, ByHand, Earlier, Everyone, Job, Where, job
from promo_spark.runtime.source_counts import SourceCounts

__all__ = ["Ahead", "ByHand", "Context", "Earlier", "Everyone", "Job", "SourceCounts", "Where", "job", "main"]
