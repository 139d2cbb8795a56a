"""The steps of evaluate: what offers did, whether inputs can be believed, how the shop does."""
