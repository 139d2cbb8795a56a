"""The steps of the commands approve and stop: what a person says is kept, then the offers get their status by it."""

from __future__ import annotations

import contextlib
import datetime
import getpass
from collections.abc import Mapping
from typing import Any

from pyspark.sql import functions as F

from promo_spark.contracts.decisions import Actions, Promotions
from promo_spark.decisions.actions import ALL, named_offers, stopped_offers, with_status
from promo_spark.errors import MissingDataError, SettingsError
from promo_spark.measures.offers_in_force import offers_in_force
from promo_spark.runtime.command import Asked
from promo_spark.settings import parsed_date
from promo_spark.storage.commits import Mark
from promo_spark.storage.lake import Lake
from promo_spark.storage.locks import held


def approved(asked: Asked) -> str:
    """Approves the offers of a date; what was done, in one sentence.

    Raises MissingDataError where the date has no offers, SettingsError where a later date is decided already: its
    offers were chosen as if the earlier ones were never made.
    """
    date = parsed_date(asked.arguments["date"])
    later = _dates(asked, F.col(Promotions.date) > F.lit(date))
    if later and not _is_approved(asked, date):
        raise SettingsError(
            f"approve --date {date}: {later[0]} is decided already, as if the offers of {date} were never made; "
            f"they stay proposed, approve {later[-1]} instead"
        )
    offers = asked.lake.read(Promotions, date=date).filter(F.col(Promotions.mechanic) != "none")
    proposed = offers.filter(F.col(Promotions.status) == "proposed").count()
    if not proposed and offers.isEmpty():
        raise MissingDataError(f"decisions.promotions has no offers for {date}: run promote for the date first")
    _keep(asked, {Actions.action: "approve", Actions.what: ALL, Actions.day: date})
    _give_status(asked, [date], "approve")
    return f"{proposed:,} offers of {date} are active." if proposed else f"The offers of {date} are active already."


def stopped(asked: Asked) -> str:
    """Stops offers from a day on; what was done, in one sentence.

    Raises SettingsError for what names no offers, MissingDataError where none that it names holds on the day.
    """
    what, day = named_offers(asked.arguments["promotion"]), parsed_date(asked.arguments["date"])
    action = {Actions.action: "stop", Actions.what: what, Actions.day: day}
    if not asked.lake.exists(Promotions):
        raise MissingDataError("decisions.promotions is not in the lake: there is nothing to stop")
    made = asked.lake.read(Promotions).filter(F.col(Promotions.date) <= F.lit(day))
    row = Actions.frame(asked.lake.spark, [action])
    named = stopped_offers(made.filter(F.col(Promotions.valid_to) >= F.lit(day)), row)
    dates = sorted(r[0] for r in named.select(Promotions.date).distinct().collect())  # as many as an offer has days
    if not dates:
        raise MissingDataError(f"no offer that holds on {day} is named by {what}: nothing was stopped")
    key = [Promotions.date, Promotions.user_id, Promotions.promotion_id]
    decided = not made.filter(F.col(Promotions.date) == F.lit(day)).isEmpty()
    # What is only proposed is stopped too.
    gone_out = made.withColumn(Promotions.status, F.when(F.col(Promotions.stopped_on).isNotNull(), "stopped"))
    count = named.join(offers_in_force(gone_out, day), key, "left_semi").count()
    _keep(asked, {**action, Actions.before_decided: not decided})
    _give_status(asked, dates, "stop")
    if not count:
        return f"They are stopped already ({what})."
    return (
        f"{count:,} offers do not hold any more from {day} on"
        + (f"; on {day} nobody is offered {what}" if not decided else "")
        + ". What promote decides for later dates is decided anew: silver.promotion_exclusions keeps products out of "
        "it, promote.scenarios scenarios."
    )


def _dates(asked: Asked, condition: Any) -> list[datetime.date]:
    """The dates of decisions.promotions that meet a condition, in order."""
    if not asked.lake.exists(Promotions):
        raise MissingDataError("decisions.promotions is not in the lake: run promote first")
    rows = asked.lake.read(Promotions).filter(condition).select(Promotions.date).distinct().collect()  # a row per date
    return sorted(row[0] for row in rows)


def _is_approved(asked: Asked, date: datetime.date) -> bool:
    """Whether somebody approved the date before."""
    if not asked.lake.exists(Actions):
        return False
    said = (F.col(Actions.action) == "approve") & (F.col(Actions.day) == F.lit(date))
    return not asked.lake.read(Actions).filter(said).isEmpty()


def restore_status(lake: Lake, command: str) -> None:
    """The offers of all dates with the status that actions give them, where rows of earlier versions were put back."""
    if not lake.exists(Promotions) or not lake.exists(Actions):
        return
    rows, actions = lake.read(Promotions), lake.read(Actions)
    key = [Promotions.date, Promotions.user_id, Promotions.promotion_id]
    was = rows.select(*key, *(F.col(name).alias(f"{name}_was") for name in _BY_ACTIONS))
    now = with_status(rows, actions).join(was, key)
    differs = [~F.col(name).eqNullSafe(F.col(f"{name}_was")) for name in _BY_ACTIONS]
    for row in now.filter(differs[0] | differs[1]).select(Promotions.date).distinct().collect():  # as many as dates
        _write_status(lake, row[0], command)


_BY_ACTIONS = (Promotions.status, Promotions.stopped_on)


def _keep(asked: Asked, action: Mapping[str, Any]) -> None:
    """Writes the action, unless it was said before. It stands first: a command that was cut off can be run again."""
    lake = asked.lake
    if lake.exists(Actions):
        same = [F.col(name) == F.lit(action[name]) for name in Actions.key]
        if not lake.read(Actions).filter(same[0] & same[1] & same[2]).isEmpty():
            return
    said = {
        Actions.at: datetime.datetime.now(datetime.timezone.utc),
        Actions.by: asked.arguments.get("by") or getpass.getuser(),
        Actions.reason: asked.arguments.get("reason") or None,
    }
    lake.write(Actions, [{**action, **said}], mark=Mark(run=str(action[Actions.action]), job="by hand"))


def _give_status(asked: Asked, dates: list[datetime.date], command: str) -> None:
    """The offers of the dates with the status that all actions give them, in a commit that keeps their content."""
    lake = asked.lake
    for date in dates:
        with contextlib.ExitStack() as locks:
            if not lake.catalog:
                wait, run = asked.settings.lake.wait_seconds, f"{command} for {date}"
                locks.enter_context(held(lake.spark, lake.root, f"promote {date}", run, wait, asked.say))
            _write_status(lake, date, command)


def _write_status(lake: Lake, date: datetime.date, command: str) -> None:
    rows = with_status(lake.read(Promotions, date=date), lake.read(Actions))
    mark = Mark(run=command, job=command, date=date.isoformat(), keeps_content=True)
    lake.write(Promotions, rows, {Promotions.date: date}, mark=mark)
