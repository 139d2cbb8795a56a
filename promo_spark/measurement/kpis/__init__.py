"""From what was bought, stocked, shown and said to key figures: how the shop does, whatever the reason.

One file for each matter; key_figures puts their rows together. Nothing here is an effect: who gets offers differs from
who does not, but for the arms that chance chose, and these are compared in measurement.effects.
"""
