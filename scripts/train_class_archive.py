from promo_spark.runtime.training import training_run

training_run()
