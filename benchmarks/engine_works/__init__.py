"""Works that promo_spark and other engines do on the same data, timed by benchmarks/engines.py."""
