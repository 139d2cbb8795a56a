"""The policy that a date is decided by: the newest version of decisions.policy up to the date, and rollback."""

from __future__ import annotations

import contextlib
import datetime
import getpass
from collections.abc import Iterator
from dataclasses import replace

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts.decisions import Promotions
from promo_spark.contracts.policy import ALL, BY_HAND, NONE, Policy
from promo_spark.decisions.policy import (
    AS_SET,
    Entry,
    InForce,
    changes,
    in_force,
    settings_in_force,
    values_of,
    version_rows,
)
from promo_spark.errors import SettingsError
from promo_spark.flows.promote_inputs import Ctx
from promo_spark.runtime.command import Asked
from promo_spark.settings import parsed_date
from promo_spark.storage.commits import Mark
from promo_spark.storage.locks import held

SETTINGS = "settings"  # what rollback is given for no version at all
_TOLD = 5  # of the versions that there are, where one is asked for that there is not


def policy_in_force(ctx: Ctx) -> InForce:
    """The version that the context's date is decided by. Policy of the date, else of the newest date before it."""
    if not ctx.exists(Policy):
        return AS_SET
    of_date = ctx.read_optional(Policy)
    policy = _newest(of_date if not of_date.isEmpty() else ctx.read_earlier(Policy))
    if policy.version is not None:
        ctx.say(f"deciding by the version {policy.version} of decisions.policy")
    return policy


def by_policy(ctx: Ctx, policy: InForce) -> Ctx:
    """The same run, of which the context tells the settings that are in force."""
    return replace(ctx, settings=settings_in_force(ctx.settings, policy))


def rolled_back(asked: Asked) -> str:
    """Writes a version that is in force from a date on, with the content of an earlier one; what changed by it.

    Raises SettingsError for a version that there is not, and for a date after which another version is in force: from
    that one on nothing would change.
    """
    date, wanted = parsed_date(asked.arguments["date"]), asked.arguments["to"]
    with _alone(asked, date):
        rows = asked.lake.read(Policy) if asked.lake.exists(Policy) else Policy.frame(asked.lake.spark)
        target = _named(rows, wanted)
        _refuse_before_others(rows, date)
        before = _newest(rows)
        if target.values == before.values:
            return (
                f"Nothing was written: from {date} on it is decided by just this already, {before.version or SETTINGS}."
            )
        by = asked.arguments.get("by") or getpass.getuser()
        said = (f"said by {by}", asked.arguments.get("reason") or f"back to {wanted}")
        entries = [Entry(*name, value, *said) for name, value in target.values.items()] or [
            Entry(NONE, ALL, None, *said)
        ]
        new = version_rows(entries, parent=before, valid_from=date, job=BY_HAND)
        version = new[0][Policy.version_id]
        said_before = rows.filter((F.col(Policy.valid_from) == F.lit(date)) & (F.col(Policy.job) == BY_HAND)).collect()
        asked.lake.write(
            Policy,
            [*(row.asDict() for row in said_before), *(row | {Policy.run_id: version} for row in new)],
            {Policy.valid_from: date, Policy.job: BY_HAND},
            mark=Mark(run=version, job=BY_HAND, date=date.isoformat()),
        )
    told = "\n".join(f"  {change}" for change in changes(before.values, target.values))
    return f"From {date} on offers are decided by {version}, {_what(wanted)}:\n{told}{_run_again(asked, date)}"


@contextlib.contextmanager
def _alone(asked: Asked, date: datetime.date) -> Iterator[None]:
    """While no other rollback looks which version comes last."""
    with contextlib.ExitStack() as locks:
        lake = asked.lake
        if not lake.catalog:
            wait = asked.settings.lake.wait_seconds
            locks.enter_context(held(lake.spark, lake.root, "rollback", f"rollback for {date}", wait, asked.say))
        yield


def _named(rows: DataFrame, wanted: str) -> InForce:
    """The version that is named, or the settings alone. Policy. Raises SettingsError where there is none."""
    if wanted == SETTINGS:
        return AS_SET
    found = [row.asDict() for row in rows.filter(F.col(Policy.version_id) == wanted).collect()]  # of one version
    if not found:
        versions = rows.select(Policy.valid_from, Policy.version_id).distinct()
        newest = versions.orderBy(F.desc(Policy.valid_from), F.desc(Policy.version_id)).limit(_TOLD).collect()
        told = ", ".join(row[Policy.version_id] for row in newest)
        there = f"the newest are: {told}" if told else "there is none at all"
        raise SettingsError(
            f"--to {wanted}: decisions.policy has no such version; {there}. `{SETTINGS}` is always there"
        )
    return InForce(wanted, values_of(found))


def _refuse_before_others(rows: DataFrame, date: datetime.date) -> None:
    """Raises SettingsError where a version begins after the date. Policy."""
    newest = rows.agg(F.max(Policy.valid_from)).collect()[0][0]  # one row
    if newest is not None and newest > date:
        raise SettingsError(
            f"rollback --date {date}: from {newest} on another version is in force, which would stay so; "
            f"give --date {newest} or a later one"
        )


def _newest(rows: DataFrame) -> InForce:
    """The version of the newest date among the rows. Policy."""
    newest = rows.agg(F.max(Policy.valid_from)).collect()[0][0]  # one row
    if newest is None:
        return AS_SET
    of_date = rows.filter(F.col(Policy.valid_from) == F.lit(newest)).collect()  # a row per parameter
    return in_force([row.asDict() for row in of_date])


def _what(wanted: str) -> str:
    return "the settings alone" if wanted == SETTINGS else f"the values of {wanted}"


def _run_again(asked: Asked, date: datetime.date) -> str:
    if not asked.lake.exists(Promotions):
        return ""
    decided = asked.lake.read(Promotions).filter(F.col(Promotions.date) >= F.lit(date))
    return "" if decided.isEmpty() else f"\n{date} is decided already: run promote for it again."
