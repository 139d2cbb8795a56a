"""What could be offered: candidates in one shape, their prices and texts."""
