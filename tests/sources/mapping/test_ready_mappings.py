"""The ready mappings of conf/sources, each on a few lines in the data set's real format, by the real job."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jobs.ingest import run as ingest
from promo_spark.contracts.schema import Table
from promo_spark.contracts.silver import QUARANTINE, Events, OrderLines, Products, Users
from promo_spark.runtime.job import Context
from promo_spark.settings import mappings


class Loaded:
    """What an ingest run left: rows by table, counts by source."""

    def __init__(self, ctx: Context[Any]) -> None:
        self.lake = ctx.lake
        self.sources = ctx.sources

    def counts(self, source: str) -> tuple[int, int, int, int]:
        """Rows in, accepted, quarantined, blank."""
        found = self.sources[source]
        return found.rows_in, found.accepted, found.quarantined, found.blank

    def reasons(self, source: str) -> dict[str, int]:
        return dict(self.sources[source].reasons)

    def rows(self, table: type[Table], *columns: str) -> list[tuple[Any, ...]]:
        """The table's rows in these columns, sorted; decimals and times as text."""
        found = self.lake.read(table).select(*columns).collect()
        return sorted((tuple(_plain(v) for v in row) for row in found), key=str)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime.datetime):
        return value.isoformat(sep=" ")
    return value if value is None or isinstance(value, bool | float) else str(value)


@pytest.fixture
def loaded(run_job: Callable[..., Context[Any]], tmp_path: Path) -> Any:
    def load_files(mapping: str, files: dict[str, str], *overrides: str) -> Loaded:
        folder = tmp_path / mapping
        folder.mkdir()
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8")
        # No holidays: what the library says is tested elsewhere, and each table costs a write.
        chosen = (f"ingest.mapping={mapping}", f"ingest.folder={folder}", "business.holiday_countries=[]")
        chosen = (*chosen, "business.privacy.pseudonymise=false")
        return Loaded(run_job(ingest, datetime.date(2020, 1, 1), *chosen, *overrides))

    return load_files


def test_every_ready_mapping_is_tested_here() -> None:
    text = Path(__file__).read_text(encoding="utf-8")
    assert [name for name in mappings() if f'loaded("{name}", {{' not in text] == []


def test_user_behavior(loaded: Any) -> None:
    """A01, A13: user_id, event, timestamp; a name of an event that nobody knows goes to quarantine."""
    found = loaded(
        "user_behavior",
        {
            "user_behavior.csv": (
                "user_id,event,timestamp\n"
                "u1,browse,2024-06-01 10:00:00\n"
                "u1,购买,2024-06-01T10:05:00Z\n"
                "u2,teleport,2024-06-01 11:00:00\n"  # no such event
                "u2,搜索,yesterday\n"  # no such time, so no day either
            )
        },
    )
    assert found.rows(Events, "user_id", "event_type", "ts", "event_date") == [
        ("u1", "purchase", "2024-06-01 10:05:00", "2024-06-01"),
        ("u1", "view", "2024-06-01 10:00:00", "2024-06-01"),
    ]
    assert found.counts("events") == (5, 2, 2, 1)  # the header is blank
    assert found.reasons("events") == {"unknown_event_type": 1, "unparsable_ts": 1, "missing_event_date": 1}
    assert found.rows(Users, "user_id") == [("u1",), ("u2",)]
    assert found.counts("users") == (3, 2, 0, 1)  # two users, not four rows


def test_user_behavior_data(loaded: Any) -> None:
    """A01, A13, B05: user_id, product_id, behavior_type, timestamp; 16:30Z is the next day in Shanghai."""
    found = loaded(
        "user_behavior_data",
        {
            "user_behavior_data.csv": (
                "user_id,product_id,behavior_type,timestamp\n"
                "u1,p1,pv,2026-11-10T16:30:00Z\n"  # half past midnight on the 11th in Shanghai
                "u1,p1,buy,2026-11-11 00:40:00\n"  # names no zone: Shanghai's, so 16:40Z
                "u1,p1,buy,2026-11-11 00:40:00\n"  # the same row again
            )
        },
        "business.timezone=Asia/Shanghai",
    )
    assert found.rows(Events, "product_id", "event_type", "ts", "event_date") == [
        ("p1", "purchase", "2026-11-10 16:40:00", "2026-11-11"),
        ("p1", "view", "2026-11-10 16:30:00", "2026-11-11"),
    ]
    assert found.reasons("events") == {"duplicate_row": 1}
    assert found.rows(Products, "product_id", "category") == [("p1", None)]


def test_sales_data(loaded: Any) -> None:
    """A06, A13: date, product_id, quantity, sales; a day of a product is one line, its sales the amount."""
    found = loaded(
        "sales_data",
        {
            "sales_data.csv": (
                "date,product_id,quantity,sales\n"
                "2024-06-01,p1,3,29.97\n"
                "2024-06-01,p2,1,5\n"
                "01/06/2024,p2,1,5\n"  # a date in another form is not guessed
            )
        },
        "business.timezone=America/New_York",
    )
    assert found.rows(OrderLines, "order_id", "line_no", "user_id", "quantity", "amount_paid", "order_date") == [
        ("2024-06-01-p1", "1", None, "3.000", "29.97", "2024-06-01"),
        ("2024-06-01-p2", "1", None, "1.000", "5.00", "2024-06-01"),
    ]
    assert found.reasons("order_lines") == {"unparsable_ts": 1, "missing_order_date": 1}
    assert found.rows(Products, "product_id") == [("p1",), ("p2",)]


def test_ratings(loaded: Any) -> None:
    """A07, A08, A13: a matrix of users and products becomes one review per rated cell."""
    found = loaded(
        "ratings",
        {
            "ratings.csv": (
                "user_id,p1,p2,p3\n"
                "u1,5,,3\n"
                "u2,0,7,2.5\n"  # 0 is no rating; 7 stars there are not
                "u3,1\n"  # too short: broken, kept whole
            )
        },
    )
    assert found.rows(Events, "user_id", "product_id", "event_type", "rating") == [
        ("u1", "p1", "review", 5.0),
        ("u1", "p3", "review", 3.0),
        ("u2", "p3", "review", 2.5),
    ]
    # Six cells, the header and the broken line; blank are the header, u1's empty cell and u2's 0.
    assert found.counts("events") == (8, 3, 2, 3)
    assert found.reasons("events") == {"broken_row": 1, "rating_out_of_range": 1}
    raw = {row.raw for row in found.lake.read(QUARANTINE[Events]).collect()}
    assert raw == {"u3,1", '{"user_id":"u2","product_id":"p2","rating":"7"}'}
    assert found.rows(Products, "product_id") == [("p1",), ("p2",), ("p3",)]


def test_online_retail(loaded: Any) -> None:
    """A03, A13: 'C…' invoices are returns, lines of nobody known are kept, postage is a service."""
    found = loaded(
        "online_retail",
        {
            "online_retail_II.csv": (
                "Invoice,StockCode,Description,Quantity,InvoiceDate,Price,Customer ID,Country\n"
                "489434,85048,15CM CHRISTMAS GLASS BALL 20 LIGHTS,12,2009-12-01 07:45:00,6.95,13085.0,United Kingdom\n"
                # Summer time: 23:30 in UTC.
                '489435,22350,"CAT BOWL, BLUE",12,2010-07-01 00:30:00,2.55,,United Kingdom\n'
                "C489449,85048,15CM CHRISTMAS GLASS BALL 20 LIGHTS,-1,2009-12-01 10:33:00,6.95,16321.0,Australia\n"
                # A cancellation written without the minus.
                "C496350,M,Manual,1,2010-02-01 08:24:00,373.57,,United Kingdom\n"
                "489436,POST,POSTAGE,1,2009-12-01 09:06:00,18.00,13085.0,United Kingdom\n"
                "A506401,B,Adjust bad debt,1,2010-04-29 13:36:00,-53594.36,,United Kingdom\n"  # no sale
                "489437,85048,damaged,-5,2009-12-01 09:10:00,0,,United Kingdom\n"
            )
        },
    )
    assert found.rows(OrderLines, "order_id", "user_id", "quantity", "amount_paid", "order_date") == [
        ("489434", "13085", "12.000", "83.40", "2009-12-01"),  # 12 × 6.95
        ("489435", None, "12.000", "30.60", "2010-07-01"),  # 12 × 2.55
        ("489436", "13085", "1.000", "18.00", "2009-12-01"),
        ("489437", None, "-5.000", "0.00", "2009-12-01"),
        ("C489449", "16321", "-1.000", "-6.95", "2009-12-01"),
        ("C496350", None, "-1.000", "-373.57", "2010-02-01"),
    ]
    flags = {row.order_id: row.flags for row in found.lake.read(OrderLines).collect()}
    assert flags["C489449"] == ["quantity_negative"] and flags["489434"] == []
    assert found.counts("order_lines") == (8, 6, 0, 2)  # blank: the header and the bad debt
    assert found.rows(Products, "product_id", "title", "department") == [
        ("22350", "CAT BOWL, BLUE", "goods"),
        ("85048", "15CM CHRISTMAS GLASS BALL 20 LIGHTS", "goods"),  # two lines against one "damaged"
        ("M", "Manual", "service"),
        ("POST", "POSTAGE", "service"),
    ]
    assert found.rows(Users, "user_id", "region") == [("13085", "United Kingdom"), ("16321", "Australia")]


def test_instacart(loaded: Any) -> None:
    """A12, A13: no dates, no prices; two files of one table, users and aisles looked up."""
    found = loaded(
        "instacart",
        {
            "orders.csv": (
                "order_id,user_id,eval_set,order_number,order_dow,order_hour_of_day,days_since_prior_order\n"
                "2539329,1,prior,1,2,08,\n"
                "1187899,1,train,11,4,08,14.0\n"
            ),
            "order_products__prior.csv": (
                "order_id,product_id,add_to_cart_order,reordered\n2539329,196,1,0\n2539329,14084,2,0\n"
            ),
            "order_products__train.csv": (
                "order_id,product_id,add_to_cart_order,reordered\n1187899,196,1,1\n1187899,196\n"  # one line cut off
            ),
            "products.csv": (
                "product_id,product_name,aisle_id,department_id\n"
                "196,Soda,77,7\n"
                '14084,"Organic Unsweetened Vanilla Almond Milk, 1L",91,16\n'
                "3,Robust Golden Unsweetened Oolong Tea,99,7\n"  # its aisle is in no list
            ),
            "aisles.csv": "aisle_id,aisle\n77,soft drinks\n91,soy lactosefree\n",
            "departments.csv": "department_id,department\n7,beverages\n16,dairy eggs\n",
        },
    )
    assert found.rows(Events, "user_id", "product_id", "session_id", "event_type") == [
        ("1", "14084", "2539329", "purchase"),
        ("1", "196", "1187899", "purchase"),
        ("1", "196", "2539329", "purchase"),
    ]
    assert found.counts("prior_purchases") == (3, 2, 0, 1)
    assert found.counts("train_purchases") == (3, 1, 1, 1)
    assert [r.source for r in found.lake.read(QUARANTINE[Events]).collect()] == ["train_purchases"]
    assert found.rows(Products, "product_id", "department", "category") == [
        ("14084", "dairy eggs", "soy lactosefree"),
        ("196", "beverages", "soft drinks"),
        ("3", "beverages", None),
    ]
    assert found.rows(Users, "user_id") == [("1",)]


def test_retailrocket(loaded: Any) -> None:
    """A01, A13, B05: milliseconds, three kinds of events, the category that an item had last."""
    found = loaded(
        "retailrocket",
        {
            "events.csv": (
                "timestamp,visitorid,event,itemid,transactionid\n"
                "1433221332117,257597,view,355908,\n"  # 2015-06-02 05:02:12.117 UTC
                "1433222276276,599528,addtocart,356475,\n"
                "1433222276276,599528,transaction,356475,4000\n"
                "soon,1,view,1,\n"
            ),
            "item_properties_part1.csv": (
                "timestamp,itemid,property,value\n"
                "1435460400000,355908,categoryid,1338\n"
                "1435460400000,355908,888,1116713 960601 n277.200\n"  # another property
            ),
            "item_properties_part2.csv": (
                "timestamp,itemid,property,value\n"
                "1441508400000,355908,categoryid,1173\n"  # it moved
                "999999999999,356475,categoryid,1338\n"
            ),
            "category_tree.csv": "categoryid,parentid\n1338,1278\n1173,805\n",
        },
    )
    assert found.rows(Events, "user_id", "event_type", "product_id", "session_id", "ts") == [
        ("257597", "view", "355908", None, "2015-06-02 05:02:12.117000"),
        ("599528", "cart", "356475", None, "2015-06-02 05:17:56.276000"),
        ("599528", "purchase", "356475", "4000", "2015-06-02 05:17:56.276000"),
    ]
    assert found.reasons("events") == {"unparsable_ts": 1, "missing_event_date": 1}
    assert found.rows(Products, "product_id", "category", "subcategory") == [
        ("355908", "805", "1173"),
        ("356475", "1278", "1338"),
    ]
    # Two products, two headers, one line of another property.
    assert found.counts("products") == (5, 2, 0, 3)


def test_hm(loaded: Any) -> None:
    """A03, A04, A13: ids keep their zeros, the same line twice is two pieces, hidden prices become readable."""
    customer = "000058a12d5b43e67d225668fa1f8d618c13dc232df0cad8ffe7ad4a1091e318"
    line = f"2018-09-20,{customer},0663713001,0.050830508474576264,2\n"
    found = loaded(
        "hm",
        {
            "transactions_train.csv": "t_dat,customer_id,article_id,price,sales_channel_id\n" + line + line,
            "articles.csv": (
                "article_id,product_code,prod_name,product_type_no,product_type_name,product_group_name,"
                "graphical_appearance_no,graphical_appearance_name,colour_group_code,colour_group_name,"
                "perceived_colour_value_id,perceived_colour_value_name,perceived_colour_master_id,"
                "perceived_colour_master_name,department_no,department_name,index_code,index_name,index_group_no,"
                "index_group_name,section_no,section_name,garment_group_no,garment_group_name,detail_desc\n"
                "0663713001,0663713,Atlanta Push Body Harlow,283,Underwear body,Underwear,1010016,Solid,9,Black,4,Dark,"
                "5,Black,1338,Expressive Lingerie,B,Lingeries/Tights,1,Ladieswear,61,Womens Lingerie,1017,"
                '"Under-, Nightwear","Lace push-up body with underwired, moulded cups."\n'
            ),
            "customers.csv": (
                "customer_id,FN,Active,club_member_status,fashion_news_frequency,age,postal_code\n"
                f"{customer},,,ACTIVE,NONE,49.0,52043ee2162cf5aa7ee79974281641c6f11a68d276429a91f8ca0d4b6efa8100\n"
                "0000423b00ade91418cceaf3b26c6af3dd342b51fd051eec9c12fb36984420fa,1.0,1.0,ACTIVE,Regularly,25.0,2973\n"
            ),
        },
    )
    order = f"2018-09-20-{customer}-2"
    assert found.rows(OrderLines, "order_id", "line_no", "product_id", "channel", "quantity", "amount_paid") == [
        (order, "1", "0663713001", "web", "1.000", "29.99"),  # 0.050830508… × 590
        (order, "2", "0663713001", "web", "1.000", "29.99"),
    ]
    assert found.counts("order_lines") == (3, 2, 0, 1)
    assert found.rows(Products, "product_id", "department", "category", "subcategory") == [
        ("0663713001", "Ladieswear", "Underwear", "Underwear body"),
    ]
    assert found.rows(Users, "member_tier", "consent_marketing") == [("ACTIVE", False), ("ACTIVE", True)]


def test_tafeng(loaded: Any) -> None:
    """A03, A04, A13: quoted fields, American dates, customers with zeros in front."""
    found = loaded(
        "tafeng",
        {
            "ta_feng_all_months_merged.csv": (
                '"TRANSACTION_DT","CUSTOMER_ID","AGE_GROUP","PIN_CODE","PRODUCT_SUBCLASS","PRODUCT_ID","AMOUNT","ASSET",'
                '"SALES_PRICE"\n'
                '"11/1/2000","01104905","45-49","115","110411","4710199010372","2","24","30"\n'
                '"11/1/2000","01104905","45-49","115","110401","4710363352000","1","44","46"\n'
                '"12/31/2000","00418683","45-49","115","120107","4710857472535","1","35","28"\n'
            )
        },
    )
    assert found.rows(OrderLines, "order_id", "user_id", "quantity", "amount_paid", "order_date", "ts") == [
        ("11/1/2000-01104905", "01104905", "1.000", "46.00", "2000-11-01", "2000-10-31 16:00:00"),  # midnight in Taipei
        ("11/1/2000-01104905", "01104905", "2.000", "30.00", "2000-11-01", "2000-10-31 16:00:00"),
        ("12/31/2000-00418683", "00418683", "1.000", "28.00", "2000-12-31", "2000-12-30 16:00:00"),
    ]
    assert sorted(row[0] for row in found.rows(OrderLines, "line_no")) == ["1", "1", "2"]
    assert found.rows(Products, "product_id", "category")[0] == ("4710199010372", "110411")
    assert found.rows(Users, "user_id", "age_band", "region") == [
        ("00418683", "45-49", "115"),
        ("01104905", "45-49", "115"),
    ]


def test_m5(loaded: Any) -> None:
    """A06, A13: wide days become long, dated by the calendar and priced by the week."""
    found = loaded(
        "m5",
        {
            "sales_train_evaluation.csv": (
                "id,item_id,dept_id,cat_id,store_id,state_id,d_1,d_2,d_8\n"
                "HOBBIES_1_001_CA_1_evaluation,HOBBIES_1_001,HOBBIES_1,HOBBIES,CA_1,CA,0,3,2\n"
                "FOODS_3_090_TX_1_evaluation,FOODS_3_090,FOODS_3,FOODS,TX_1,TX,0,0,4\n"  # no price in its week
            ),
            "calendar.csv": (
                "date,wm_yr_wk,weekday,wday,month,year,d,event_name_1,event_type_1,event_name_2,event_type_2,snap_CA,snap_TX,"
                "snap_WI\n"
                "2011-01-29,11101,Saturday,1,1,2011,d_1,,,,,0,0,0\n"
                "2011-01-30,11101,Sunday,2,1,2011,d_2,,,,,0,0,0\n"
                "2011-02-05,11102,Saturday,1,2,2011,d_8,,,,,1,0,1\n"
            ),
            "sell_prices.csv": (
                "store_id,item_id,wm_yr_wk,sell_price\nCA_1,HOBBIES_1_001,11101,9.58\nCA_1,HOBBIES_1_001,11102,8.26\n"
            ),
        },
    )
    assert found.rows(OrderLines, "order_id", "store_id", "quantity", "amount_paid", "order_date") == [
        ("CA_1-HOBBIES_1_001-2011-01-30", "CA_1", "3.000", "28.74", "2011-01-30"),  # 3 × 9.58
        ("CA_1-HOBBIES_1_001-2011-02-05", "CA_1", "2.000", "16.52", "2011-02-05"),  # 2 × 8.26
    ]
    # Six cells and the header: three cells without a sale and the header are blank, one has no price.
    assert found.counts("order_lines") == (7, 2, 1, 4)
    assert found.reasons("order_lines") == {"missing_amount_paid": 1, "missing_list_amount": 1}
    assert found.rows(Products, "product_id", "department", "category") == [
        ("FOODS_3_090", "FOODS", "FOODS_3"),
        ("HOBBIES_1_001", "HOBBIES", "HOBBIES_1"),
    ]
