"""How probabilities are fitted and chosen."""

from __future__ import annotations

from promo_spark.settings.sections import Factor, Positive, Section, Share


class FittingSettings(Section):
    """How a regression and boosted trees are fitted, and which of them is taken."""

    trees: Positive
    leaves: Positive
    rate: Share
    rows_of_leaf: Positive
    ridge: Factor
    tie_margin: Share
    least_rows: Positive
    calibration_rows: Positive
