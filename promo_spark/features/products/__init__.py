"""What is known of a product as of a date."""
