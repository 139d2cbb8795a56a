"""The steps of maintain: what is kept for how long, which files go."""
