"""Consent by channel: nobody is sent an offer by a channel that they refused."""

from __future__ import annotations

from pyspark.sql import SparkSession

from promo_spark.contracts.silver import ChannelConsents
from promo_spark.decisions.channels import allowed_by_channel, with_channels
from promo_spark.decisions.eligibility import with_eligibility
from promo_spark.decisions.offers.targets import OfferTarget
from promo_spark.decisions.users import DailyUser
from promo_spark.settings import Settings
from tests.decisions.test_eligibility import DAY, strategy


def test_another_channel_is_taken_where_the_main_one_is_refused(spark: SparkSession, settings: Settings) -> None:
    """I23: who refused every channel has the reason no_channel."""
    said = {
        "silent": [],
        "agrees": [("app", True)],  # the main one stays, as nothing is said of it
        "no app": [("app", False), ("push", True), ("mail", True)],
        "nothing": [("app", False), ("mail", False)],
        "no mail": [("mail", False)],
    }
    consents = [{"user_id": u, "channel": c, "consent": yes} for u, rows in said.items() for c, yes in rows]
    same = {"main_channel": "app", "consent_marketing": True, "profiled": True}
    users = DailyUser.frame(
        spark, [same | {"user_id": user} for user in said] + [same | {"user_id": "stranger", "main_channel": None}]
    )
    found = with_channels(users, ChannelConsents.frame(spark, consents))
    judged = {r.user_id: r for r in with_eligibility(found, strategy(settings, holdout_share=0.0), DAY).collect()}
    assert {user: row.channel for user, row in judged.items()} == {
        "silent": "app",
        "agrees": "app",
        "no app": "mail",
        "nothing": None,
        "no mail": "app",
        "stranger": None,
    }
    assert {user: row.exclusions for user, row in judged.items() if row.exclusions} == {"nothing": ["no_channel"]}
    # what holds in one channel alone is nothing for who refused that
    offers = OfferTarget.frame(
        spark, [{"user_id": u, "channel": c} for u in ("no mail", "silent") for c in ("mail", "store", None)]
    )
    allowed = {(row.user_id, row.channel) for row in allowed_by_channel(offers, found).collect()}
    assert allowed == {(u, c) for u in ("no mail", "silent") for c in ("mail", "store", None)} - {("no mail", "mail")}
