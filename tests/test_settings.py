"""Settings: base < environment < --set, and every mistake is named by its key."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from promo_spark.errors import SettingsError
from promo_spark.settings import environments, load, parsed_date


@pytest.mark.parametrize("env", [None, *environments()])
def test_every_environment_is_valid(env: str | None) -> None:
    load(env)


def test_later_settings_win() -> None:
    assert load().business.timezone == "UTC"
    assert load("demo").business.timezone == "America/New_York"
    assert load("demo", ["business.timezone=Asia/Shanghai"]).business.timezone == "Asia/Shanghai"


def test_nested_tables_are_merged_not_replaced() -> None:
    changed = load(None, ["promote.mechanic_budgets.coupon=1.5"]).promote.mechanic_budgets
    assert changed["coupon"] == 1.5 and len(changed) == len(load().promote.mechanic_budgets)


def test_an_override_may_quote_a_key_with_dots() -> None:
    conf = load(None, ['spark.conf."spark.sql.shuffle.partitions"="8"']).spark.conf
    assert conf == {"spark.sql.shuffle.partitions": "8"}


def test_every_wrong_setting_is_named_at_once() -> None:
    with pytest.raises(SettingsError) as raised:
        load(
            None,
            [
                "forecast.horizon_days=0",
                "promote.budget=5.0",
                "promote.daily_bugdet=5.0",
                'baskets.level="shelf"',
                "profile.top_products=2.5",
            ],
        )
    message = str(raised.value)
    assert "forecast.horizon_days: input should be greater than 0, found 0" in message
    assert "promote.budget: there is no such setting, found 5.0" in message
    assert "promote.daily_bugdet: there is no such setting, found 5.0; is promote.daily_budget meant?" in message
    assert "baskets.level: input should be 'product', 'subcategory' or 'category', found 'shelf'" in message
    assert "profile.top_products: input should be a valid integer, found 2.5" in message


@pytest.mark.parametrize("text", ["promote", "promote.daily_budget", "=5", ".=5"])
def test_a_malformed_override_shows_how_to_write_it(text: str) -> None:
    with pytest.raises(SettingsError, match=r"write it as section\.key=value"):
        load(None, [text])


def test_an_unknown_environment_lists_the_known() -> None:
    with pytest.raises(SettingsError, match=r"there is no conf/nowhere\.toml; there are: .*demo"):
        load("nowhere")


def test_a_missing_key_is_named(tmp_path: Path) -> None:
    (tmp_path / "base.toml").write_text('[lake]\nroot = "lake"\n', encoding="utf-8")
    with pytest.raises(SettingsError, match=r"lake\.catalog: missing"):
        load(conf=str(tmp_path))


def test_broken_toml_is_named(tmp_path: Path) -> None:
    (tmp_path / "base.toml").write_text("[lake\n", encoding="utf-8")
    with pytest.raises(SettingsError, match=r"base\.toml is not valid TOML"):
        load(conf=str(tmp_path))


@pytest.mark.parametrize("encoding", ["windows-1252", "utf-16"])
def test_a_file_in_another_encoding_is_named(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "base.toml").write_text('[lake]\nroot = "Straße"\n', encoding=encoding)
    with pytest.raises(SettingsError, match=r"base\.toml is not in UTF-8 .* save it as UTF-8"):
        load(conf=str(tmp_path))


def test_a_byte_order_mark_is_no_part_of_the_settings(tmp_path: Path) -> None:
    """Windows' own editor writes one."""
    (tmp_path / "base.toml").write_text('[lake]\nroot = "lake"\n', encoding="utf-8-sig")
    with pytest.raises(SettingsError, match=r"lake\.catalog: missing"):  # it was read
        load(conf=str(tmp_path))


def test_settings_are_frozen() -> None:
    settings = load()
    with pytest.raises(ValueError, match="frozen"):
        settings.lake.root = "elsewhere"


def test_an_environment_may_be_based_on_another(tmp_path: Path) -> None:
    """It says only what differs; what it says wins."""
    world, reference = load("world"), load("reference")
    assert (reference.generate.users, reference.generate.products, reference.generate.days) == (20000, 500, 180)
    assert reference.ingest.sources == world.ingest.sources and reference.spark == world.spark
    assert reference.generate.folder == reference.ingest.folder == "reference/raw"
    (tmp_path / "one.toml").write_text('based_on = "other"\n')
    (tmp_path / "other.toml").write_text('based_on = "one"\n')
    (tmp_path / "lost.toml").write_text('based_on = "nowhere"\n')
    with pytest.raises(SettingsError, match="--env one: one is based on other is based on one; end the circle"):
        load("one", conf=str(tmp_path))
    with pytest.raises(
        SettingsError, match=r"based_on = 'nowhere' in lost\.toml: there is no .*nowhere\.toml; there are:"
    ):
        load("lost", conf=str(tmp_path))


def test_one_setting_moves_a_world() -> None:
    world = load("world", ["ingest.folder=/data/world"])
    assert world.generate.folder == world.ingest.folder == "/data/world"
    assert load("world", ["generate.folder=/data/files"]).generate.folder == "/data/files"
    # a retailer of one's own: a synthetic one never lands among its files
    assert load(None, ["ingest.folder=/data/mine"]).generate.folder == "world/raw"


def test_dates_are_strict() -> None:
    assert parsed_date("2017-12-01") == datetime.date(2017, 12, 1)
    for wrong in ("2017-12-1", "01.12.2017", "2017-02-30", "today", "2017-12-01' OR '1'='1"):
        with pytest.raises(SettingsError, match="write it as YYYY-MM-DD"):
            parsed_date(wrong)
