"""Which products a user wants next: strengths, factors, lists, and how good they are."""
