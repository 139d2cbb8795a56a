"""From a retailer's orders to tomorrow's promotions, as spark-submit jobs on Delta Lake."""

__version__ = "0.2.0"
