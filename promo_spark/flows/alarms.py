"""The step of the alarms command: what was measured for a date that needs attention is said, and posted."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from promo_spark.contracts.measurement import Checks, Effects, Fairness
from promo_spark.errors import Alarm, MissingDataError, SettingsError
from promo_spark.installation import launcher
from promo_spark.measurement.alarms import Finding, findings
from promo_spark.runtime.command import Asked
from promo_spark.secret_references import resolved
from promo_spark.settings import parsed_date
from promo_spark.storage.webhook import posted

_WEBHOOK = "evaluate.alarms.webhook_secret"


def told(asked: Asked) -> str:
    """Nothing, where all is well. Raises Alarm with a line for each alarm of the date, which is posted as well.

    Raises MissingDataError where the date was never evaluated. A post that fails is a warning: the alarms stand.
    """
    lake, date = asked.lake, parsed_date(asked.arguments["date"])
    checks = lake.read(Checks, date=date) if lake.exists(Checks) else None
    if checks is None or checks.isEmpty():
        raise MissingDataError(
            f"measurement.checks has no row for {date}, so that nobody knows whether all is well: run "
            f"{launcher()} evaluate --date {date} first"
        )
    found = findings(
        checks,
        lake.read(Effects, date=date) if lake.exists(Effects) else None,
        lake.read(Fairness, date=date) if lake.exists(Fairness) else None,
        asked.settings.promote.fairness.least_ratio,
    )
    if not found:
        return ""
    _post(asked, date, found)
    raise Alarm("\n".join(one.line() for one in found), {one.check for one in found})


def _post(asked: Asked, date: datetime.date, found: Sequence[Finding]) -> None:
    """Posts the alarms where a webhook is set; what goes wrong is said without its address."""
    reference = asked.settings.evaluate.alarms.webhook_secret
    if not reference:
        return
    try:
        wrong = posted(
            resolved(reference, _WEBHOOK), {"date": date.isoformat(), "alarms": [one.fields() for one in found]}
        )
    except SettingsError as error:  # it names the setting and where was looked, never the address
        asked.say(f"warning: the alarms were not posted: {error}")
        return
    if wrong:
        asked.say(f"warning: the alarms were not posted to the address of {_WEBHOOK}: {wrong}")
