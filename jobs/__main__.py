"""`python -m jobs JOB …` runs a job without spark-submit, on this machine."""

from promo_spark.runtime.registry import main

main()
