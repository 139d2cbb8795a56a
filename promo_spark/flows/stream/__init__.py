"""The steps of stream: what arrives, what of it counts, and what follows from it for the day."""
