"""How good predictions are, beside what somebody who knows only the base rate would do."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from promo_spark.learners.tables import Floats, Ints

_DECILES = 10


@dataclass(frozen=True)
class Judgement:
    """Figures of probabilities. `accuracy` means nothing without `base_accuracy`, which is that of saying the same of
    everybody. `f1` and both are at the threshold that expects as many as happen. None: not measurable on these rows.
    """

    rows: int
    base_rate: float
    auc: float | None
    log_loss: float
    base_log_loss: float
    brier: float
    worst_decile: float
    accuracy: float
    base_accuracy: float
    f1: float

    def fails(self) -> str:
        """Why the predictions are no use; "": they are.

        What says the same of everybody is often right and of no use: its AUC is 0.5, and it finds nobody.
        """
        if self.auc is None:
            return "only one of the two outcomes happened"
        if self.auc <= 0.5:
            return f"AUC is {self.auc:.3f}, no better than chance"
        if self.log_loss >= self.base_log_loss:
            return f"log loss is {self.log_loss:.4f}, no better than the base rate's {self.base_log_loss:.4f}"
        return ""


def judged(p: Floats, happened: Floats) -> Judgement:
    """Probabilities against what happened (0 or 1).

    >>> never = judged(np.zeros(20), np.r_[1.0, np.zeros(19)])
    >>> never.accuracy, never.auc, never.f1, never.fails()
    (0.95, 0.5, 0.0, 'AUC is 0.500, no better than chance')
    """
    base = float(happened.mean())
    sure = p > threshold(p)
    hits, said, real = float((sure & (happened > 0)).sum()), float(sure.sum()), float(happened.sum())
    return Judgement(
        rows=len(p),
        base_rate=base,
        auc=auc(p, happened),
        log_loss=log_loss(p, happened),
        base_log_loss=log_loss(np.full(len(p), base), happened),
        brier=float(((p - happened) ** 2).mean()),
        worst_decile=worst_decile(p, happened),
        accuracy=float((sure == (happened > 0)).mean()),
        base_accuracy=max(base, 1 - base),
        f1=2 * hits / (said + real) if said + real else 0.0,
    )


def threshold(p: Floats) -> float:
    """The probability above which as many lie as are expected in all; of a constant nobody lies above it.

    >>> threshold(np.array([0.9, 0.8, 0.2, 0.1]))  # two are expected
    0.2
    """
    expected = min(round(float(p.sum())), len(p) - 1)
    return float(np.sort(p)[::-1][expected])


def auc(score: Floats, happened: Floats) -> float | None:
    """The chance that of two rows the one in which it happened has the higher score; ties count half.

    >>> auc(np.array([0.1, 0.4, 0.4, 0.8]), np.array([0.0, 0.0, 1.0, 1.0]))  # of four pairs 3 right, 1 tied
    0.875
    """
    positive = happened > 0
    here, there = int(positive.sum()), int((~positive).sum())
    if not here or not there:
        return None
    _, inverse, counts = np.unique(score, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    rank = (last - (counts - 1) / 2)[inverse]
    return float((rank[positive].sum() - here * (here + 1) / 2) / (here * there))


def log_loss(p: Floats, happened: Floats) -> float:
    """Mean of −log of the probability of what happened; probabilities are kept a billionth away from 0 and 1."""
    bounded = np.clip(p, 1e-9, 1 - 1e-9)
    return float(-np.where(happened > 0, np.log(bounded), np.log1p(-bounded)).mean())


def worst_decile(predicted: Floats, happened: Floats) -> float:
    """The largest difference between the mean prediction and what happened, over tenths of the rows by prediction.

    >>> worst_decile(np.linspace(0, 1, 100), np.ones(100)).__round__(3)
    0.955
    """
    order = np.argsort(predicted, kind="stable")
    tenths = [part for part in np.array_split(order, _DECILES) if len(part)]
    return max(abs(float(predicted[part].mean() - happened[part].mean())) for part in tenths)


def decile_cuts(predicted: Floats) -> tuple[float, ...]:
    """The nine cuts between the tenths of the predictions; unknown ones do not count."""
    known = predicted[~np.isnan(predicted)]
    if not len(known):
        return ()
    cuts = np.quantile(known, np.arange(1, _DECILES) / _DECILES, method="lower")
    return tuple(float(cut) for cut in cuts)


def deciles(predicted: Floats, cuts: tuple[float, ...]) -> Ints:
    """1 for the lowest tenth to 10 for the highest: one more than the cuts below. Equal predictions share a decile.

    >>> deciles(np.array([0.1, 0.2, 0.95]), (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)).tolist()
    [1, 2, 10]
    """
    return 1 + np.searchsorted(np.array(cuts), predicted, side="left").astype(np.int64)
