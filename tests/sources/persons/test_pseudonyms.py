"""Pseudonyms: the same id is the same user in every source, and nothing leads back without the key."""

from __future__ import annotations

import hashlib
import hmac
import re

import pytest
from chispa import assert_df_equality
from pyspark.sql import SparkSession

from promo_spark.contracts.raw_rows import RawRow
from promo_spark.contracts.restricted import Identities, RawRows
from promo_spark.contracts.silver import QUARANTINE, Events, Feedback, IdentityMap, OrderLines, Users
from promo_spark.errors import SettingsError
from promo_spark.sources.persons import pseudonyms

KEY, OTHER = b"k" * 32, b"o" * 32


def test_a_pseudonym_is_the_keyed_digest_of_the_id() -> None:
    """N02: same id → same key; other salt → other key; 128 bits as text that is no number."""
    expected = hmac.new(KEY, b"user\x00anna", hashlib.sha256).hexdigest()[:32]
    assert pseudonyms.pseudonym("anna", KEY) == "u" + expected
    assert pseudonyms.pseudonym("anna", OTHER) != pseudonyms.pseudonym("anna", KEY)
    many = {pseudonyms.pseudonym(str(i), KEY) for i in range(10_000)}
    assert len(many) == 10_000 and all(re.fullmatch("u[0-9a-f]{32}", p) for p in many)
    assert pseudonyms.key_id(KEY) != pseudonyms.key_id(OTHER)


def test_a_key_is_given_by_reference_and_long_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match=r"(?s)business\.privacy\.key_secret = 'env:NO_KEY'.*openssl rand -hex 32"):
        pseudonyms.pseudonym_key("env:NO_KEY")
    monkeypatch.setenv("SHOP_KEY", "hunter2")
    with pytest.raises(SettingsError, match="a key of 7 bytes; it takes 32 or more") as raised:
        pseudonyms.pseudonym_key("env:SHOP_KEY")
    assert "hunter2" not in str(raised.value)
    monkeypatch.setenv("SHOP_KEY", "k" * 32)
    assert pseudonyms.pseudonym_key("env:SHOP_KEY") == KEY


def test_what_accounts_share_is_a_digest_with_a_key_and_without(spark: SparkSession) -> None:
    """J04: who shares a device or an address can be told; the device and the address stand in no row."""
    given = [
        ("a", "D1", "1 Ash Lane"),
        ("b", "D1", " 1  ASH lane "),
        ("c", "1 Ash Lane", "2 Ash Lane"),
        ("d", None, " "),
    ]
    users = Users.frame(
        spark, [dict(zip(("user_id", "device_digest", "address_digest"), g, strict=True)) for g in given]
    )
    kept = {}
    for key in (KEY, OTHER, None):
        rows = pseudonyms.protected(Users, users, key).select("device_digest", "address_digest").collect()
        a, b, c, d = kept[key] = [tuple(row) for row in rows]
        assert a == b and d == (None, None)  # case and spaces do not make another address
        assert len({*a, *c}) == 4  # another device, another address; a device is never found among addresses
        assert all(re.fullmatch("[0-9a-f]{32}", digest) for digest in (*a, *c))
    assert len({rows[0] for rows in kept.values()}) == 3  # of another key, others


def test_ids_of_every_source_become_pseudonyms_and_free_text_is_masked(
    spark: SparkSession, capsys: pytest.CaptureFixture[str]
) -> None:
    """N02: in every table alike; null stays null; the key stands in no plan."""
    lines = OrderLines.frame(spark, [{"order_id": "1", "user_id": u} for u in ("anna", None, "anna", "ben")])
    kept = pseudonyms.protected(OrderLines, lines, KEY)
    anna, ben = (pseudonyms.pseudonym(u, KEY) for u in ("anna", "ben"))
    assert [r.user_id for r in kept.collect()] == [anna, None, anna, ben]
    kept.explain("extended")
    plan = capsys.readouterr().out
    assert "user_id" in plan and KEY.decode() not in plan and KEY.hex() not in plan

    events = Events.frame(spark, [{"user_id": "anna", "query": "tea for a@b.de", "review_text": "+49 171 2345678"}])
    [event] = pseudonyms.protected(Events, events, KEY).collect()
    assert (event.user_id, event.query, event.review_text) == (anna, "tea for [email]", "[phone]")
    answers = Feedback.frame(spark, [{"user_id": "anna", "text": "a@b.de"}])
    [said] = pseudonyms.protected(Feedback, answers, None).collect()
    assert (said.user_id, said.text) == ("anna", "[email]")  # text is masked even where ids are public

    people = IdentityMap.frame(spark, [{"channel": "web", "channel_user_id": "ben", "user_id": "anna"}])
    [person] = pseudonyms.protected(IdentityMap, people, KEY).collect()
    assert (person.channel, person.channel_user_id, person.user_id) == ("web", ben, anna)

    gone = pseudonyms.protected(OrderLines, lines.select("user_id"), KEY)  # a key alone, of what was deleted
    assert gone.columns == ["user_id"] and gone.first() == (anna,)

    sources = [
        (t, df.selectExpr("*", f"false {RawRow.blank}", f"false {RawRow.broken}"))
        for t, df in (
            (OrderLines, lines),
            (IdentityMap, people),
        )
    ]
    expected = Identities.frame(
        spark,
        [
            {"user_id": user, "raw_id": raw, "key_id": pseudonyms.key_id(KEY), "run_id": "r1"}
            for user, raw in ((anna, "anna"), (ben, "ben"))
        ],
    )
    named = Identities.conform(pseudonyms.identities(sources, KEY, "r1"))
    assert_df_equality(named, expected, ignore_row_order=True, ignore_nullable=True)


def test_what_is_made_of_ids_is_keyed_and_equal_values_stay_equal(spark: SparkSession) -> None:
    """N02: lines of an order keep one number; another key gives another; without a key nothing changes."""
    lines = OrderLines.frame(spark, [{"order_id": o, "line_no": n} for o, n in (("6/1-anna", 1), ("6/1-anna", 2))])
    first, second = (r.order_id for r in pseudonyms.keyed(lines, ["order_id"], KEY).collect())
    assert first == second and re.fullmatch("[0-9a-f]{32}", first)
    assert first not in {r.order_id for r in pseudonyms.keyed(lines, ["order_id"], OTHER).collect()}
    assert_df_equality(pseudonyms.keyed(lines, ["order_id"], None), lines)


def test_rejected_rows_are_found_again_by_their_digest(spark: SparkSession) -> None:
    """Nothing is lost: as many rows in quarantine, every different raw row under the digest that stands there."""
    quarantine = QUARANTINE[OrderLines]
    rejected = quarantine.frame(
        spark,
        [
            {"source": "till", "raw": raw, "source_file": "f.csv", "run_id": "r1"}
            for raw in ("anna;1", "ben;2", "anna;1")
        ],
    )
    kept = [r.raw for r in pseudonyms.without_raw(rejected, KEY).collect()]
    raw = RawRows.conform(pseudonyms.raw_rows(OrderLines, rejected, KEY)).collect()
    assert {(r.table, r.source, r.source_file, r.run_id) for r in raw} == {("order_lines", "till", "f.csv", "r1")}
    found = {r.digest: r.raw for r in raw}
    assert [found[digest] for digest in kept] == ["anna;1", "ben;2", "anna;1"] and len(raw) == 2
