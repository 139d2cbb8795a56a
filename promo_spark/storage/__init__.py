"""The edge to storage: the only code that reads landing files and reads or writes Delta tables."""
