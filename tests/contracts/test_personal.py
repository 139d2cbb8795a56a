"""What is personal is marked, and what is marked cannot stand where it would show. No Spark session is started."""

from __future__ import annotations

import re

import pytest
from pyspark.sql import types as T

from promo_spark.contracts.catalogue import ALL_TABLES
from promo_spark.contracts.schema import RESTRICTED, Col, Personal, Table
from promo_spark.contracts.schema.personal import EMAIL, PHONE, redacted
from promo_spark.errors import ContractError

TEXT = T.StringType()


def test_every_user_id_is_an_identifier_and_every_direct_identifier_is_restricted() -> None:
    """N02, N03: who a row is about is marked in every table; names, addresses and raw ids have their own layer."""
    with_users = [t for t in ALL_TABLES if "user_id" in t.columns()]
    assert len(with_users) > 10
    assert all(t.personal()["user_id"] is Personal.IDENTIFIER for t in with_users)
    direct = {t.full_name() for t in ALL_TABLES if Personal.DIRECT in t.personal().values()}
    assert direct == {"restricted.identities", "restricted.persons", "restricted.raw_rows"}
    assert not [t.full_name() for t in ALL_TABLES if set(t.personal()) & {*t.statistics, *t.partition}]


def test_a_contract_that_would_show_personal_data_cannot_be_made() -> None:
    """N02: partition values and statistics can be read without reading a row, so personal columns have none."""
    user = Col(TEXT, "who", required=True, personal=Personal.IDENTIFIER)
    with pytest.raises(ContractError, match=r"ByUser: user_id is personal, so it cannot be a partition"):
        type("ByUser", (Table,), {"layer": "silver", "partition": ("user_id",), "user_id": user})
    with pytest.raises(ContractError, match=r"WithStatistics: user_id is personal"):
        type("WithStatistics", (Table,), {"layer": "silver", "statistics": ("user_id",), "user_id": user})
    email = {"email": Col(TEXT, "e-mail address", personal=Personal.DIRECT)}
    with pytest.raises(ContractError, match=r"Mails: email identifies a person directly: .* restricted tables only"):
        type("Mails", (Table,), {"layer": "silver", **email})
    type("Mails", (Table,), {"layer": RESTRICTED, **email})


@pytest.mark.parametrize(
    ("text", "without"),
    [
        ("write to Ann.O'Hara+x@mail.example.co.uk, please", "write to Ann.O'[email], please"),
        ("(a@b.de) b@c.org", "([email]) [email]"),
        ("call 0171-234 5678 or +1 (555) 010-9999!", "call [phone] or [phone]!"),
        ("电话13812345678", "电话[phone]"),
        # Not of anybody: a price, a date, an order of eight digits, an article code with letters
        ("12.50 on 2024-06-01, order 20240601, AB123456789012", None),
        ("2 @ 3.50 each", None),
    ],
)
def test_what_looks_like_an_address_or_a_number_in_text(text: str, without: str | None) -> None:
    """N02: no raw e-mail or phone pattern stays."""
    masked = re.sub(PHONE, "[phone]", re.sub(EMAIL, "[email]", text, flags=re.ASCII), flags=re.ASCII)
    assert masked == (without or text)


def test_a_message_keeps_its_paths_and_loses_its_addresses() -> None:
    told = redacted("source /data/20240601120000.csv lacks sku; it has: Ann, ann@mail.example, +49 171 2345678")
    assert told == "source /data/20240601120000.csv lacks sku; it has: Ann, [email], [phone]"
