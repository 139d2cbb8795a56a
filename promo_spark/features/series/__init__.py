"""Sales per product, category or store and day."""
