"""From features to predictions: numeric cores are plain functions of arrays, the Spark part a few lines around them."""
