"""The steps of baskets: at which level items are named, which sets of items are counted, and in how many baskets."""
