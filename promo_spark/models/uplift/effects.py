"""What an offer does to a user's visits, by experiments: log effect = size × S(saving) × R(share) × (α + β·pull).

Visits of those whom chance gave an offer and of those whom it did not are Poisson around baseline × exp(log effect).
S and R rise and begin at 0; the sign is each user's own, so that whom offers drive away is seen. The pull of a user is
what earlier answers say (see answers.py); without experiments it is believed as it stands (α = 0, β = 1), and the more
randomised rows there are the more they say. Newton steps on one group of parameters after another, with priors that are
worth a stated number of rows; the errors are those of the curvature, given S and R.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from promo_spark.contracts.responses import ON_PRODUCTS
from promo_spark.models.uplift.histories import Bools, Floats, Ints

SAVINGS: Final = np.array([0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.7, 1.0])
SHARES: Final = np.array([0.0, 0.01, 0.03, 0.06, 0.1, 0.2, 0.4, 0.7, 1.0])
ENOUGH_ROWS: Final = 1000  # randomised rows below which only the mean effect is told
USUAL_SAVING, USUAL_SHARE = 0.2, 0.1  # at which S and R are what strength has: only the sizes scale the effect
_ROUNDS, _STEPS = 6, 8
_HALVES = (0.01, 0.03, 0.1, 0.3, 1.0)  # shares at which R may have half of what it can have: the evidence chooses
_SPREADS_OF_RISE = (0.1, 0.3, 1.0)  # by how much S and R may differ from what is usual: the evidence chooses
_SPREAD_OF_PULL, _SPREAD_OF_SIZE = 0.5, 0.4  # standard deviations of the priors
_LARGEST = 2.5  # of a log effect


@dataclass(frozen=True)
class Evidence:
    """One row per experiment and user who took part. `mechanic`: a number; −1: no offer, saving 0."""

    visits: Floats
    baseline: Floats  # visits expected without an offer, by anything known before; above 0
    mechanic: Ints
    saving: Floats
    share: Floats
    pull: Floats  # the user's, from before the experiment
    weight: Floats  # 1 where chance gave all users the same probabilities

    def __len__(self) -> int:
        return len(self.visits)

    def rows(self, chosen: Bools | Ints) -> Evidence:
        return Evidence(*(getattr(self, name)[chosen] for name in Evidence.__dataclass_fields__))


@dataclass(frozen=True)
class Effects:
    """The fitted curve. `rows`: randomised rows that it rests on; `covariance`: of α and β."""

    mechanics: tuple[str, ...]
    size: Floats  # of each mechanic, over that of the usual offer
    size_error: Floats
    randomised: tuple[bool, ...]  # whether experiments had the mechanic
    savings: Floats  # S at SAVINGS
    shares: Floats  # R at SHARES
    intercept: float
    slope: float
    covariance: Floats
    rows: int

    def curve(self, mechanic: Ints, saving: Floats, share: Floats) -> Floats:
        """Size × S × R: what the user's own pull is multiplied by."""
        rise = np.interp(saving, SAVINGS, self.savings) * np.interp(share, SHARES, self.shares)
        return np.where(mechanic >= 0, self.size[np.maximum(mechanic, 0)], 0.0) * rise

    def own(self, pull: Floats) -> Floats:
        """What is the user's own: α + β·pull."""
        own: Floats = self.intercept + self.slope * pull
        return own

    def own_error(self, pull: Floats, spread: Floats) -> Floats:
        """Its standard error: of α and β, and of the pull itself (`spread`, its posterior standard deviation)."""
        c = self.covariance
        variance = c[0, 0] + 2 * pull * c[0, 1] + pull * pull * c[1, 1] + (self.slope * spread) ** 2
        error: Floats = np.sqrt(np.maximum(variance, 0.0))
        return error

    def log_effect(self, mechanic: Ints, saving: Floats, share: Floats, pull: Floats) -> Floats:
        """Log of the factor on visits."""
        return np.clip(self.curve(mechanic, saving, share) * self.own(pull), -_LARGEST, _LARGEST)

    def to_plain(self) -> dict[str, Any]:
        plain = {name: getattr(self, name) for name in Effects.__dataclass_fields__}
        return {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in plain.items()}

    @staticmethod
    def from_plain(plain: Mapping[str, Any]) -> Effects:
        values: dict[str, Any] = dict(plain)
        for name in ("size", "size_error", "savings", "shares", "covariance"):
            values[name] = np.array(values[name])
        for name in ("mechanics", "randomised"):
            values[name] = tuple(values[name])
        return Effects(**values)


def believed_effects(mechanics: Sequence[str]) -> Effects:
    """What is said where there is no experiment: the users' own pulls as earlier answers have them."""
    n = len(mechanics)
    return Effects(
        mechanics=tuple(mechanics),
        size=np.ones(n),
        size_error=np.full(n, _SPREAD_OF_SIZE),
        randomised=(False,) * n,
        savings=SAVINGS.copy(),
        shares=np.sqrt(SHARES),
        intercept=0.0,
        slope=1.0,
        covariance=np.diag([_SPREAD_OF_PULL**2, _SPREAD_OF_PULL**2]),
        rows=0,
    )


def fitted_effects(of: Evidence, mechanics: Sequence[str], *, enough_rows: int = ENOUGH_ROWS) -> Effects:
    """The effects that make the experiments' visits likeliest, under the priors."""
    believed = believed_effects(mechanics)
    treated = of.mechanic >= 0
    if not treated.any() or treated.all():
        return believed
    began = replace(
        believed,
        rows=len(of),
        randomised=tuple(bool((of.mechanic == number).any()) for number in range(len(mechanics))),
    )
    if len(of) < enough_rows:
        return _with_own(began, of, np.zeros(2), mean_only=True)[0]
    fits = [_fitted(began, of, half, spread) for half in _HALVES for spread in _SPREADS_OF_RISE]
    return max(fits, key=lambda fit: fit[1])[0]


def _fitted(began: Effects, of: Evidence, half: float, spread: float) -> tuple[Effects, float]:
    """The effects where R is like share / (share + half) before the evidence; and how likely such rises make it.

    How likely: over all rises that the prior allows (Laplace's approximation; MacKay 1992). So a wide prior is chosen
    only where the evidence tells more than its own noise.
    """
    usual = SHARES / (SHARES + half) * np.sqrt(USUAL_SHARE) / (USUAL_SHARE / (USUAL_SHARE + half))
    effects, base = replace(began, shares=usual), np.zeros(2)
    for _ in range(_ROUNDS):
        effects, base = _with_own(effects, of, base, mean_only=False)
        effects = _with_sizes(effects, of, base)
        effects, _ = _with_rises(effects, of, base, SAVINGS, spread)
        effects, _ = _with_rises(effects, of, base, usual, spread)
    effects, base = _with_own(effects, of, base, mean_only=False)
    log = effects.log_effect(of.mechanic, of.saving, of.share, of.pull) + _log_base(of, base)
    likely = float((of.weight * (of.visits * log - np.exp(log))).sum())
    likely -= ((effects.slope - 1) / _SPREAD_OF_PULL) ** 2 / 2
    for like in (SAVINGS, usual):
        likely -= _with_rises(effects, of, base, like, spread)[1]
    return effects, likely


def _with_own(effects: Effects, of: Evidence, base: Floats, mean_only: bool) -> tuple[Effects, Floats]:
    """α and β, and a line by which the logs of the baselines are brought right."""
    curve, pull = effects.curve(of.mechanic, of.saving, of.share), of.pull
    typical = np.abs(pull).mean() + 1e-9 if len(pull) else 1.0
    design = np.column_stack([np.ones(len(of)), np.log(of.baseline), curve, curve * pull])
    start = np.array([*base, effects.intercept, effects.slope])
    prior = np.array([0.0, 0.0, 0.0, 1.0])
    precision = np.array([1e-3, 1e-1, 1 / (_SPREAD_OF_PULL * typical) ** 2, 1 / _SPREAD_OF_PULL**2])
    if mean_only:
        mean = float(pull[of.mechanic >= 0].mean())
        design = np.column_stack([design[:, :2], curve])
        start, prior, precision = start[:3], np.array([0.0, 0.0, mean]), precision[:3]
    found, covariance = _newton(design, of, np.log(of.baseline), start, prior, precision)
    if mean_only:
        whole = np.zeros((2, 2))
        whole[0, 0] = covariance[2, 2]
        return replace(effects, intercept=float(found[2]), slope=0.0, covariance=whole), found[:2]
    own = replace(effects, intercept=float(found[2]), slope=float(found[3]), covariance=covariance[2:, 2:])
    return own, found[:2]


def _with_sizes(effects: Effects, of: Evidence, base: Floats) -> Effects:
    """The sizes of the mechanics; of which experiments tell little, they are like others on products, or on baskets."""
    n, offset = len(effects.size), _log_base(of, base)
    plain = replace(effects, size=np.ones(n))
    strong = plain.curve(of.mechanic, of.saving, of.share) * effects.own(of.pull)
    own = (of.mechanic[:, None] == np.arange(n)) * strong[:, None]
    on_products = np.array([name in ON_PRODUCTS for name in effects.mechanics])
    kinds = np.column_stack([on_products, ~on_products]).astype(np.float64)
    of_kinds, _ = _newton(own @ kinds, of, offset, np.ones(2), np.ones(2), np.ones(2))
    usual = kinds @ np.maximum(of_kinds, 0.05)
    found, covariance = _newton(own, of, offset, effects.size.copy(), usual, 1 / (_SPREAD_OF_SIZE * usual) ** 2)
    return replace(effects, size=np.maximum(found, 0.0), size_error=np.sqrt(np.diag(covariance)))


def _with_rises(effects: Effects, of: Evidence, base: Floats, usual: Floats, spread: float) -> tuple[Effects, float]:
    """S, or R, as rises from knot to knot, none negative; what it is at the usual saving, or share, is kept.

    `usual`: what it is like before the evidence, SAVINGS of S. Second: what having chosen these rises costs the log of
    the evidence, how far they are from the usual and how narrowly they are told.
    """
    savings = usual is SAVINGS
    knots, levels = (SAVINGS, effects.savings) if savings else (SHARES, effects.shares)
    at, where = (of.saving, USUAL_SAVING) if savings else (of.share, USUAL_SHARE)
    sized = np.where(of.mechanic >= 0, effects.size[np.maximum(of.mechanic, 0)], 0.0) * effects.own(of.pull)
    other = np.interp(of.share, SHARES, effects.shares) if savings else np.interp(of.saving, SAVINGS, effects.savings)
    passed = np.clip((at[:, None] - knots[:-1]) / np.diff(knots), 0.0, 1.0)
    prior = np.diff(usual)
    design = passed * (sized * other)[:, None]
    precision = 1 / (spread * prior) ** 2
    rise, told = _newton(design, of, _log_base(of, base), np.diff(levels), prior, precision, least=0.02 * prior)
    scaled = told * np.sqrt(precision[:, None] * precision)
    cost = float(precision @ (rise - prior) ** 2 - np.linalg.slogdet(scaled)[1]) / 2
    level = np.r_[0.0, np.cumsum(rise)]
    level = level * np.interp(where, knots, usual) / np.interp(where, knots, level)
    return replace(effects, savings=level) if savings else replace(effects, shares=level), cost


def _log_base(of: Evidence, base: Floats) -> Floats:
    log: Floats = np.log(of.baseline) * (1 + base[1]) + base[0]
    return log


def _newton(
    design: Floats,
    of: Evidence,
    offset: Floats,
    start: Floats,
    prior: Floats,
    precision: Floats,
    least: Floats | None = None,
) -> tuple[Floats, Floats]:
    """Poisson regression with a normal prior on each parameter: the best parameters and their covariance."""
    found = start
    for _ in range(_STEPS):
        mean = np.exp(np.clip(offset + design @ found, -12.0, 5.0))
        gradient = design.T @ (of.weight * (of.visits - mean)) - precision * (found - prior)
        curvature = (design * (of.weight * mean)[:, None]).T @ design + np.diag(precision)
        step = np.linalg.solve(curvature, gradient)
        found = found + step
        if least is not None:
            found = np.maximum(found, least)
        if float(np.abs(step).max()) < 1e-8:
            break
    return found, np.asarray(np.linalg.inv(curvature), np.float64)
