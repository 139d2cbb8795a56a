"""What an offer does to a user's visits, by experiments: log effect = size × S(saving) × R(share) × (α + β·pull + γ·x).

Visits of those whom chance gave an offer and of those whom it did not are Poisson around baseline × exp(log effect).
S and R rise and begin at 0; the sign is each user's own, so that whom offers drive away is seen. The pull of a user is
what earlier answers say (see answers.py), x what else is known of the user. Without experiments the pull is believed as
it stands (α = 0, β = 1, γ = 0), and the more randomised rows there are the more they say. Newton steps on one group of
parameters after another, with priors that are worth a stated number of rows; the errors are those of the curvature: of
a user given S and R, of a mean over users (mean_effects.py) of all parameters together.
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
_BENDS = (0.2, 0.5, np.inf)  # savings at which S may have half of what it can have; without an end it is a line
_SPREADS_OF_RISE = (0.1, 0.5)  # by how much S and R may differ from what is usual: the evidence chooses
_SPREAD_OF_PULL, _SPREAD_OF_SIZE = 0.5, 0.4  # standard deviations of the priors
_SPREAD_OF_TRAITS = 0.3  # by how much a usual difference in what is known of users may move their own effects
_FARTHEST = 3.0  # standard deviations that a user may be from the mean of the others
_LEAST_SLOPE = 0.05
_LEAST_SPREAD = (
    0.5  # size by which a mechanic's prior is at least as wide where errors are told: a small size is no sure one
)
LARGEST: Final = 2.5  # of a log effect
_BASE_PRECISION: Final = (1e-3, 1e-1)  # of the line by which the logs of the baselines are brought right


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
    traits: Floats | None = None  # row × whatever else is known of the user from before the experiment

    def __len__(self) -> int:
        return len(self.visits)

    def rows(self, chosen: Bools | Ints) -> Evidence:
        numbers = ("visits", "baseline", "mechanic", "saving", "share", "pull", "weight")
        traits = None if self.traits is None else self.traits[chosen]
        return replace(self, traits=traits, **{name: getattr(self, name)[chosen] for name in numbers})


@dataclass(frozen=True)
class Effects:
    """The fitted curve. `rows`: randomised rows that it rests on; `covariance`: of α, β and γ.

    `joint`: covariance of the baselines' line, α, β, γ, the sizes, and the rises of S and of R from knot to knot.
    γ counts in standard deviations (`deviation`) from the `mean` of the experiments' rows.
    """

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
    joint: Floats
    leaning: Floats  # γ
    mean: Floats
    deviation: Floats

    def refined(self, pull: Floats, traits: Floats | None) -> Floats:
        """The pull by which a user's own effect is told: earlier answers, and what else is known of the user."""
        moved = self.standard(traits, len(pull)) @ self.leaning / max(self.slope, _LEAST_SLOPE)
        refined: Floats = pull + moved
        return refined

    def standard(self, traits: Floats | None, rows: int) -> Floats:
        """Row × trait, in standard deviations."""
        if traits is None or not len(self.leaning):
            return np.zeros((rows, len(self.leaning)))
        return np.clip((traits - self.mean) / self.deviation, -_FARTHEST, _FARTHEST)

    def curve(self, mechanic: Ints, saving: Floats, share: Floats) -> Floats:
        """Size × S × R: what the user's own pull is multiplied by."""
        rise = np.interp(saving, SAVINGS, self.savings) * np.interp(share, SHARES, self.shares)
        return np.where(mechanic >= 0, self.size[np.maximum(mechanic, 0)], 0.0) * rise

    def own(self, pull: Floats) -> Floats:
        """What is the user's own: α + β·pull, where the pull is the refined one."""
        own: Floats = self.intercept + self.slope * pull
        return own

    def own_error(self, pull: Floats, spread: Floats, traits: Floats | None = None) -> Floats:
        """Its standard error: of α, β and γ, and of the pull itself (`spread`, its posterior standard deviation)."""
        x = self._own_design(pull, traits)
        variance = np.einsum("ij,jk,ik->i", x, self.covariance, x) + (self.slope * spread) ** 2
        error: Floats = np.sqrt(np.maximum(variance, 0.0))
        return error

    def _own_design(self, pull: Floats, traits: Floats | None) -> Floats:
        """Row × (α, β, γ), of refined pulls."""
        z = self.standard(traits, len(pull))
        plain = pull - z @ self.leaning / max(self.slope, _LEAST_SLOPE)
        return np.column_stack([np.ones(len(pull)), plain, z])

    def log_effect(self, mechanic: Ints, saving: Floats, share: Floats, pull: Floats) -> Floats:
        """Log of the factor on visits."""
        return np.clip(self.curve(mechanic, saving, share) * self.own(pull), -LARGEST, LARGEST)

    def gradient(
        self, mechanic: Ints, saving: Floats, share: Floats, pull: Floats, traits: Floats | None = None
    ) -> Floats:
        """Row × parameter of `joint` but the first two: by how much the log effect rises with each."""
        s, r = np.interp(saving, SAVINGS, self.savings), np.interp(share, SHARES, self.shares)
        of_mechanic = (mechanic[:, None] == np.arange(len(self.size))).astype(np.float64)
        sized, own = of_mechanic @ self.size, self.own(pull)
        curve = sized * s * r
        return np.column_stack(
            [
                self._own_design(pull, traits) * curve[:, None],
                of_mechanic * (s * r * own)[:, None],
                _passed(saving, SAVINGS) * (sized * r * own)[:, None],
                _passed(share, SHARES) * (sized * s * own)[:, None],
            ]
        )

    def parameters(self) -> Floats:
        """In the order of `joint`; 0 for the baselines' line, which is not kept."""
        rises = np.diff(self.savings), np.diff(self.shares)
        return np.concatenate([(0.0, 0.0, self.intercept, self.slope), self.leaning, self.size, *rises])

    def to_plain(self) -> dict[str, Any]:
        plain = {name: getattr(self, name) for name in Effects.__dataclass_fields__}
        return {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in plain.items()}

    @staticmethod
    def from_plain(plain: Mapping[str, Any]) -> Effects:
        values: dict[str, Any] = dict(plain)
        for name in ("size", "size_error", "savings", "shares", "covariance", "joint", "leaning", "mean", "deviation"):
            values[name] = np.array(values[name])
        for name in ("mechanics", "randomised"):
            values[name] = tuple(values[name])
        return Effects(**values)


def believed_effects(mechanics: Sequence[str], traits: int = 0) -> Effects:
    """What is said where there is no experiment: the users' own pulls as earlier answers have them."""
    n, own = len(mechanics), np.array([_SPREAD_OF_PULL] * 2 + [_SPREAD_OF_TRAITS] * traits)
    rises = np.concatenate([np.diff(SAVINGS), np.diff(np.sqrt(SHARES))])
    return Effects(
        mechanics=tuple(mechanics),
        size=np.ones(n),
        size_error=np.full(n, _SPREAD_OF_SIZE),
        randomised=(False,) * n,
        savings=SAVINGS.copy(),
        shares=np.sqrt(SHARES),
        intercept=0.0,
        slope=1.0,
        covariance=np.diag(own * own),
        rows=0,
        joint=np.diag(1 / _precisions(1.0, traits, np.ones(n), rises, _SPREADS_OF_RISE[1])),
        leaning=np.zeros(traits),
        mean=np.zeros(traits),
        deviation=np.ones(traits),
    )


def fitted_effects(of: Evidence, mechanics: Sequence[str], *, enough_rows: int = ENOUGH_ROWS) -> Effects:
    """The effects that make the experiments' visits likeliest, under the priors."""
    believed = believed_effects(mechanics, 0 if of.traits is None else of.traits.shape[1])
    treated = of.mechanic >= 0
    if not treated.any() or treated.all():
        return believed
    if of.traits is not None:
        deviation = of.traits.std(axis=0)
        deviation = np.where(deviation > 1e-9, deviation, 1.0)
        believed = replace(believed, mean=of.traits.mean(axis=0), deviation=deviation)
    began = replace(
        believed,
        rows=len(of),
        randomised=tuple(bool((of.mechanic == number).any()) for number in range(len(mechanics))),
    )
    if len(of) < enough_rows:
        return _with_own(began, of, np.zeros(2), mean_only=True)[0]
    fits = [
        _fitted(began, of, _saturating(SAVINGS, bend, USUAL_SAVING), _saturating(SHARES, half, USUAL_SHARE), spread)
        for bend in _BENDS
        for half in _HALVES
        for spread in _SPREADS_OF_RISE
    ]
    return _averaged(fits)


def _saturating(x: Floats, half: float, usual: float) -> Floats:
    """x / (x + half), a line where `half` has no end; at the usual x it is that x.

    >>> _saturating(np.array([0.0, 0.2, 0.5]), 0.5, 0.2).round(3).tolist()
    [0.0, 0.2, 0.35]
    """
    return x if np.isinf(half) else x * (usual + half) / (x + half)


def _averaged(fits: Sequence[tuple[Effects, float]]) -> Effects:
    """The mean of the fits, each as much as it is likely (Hoeting et al. 1999); their differences add to the errors."""
    likely = np.array([log for _, log in fits])
    weight = np.exp(likely - likely.max())
    weight = weight / weight.sum()

    def mean(name: str) -> Floats:
        return np.tensordot(weight, np.array([getattr(effects, name) for effects, _ in fits]), axes=1)

    apart = np.array([effects.parameters() for effects, _ in fits])
    apart = apart - weight @ apart
    between = (weight[:, None] * apart).T @ apart
    first, traits = fits[0][0], len(fits[0][0].leaning)
    own, sizes = slice(2, 4 + traits), slice(4 + traits, 4 + traits + len(first.size))
    return replace(
        first,
        size=mean("size"),
        savings=mean("savings"),
        shares=mean("shares"),
        leaning=mean("leaning"),
        intercept=float(mean("intercept")),
        slope=float(mean("slope")),
        size_error=np.sqrt(weight @ np.array([fit.size_error**2 for fit, _ in fits]) + np.diag(between)[sizes]),
        covariance=mean("covariance") + between[own, own],
        joint=mean("joint") + between,
    )


def _fitted(began: Effects, of: Evidence, rise: Floats, reach: Floats, spread: float) -> tuple[Effects, float]:
    """The effects where S is like `rise` and R like `reach` before the evidence; and how likely these make it.

    How likely: over all rises that the prior allows (Laplace's approximation; MacKay 1992). So a wide prior is chosen
    only where the evidence tells more than its own noise.
    """
    usual = reach * np.sqrt(USUAL_SHARE) / USUAL_SHARE
    effects, base = replace(began, savings=rise, shares=usual), np.zeros(2)
    treated = of.rows(of.mechanic >= 0)  # the others tell the baselines, but nothing of sizes and rises
    for _ in range(_ROUNDS):
        effects, base = _with_own(effects, of, base, mean_only=False)
        refined = replace(treated, pull=effects.refined(treated.pull, treated.traits))
        effects = _with_sizes(effects, refined, base)
        effects, _ = _with_rises(effects, refined, base, rise, spread, of_savings=True)
        effects, _ = _with_rises(effects, refined, base, usual, spread, of_savings=False)
    effects, base = _with_own(effects, of, base, mean_only=False)
    of = replace(of, pull=effects.refined(of.pull, of.traits))
    log = effects.log_effect(of.mechanic, of.saving, of.share, of.pull) + _log_base(of, base)
    likely = float((of.weight * (of.visits * log - np.exp(log))).sum())
    likely -= ((effects.slope - 1) / _SPREAD_OF_PULL) ** 2 / 2
    likely -= float(effects.leaning @ effects.leaning) / _SPREAD_OF_TRAITS**2 / 2
    for like, of_savings in ((rise, True), (usual, False)):
        likely -= _with_rises(effects, of, base, like, spread, of_savings)[1]
    rises = np.concatenate([np.diff(rise), np.diff(usual)])
    return replace(effects, joint=_joint(effects, of, base, rises, spread)), likely


def _joint(effects: Effects, of: Evidence, base: Floats, rises: Floats, spread: float) -> Floats:
    """Covariance of all parameters together, by the curvature of likelihood and priors at the fit."""
    gradient = effects.gradient(of.mechanic, of.saving, of.share, of.pull, of.traits)
    design = np.column_stack([np.ones(len(of)), np.log(of.baseline), gradient])
    log = effects.log_effect(of.mechanic, of.saving, of.share, of.pull) + _log_base(of, base)
    typical, traits = float(np.abs(of.pull).mean()) + 1e-9, len(effects.leaning)
    precision = _precisions(typical, traits, np.maximum(effects.size, _LEAST_SPREAD), rises, spread)
    curvature = (design * (of.weight * np.exp(np.clip(log, -12.0, 5.0)))[:, None]).T @ design + np.diag(precision)
    return np.asarray(np.linalg.inv(curvature), np.float64)


def _precisions(typical: float, traits: int, sizes: Floats, rises: Floats, spread: float) -> Floats:
    """Of the priors of all parameters, in the order of Effects.joint."""
    own = [1 / (_SPREAD_OF_PULL * typical) ** 2, 1 / _SPREAD_OF_PULL**2] + [1 / _SPREAD_OF_TRAITS**2] * traits
    return np.concatenate([_BASE_PRECISION, own, 1 / (_SPREAD_OF_SIZE * sizes) ** 2, 1 / (spread * rises) ** 2])


def _passed(at: Floats, knots: Floats) -> Floats:
    """Row × interval between knots: the share of it that lies below the value."""
    return np.clip((at[:, None] - knots[:-1]) / np.diff(knots), 0.0, 1.0)


def _with_own(effects: Effects, of: Evidence, base: Floats, mean_only: bool) -> tuple[Effects, Floats]:
    """α, β and γ, and a line by which the logs of the baselines are brought right."""
    curve, pull, traits = effects.curve(of.mechanic, of.saving, of.share), of.pull, len(effects.leaning)
    typical = np.abs(pull).mean() + 1e-9 if len(pull) else 1.0
    by_trait = effects.standard(of.traits, len(of)) * curve[:, None]
    design = np.column_stack([np.ones(len(of)), np.log(of.baseline), curve, curve * pull, by_trait])
    start = np.array([*base, effects.intercept, effects.slope, *effects.leaning])
    prior = np.array([0.0, 0.0, 0.0, 1.0] + [0.0] * traits)
    own_precision = [1 / (_SPREAD_OF_PULL * typical) ** 2, 1 / _SPREAD_OF_PULL**2]
    precision = np.array([*_BASE_PRECISION, *own_precision] + [1 / _SPREAD_OF_TRAITS**2] * traits)
    if mean_only:
        mean = float(pull[of.mechanic >= 0].mean())
        design, start, prior, precision = design[:, :3], start[:3], np.array([0.0, 0.0, mean]), precision[:3]
    found, covariance = _newton(design, of, np.log(of.baseline), start, prior, precision)
    if mean_only:
        whole = np.zeros((2 + traits, 2 + traits))
        whole[0, 0] = covariance[2, 2]
        joint = effects.joint.copy()
        joint[: 4 + traits], joint[:, : 4 + traits] = 0.0, 0.0  # there is no slope
        joint[:3, :3] = covariance
        mean_told = replace(effects, intercept=float(found[2]), slope=0.0, covariance=whole, joint=joint)
        return mean_told, found[:2]
    own = replace(
        effects,
        intercept=float(found[2]),
        slope=float(found[3]),
        leaning=found[4:],
        covariance=covariance[2:, 2:],
    )
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


def _with_rises(
    effects: Effects, of: Evidence, base: Floats, usual: Floats, spread: float, of_savings: bool
) -> tuple[Effects, float]:
    """S, or R, as rises from knot to knot, none negative; what it is at the usual saving, or share, is kept.

    `usual`: what it is like before the evidence. Second: what having chosen these rises costs the log of
    the evidence, how far they are from the usual and how narrowly they are told.
    """
    knots, levels = (SAVINGS, effects.savings) if of_savings else (SHARES, effects.shares)
    at, where = (of.saving, USUAL_SAVING) if of_savings else (of.share, USUAL_SHARE)
    sized = np.where(of.mechanic >= 0, effects.size[np.maximum(of.mechanic, 0)], 0.0) * effects.own(of.pull)
    other = (
        np.interp(of.share, SHARES, effects.shares) if of_savings else np.interp(of.saving, SAVINGS, effects.savings)
    )
    prior = np.diff(usual)
    design = _passed(at, knots) * (sized * other)[:, None]
    precision = 1 / (spread * prior) ** 2
    rise, told = _newton(design, of, _log_base(of, base), np.diff(levels), prior, precision, least=0.02 * prior)
    scaled = told * np.sqrt(precision[:, None] * precision)
    cost = float(precision @ (rise - prior) ** 2 - np.linalg.slogdet(scaled)[1]) / 2
    level = np.r_[0.0, np.cumsum(rise)]
    level = level * np.interp(where, knots, usual) / np.interp(where, knots, level)
    return replace(effects, savings=level) if of_savings else replace(effects, shares=level), cost


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
