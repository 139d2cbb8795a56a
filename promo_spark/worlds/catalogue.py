"""What a synthetic shop sells: its products, prices, promotions and stock, and how demand reacts to each.

Every array is a function of the spec. Products are rows, weeks of the world columns; prices are whole cents.
"""

from __future__ import annotations

import datetime
import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from promo_spark.worlds.spec import WorldSpec
from promo_spark.worlds.streams import (
    Bools,
    Choices,
    Floats,
    Floats32,
    Ints,
    choices_by_group,
    choices_by_row,
    stream,
)

DEPARTMENTS = ("GROCERY", "PRODUCE", "DAIRY", "MEAT", "BAKERY", "HOUSEHOLD", "BEAUTY", "BABY", "PETS", "GARDEN")
_KINDS = ("CLASSIC", "FRESH", "LARGE", "LIGHT", "ORGANIC", "SMALL")
HOLIDAYS = (  # month, day, name, visits on the days before, sales of festive categories
    (1, 1, "New Year", 1.3, 1.4),
    (2, 14, "Valentine's Day", 1.1, 1.5),
    (4, 5, "Spring break", 1.2, 1.4),
    (6, 18, "618", 1.5, 1.5),
    (10, 1, "National Day", 1.2, 1.3),
    (11, 11, "Double 11", 1.8, 1.8),
    (12, 12, "Double 12", 1.4, 1.5),
    (12, 25, "Christmas", 1.6, 2.2),
)
HOLIDAY_LEAD = 4  # days before a holiday on which it is shopped for
DEPTHS = (0.1, 0.15, 0.2, 0.3, 0.5)
_DEPTH_SHARES = (0.3, 0.2, 0.25, 0.2, 0.05)
INTERMITTENT_SHARE = 0.05
ARM_DEPTHS = (0.1, 0.2, 0.3)  # of a randomised campaign: each a third of those contacted
_HIGHEST_ELASTICITY = 4.0
_FRESH = {"PRODUCE": (4, 10), "DAIRY": (10, 21), "MEAT": (3, 8), "BAKERY": (2, 5)}  # days that products keep
_LED_BY_DEMAND = 1.5  # power of the season with which reductions go, where demand leads them
_DISPLAY_LIFT, _MAILER_LIFT = np.log(1.3), np.log(1.2)


@dataclass(frozen=True)
class Catalogue:
    """Products by number; `subcategory`, `category` and `department` are numbers into their names."""

    subcategory: npt.NDArray[np.int32]
    category: npt.NDArray[np.int32]
    department: npt.NDArray[np.int32]
    subcategory_names: Sequence[str]
    category_names: Sequence[str]
    category_of: npt.NDArray[np.int32]  # of a subcategory
    brand: npt.NDArray[np.int32]
    popularity: Floats  # sums to 1
    topic_weights: Floats32  # topic × product: how likely a topic's purchase is the product; each row sums to 1
    price: Ints  # cents, at the start
    cost: Ints  # cents
    launched: npt.NDArray[np.int32]  # first day on sale; 0 or less: before the history
    dies: npt.NDArray[np.int32]  # first day off sale; the end of the world where it never dies
    intermittent: Bools
    cadence: Floats  # days between purchases of a subcategory's staples; 0: nobody's staple
    list_price: npt.NDArray[np.int32]  # product × week, cents
    depth: Floats32  # product × week, share off by promotion
    on_display: Bools
    in_mailer: Bools
    log_price: Floats32  # product × week, log of the price paid over the price at the start
    lift: Floats32  # product × week, log of everything that moves demand but price and season
    season: Floats32  # category × day, log
    elasticity: Floats32  # positive: demand goes with price to the power −elasticity × the shopper's sensitivity
    shelf_life: npt.NDArray[np.int32]  # days that it can be sold for; 0: it keeps
    price_drift: Floats32  # day: factor on every elasticity
    cannibalisation: Floats  # by category: log of demand lost when all rivals of the subcategory are reduced
    stock_out: Bools  # product × day
    visits: Floats32  # segment × day: factor on the rate of visits, by weekday, season, holidays and growth
    rules: tuple[Ints, Ints, Floats]  # antecedent and consequent subcategory, and how often the one draws the other
    rule_of: npt.NDArray[np.int32]  # rule of an antecedent subcategory, −1: none
    campaigns: Campaigns

    @property
    def products(self) -> int:
        return len(self.price)

    @functools.cached_property
    def topic_choices(self) -> Choices:
        return choices_by_row(self.topic_weights)

    @functools.cached_property
    def subcategory_choices(self) -> Choices:
        """Products of a subcategory, by popularity."""
        return choices_by_group(self.subcategory, self.popularity)

    @functools.cached_property
    def department_choices(self) -> Choices:
        """Products of a department, by popularity."""
        return choices_by_group(self.department, self.popularity)

    def topic_departments(self, value: Ints | float = 1.0) -> Floats:
        """Topic × department: of a topic's purchases, the share in the department; their mean value with it."""
        shares = np.zeros((int(self.department.max()) + 1, len(self.topic_weights)))
        np.add.at(shares, self.department, (self.topic_weights * value).T)
        return shares.T

    def on_sale(self, product: Ints, day: npt.NDArray[np.integer] | int) -> Bools:
        on_sale: Bools = (self.launched[product] <= day) & (self.dies[product] > day)
        return on_sale

    def demand(
        self,
        product: Ints,
        day: npt.NDArray[np.integer] | int,
        sensitivity: npt.NDArray[np.floating],
        log_price: npt.NDArray[np.floating] | float = 0.0,
    ) -> Floats:
        """Demand for products on days as a multiple of their usual one, stock aside, of shoppers this sensitive.

        `log_price` is the log of a personal price over the shop's price of the day.
        """
        week = np.asarray(day) // 7
        category = self.category[product]
        log_demand = (
            self.lift[product, week]
            + self.season[category, day]
            - self.elasticity[product]
            * self.price_drift[day]
            * sensitivity
            * (self.log_price[product, week] + log_price)
        )
        multiple: Floats = np.exp(log_demand) * self.on_sale(product, day)
        return multiple


@dataclass(frozen=True)
class Campaigns:
    """Coupon campaigns: each gives a share off one department's products to the users it contacts."""

    start: Ints
    end: Ints  # first day after
    department: Ints
    depth: Floats  # of a targeted one; a randomised one has an arm for each of ARM_DEPTHS
    randomised: Bools  # true: contacts were drawn by a coin from everyone; else those who shop much were preferred

    def __len__(self) -> int:
        return len(self.start)


@functools.lru_cache(maxsize=4)
def catalogue(spec: WorldSpec) -> Catalogue:
    """The shop of a world; kept, as every block of users needs it."""
    draw = stream(spec.seed, "catalogue")
    products, weeks, topics = spec.products, spec.weeks, spec.topics
    categories = int(np.clip(products // 20, 6, 60))
    subcategories = categories * 4
    category_of = np.repeat(np.arange(categories), 4).astype(np.int32)
    subcategory = draw.permutation(np.resize(np.arange(subcategories), products)).astype(np.int32)
    category = category_of[subcategory]
    department_of = np.arange(categories) % len(DEPARTMENTS)
    popularity = _zipf(draw.permutation(products), products)
    log_level = draw.normal(np.log(450), 0.6, subcategories)  # cents
    price = np.maximum(np.rint(np.exp(log_level[subcategory] + draw.normal(0, 0.35, products)) / 10) * 10 - 1, 29)
    cost = np.maximum(np.rint(price * draw.uniform(0.5, 0.8, products)), 1)
    launched, dies = _lives(draw, spec)
    list_price = _list_prices(draw, price, weeks)
    season = _season(draw, spec, categories)
    depth = _promotions(draw, spec, season[category])
    on_display = (draw.random((products, weeks)) < 0.4) & (depth > 0)
    in_mailer = (draw.random((products, weeks)) < 0.5) & (depth > 0)
    elasticity = _elasticities(draw, spec, draw.uniform(0.8, 3.0, categories)[category])
    cannibalisation = draw.uniform(0.1, 0.6, categories)
    intermittent = _intermittent(draw.random(products), popularity)
    lift = _DISPLAY_LIFT * on_display + _MAILER_LIFT * in_mailer
    lift -= cannibalisation[category, None] * _rivals_reduced(subcategory, popularity, depth, subcategories)
    lift[:, 1:] -= 0.25 * elasticity[:, None] * depth[:, :-1]  # pulled forward into the week before
    lift[intermittent] += np.where(draw.random((intermittent.sum(), weeks)) < 0.3, np.log(2.5), np.log(0.02))
    repeatable = draw.random(subcategories) < 0.6
    cadence = np.where(repeatable, np.exp(draw.uniform(np.log(6), np.log(50), subcategories)), 0)
    rules = _rules(draw, subcategories, spec.rules)
    stays = np.isin(subcategory, rules[1])  # what a bundle draws is always on sale: its chance is the planted one
    launched, dies = np.where(stays, 0, launched), np.where(stays, spec.all_days, dies)
    rule_of = np.full(subcategories, -1, np.int32)
    rule_of[rules[0]] = np.arange(len(rules[0]))
    return Catalogue(
        subcategory=subcategory,
        category=category,
        department=department_of[category].astype(np.int32),
        subcategory_names=_subcategory_names(categories),
        category_names=_category_names(categories),
        category_of=category_of,
        brand=draw.integers(0, max(8, products // 40), products).astype(np.int32),
        popularity=popularity,
        topic_weights=_topics(draw, topics, subcategory, popularity, subcategories),
        price=price.astype(np.int64),
        cost=cost.astype(np.int64),
        launched=launched.astype(np.int32),
        dies=dies.astype(np.int32),
        intermittent=intermittent,
        cadence=cadence,
        list_price=list_price,
        depth=depth,
        on_display=on_display,
        in_mailer=in_mailer,
        lift=lift.astype(np.float32),
        log_price=np.log(list_price / price[:, None] * (1 - depth)).astype(np.float32),
        season=season,
        elasticity=elasticity.astype(np.float32),
        shelf_life=_shelf_lives(draw, department_of[category]),
        price_drift=_after_drift(spec, spec.drift_elasticity),
        cannibalisation=cannibalisation,
        stock_out=_stock_outs(draw, spec),
        visits=_visits(spec, popularity @ in_mailer),
        rules=rules,
        rule_of=rule_of,
        campaigns=_campaigns(draw, spec, categories),
    )


def _intermittent(u: Floats, popularity: Floats) -> Bools:
    """Every twentieth product is wanted in some weeks only; none of those that sell more than most."""
    intermittent: Bools = (u < 2 * INTERMITTENT_SHARE) & (popularity <= np.median(popularity))
    return intermittent


def _zipf(rank: Ints, products: int) -> Floats:
    """Zipf–Mandelbrot shares: the offset keeps the first products from selling all there is."""
    weight = 1.0 / (rank + 1.0 + products / 400)
    shares: Floats = weight / weight.sum()
    return shares


def _topics(
    draw: np.random.Generator, topics: int, subcategory: npt.NDArray[np.int32], popularity: Floats, subcategories: int
) -> Floats32:
    """Each topic likes a few subcategories, and within them some products more than others."""
    liked = draw.gamma(0.25, 1.0, (topics, subcategories)) + 0.01
    weight = popularity * liked[:, subcategory] * draw.gamma(0.8, 1.0, (topics, len(subcategory)))
    shares: Floats32 = (weight / weight.sum(axis=1, keepdims=True)).astype(np.float32)
    return shares


def _lives(draw: np.random.Generator, spec: WorldSpec) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """One in eight products is launched in the history, one in twelve dies in it."""
    launched = np.where(draw.random(spec.products) < 0.125, draw.integers(1, spec.days, spec.products), 0)
    dies = np.where(draw.random(spec.products) < 0.085, draw.integers(1, spec.days, spec.products), spec.all_days)
    dies = np.where(dies < launched + 28, spec.all_days, dies)
    return launched.astype(np.int32), dies.astype(np.int32)


def _list_prices(draw: np.random.Generator, price: Floats, weeks: int) -> npt.NDArray[np.int32]:
    """A third of the products change their list price once, up or down, for good."""
    changes = np.where(draw.random(len(price)) < 0.33, draw.integers(0, weeks, len(price)), weeks)
    step = draw.choice([0.9, 0.95, 1.05, 1.1, 1.2], len(price))
    after = np.arange(weeks) >= changes[:, None]
    return np.rint(np.where(after, (price * step)[:, None], price[:, None])).astype(np.int32)


def _promotions(draw: np.random.Generator, spec: WorldSpec, season: Floats32) -> Floats32:
    """Reductions drawn by chance, whatever demand does; or more of them where the season's demand is high.

    `season` is product × day. What a reduction does can be told by comparing weeks only where chance made it.
    """
    chance: Floats | float = spec.promotion_share
    if spec.promotion_policy == "demand_led":
        weeks = np.arange(spec.weeks) * 7
        high = np.exp(_LED_BY_DEMAND * season[:, weeks].astype(np.float64))
        chance = np.minimum(spec.promotion_share * high / high.mean(), 1.0)
    reduced = draw.random((spec.products, spec.weeks)) < chance
    depth = draw.choice(DEPTHS, (spec.products, spec.weeks), p=_DEPTH_SHARES)
    return np.where(reduced, depth, 0).astype(np.float32)


def _elasticities(draw: np.random.Generator, spec: WorldSpec, of_category: Floats) -> Floats:
    """Products scatter around their category."""
    scatter = draw.lognormal(-(spec.elasticity_scatter**2) / 2, spec.elasticity_scatter, spec.products)
    elasticity: Floats = np.minimum(of_category * scatter, _HIGHEST_ELASTICITY)
    return elasticity


def _shelf_lives(draw: np.random.Generator, department: npt.NDArray[np.integer]) -> npt.NDArray[np.int32]:
    bounds = np.array([_FRESH.get(name, (0, 0)) for name in DEPARTMENTS])[department]
    days = bounds[:, 0] + (bounds[:, 1] - bounds[:, 0]) * draw.random(len(department))
    whole: npt.NDArray[np.int32] = np.rint(days).astype(np.int32)
    return whole


def _after_drift(spec: WorldSpec, factor: float) -> Floats32:
    """Day: 1, and the factor from the day of the drift on."""
    drifted = np.array([spec.has_drifted(day) for day in range(spec.all_days)])
    return np.where(drifted, factor, 1.0).astype(np.float32)


def _rivals_reduced(
    subcategory: npt.NDArray[np.int32], popularity: Floats, depth: Floats32, subcategories: int
) -> Floats:
    """Product × week: the share of the subcategory's other products, by popularity, that is reduced."""
    whole = np.bincount(subcategory, popularity, subcategories)
    reduced = np.zeros((subcategories, depth.shape[1]))
    own = popularity[:, None] * (depth > 0)
    np.add.at(reduced, subcategory, own)
    others = np.maximum(whole[subcategory] - popularity, 1e-12)
    share: Floats = (reduced[subcategory] - own) / others[:, None]
    return np.clip(share, 0, 1)


def _season(draw: np.random.Generator, spec: WorldSpec, categories: int) -> Floats32:
    """A yearly wave per category, a slow trend, and a peak of the festive categories before holidays."""
    day_of_year = np.array([spec.date(d).timetuple().tm_yday for d in range(spec.all_days)])
    amplitude, phase = draw.uniform(0, 0.5, categories), draw.uniform(0, 2 * np.pi, categories)
    trend = draw.normal(0, 0.15, categories) / 365
    festive = draw.random(categories) < 0.25
    wave = amplitude[:, None] * np.sin(2 * np.pi * day_of_year / 365.25 + phase[:, None])
    holiday = np.zeros(spec.all_days)
    for day in range(spec.all_days):
        holiday[day] = max((np.log(f) for _, f in _holidays_ahead(spec, day)), default=0.0)
    return (wave + trend[:, None] * np.arange(spec.all_days) + festive[:, None] * holiday).astype(np.float32)


def _visits(spec: WorldSpec, in_mailer: Floats) -> Floats32:
    """Segment × day: 1 is a usual day. The mailer of a week draws by the share of sales that it holds."""
    weekend = np.array([s.weekend_share for s in spec.segments])
    dates = [spec.date(d) for d in range(spec.all_days)]
    is_weekend = np.array([d.weekday() >= 5 for d in dates])
    by_weekday = np.where(is_weekend, (weekend * 7 / 2)[:, None], ((1 - weekend) * 7 / 5)[:, None])
    day_of_year = np.array([d.timetuple().tm_yday for d in dates])
    yearly = 1 + 0.1 * np.cos(2 * np.pi * (day_of_year - 340) / 365.25)
    growth = (1 + spec.yearly_growth) ** (np.arange(spec.all_days) / 365)
    holiday = [max((v for v, _ in _holidays_ahead(spec, d)), default=1.0) for d in range(spec.all_days)]
    mailer = np.exp(spec.mailer_halo * in_mailer)[np.arange(spec.all_days) // 7]
    by_day = yearly * growth * np.array(holiday) * mailer * _after_drift(spec, spec.drift_visits)
    factors: Floats32 = (by_weekday * by_day).astype(np.float32)
    return factors


def _holidays_ahead(spec: WorldSpec, day: int) -> list[tuple[float, float]]:
    """The holidays that are shopped for on the day: factors on visits and on festive sales."""
    date, factors = spec.date(day), []
    for month, number, _, visits, festive in HOLIDAYS:
        for year in (date.year, date.year + 1):
            if 0 <= (datetime.date(year, month, number) - date).days <= HOLIDAY_LEAD:
                factors.append((visits, festive))
    return factors


def _stock_outs(draw: np.random.Generator, spec: WorldSpec) -> Bools:
    """Runs of two to seven days without stock, anywhere; their share of all days is `stock_out_share`."""
    out = np.zeros((spec.products, spec.all_days), bool)
    mean_length = 4.5
    runs = draw.poisson(spec.products * spec.days * spec.stock_out_share / mean_length)
    product, start = draw.integers(0, spec.products, runs), draw.integers(0, spec.days, runs)
    length = draw.integers(2, 8, runs)
    for later in range(7):
        inside = (length > later) & (start + later < spec.days)
        out[product[inside], start[inside] + later] = True
    return out


def _rules(draw: np.random.Generator, subcategories: int, wanted: int) -> tuple[Ints, Ints, Floats]:
    """Pairs of different subcategories, none in two rules, so that each planted lift stands for itself."""
    count = min(wanted, subcategories // 2)
    chosen = draw.permutation(subcategories)[: 2 * count]
    return chosen[:count], chosen[count:], draw.uniform(0.25, 0.6, count)


def _campaigns(draw: np.random.Generator, spec: WorldSpec, categories: int) -> Campaigns:
    start = np.arange(spec.campaign_every_days, spec.days, spec.campaign_every_days)
    count = len(start)
    return Campaigns(
        start=start,
        end=np.minimum(start + spec.campaign_days, spec.days),
        department=draw.integers(0, min(categories, len(DEPARTMENTS)), count),
        depth=draw.choice([0.1, 0.2, 0.3], count),
        randomised=np.arange(count) % 2 == 0,
    )


def _category_names(categories: int) -> list[str]:
    return [f"{DEPARTMENTS[c % len(DEPARTMENTS)]} {c // len(DEPARTMENTS) + 1}" for c in range(categories)]


def _subcategory_names(categories: int) -> list[str]:
    return [f"{name} {_KINDS[k]}" for name in _category_names(categories) for k in range(4)]
