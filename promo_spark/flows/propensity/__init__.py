"""The steps of propensity."""
