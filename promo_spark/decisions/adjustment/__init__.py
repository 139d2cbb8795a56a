"""What changes of how offers are decided, because of what earlier ones did: measurements → entries of a version."""
