"""Synthetic retailers whose truth is known: shops, users, purchases and responses drawn from stated parameters.

The cores are plain numpy on blocks of users; every draw comes from a counter-based generator keyed by seed, purpose
and block, so that rows do not depend on how the blocks are spread over tasks.
"""
