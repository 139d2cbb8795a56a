from promo_spark.jobs import main

main()
