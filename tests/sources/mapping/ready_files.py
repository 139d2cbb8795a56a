"""A few lines of each data set that a ready mapping of conf/sources reads, in its real format, by file."""

from __future__ import annotations

HM_CUSTOMER = "000058a12d5b43e67d225668fa1f8d618c13dc232df0cad8ffe7ad4a1091e318"
_HM_LINE = f"2018-09-20,{HM_CUSTOMER},0663713001,0.050830508474576264,2\n"

FILES: dict[str, dict[str, str]] = {
    "user_behavior": {
        "user_behavior.csv": (
            "user_id,event,timestamp\n"
            "u1,browse,2024-06-01 10:00:00\n"
            "u1,购买,2024-06-01T10:05:00Z\n"
            "u2,teleport,2024-06-01 11:00:00\n"  # no such event
            "u2,搜索,yesterday\n"  # no such time, so no day either
        )
    },
    "user_behavior_data": {
        "user_behavior_data.csv": (
            "user_id,product_id,behavior_type,timestamp\n"
            "u1,p1,pv,2026-11-10T16:30:00Z\n"  # half past midnight on the 11th in Shanghai
            "u1,p1,buy,2026-11-11 00:40:00\n"  # names no zone: Shanghai's, so 16:40Z
            "u1,p1,buy,2026-11-11 00:40:00\n"  # the same row again
        )
    },
    "sales_data": {
        "sales_data.csv": (
            "date,product_id,quantity,sales\n"
            "2024-06-01,p1,3,29.97\n"
            "2024-06-01,p2,1,5\n"
            "01/06/2024,p2,1,5\n"  # a date in another form is not guessed
        )
    },
    "ratings": {
        "ratings.csv": (
            "user_id,p1,p2,p3\n"
            "u1,5,,3\n"
            "u2,0,7,2.5\n"  # 0 is no rating; 7 stars there are not
            "u3,1\n"  # too short: broken, kept whole
        )
    },
    "online_retail": {
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
    "instacart": {
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
    "retailrocket": {
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
    "hm": {
        "transactions_train.csv": "t_dat,customer_id,article_id,price,sales_channel_id\n" + _HM_LINE + _HM_LINE,
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
            f"{HM_CUSTOMER},,,ACTIVE,NONE,49.0,52043ee2162cf5aa7ee79974281641c6f11a68d276429a91f8ca0d4b6efa8100\n"
            "0000423b00ade91418cceaf3b26c6af3dd342b51fd051eec9c12fb36984420fa,1.0,1.0,ACTIVE,Regularly,25.0,2973\n"
        ),
    },
    "tafeng": {
        "ta_feng_all_months_merged.csv": (
            '"TRANSACTION_DT","CUSTOMER_ID","AGE_GROUP","PIN_CODE","PRODUCT_SUBCLASS","PRODUCT_ID","AMOUNT","ASSET",'
            '"SALES_PRICE"\n'
            '"11/1/2000","01104905","45-49","115","110411","4710199010372","2","24","30"\n'
            '"11/1/2000","01104905","45-49","115","110401","4710363352000","1","44","46"\n'
            '"12/31/2000","00418683","45-49","115","120107","4710857472535","1","35","28"\n'
        )
    },
    "m5": {
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
}
