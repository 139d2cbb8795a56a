"""Secrets are found by reference, and no message shows one."""

from __future__ import annotations

from pathlib import Path

import pytest

from promo_spark.errors import SettingsError
from promo_spark.secret_references import resolved
from promo_spark.settings import load


def test_a_secret_is_read_from_the_environment_or_a_file(tmp_path: Path) -> None:
    """N01 (keys): by reference only; the line end that editors add is no part of a secret, a blank is."""
    file = tmp_path / "key"
    file.write_text(" from a file \r\n", encoding="utf-8")
    assert resolved("env:SHOP_KEY", "x.key_secret", {"SHOP_KEY": "from the environment"}) == "from the environment"
    assert resolved(f"file:{file}", "x.key_secret") == " from a file "


def test_a_missing_secret_names_the_key_and_the_place(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"x\.key_secret = 'env:SHOP_KEY': the environment variable SHOP_KEY is"):
        resolved("env:SHOP_KEY", "x.key_secret", {"SHOP_KEY": "\n"})
    with pytest.raises(SettingsError, match=r"x\.key_secret = 'file:.*none': No such file"):
        resolved(f"file:{tmp_path / 'none'}", "x.key_secret")


def test_what_is_not_a_reference_is_not_shown(tmp_path: Path) -> None:
    """A secret written where its reference belongs stays out of the message, and of its cause."""
    binary = tmp_path / "key"
    binary.write_bytes(b"hunter2\xff")
    for wrong in ("hunter2", "env:hunter2 ", "vault:hunter2", f"file:{binary}"):
        with pytest.raises(SettingsError) as raised:
            resolved(wrong, "x.key_secret")
        assert "x.key_secret" in str(raised.value) and "hunter2" not in str(raised.value)
        assert raised.value.__cause__ is None


@pytest.mark.parametrize("key", ["ingest.password", "ingest.db_secret", "ingest.api_token"])
def test_settings_errors_do_not_show_what_may_be_a_secret(key: str) -> None:
    with pytest.raises(SettingsError) as raised:
        load(None, [f'{key}="hunter2"'])
    assert key in str(raised.value) and "hunter2" not in str(raised.value)
    with pytest.raises(SettingsError) as raised:
        load(None, [f"{key}:hunter2"])  # no equals sign
    assert "hunter2" not in str(raised.value)
