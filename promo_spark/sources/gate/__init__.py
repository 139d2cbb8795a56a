"""Whether a delivery as a whole may be taken in."""
