"""The steps of the command rank."""
