"""How a page says things: its sentences and words in a language, and every kind of figure in one format."""

from __future__ import annotations

import datetime
import functools
import sys
from collections.abc import Mapping
from decimal import Decimal
from importlib.resources import files
from typing import Any

from promo_spark.contracts.currencies import digits_of
from promo_spark.contracts.schema import Table

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

NOTHING = "–"  # where there is no figure
Amount = Decimal | float | int


class Wording:
    """The texts of promo_spark/reports/texts/<language>.toml, and figures. Users are told of from `least_group` on."""

    def __init__(self, language: str, currency: str, least_group: int) -> None:
        self.language = language
        self.currency = currency
        self.least_group = least_group
        self._texts = texts(language)

    def say(self, key: str, **values: object) -> str:
        """A text with its places filled. Raises KeyError for one that there is not."""
        return self._texts[key].format(currency=self.currency, **values)

    def word(self, kind: str, name: str) -> str:
        """What a name of a table's column is called here; of one that others brought, the name itself.

        >>> Wording("en-US", "USD", 5).word("scenario", "win_back"), Wording("zh-CN", "CNY", 5).word("arm", "my_own")
        ('Win back', 'my own')
        """
        return self._texts.get(f"{kind}.{name}", name.replace("_", " "))

    def knows(self, kind: str, name: str) -> bool:
        """Whether there is a word for the name."""
        return f"{kind}.{name}" in self._texts

    def count(self, number: int | None) -> str:
        """A number of things.

        >>> Wording("en-US", "USD", 5).count(1234)
        '1,234'
        """
        return NOTHING if number is None else f"{number:,}"

    def people(self, number: int | None) -> str:
        """A number of users; of a small group, that it is small.

        >>> w = Wording("en-US", "USD", 5)
        >>> w.people(5), w.people(4), w.people(0)
        ('5', '<5', '0')
        """
        return f"<{self.least_group}" if self.is_few(number) else self.count(number)

    def is_few(self, users: int | None) -> bool:
        """Whether so many users are too few to tell of."""
        return users is not None and 0 < users < self.least_group

    def money(self, amount: Amount | None, signed: bool = False) -> str:
        """An amount in the currency's own digits, without its name, which the heading says.

        >>> Wording("en-US", "USD", 5).money(Decimal("-1234.5")), Wording("zh-CN", "JPY", 5).money(1234.5)
        ('−1,234.50', '1,234')
        """
        return self.number(amount, digits_of(self.currency), signed)

    def with_currency(self, amount: Amount | None) -> str:
        """The same with the currency's name."""
        return NOTHING if amount is None else f"{self.money(amount)} {self.currency}"

    def share(self, share: Amount | None, digits: int = 1, signed: bool = False) -> str:
        """A share; what is not zero is never shown as zero.

        >>> w = Wording("en-US", "USD", 5)
        >>> w.share(0.1234), w.share(0.00001), w.share(0), w.share(None), w.share(-0.05, signed=True)
        ('12.3%', '< 0.1%', '0.0%', '–', '−5.0%')
        """
        if share is not None and 0 < float(share) * 100 < 0.5 * 10**-digits:
            return f"< {10**-digits:.{digits}f}%"
        return NOTHING if share is None else f"{self.number(float(share) * 100, digits, signed)}%"

    def number(self, number: Amount | None, digits: int = 2, signed: bool = False) -> str:
        """Any other number, with so many digits after the point.

        >>> w = Wording("en-US", "USD", 5)
        >>> w.number(0.12345, 3), w.number(1.5, signed=True), w.number(-0.001), w.number(float("nan"))
        ('0.123', '+1.50', '0.00', '–')
        """
        if number is None or number != number:
            return NOTHING
        shown = f"{number:{'+' if signed else ''},.{digits}f}"
        if not any(digit in shown for digit in "123456789"):
            shown = shown.lstrip("+-")
        return shown.replace("-", "−")

    def figure(self, value: float | None) -> str:
        """A figure of which nobody knows whether it counts: a large whole number as one that does.

        >>> w = Wording("en-US", "USD", 5)
        >>> w.figure(3930.0), w.figure(0.875), w.figure(1.0)
        ('3,930', '0.8750', '1.0000')
        """
        counts = value is not None and abs(value) >= 2 and float(value).is_integer()
        return self.number(value, 0 if counts else 4)

    def day(self, day: datetime.date | None) -> str:
        return NOTHING if day is None else day.isoformat()

    def listed(self, texts: list[str]) -> str:
        """Several things in a row, as the language does it."""
        return self._texts["page.between"].join(texts)

    def why_empty(self, table: type[Table], date: datetime.date, has_table: bool) -> str:
        """Why there is nothing to show of a table, and if one is known, what would change that."""
        name = table.full_name()
        why = self.say("page.no_rows" if has_table else "page.no_table", table=name, date=date)
        hint = self._texts.get(f"empty.{table.name}")
        return f"{why} {hint}" if hint else why


@functools.cache
def texts(language: str) -> Mapping[str, str]:
    """The texts of a language by their full names, such as decided.title."""
    content = (files("promo_spark.reports") / "texts" / f"{language}.toml").read_text(encoding="utf-8")
    return dict(_flat("", tomllib.loads(content)))


def _flat(above: str, part: Mapping[str, Any]) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for name, value in part.items():
        found += _flat(f"{above}{name}.", value) if isinstance(value, dict) else [(f"{above}{name}", value)]
    return found
