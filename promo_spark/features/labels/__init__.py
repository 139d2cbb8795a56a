"""What was known of users and products at a date of the past, and what happened next: training sets without leaks."""
