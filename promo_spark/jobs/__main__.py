"""`python -m promo_spark.jobs JOB …` runs a job without spark-submit, on this machine."""

from promo_spark.jobs import main

main()
