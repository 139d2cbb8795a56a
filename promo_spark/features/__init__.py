"""Features of users, products and demand as of a date, from silver tables only."""
