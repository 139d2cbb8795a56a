"""What a price changes: elasticities, what promotions take from elsewhere, and what they bring."""
