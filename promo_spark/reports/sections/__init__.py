"""The sections of the page of a date: each makes blocks of the few rows that it is given."""
