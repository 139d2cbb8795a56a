"""Whether groups of users are treated alike: who gets offers, how deep."""
