"""From a retailer's columns to those of the silver tables."""
