"""Groups of users who buy alike: clusters, stable ids, names, portraits."""
