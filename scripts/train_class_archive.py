from promo_spark.runtime.class_archive import training_run

training_run()
