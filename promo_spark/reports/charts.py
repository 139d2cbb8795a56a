"""Charts as shapes with coordinates: a template draws them as SVG, with text as text, in the page's own colours.

All are 360 units wide, as a telephone is, so that their letters stay as large as the page's there. What a chart shows
stands in numbers beside it; its description says what kind of picture it is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import ClassVar, Literal

WIDTH = 360
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 10, 8, 22  # room for the labels of the axes
_ROW, _TALL_ROW = 24, 38
_SHORT, _LONG = 22, 62  # letters of a label beside what is drawn, or above it
_AMOUNT = 64  # room for an amount at the end of a bar
Style = Literal["actual", "forecast", "earlier", "first", "second", "third"]


@dataclass(frozen=True)
class Series:
    """A line through points (x, y), with a name; with lows and highs also the band between them."""

    name: str
    style: Style
    points: Sequence[tuple[float, float]]
    band: Sequence[tuple[float, float, float]] = ()  # x, low, high
    dots: bool = False


@dataclass(frozen=True)
class Tick:
    """A label at a place of an axis."""

    at: float
    label: str


@dataclass(frozen=True)
class LineChart:
    """Lines over an axis, such as days."""

    kind: ClassVar[str] = "lines"
    name: str
    title: str
    description: str
    legend: Sequence[tuple[str, str]]
    lines: Sequence[tuple[str, str, Sequence[tuple[float, float]]]]  # style, path, dots
    bands: Sequence[tuple[str, str]]
    across: Sequence[Tick]
    up: Sequence[Tick]
    mark: float | None
    height: int = 190
    left: int = _LEFT


@dataclass(frozen=True)
class Interval:
    """An estimate with the ends of its interval, as a forest plot shows it."""

    label: str
    estimate: float
    low: float
    high: float
    shown: str


@dataclass(frozen=True)
class Place:
    """Where the row of a label lies: its label's baseline, and the middle of what is drawn."""

    label: str
    label_y: float
    y: float


@dataclass(frozen=True)
class ForestRow:
    """One estimate: where its dot and the ends of its line lie, whether it is good or bad for sure, and in words."""

    place: Place
    x: float
    low: float
    high: float
    tone: str
    shown: str


@dataclass(frozen=True)
class ForestChart:
    """Estimates with their intervals, one below the other, and the line at which nothing has changed."""

    kind: ClassVar[str] = "forest"
    name: str
    title: str
    description: str
    rows: Sequence[ForestRow]
    zero: float
    across: Sequence[Tick]
    height: float
    legend: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True)
class Bar:
    """One bar: where it begins, how wide it is, whether it is a loss, and the amount as it is shown."""

    place: Place
    x: float
    width: float
    tone: str
    shown: str


@dataclass(frozen=True)
class BarChart:
    """Bars, one below the other, from 0 to the right or to the left."""

    kind: ClassVar[str] = "bars"
    name: str
    title: str
    description: str
    rows: Sequence[Bar]
    zero: float
    height: float
    legend: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True)
class Connection:
    """Two things that go together, how strongly, and that in words."""

    one: str
    other: str
    strength: float
    shown: str


@dataclass(frozen=True)
class NetworkChart:
    """Things one below the other, and arcs between those that go together: the thicker, the stronger."""

    kind: ClassVar[str] = "network"
    name: str
    title: str
    description: str
    nodes: Sequence[tuple[float, str, str]]  # y, shortened name, name
    arcs: Sequence[tuple[str, float, str]]  # path, width, in words
    height: int
    legend: Sequence[tuple[str, str]] = field(default=())


Chart = LineChart | ForestChart | BarChart | NetworkChart


def line_chart(
    name: str,
    title: str,
    description: str,
    series: Sequence[Series],
    *,
    across: Sequence[tuple[float, str]],
    amounts: Sequence[str] | None = None,
    from_zero: bool = True,
    mark: float | None = None,
) -> LineChart:
    """Lines and bands on one scale. `across` labels places of the x axis; `mark` is where the future begins."""
    xs = [x for s in series for x, *_ in (*s.points, *s.band)] + [x for x, _ in across]
    ys = [y for s in series for _, y in s.points] + [y for s in series for _, *ends in s.band for y in ends]
    steps = nice_ticks(min([0.0, *ys] if from_zero else ys), max(ys))
    left, right = min(xs), max(xs)
    high, height = LineChart.height - _TOP - _BOTTOM, LineChart.height

    def at(x: float) -> float:
        return round(_LEFT + (x - left) / ((right - left) or 1) * (WIDTH - _LEFT - _RIGHT), 1)

    def up(y: float) -> float:
        return round(height - _BOTTOM - (y - steps[0]) / (steps[-1] - steps[0]) * high, 1)

    lines = [(s.style, _path([(at(x), up(y)) for x, y in s.points]), _dots(s, at, up)) for s in series if s.points]
    bands = [
        (s.style, _path([*((at(x), up(h)) for x, _, h in s.band), *((at(x), up(b)) for x, b, _ in reversed(s.band))]))
        for s in series
        if s.band
    ]
    return LineChart(
        name,
        title,
        description,
        legend=[(s.style, s.name) for s in series if s.points or s.band],
        lines=lines,
        bands=[(style, f"{path} Z") for style, path in bands],
        across=[Tick(at(x), label) for x, label in across],
        up=[Tick(up(y), label) for y, label in zip(steps, amounts or [plain(y) for y in steps], strict=True)],
        mark=None if mark is None else at(mark),
    )


def forest_chart(name: str, title: str, description: str, intervals: Sequence[Interval]) -> ForestChart:
    """One row per estimate, from the top down. What lies beside 0 for sure is coloured."""
    steps = nice_ticks(min([0.0, *(i.low for i in intervals)]), max([0.0, *(i.high for i in intervals)]), 4)
    left, places, end = _places([i.label for i in intervals])

    def at(x: float) -> float:
        return round(left + 8 + (x - steps[0]) / (steps[-1] - steps[0]) * (WIDTH - left - 24), 1)

    rows = [
        ForestRow(
            place,
            at(i.estimate),
            at(i.low),
            at(i.high),
            "good" if i.low > 0 else "bad" if i.high < 0 else "open",
            f"{i.label}: {i.shown}",
        )
        for place, i in zip(places, intervals, strict=True)
    ]
    ticks = [Tick(at(x), plain(x)) for x in steps]
    return ForestChart(name, title, description, rows, at(0.0), ticks, end + _BOTTOM)


def bar_chart(
    name: str, title: str, description: str, bars: Sequence[tuple[str, float, str]], gains: bool = True
) -> BarChart:
    """One bar per label, amount and the amount as it is shown; of `gains` in the colours of good and bad."""
    least, most = min([0.0, *(v for _, v, _ in bars)]), max([0.0, *(v for _, v, _ in bars)])
    left, places, end = _places([label for label, *_ in bars])

    def at(x: float) -> float:
        return round(left + (x - least) / ((most - least) or 1) * (WIDTH - left - _AMOUNT), 1)

    rows = [
        Bar(
            place,
            min(at(0.0), at(value)),
            round(abs(at(value) - at(0.0)), 1),
            ("bad" if value < 0 else "good") if gains else "first",
            shown,
        )
        for place, (_, value, shown) in zip(places, bars, strict=True)
    ]
    return BarChart(name, title, description, rows, at(0.0), end + _TOP)


def _places(labels: Sequence[str]) -> tuple[float, list[Place], float]:
    """Where what is drawn begins, the rows, and where they end: labels on the left, or above where they are long."""
    if all(_width(label) <= _SHORT for label in labels):
        places = [
            Place(label, _TOP + _ROW * (n + 0.5) + 3.5, _TOP + _ROW * (n + 0.5)) for n, label in enumerate(labels)
        ]
        return 128, places, _TOP + _ROW * len(labels)
    places = [
        Place(shortened(label, _LONG), _TOP + _TALL_ROW * n + 12, _TOP + _TALL_ROW * n + 25)
        for n, label in enumerate(labels)
    ]
    return 2, places, _TOP + _TALL_ROW * len(labels)


def network_chart(name: str, title: str, description: str, connections: Sequence[Connection]) -> NetworkChart:
    """Every thing once, those that go together near one another, and an arc for each pair."""
    places = {thing: n for n, thing in enumerate(_in_groups(connections))}
    ys = {thing: _TOP + _ROW * (n + 0.5) for thing, n in places.items()}
    strongest = max((c.strength for c in connections), default=1.0)
    x = 246  # names on the left of it, arcs on the right
    arcs = []
    for c in connections:
        above, below = sorted((ys[c.one], ys[c.other]))
        out = round(min(WIDTH - x - 8, 14 + (below - above) * 0.45), 1)
        path = f"M{x} {above} C{x + out} {above} {x + out} {below} {x} {below}"
        arcs.append((path, round(1 + 4 * math.sqrt(c.strength / strongest), 1), c.shown))
    nodes = [(y, shortened(thing, 38), thing) for thing, y in ys.items()]
    return NetworkChart(name, title, description, nodes, arcs, 2 * _TOP + _ROW * len(nodes))


def nice_ticks(least: float, most: float, most_steps: int = 5) -> list[float]:
    """Round numbers, equally far apart, from below the least to above the most.

    >>> nice_ticks(0, 264.33), nice_ticks(-0.4, 1.1), nice_ticks(0, 0)
    ([0.0, 100.0, 200.0, 300.0], [-0.5, 0.0, 0.5, 1.0, 1.5], [0.0, 1.0])
    """
    if most <= least:
        return [float(least), float(least) + 1.0]
    size = 10.0 ** math.floor(math.log10((most - least) / most_steps))
    step = next(size * n for n in (1, 2, 5, 10, 20) if (most - least) / (size * n) <= most_steps - 1)
    first, last = math.floor(least / step + 1e-9), math.ceil(most / step - 1e-9)
    return [round(n * step, 10) for n in range(first, last + 1)]


def shortened(text: str, letters: int) -> str:
    """A text that is no longer than so many letters; East Asian ones, twice as wide, count twice.

    >>> shortened("FROZEN PIZZA", 8), shortened("牛奶和面包", 6), shortened("TEA", 8)
    ('FROZEN …', '牛奶…', 'TEA')
    """
    if _width(text) <= letters:
        return text
    kept, room = "", letters - 1
    for letter in text:
        room -= _wide(letter)
        if room < 0:
            break
        kept += letter
    return f"{kept}…"


def plain(number: float) -> str:
    """A number of an axis, without digits that say nothing.

    >>> plain(1500.0), plain(0.25), plain(-0.5), plain(0.0), plain(2500000.0)
    ('1,500', '0.25', '−0.5', '0', '2,500,000')
    """
    text = f"{Decimal(repr(round(number, 10))).normalize():,f}"
    return text.replace("-", "−") if float(number) else "0"


def _width(text: str) -> int:
    return sum(map(_wide, text))


def _wide(letter: str) -> int:
    return 2 if "\u2e80" <= letter <= "\uffef" else 1


def _path(points: Sequence[tuple[float, float]]) -> str:
    return "M" + " L".join(f"{x} {y}" for x, y in points)


def _dots(series: Series, at: Callable[[float], float], up: Callable[[float], float]) -> list[tuple[float, float]]:
    """Where a line has points that stand for themselves."""
    return [(at(x), up(y)) for x, y in series.points] if series.dots else []


def _in_groups(connections: Sequence[Connection]) -> list[str]:
    """Every thing once: after the strongest of a group what goes with it, step by step, then the next group."""
    beside: dict[str, list[str]] = {}
    for c in connections:
        beside.setdefault(c.one, []).append(c.other)
        beside.setdefault(c.other, []).append(c.one)
    found: list[str] = []

    def follow(thing: str) -> None:
        if thing not in found:
            found.append(thing)
            for other in beside[thing]:
                follow(other)

    for thing in beside:
        follow(thing)
    return found
