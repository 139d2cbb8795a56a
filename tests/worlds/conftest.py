"""Small worlds, made by numpy alone."""

from __future__ import annotations

import datetime
from collections.abc import Callable

import pytest

from promo_spark.settings import load
from promo_spark.worlds.spec import WorldSpec, world_spec

DATE = datetime.date(2024, 6, 1)


@pytest.fixture(scope="session")
def world() -> Callable[..., WorldSpec]:
    """A world of the base settings with some changed, such as world("users=100"); without welcome coupons."""

    def made(*changes: str) -> WorldSpec:
        small = ["users=2000", "products=400", "days=180", "welcome_saving=0.0"]
        return world_spec(load(None, [f"generate.{c}" for c in (*small, *changes)]).generate, DATE)

    return made
