"""Which offers are made under all limits at once."""
