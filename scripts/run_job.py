"""What spark-submit runs: the job that its arguments name."""

from promo_spark.runtime.parent_watch import end_with_spark_submit

end_with_spark_submit()

from promo_spark.jobs import main  # noqa: E402 - importing every job takes a second, in which it may be ended

main()
