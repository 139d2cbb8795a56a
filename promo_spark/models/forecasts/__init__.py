"""How much of each series will sell in the days to come."""
