"""Recommenders of one interface: what a user is tied to goes in, items come out with a score and why."""
