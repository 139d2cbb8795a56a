"""What an offer changes: how users answered before, in latent classes, and by how much chance proves it."""
