"""Paths that hold a pattern or the date of the run, such as `orders/{date:%Y/%m/%d}/*.csv`."""

from __future__ import annotations

import datetime
import re

PATTERN = re.compile(r"[*?{}\[\]\\]")
_DATE = re.compile(r"\{date:([^{}]*)\}")
_PLACEHOLDER = re.compile(r"\{[^{},]*\}")  # with a comma it is a choice of names: {a,b}
_FORMAT = re.compile(r"(%[YmdyjGVu]|[^%{},*?\[\]\\])+")


def checked_path(path: str) -> str:
    """The path as it is. Raises ValueError for a placeholder that is not a date.

    >>> checked_path("orders/{date:%Y/%m/%d}/part-{a,b}.csv")
    'orders/{date:%Y/%m/%d}/part-{a,b}.csv'
    >>> checked_path("orders/{ds}/*.csv")
    Traceback (most recent call last):
    ValueError: a path may hold the date of the run as {date:%Y-%m-%d}, of %Y %m %d %y %j %G %V %u; it holds {ds}
    """
    for found in _PLACEHOLDER.finditer(path):
        placeholder = _DATE.fullmatch(found.group())
        if placeholder is None or not _FORMAT.fullmatch(placeholder.group(1)):
            raise ValueError(
                "a path may hold the date of the run as {date:%Y-%m-%d}, of %Y %m %d %y %j %G %V %u; it holds "
                f"{found.group()}"
            )
    return path


def dated_path(path: str, date: datetime.date) -> str:
    """The path with the date in it.

    >>> dated_path("orders/{date:%Y/%m/%d}/*.csv", datetime.date(2024, 6, 1))
    'orders/2024/06/01/*.csv'
    """
    return _DATE.sub(lambda found: date.strftime(found.group(1)), path)


def is_dated(path: str) -> bool:
    """Whether the path is another one for another date."""
    return _DATE.search(path) is not None


def fixed_folder(path: str) -> str:
    """The file or folder that a path names; of one with a pattern or a date in it, the folder above.

    >>> fixed_folder("/in/orders/"), fixed_folder("s3a://shop/orders/2024-*/part*.csv")
    ('/in/orders', 's3a://shop/orders')
    >>> fixed_folder("in/orders.csv"), fixed_folder("in/orders/{date:%Y}/*.csv"), fixed_folder("*.csv")
    ('in/orders.csv', 'in/orders', '')
    """
    folders = path.rstrip("/").split("/")
    first = next((i for i, folder in enumerate(folders) if PATTERN.search(folder)), len(folders))
    return "/".join(folders[:first])
