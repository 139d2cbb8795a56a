"""Why a user was given these offers and no others: each thing that could have been offered, with what it lost by."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeVar

from promo_spark.decisions.allocation.limits import product_of
from promo_spark.decisions.mechanics import GIFT
from promo_spark.decisions.offers.topics import WHOLE_SHOP

_Amount = TypeVar("_Amount", float, Decimal)
_Thing = tuple[str, str, tuple[str, ...], str | None]


@dataclass(frozen=True)
class Candidate:
    """One thing that could have been offered, at one depth; amounts in currency."""

    promotion_id: str
    scenario: str
    mechanic: str
    products: tuple[str, ...]
    topics: frozenset[str]
    rate: Decimal
    value: float
    error: float
    cost: Decimal
    worthwhile: bool
    uses: Mapping[str, Decimal]  # how much of each limit that it falls under, in currency or pieces
    in_strategy: bool = True
    paused: bool = False  # by the version of decisions.policy in force
    stopped: bool = False  # by hand, before the day was decided
    fund: str | None = None  # what pays a share of it
    fund_cost: Decimal = Decimal(0)

    @property
    def thing(self) -> _Thing:
        """What it is and who pays a share of it, whatever the depth."""
        return self.scenario, self.mechanic, self.products, self.fund

    def net(self, prices: Mapping[str, float]) -> float:
        """What is left of its value after the prices of the limits that it falls under."""
        return self.value - sum(float(amount) * prices.get(name, 0.0) for name, amount in self.uses.items())


@dataclass(frozen=True)
class Decided:
    """What was decided: the ranks of what was offered, the prices of limits, and what bounds one user's offers."""

    made: Mapping[str, int]
    prices: Mapping[str, float]
    least_gain: float
    room: int
    currency: str
    ring_is_full: bool = False  # other accounts that act together with this one have all the room


def reason_of_each(candidates: Iterable[Candidate], decided: Decided) -> list[str]:
    """A line per thing that could have been offered, at its best depth: first what was, then what lost, best first.

    >>> tea = Candidate("a", "repurchase", "discount", ("tea",), frozenset({"product:tea"}), Decimal("0.05"),
    ...     1.0, 0.5, Decimal("0.20"), True, {"daily": Decimal("0.20")})
    >>> milk = Candidate("b", "repurchase", "discount", ("milk",), frozenset({"product:milk"}), Decimal("0.10"),
    ...     0.3, 0.5, Decimal("0.50"), True, {"daily": Decimal("0.50")})
    >>> for line in reason_of_each([milk, tea], Decided({"a": 1}, {"daily": 0.8}, 0.1, 2, "EUR")):
    ...     print(line)
      offered: repurchase, discount of tea at 5%, brings 1.00 ± 0.50 EUR, gives 0.20
      not offered: repurchase, discount of milk at 10%, brings 0.30 ± 0.50 EUR, gives 0.50: \
the budget daily brings more elsewhere, 0.80 for each EUR
    """
    best: dict[_Thing, Candidate] = {}
    for one in sorted(candidates, key=lambda c: (_order(c, decided), c.promotion_id)):
        best.setdefault(one.thing, one)
    offered = [one for one in best.values() if one.promotion_id in decided.made]
    told = [one for one in best.values() if one.fund is not None or not any(_twins(one, made) for made in offered)]
    return [*_lines(told, offered, decided)] or ["  nothing could be offered"]


def _twins(one: Candidate, made: Candidate) -> bool:
    """Whether they are the same thing, but that a fund pays a share of one of them."""
    return one.thing[:-1] == made.thing[:-1] and (one.fund is None) != (made.fund is None)


def _order(one: Candidate, decided: Decided) -> tuple[float, bool, float]:
    return decided.made.get(one.promotion_id, float("inf")), not one.worthwhile, -one.net(decided.prices)


def _lines(ordered: Iterable[Candidate], offered: Sequence[Candidate], decided: Decided) -> Iterator[str]:
    for one in ordered:
        depth = "" if one.mechanic == GIFT else f" at {_percent(one.rate)}"  # a gift is given whole
        told = (
            f"{one.scenario}, {one.mechanic} of {products_named(one.products)}{depth}, "
            f"brings {one.value:.2f} ± {one.error:.2f} {decided.currency}, gives {one.cost:.2f}"
        )
        if one.fund is not None:
            told += f" beside {one.fund_cost:.2f} of the fund {one.fund}"
        if one in offered:
            yield f"  offered: {told}"
        else:
            yield f"  not offered: {told}: {_why_not(one, offered, decided)}"


def _why_not(one: Candidate, offered: Sequence[Candidate], decided: Decided) -> str:
    if one.value < decided.least_gain:
        return f"less than promote.least_gain, {decided.least_gain:.2f}"
    if one.cost + one.fund_cost <= 0:
        return "nothing is expected to be given"
    if one.stopped:
        return "somebody stopped it before the day was decided, see decisions.actions"
    if one.paused:
        return f"{one.mechanic} or {one.scenario} is paused by the version of decisions.policy in force"
    if not one.in_strategy:
        return f"nothing is measured of a {one.mechanic}, and the user's strategies name other mechanics"
    dear = {name: decided.prices.get(name, 0.0) for name in one.uses if decided.prices.get(name, 0.0) > 0}
    if one.net(decided.prices) <= 0:
        return _dear(dear, decided.currency)
    if any(_twins(one, made) for made in offered):
        return f"what the fund {one.fund} had left did not reach for it"
    beside = [other for other in offered if other.topics & one.topics]
    if beside:
        return f"{_named(beside[0])} is about the same, and brings more"
    if decided.ring_is_full:
        return "accounts that act together with this one have all that promote.max_offers_per_ring allows"
    if len(offered) >= decided.room:
        if decided.room <= 0:
            return "offers of earlier days that still hold take all that promote.max_offers_per_user allows"
        return f"others bring more, and promote.max_offers_per_user leaves room for {decided.room} that day"
    if any(WHOLE_SHOP in other.topics | one.topics for other in offered):
        return "an offer on the whole basket stands alone"
    stocks = [f"the stock of {product}" for product in _products_of(one.uses)]
    return f"what {' and '.join(['the budgets', *stocks])} had left did not reach for it"


def _dear(prices: Mapping[str, float], currency: str) -> str:
    """Limits that bring more elsewhere, budgets first."""
    budgets = [
        f"{name} brings more elsewhere, {price:.2f}" for name, price in sorted(prices.items()) if not product_of(name)
    ]
    told = [f"the budget {' and '.join(budgets)} for each {currency}"] if budgets else []
    told += [
        f"the stock of {product} brings more elsewhere, {price:.2f} for each piece"
        for product, price in _products_of(prices).items()
    ]
    return ", and ".join(told)


def _products_of(limits: Mapping[str, _Amount]) -> dict[str, _Amount]:
    """The amounts of limits of stock, by product."""
    by_product = ((product_of(name), amount) for name, amount in sorted(limits.items()))
    return {product: amount for product, amount in by_product if product is not None}


def _named(one: Candidate) -> str:
    return f"the {one.mechanic} of {products_named(one.products)}"


def products_named(products: Sequence[str]) -> str:
    """What an offer is on, in words.

    >>> products_named(["tea", "milk"]), products_named([])
    ('tea and milk', 'the whole basket')
    """
    return " and ".join(products) or "the whole basket"


def _percent(rate: Decimal) -> str:
    return f"{(rate * 100).normalize():f}%"
