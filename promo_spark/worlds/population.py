"""Who the users of a block are: planted segment, habits, tastes, staples, and how they respond to offers."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from promo_spark.worlds.catalogue import Catalogue, catalogue
from promo_spark.worlds.response import Answers, drawn_answers, segment_pulls
from promo_spark.worlds.spec import WorldSpec
from promo_spark.worlds.streams import Bools, Floats, Floats32, Ints, keyed_uniforms, stream

STAPLES = 8
STAPLE_SHARE = 0.8  # of these, where their subcategory is needed again and again
FRAUD_KINDS = ("none", "ring", "fake_orders")
HONEST, RING, ALONE = range(len(FRAUD_KINDS))
RING_SIZE = 6
RING_DAYS = 4  # within which the accounts of a ring are opened
REGIONS = ("north", "east", "south", "west", "centre")

_ALL = slice(None)
_SENSITIVITY_STEPS = np.array([-1.4, -0.7, 0.0, 0.7, 1.4])  # users of a segment differ by so many scatters


@dataclass(frozen=True)
class Population:
    """Users first to first + n − 1 of the world, one row each."""

    first: int
    segment: npt.NDArray[np.int32]
    joined: npt.NDArray[np.int32]  # day the account was opened; negative: before the history
    churned: npt.NDArray[np.int32]  # first day on which the user shops no more, if no offer changes that
    hazard: Floats  # of leaving for good, per day
    patience: Floats  # sum of hazards at which the user leaves
    sensitivity: Floats32  # factor on the elasticity of products
    visit_rate: Floats32  # visits per day, usual day
    log_items: Floats  # mean of the log of items wanted per visit
    tastes: Floats32  # user × topic, each row sums to 1
    staples: Ints  # user × STAPLES products bought again and again, −1: none
    staple_gaps: Floats32  # days between purchases of each
    first_due: Floats32  # day of each staple's first purchase
    answers: Answers
    online: Floats32  # share of visits on web or app
    home_store: npt.NDArray[np.int32]
    hour: Floats32  # usual hour of shopping, UTC
    fraud: npt.NDArray[np.int32]  # into FRAUD_KINDS
    ring: npt.NDArray[np.int32]  # −1: in none
    consent: npt.NDArray[np.int32]  # 1 yes, 0 no, −1 not said
    demography: Ints  # user × 5: gender, age, income, region, household size, as numbers

    def __len__(self) -> int:
        return len(self.segment)

    @property
    def numbers(self) -> Ints:
        """The users' numbers in the world."""
        return self.first + np.arange(len(self))

    @property
    def only_offers(self) -> Bools:
        """Accounts of rings that live on offers: they never come without one, and leave none."""
        quiet: Bools = (self.fraud == RING) & (self.visit_rate == 0)
        return quiet

    def active(self, days: Ints) -> Bools:
        """User × day: has joined and not churned."""
        active: Bools = (self.joined[:, None] <= days) & (self.churned[:, None] > days)
        return active

    def stays(self, day: int, strain: Floats, rows: Ints | slice = _ALL) -> Bools:
        """Whether each user (of these rows) has joined and still shops. `strain`: what offers added to the hazards."""
        joined = self.joined[rows]
        usual = self.hazard[rows] * (day + 1 - _begins(joined))
        stays: Bools = (joined <= day) & (usual + strain <= self.patience[rows])
        return stays

    def churned_with(self, strain: Floats) -> npt.NDArray[np.int32]:
        """The first day without shopping, given what offers have added to the hazards and no more to come."""
        left = _begins(self.joined) + (self.patience - strain) / self.hazard
        return np.clip(left, -1, _NEVER).astype(np.int32)

    def taste_for(self, shop: Catalogue, user: Ints, product: Ints) -> Floats:
        """The true probability that a wanted item of the user is the product."""
        chance: Floats = np.einsum("it,ti->i", self.tastes[user], shop.topic_weights[:, product])
        return chance

    def items(self) -> Floats:
        """Items bought per visit by taste at usual demand, as the log-normal has it."""
        items: Floats = np.exp(self.log_items + ITEMS_SIGMA**2 / 2)
        return items

    def basket_value(self, shop: Catalogue) -> Floats:
        """Expected value of a visit's items by taste, at usual demand and start prices, in cents."""
        value: Floats = self.items() * (1 + SECOND_PIECE) * (self.tastes @ (shop.topic_weights @ shop.price))
        return value

    def department_shares(self, shop: Catalogue) -> Floats:
        """User × department: what the user spends there at a usual visit, over all that the user spends by taste."""
        by_taste = self.tastes @ shop.topic_departments(shop.price)
        user, which = np.nonzero(self.staples >= 0)
        staple = self.staples[user, which]
        by_need = self._per_visit(user, self.staple_gaps[user, which])
        needed = np.zeros(by_taste.shape)
        np.add.at(needed, (user, shop.department[staple]), by_need * shop.price[staple])
        shares: Floats = by_taste / by_taste.sum(axis=1, keepdims=True) + needed / self.basket_value(shop)[:, None]
        return shares

    def spend_share(self, shop: Catalogue, user: Ints, product: Ints) -> Floats:
        """Per row: what the user spends on the product at a usual visit, over all that the user spends by taste."""
        by_taste = self.items()[user] * (1 + SECOND_PIECE) * self.taste_for(shop, user, product)
        gap = np.where(self.staples[user] == product[:, None], self.staple_gaps[user], np.inf).min(axis=1, initial=1e9)
        by_need = self._per_visit(user, gap)
        share: Floats = (by_taste + by_need) * shop.price[product] / self.basket_value(shop)[user]
        return share

    def _per_visit(self, user: Ints, gap: npt.NDArray[np.floating]) -> Floats:
        """How often a staple that is needed at such gaps is bought at a visit of the user."""
        per_visit: Floats = np.minimum(1.0 / (gap * np.maximum(self.visit_rate[user], 1e-6)), 1.0)
        return per_visit


@functools.lru_cache(maxsize=8)
def segment_tastes(spec: WorldSpec) -> Floats:
    """Segment × topic: what a segment's users like on average; half of it is common to all."""
    draw = stream(spec.seed, "segment tastes")
    common = draw.dirichlet(np.full(spec.topics, 0.5))
    own = draw.dirichlet(np.full(spec.topics, 0.25), len(spec.segments))
    tastes: Floats = 0.5 * common + 0.5 * own
    return tastes


@functools.lru_cache(maxsize=4)
def population(spec: WorldSpec, block: int) -> Population:
    """The users of a block; kept, as each of its days and campaigns needs them."""
    return with_rings(spec, honest_population(spec, block))


def with_rings(spec: WorldSpec, users: Population) -> Population:
    """The users with the accounts of rings as these are, where there are welcome coupons to open them for.

    All that is drawn for the block is drawn of `users`, so that honest users do the same with rings and without.
    """
    ring = users.fraud == RING
    if not spec.welcome_saving or not ring.any():
        return users
    within = keyed_uniforms(spec.seed, "ring accounts", users.numbers) * RING_DAYS
    joined = ring_opens(spec, users.ring) + within.astype(np.int64)
    return replace(
        users,
        joined=np.where(ring, joined, users.joined).astype(np.int32),
        churned=np.where(ring, spec.all_days, users.churned).astype(np.int32),
        hazard=np.where(ring, 1e-9, users.hazard),
        patience=np.where(ring, float(_NEVER), users.patience),
        visit_rate=np.where(ring, 0, users.visit_rate).astype(np.float32),
        consent=np.where(ring, 1, users.consent).astype(np.int32),
    )


def ring_opens(spec: WorldSpec, ring: npt.NDArray[np.integer]) -> Ints:
    """The day on which each ring opens its first accounts: any of history and future."""
    drawn = keyed_uniforms(spec.seed, "rings", ring.astype(np.int64))
    return (drawn * (spec.all_days - RING_DAYS)).astype(np.int64)


@functools.lru_cache(maxsize=4)
def honest_population(spec: WorldSpec, block: int) -> Population:
    """The users of a block, were those of rings customers like the others."""
    shop = catalogue(spec)
    first = block * spec.users_per_block
    n = min(spec.users_per_block, spec.users - first)
    draw = stream(spec.seed, "population", block)
    segment = draw.choice(len(spec.segments), n, p=[s.share for s in spec.segments]).astype(np.int32)
    joined, hazard, patience = _stays(draw, spec, segment)
    tastes = draw.standard_gamma(TASTE_STRENGTH * segment_tastes(spec)[segment] + 1e-3).astype(np.float32) + 1e-6
    tastes /= tastes.sum(axis=1, keepdims=True)
    per_week = np.array([s.visits_per_week for s in spec.segments])[segment]
    items = np.array([s.items_per_visit for s in spec.segments])[segment]
    shares = np.array([s.responses for s in spec.segments]).cumsum(axis=1)[segment]
    response = (draw.random(n)[:, None] > shares[:, :-1]).sum(axis=1).astype(np.int64)
    staples, gaps = _staples(draw, shop, tastes)
    fraud, ring = _fraud(spec, first, n)
    online = np.array([s.online_share for s in spec.segments])[segment]
    return Population(
        first=first,
        segment=segment,
        joined=joined,
        churned=np.minimum(_begins(joined) + patience / hazard, spec.all_days).astype(np.int32),
        hazard=hazard,
        patience=patience,
        sensitivity=_sensitivity(draw, spec, segment),
        visit_rate=(per_week / 7 * draw.gamma(RATE_SHAPE, 1 / RATE_SHAPE, n)).astype(np.float32),
        log_items=np.log(items) - ITEMS_SIGMA**2 / 2 + draw.normal(0, ITEMS_SCATTER, n),
        tastes=tastes,
        staples=staples,
        staple_gaps=gaps,
        first_due=np.maximum(joined, 0)[:, None] + (gaps * draw.random(gaps.shape)).astype(np.float32),
        answers=drawn_answers(draw, spec.response_form, response, segment.astype(np.int64), pulls_by_segment(spec)),
        online=np.clip(online + draw.normal(0, 0.15, n), 0, 1).astype(np.float32),
        home_store=draw.integers(0, spec.stores, n).astype(np.int32),
        hour=np.clip(draw.normal(14, 3.5, n), 6, 22).astype(np.float32),
        fraud=fraud,
        ring=ring,
        consent=draw.choice([1, 0, -1], n, p=[0.85, 0.1, 0.05]).astype(np.int32),
        demography=_demography(draw, segment),
    )


ITEMS_SIGMA = 0.8  # of the log of items wanted per visit
ITEMS_SCATTER = 0.3  # of the log of users' own means of it
RATE_SHAPE = 4.0  # of the gamma that users' rates of visits are drawn from
TASTE_STRENGTH = 12.0  # how like the segment's a user's tastes are: as many items tell of it
SECOND_PIECE = 0.2  # chance that each unit of demand is two pieces


def pulls_by_segment(spec: WorldSpec) -> Floats:
    """The factors on pulls that the tree form has for each segment."""
    return segment_pulls(stream(spec.seed, "segment pulls"), len(spec.segments))


_NEVER = 1 << 20  # a day after every world's end


def _begins(joined: npt.NDArray[np.int32]) -> Ints:
    """The day after which a user may leave."""
    return np.maximum(joined, 0).astype(np.int64) + 1


def sensitivity_levels(spec: WorldSpec) -> Floats:
    """Segment × level: the factors on elasticities that a segment's users have, equally often."""
    level = np.exp(spec.elasticity_scatter * _SENSITIVITY_STEPS)
    of_segment = np.array([s.price_sensitivity for s in spec.segments])
    levels: Floats = of_segment[:, None] * (level / level.mean())
    return levels


def _sensitivity(draw: np.random.Generator, spec: WorldSpec, segment: npt.NDArray[np.int32]) -> Floats32:
    levels = sensitivity_levels(spec)
    return levels[segment, draw.integers(0, levels.shape[1], len(segment))].astype(np.float32)


def _stays(
    draw: np.random.Generator, spec: WorldSpec, segment: npt.NDArray[np.int32]
) -> tuple[npt.NDArray[np.int32], Floats, Floats]:
    """New users join on every day of history and future; each day some leave for good: day, hazard, patience."""
    n = len(segment)
    newcomer = draw.random(n) < spec.newcomer_share * spec.all_days / spec.days
    joined = np.where(newcomer, draw.integers(0, spec.all_days, n), -draw.integers(1, 1500, n))
    hazard = -np.log1p(-np.array([s.churn_per_year for s in spec.segments])[segment]) / 365
    return joined.astype(np.int32), np.maximum(hazard, 1e-9), draw.exponential(1, n)


def _staples(draw: np.random.Generator, shop: Catalogue, tastes: Floats32) -> tuple[Ints, Floats32]:
    """Products drawn by taste; those of subcategories that nobody needs again are no staples, nor repetitions."""
    n = len(tastes)
    user = np.repeat(np.arange(n), STAPLES)
    topic = drawn_topics(tastes, user, draw.random(len(user)))
    product = shop.topic_choices.drawn(topic, draw.random(len(user))).reshape(n, STAPLES)
    gaps = shop.cadence[shop.subcategory[product]] * draw.lognormal(0, 0.35, product.shape)
    usable = (gaps > 0) & (draw.random(product.shape) < STAPLE_SHARE)
    earlier = product[:, :, None] == product[:, None, :]
    usable &= ~np.any(np.tril(earlier, -1), axis=2)
    return np.where(usable, product, -1), np.where(usable, np.maximum(gaps, 3), 1e9).astype(np.float32)


def drawn_topics(tastes: Floats32, user: Ints, u: Floats) -> Ints:
    """A topic per wanted item, by its user's tastes."""
    cumulative = tastes.cumsum(axis=1, dtype=np.float64)
    cumulative /= cumulative[:, -1:]
    cumulative += np.arange(len(tastes))[:, None]
    flat = cumulative.ravel()
    index = np.searchsorted(flat, np.minimum(user + u, np.nextafter(len(tastes), 0.0)), side="right")
    topic: Ints = np.clip(index - user * tastes.shape[1], 0, tastes.shape[1] - 1)
    return topic


def liked_products(shop: Catalogue, users: Population, user: Ints, draw: np.random.Generator) -> Ints:
    """A product per user named, drawn by the user's tastes."""
    topic = drawn_topics(users.tastes, user, draw.random(len(user)))
    return shop.topic_choices.drawn(topic, draw.random(len(user)))


def _fraud(spec: WorldSpec, first: int, n: int) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Rings take neighbouring accounts, opened one after the other; half of the fraudulent users act alone."""
    numbers = first + np.arange(n)
    ring = numbers // RING_SIZE
    rings = -(-spec.users // RING_SIZE)
    draw = stream(spec.seed, "fraud")
    in_ring = draw.permutation(rings)[: round(rings * spec.fraud_share / 2)]
    alone = draw.permutation(spec.users)[: round(spec.users * spec.fraud_share / 2)]
    fraud = np.where(np.isin(ring, in_ring), 1, np.where(np.isin(numbers, alone), 2, 0))
    return fraud.astype(np.int32), np.where(fraud == 1, ring, -1).astype(np.int32)


def _demography(draw: np.random.Generator, segment: npt.NDArray[np.int32]) -> Ints:
    """Weakly tied to the segment: enough to help a little, not to tell."""
    n = len(segment)
    lean = segment % 3
    return np.stack(
        [
            draw.integers(0, 3, n),
            np.clip(draw.integers(0, 4, n) + lean, 0, 5),
            np.clip(draw.integers(0, 4, n) + (segment % 2) * 2, 0, 5),
            draw.integers(0, len(REGIONS), n),
            np.clip(draw.integers(1, 4, n) + lean, 1, 5),
        ],
        axis=1,
    )
