"""What offers bring on average over users, with the error of the mean: the delta method over all parameters."""

from __future__ import annotations

import numpy as np

from promo_spark.models.uplift.effects import Effects
from promo_spark.models.uplift.histories import Floats, Ints
from promo_spark.models.uplift.uplift_metrics import Estimate


def mean_extra_visits(
    effects: Effects,
    baseline: Floats,
    mechanic: Ints,
    saving: Floats,
    share: Floats,
    pull: Floats,
    traits: Floats | None = None,
) -> Estimate:
    """Users with an offer each → mean extra visits and its standard error.

    `baseline`: visits without the offer; `pull`: the refined one, see Effects.refined. Users share the
    parameters, so that the error does not fall with their number as one of their own would.

    >>> from promo_spark.models.uplift.effects import believed_effects
    >>> one = np.ones(4)
    >>> of = mean_extra_visits(believed_effects(("coupon",)), one, 0 * one.astype(int), one * 0.2, one * 0.1, one * 6)
    >>> round(of.value, 3), round(of.error, 3)
    (0.462, 0.409)
    """
    log = effects.log_effect(mechanic, saving, share, pull)
    factor = np.exp(log)
    extra = baseline * (factor - 1)
    with_line = [extra.mean(), (extra * np.log(np.maximum(baseline, 1e-12))).mean()]
    rises = (effects.gradient(mechanic, saving, share, pull, traits) * (baseline * factor)[:, None]).mean(axis=0)
    gradient = np.concatenate([with_line, rises])
    gradient[:2] = gradient[:2] if effects.rows else 0.0  # without experiments nothing is said of the baselines
    return Estimate(float(extra.mean()), float(np.sqrt(max(gradient @ effects.joint @ gradient, 0.0))))
