"""Tables named by a catalog: a real Hive metastore, found again by the next process; what cannot work is refused."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from promo_spark.errors import SettingsError
from promo_spark.storage.catalogs import refuse_unknown_catalog
from promo_spark.submission.local_mode import SMALL_INPUT_CONF

# Of so few rows every query runs for milliseconds, and compiling it would take seconds, in each process anew.
QUERIES = "\n".join(f'"{key}" = "{value}"' for key, value in SMALL_INPUT_CONF.items() if key.startswith("spark.sql."))
ORDERS = """order,line,customer,sku,qty,paid,time
o1,1,u1,p1,2,4.00,2024-03-01 10:00:00
o1,2,u1,p2,1,3.00,2024-03-01 10:00:00
o2,1,u2,p1,1,2.00,2024-03-02 11:00:00
"""
SHOP = """
[lake]
root = "{folder}/lake"
catalog = "spark_catalog"
schema_prefix = "shop_"
[business.privacy]
pseudonymise = false
[spark]
class_archive = false
driver_memory = "1g"
[spark.conf]
{queries}
"spark.driver.extraJavaOptions" = "-XX:+UseSerialGC -XX:TieredStopAtLevel=1"
"spark.sql.catalogImplementation" = "hive"
"spark.sql.warehouse.dir" = "{folder}/warehouse"
"spark.hadoop.javax.jdo.option.ConnectionURL" = "jdbc:derby:;databaseName={folder}/metastore;create=true"
[ingest.sources.products]
path = "{folder}/orders.csv"
format = "csv"
distinct = true
columns = {{ product_id = "sku" }}
[ingest.sources.order_lines]
path = "{folder}/orders.csv"
format = "csv"
[ingest.sources.order_lines.columns]
order_id = "order"
line_no = "line"
user_id = "customer"
product_id = "sku"
quantity = "qty"
amount_paid = "paid"
ts = "time"
"""
PROGRAM = """
import sys
import promo_spark
from promo_spark.runtime.session import started_session
from promo_spark.settings import load

folder = sys.argv[1]
ran = promo_spark.run("ingest", "2024-04-08", env="shop", conf=folder)
print([done.outcome for jobs in ran.dates.values() for done in jobs.values()])
spark = started_session("reader", load("shop", (), folder))
lines = promo_spark.open_lake(env="shop", conf=folder).frame("silver.order_lines", spark)
print("lines", lines.count(), [r[0] for r in spark.sql("SHOW SCHEMAS").collect()])
spark.stop()
"""


@pytest.mark.slow
def test_the_next_process_finds_the_tables_in_the_hive_catalog_and_they_are_current(tmp_path: Path) -> None:
    (tmp_path / "orders.csv").write_text(ORDERS, encoding="utf-8")
    (tmp_path / "shop.toml").write_text(SHOP.format(folder=tmp_path, queries=QUERIES), encoding="utf-8")
    for outcome in ("written", "current"):
        command = [sys.executable, "-c", PROGRAM, str(tmp_path)]
        ran = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
        assert ran.returncode == 0, ran.stderr
        said = ran.stdout.splitlines()
        assert said[-2] == f"['{outcome}']"
        assert said[-1].startswith("lines 3 ") and "shop_silver" in said[-1], "every row, under the prefixed schema"


def test_a_catalog_that_spark_does_not_know_is_refused_with_the_property_that_is_missing(spark: SparkSession) -> None:
    with pytest.raises(SettingsError, match=r'lake\.catalog is "nosuch".*set "spark\.sql\.catalog\.nosuch"'):
        refuse_unknown_catalog(spark, "nosuch")


def test_a_catalog_in_memory_is_refused_as_it_forgets_its_tables(spark: SparkSession) -> None:
    with pytest.raises(SettingsError, match=r'"spark\.sql\.catalogImplementation" = "hive"'):
        refuse_unknown_catalog(spark, "spark_catalog")
