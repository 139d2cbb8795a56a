"""The steps of recommend."""
