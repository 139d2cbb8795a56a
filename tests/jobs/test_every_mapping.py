"""Every complete example of the documents and every ready mapping, from its files to what the daily run decides."""

from __future__ import annotations

import datetime
import json
import re
import sys
from pathlib import Path

import pytest
from pyspark.sql import functions as F

from promo_spark.contracts.decisions import Promotions
from promo_spark.contracts.silver import OrderLines
from promo_spark.errors import MissingDataError
from promo_spark.settings import load, mappings
from promo_spark.storage.lake import Lake
from tests.jobs.test_small_shops import SMALL, run_daily
from tests.sources.mapping.ready_files import FILES

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

DOCS = Path(__file__).resolve().parents[2] / "docs"
# mapping → a date after its few lines; of the others nothing tells what was bought
WITH_ORDERS = {
    "sales_data": "2024-06-03",
    "online_retail": "2010-07-03",
    "hm": "2018-09-22",
    "tafeng": "2001-01-02",
    "m5": "2011-02-07",
}
# What decides by a mapping's own columns; the other jobs, on shops that lack this or that: test_small_shops
TO_DECISIONS = ["ingest", "profile", "segment", "baskets", "recommend", "forecast", "promote"]
SHOP = {  # what the example of docs/sources.md reads
    "products.jsonl": '{"sku": "tea", "group": "drinks", "brand": "b", "price": 3.0, "cost": 1.5}\n'
    '{"sku": "cup", "group": "ware", "brand": "b", "price": 8.0, "cost": 4.0}\n',
    "orders/may.csv": "order;customer;sku;pieces;paid;time\n"
    + "".join(f"w{n};c{n % 3};tea;1;2,70;{n % 20 + 1:02}.05.2024 12:00\n" for n in range(20)),
    "till.csv": "type,shop,receipt,line,card,sku,pieces,price,epoch\n"
    + "".join(f"sale,s1,r{n},1,c{n % 3},cup,1,8.00,{1714550400 + n * 86400}\n" for n in range(20))
    + "return,s1,r99,1,c1,cup,1,8.00,1716500000\n",
}


def complete_examples() -> list[str]:
    """The TOML blocks of the documents that take in files of orders and products."""
    found = []
    for page in sorted(DOCS.glob("*.md")):
        for block in re.findall(r"```toml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
            try:
                sources = tomllib.loads(block).get("ingest", {}).get("sources", {})
            except tomllib.TOMLDecodeError:
                continue  # a part of one, with … in it
            tables = {source.get("table", name) for name, source in sources.items() if "path" in source}
            if {"order_lines", "products"} <= tables:
                found.append(block)
    return found


def put(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")


def assert_everybody_is_decided(lake: Lake) -> None:
    """Every user who bought has a decision set; a shop that knows no buyer has none."""
    bought = lake.read(OrderLines).select(OrderLines.user_id).filter(F.col(OrderLines.user_id).isNotNull())
    decided = lake.read(Promotions).select(Promotions.user_id).distinct()
    assert sorted(decided.collect()) == sorted(bought.distinct().collect())


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_example_of_the_documents_runs_as_it_stands(lake: Lake, tmp_path: Path) -> None:
    """Saved as conf/shop.toml: its products have no subcategory, the level at which rules are made as shipped."""
    [example] = complete_examples()
    put(tmp_path / "data", SHOP)
    conf = tmp_path / "conf"
    conf.mkdir()
    (conf / "shop.toml").write_text(example.replace("/data/", f"{tmp_path}/data/"), encoding="utf-8")
    chosen = ["business.holiday_countries=[]", f"pipeline.jobs={json.dumps(TO_DECISIONS)}"]
    done = run_daily(lake, load("shop", [*SMALL, *chosen], str(conf)), datetime.date(2024, 6, 1))
    assert done == dict.fromkeys(TO_DECISIONS, "written")
    assert_everybody_is_decided(lake)
    assert lake.read(OrderLines).filter("quantity < 0").count() == 1


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("mapping", sorted(WITH_ORDERS))
def test_a_ready_mapping_runs_to_its_decisions(lake: Lake, tmp_path: Path, mapping: str) -> None:
    put(tmp_path / mapping, FILES[mapping])
    chosen = [f"ingest.mapping={mapping}", f"ingest.folder={tmp_path / mapping}", "business.holiday_countries=[]"]
    chosen.append(f"pipeline.jobs={json.dumps(TO_DECISIONS)}")
    done = run_daily(lake, load(None, [*SMALL, *chosen]), datetime.date.fromisoformat(WITH_ORDERS[mapping]))
    assert done == dict.fromkeys(TO_DECISIONS, "written")
    assert_everybody_is_decided(lake)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_data_set_without_orders_stops_after_ingest_and_says_what_is_missing(lake: Lake, tmp_path: Path) -> None:
    missing = r"silver\.(order_lines|products) is not in the lake .*\[ingest\.sources\."
    for mapping in sorted(set(mappings()) - set(WITH_ORDERS)):
        put(tmp_path / mapping, FILES[mapping])
        chosen = [f"ingest.mapping={mapping}", f"ingest.folder={tmp_path / mapping}", "business.holiday_countries=[]"]
        own = Lake(lake.spark, str(tmp_path / f"lake of {mapping}"))
        with pytest.raises(MissingDataError, match=missing):
            run_daily(own, load(None, [*SMALL, *chosen]), datetime.date(2026, 12, 1))
