"""What every table is, a class each; all of them together: catalogue.py."""
