"""Features of a product as of a date."""
