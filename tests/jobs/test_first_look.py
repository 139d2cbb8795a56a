"""ingest --check: what a shop's files would become, told from their first rows, with nothing written."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from jobs.ingest import run as ingest
from jobs.segment import run as segment
from promo_spark.errors import SettingsError
from promo_spark.runtime.invocation import looked
from promo_spark.settings import load

DATE = datetime.date(2024, 4, 8)
SHOP = """
[ingest.sources.products]
path = "{folder}/artikel.csv"
format = "csv"
delimiter = ";"
encoding = "windows-1252"
columns = {{ product_id = "Artikel", title = "Bezeichnung", list_price = {{ column = "Preis", decimal_comma = true }} }}
[ingest.sources.order_lines]
path = "{folder}/bons.csv"
format = "csv"
delimiter = ";"
[ingest.sources.order_lines.columns]
order_id = "Bon"
line_no = "Zeile"
user_id = "Kunde"
product_id = "Artikel"
quantity = "Menge"
amount_paid = "Betrag"
ts = {{ column = "Zeit", format = "dd.MM.yyyy HH:mm" }}
"""


def test_columns_values_and_rejections_are_told_and_nothing_is_written(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "artikel.csv").write_bytes("Artikel;Bezeichnung;Preis\n1;Käse;2,49\n".encode("windows-1252"))
    bons = "".join(f"b{n};1;Anna Muster;1;1;2,49;01.04.2024 10:{n:02}\n" for n in range(30))
    (tmp_path / "bons.csv").write_text("Bon;Zeile;Kunde;Artikel;Menge;Betrag;Zeit\n" + bons, encoding="utf-8")
    (tmp_path / "shop.toml").write_text(SHOP.format(folder=tmp_path), encoding="utf-8")
    settings = load("shop", [f"lake.root={tmp_path}/lake"], str(tmp_path))
    told = looked(ingest, settings, DATE, spark)

    assert "products → silver.products: the first 1 rows of artikel.csv" in told
    assert "Käse" in told and "2.49" in told, "a value as it is understood"
    assert "ts                     ← Zeit                     timestamp      2024-04-01 10:00:00" in told
    assert "order_lines → silver.order_lines: the first 30 rows of bons.csv" in told
    # 2,49 is no number without decimal_comma: every row would be rejected, and the setting is named.
    assert "would be rejected: 30 of 30 rows. " in told and "30 unparsable_amount_paid" in told, told
    assert "such as '2,49'; decimal_comma = true in ingest.sources.order_lines.columns.amount_paid" in told
    assert "Anna" not in told and "(personal, not shown)" in told
    assert not (tmp_path / "lake").exists()


def test_a_job_without_a_look_says_so(spark: SparkSession) -> None:
    with pytest.raises(SettingsError, match="--check: segment has nothing to show"):
        looked(segment, load(), DATE, spark)
