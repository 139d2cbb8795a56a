"""When a fitted model is fitted again: by the date, by what the model was made by, by how far the data have drifted.

What decides stands in the tables of earlier dates and in the rows of the date itself. So a date that is run again,
also with --force, fits where it fitted, and keeps what it kept.
"""

from __future__ import annotations

import datetime

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promo_spark.settings.sections import Refit

_DAYS_OF_A_WEEK = 7


def refit_reason(
    refit: Refit, *, date: datetime.date, trained_on: datetime.date, same_maker: bool, drifted: str = ""
) -> str | None:
    """Why a model that was fitted on an earlier date is fitted again on the date; None: it is kept.

    `same_maker`: the same code and settings would fit it now. `drifted`: how the data differ from those it was
    fitted on, where that is more than the settings allow.

    >>> monday, sunday = datetime.date(2017, 11, 6), datetime.date(2017, 11, 12)
    >>> refit_reason("weekly", date=sunday, trained_on=monday, same_maker=True) is None
    True
    >>> refit_reason("weekly", date=datetime.date(2017, 11, 13), trained_on=monday, same_maker=True)
    'it was 7 days old'
    >>> refit_reason("when it drifts", date=sunday, trained_on=monday, same_maker=False)
    'the code or the settings have changed'
    """
    if not same_maker:
        return "the code or the settings have changed"
    age = (date - trained_on).days
    if refit == "daily":
        return "it is fitted every day"
    if refit == "weekly":
        return f"it was {age} days old" if age >= _DAYS_OF_A_WEEK else None
    return drifted or None


def newest_rows(rows: DataFrame | None, day: str) -> tuple[datetime.date, DataFrame] | None:
    """The newest date in a column of dates, and the rows of that date; None: there are no rows.

    The date is looked up by itself: where the table is partitioned by it, the rows of other dates are not read.
    """
    newest = rows.agg(F.max(day)).collect()[0][0] if rows is not None else None
    return None if rows is None or newest is None else (newest, rows.filter(F.col(day) == F.lit(newest)))
