"""From what a retailer has to silver and quarantine: one adapter per source, one engine of named checks."""
