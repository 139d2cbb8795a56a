"""What is known of a user as of a date."""
