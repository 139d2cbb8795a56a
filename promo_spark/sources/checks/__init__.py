"""Which rows are let in, and why not."""
