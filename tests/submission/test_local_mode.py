"""What one machine is told to do differently, by the size of what comes in."""

from __future__ import annotations

from pathlib import Path

import pytest

from promo_spark.settings import Settings, load
from promo_spark.submission import local_mode
from promo_spark.submission.local_mode import input_size, java_options, local_conf

QUICKLY_COMPILED = "-XX:TieredStopAtLevel=1"


def shop(folder: Path, *overrides: str) -> Settings:
    """Order lines of 100 bytes in a folder, and an empty lake."""
    (folder / "orders.csv").write_bytes(b"x" * 100)
    source = (
        'ingest.sources.order_lines={table="order_lines", format="csv", path="orders.csv", columns={order_id="id"}}'
    )
    return load(None, [f"ingest.folder={folder}", f"lake.root={folder}/lake", source, *overrides])


@pytest.fixture(autouse=True)
def limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_mode, "SMALL_INPUT_BYTES", 150)


def test_a_small_input_is_planned_once_and_compiled_quickly(tmp_path: Path) -> None:
    settings = shop(tmp_path)
    assert local_conf(settings)["spark.sql.adaptive.enabled"] == "false"
    assert {QUICKLY_COMPILED, "-XX:+UseSerialGC"} <= set(java_options(settings))
    # Of several dates every one after the first gains by better code.
    assert QUICKLY_COMPILED not in java_options(settings, dates=2)


def test_what_was_taken_in_before_counts(tmp_path: Path) -> None:
    """100 bytes of orders and 60 bytes of silver are more than the limit of 150."""
    settings = shop(tmp_path)
    assert input_size(settings).is_small
    silver = tmp_path / "lake" / "silver" / "order_lines"
    silver.mkdir(parents=True)
    (silver / "part.parquet").write_bytes(b"x" * 60)
    assert not input_size(settings).is_small
    assert "spark.sql.adaptive.enabled" not in local_conf(settings)
    assert QUICKLY_COMPILED not in java_options(settings)
    assert "-XX:+UseParallelGC" in java_options(settings)


def test_a_path_with_a_pattern_or_a_date_counts_the_folder_above(tmp_path: Path) -> None:
    source = 'ingest.sources.order_lines.path="{}"'
    assert input_size(shop(tmp_path, source.format("*.csv"))).known_bytes == 100
    assert input_size(shop(tmp_path, source.format("{date:%Y}/orders.csv"))).known_bytes == 100
    assert not input_size(shop(tmp_path, source.format("s3a://shop/orders.csv"))).all_known


def test_a_table_of_a_database_is_elsewhere(tmp_path: Path) -> None:
    """Its source has no path: the folder of the others says nothing of its size."""
    address = 'url="jdbc:mysql://db/shop", user_secret="env:DB_USER", password_secret="env:DB_PASSWORD"'
    users = 'table="users", format="jdbc", connection="shop", db_table="users", columns={user_id="id"}'
    shops, stores = f"ingest.connections.shop={{{address}}}", f"ingest.sources.users={{{users}}}"
    assert not input_size(shop(tmp_path, shops, stores)).all_known


def test_a_larger_input_is_cut_into_more_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """160 bytes, 20 for each part: 8 parts; never fewer than 4, never more than 64."""
    settings = shop(tmp_path)
    (tmp_path / "orders.csv").write_bytes(b"x" * 160)
    for bytes_per_part, parts in ((20, "8"), (100, "4"), (1, "64")):
        monkeypatch.setattr(local_mode, "BYTES_PER_PARTITION", bytes_per_part)
        assert local_conf(settings)["spark.sql.shuffle.partitions"] == parts


def test_the_users_own_collector_is_the_only_one(tmp_path: Path) -> None:
    settings = shop(tmp_path, 'spark.conf."spark.driver.extraJavaOptions"="-XX:+UseG1GC"')
    assert not [option for option in java_options(settings) if option.endswith("GC")]
