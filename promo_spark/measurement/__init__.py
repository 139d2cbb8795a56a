"""From decisions and what followed to effects: how many users an experiment needs, what it says, and how sure that is.

Numeric cores are plain functions of sums per arm, so that Spark adds up users and nothing grows with them here.
"""
