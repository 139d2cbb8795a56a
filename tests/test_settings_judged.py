"""What is wrong with settings is said before Spark starts, with the key's name, on the submitter's own path."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
from pyspark.sql import types as T

from promo_spark.contracts import vocabulary
from promo_spark.contracts.features import UserProfile
from promo_spark.decisions.scenarios import registry
from promo_spark.errors import SettingsError
from promo_spark.models.forecasts.local_models import MODELS
from promo_spark.settings import load, validated
from promo_spark.settings.promote import WITHOUT_DEPTH
from promo_spark.submission.spark_submit import submit

DATABASE = 'kind="mysql", url="jdbc:postgresql://h/d", user_secret="env:U", password_secret="env:P"'
TOPIC = 'kind="kafka", servers="h:9092", topic="t"'
WRONG = [
    ('business.timezone="Europe/Berln"', r"business\.timezone: there is no time zone 'Europe/Berln'; write a name of"),
    ('business.timezone="Europe"', r"business\.timezone: there is no time zone 'Europe'"),  # a folder of zones
    ('business.timezone="../UTC"', r"business\.timezone: there is no time zone"),
    ('business.currency="EURO"', r"business\.currency: there is no currency EURO; there are: AED, "),
    ('business.currency="EUX"', r"business\.currency: there is no currency EUX"),
    ('business.currency="KWD"', r"business\.currency: amounts in KWD have 3 digits after the point"),
    ('business.currency="XYZ"', r"business\.currency: there is no currency XYZ"),
    ('business.holiday_countries=["DE", "QQ"]', r"business\.holiday_countries: QQ has no known holidays"),
    ("business.assumed_margin=nan", r"business\.assumed_margin: input should be a finite number, found nan"),
    ("promote.daily_budget=1e16", r"promote\.daily_budget: input should be less than or equal to 1\S+, found 1e\+16"),
    ("promote.daily_budget=inf", r"promote\.daily_budget: input should be .*, found inf"),
    ("promote.daily_budget=nan", r"promote\.daily_budget: input should be a finite number, found nan"),
    ("promote.min_margin=1.0", r"promote\.min_margin: input should be less than 1, found 1\.0"),
    ("promote.usual_elasticity=inf", r"promote\.usual_elasticity: input should be .*, found inf"),
    ("promote.depth_step=0", r"promote\.depth_step: input should be greater than or equal to 0\.01"),
    ("promote.welcome_amount=1e14", r"promote\.welcome_amount: input should be less than or equal to"),
    (
        "promote.mechanic_budgets.discounts=1.0",
        r"promote\.mechanic_budgets\.discounts: there is no mechanic discounts; ",
    ),
    ("promote.mechanic_budgets.none=1.0", r"promote\.mechanic_budgets\.none: there is no mechanic none; "),
    ('promote.scenarios=["bundle", "win_bakc"]', r"promote\.scenarios: there is no scenario win_bakc; there are: "),
    ('promote.scenarios=["bundle", "bundle"]', r"promote\.scenarios: bundle stands there twice"),
    ("promote.scenarios=[]", r"promote\.scenarios: list should have at least 1 item"),
    ("promote.depth.bundel=[0.1, 0.2]", r"promote\.depth\.bundel: there is no scenario bundel; there are: "),
    ("promote.depth.bundle=[0.3, 0.1]", r"promote\.depth\.bundle: the least comes first, found \[0\.3, 0\.1\]"),
    ("promote.depth.bundle=[0.3]", r"promote\.depth\.bundle: list should have at least 2 items"),
    (
        "promote.likely_buyer_bounds=[0.6, 0.2]",
        r"promote\.likely_buyer_bounds: the least comes first, found \[0\.6, 0\.2",
    ),
    (
        'promote.store_channel="web"',
        r"promote\.store_channel: web is one of promote\.online_channels: its coupon would be for what earned it",
    ),
    ('evaluate.since="2024-06-31"', r"evaluate\.since: write a day such as 2017-12-01, or \"\" .*, found '2024-06-31'"),
    ("evaluate.windows=[200]", r"evaluate: windows has 200 days, and evaluate\.most_days is 90: no more are looked at"),
    ("evaluate.windows=[28, 7]", r"evaluate\.windows: each number of days once, the fewest first, found \[28, 7\]"),
    ("adjust.explored=[0.1, 0.02]", r"adjust\.explored: the least comes first, found \[0\.1, 0\.02\]"),
    ("adjust.step=0.0", r"adjust\.step: input should be greater than 0"),
    (
        "adjust.challengers={fewer = {budget_factor = {all = 0.5}}}",
        r"fewer: budget_factor cannot be judged .*; a challenger",
    ),
    ("adjust.challengers={fewer = {}}", r"adjust\.challengers: fewer has no value, such as value_factor = "),
    ("adjust.challengers={prices = {}}", r"adjust\.challengers: prices is the policy of the dates itself"),
    (
        "adjust.challengers.fewer.value_factor={'mechanic:tea' = 2.0}",
        r"fewer: value_factor is of mechanic:NAME, scenario:",
    ),
    ("adjust.challengers.fewer.paused={'scenario:tea' = 1.0}", r"fewer: there is no scenario tea; there are: recom"),
    ("adjust.weekday=8", r"adjust\.weekday: input should be less than or equal to 7"),
    ('report.language="de-DE"', r"report\.language: input should be '', 'en-US' or 'zh-CN', found 'de-DE'"),
    (
        'business.privacy.encryption_key_secret="hunter2"',
        r"privacy\.encryption_key_secret: .*found a value that is not shown",
    ),
    ("maintain.vacuum_hours=167", r"maintain\.vacuum_hours: input should be greater than or equal to 168, found 167"),
    (
        "maintain.retention={'silver.events' = 0}",
        r"maintain\.retention\.silver\.events: input should be greater than 0",
    ),
    (
        "maintain.retention.silver.events=0",  # without the quotes that TOML asks for
        r"maintain\.retention\.silver\.events: input should be greater than 0",
    ),
    ("maintain.retention=7", r"maintain\.retention: write a table, such as { \"a\" = 1 }, found 7"),
    ('promote.fairness.attributes="age"', r"fairness\.attributes: write a list, such as \[\"a\", \"b\"\], found 'age'"),
    ("report.days=0", r"report\.days: input should be greater than 0"),
    ("report.least_group=0", r"report\.least_group: input should be greater than 0"),
    ('promote.fairness.gate="block"', r"promote\.fairness\.gate: input should be 'warn' or 'stop', found 'block'"),
    (
        'promote.fairness.attributes=["age"]',
        r"promote\.fairness\.attributes: there is no attribute of users age; there are",
    ),
    ('uplift.represented=["town"]', r"uplift\.represented: there is no attribute of users town; there are: gender"),
    ("propensity.reweight_above=0.0", r"propensity\.reweight_above: input should be greater than 0"),
    ("promote.fairness.least_users=4", r"promote\.fairness\.least_users: input should be greater than or equal to 5"),
    ("promote.store_coupon_spend=0.0", r"promote\.store_coupon_spend: input should be greater than 0"),
    ("promote.flash_days=8", r"promote\.flash_days: a flash sale holds no longer than promote\.valid_days, which is 7"),
    (
        "promote.holiday_lead_days=7",
        r"promote\.holiday_lead_days: an offer has to hold on the holiday: .* is 6, found 7",
    ),
    ("promote.stock_share=-0.1", r"promote\.stock_share: input should be greater than or equal to 0"),
    ("promote.department_budgets.TEA=-1.0", r"promote\.department_budgets\.TEA: input should be greater than or equal"),
    ("promote.group_shares.region=0.99", r"promote\.group_shares\.region: input should be greater than or equal to 1"),
    (
        "promote.group_shares.gender=1.2",
        r"promote\.group_shares.*: there is no attribute of users gender; there are: region",
    ),
    ("promote.max_offers_per_ring=0", r"promote\.max_offers_per_ring: input should be greater than 0"),
    ("promote.gift_max_cost=-0.01", r"promote\.gift_max_cost: input should be greater than or equal to 0"),
    ('promote.win_back_lifecycles=["asleep"]', r"promote\.win_back_lifecycles: there is no lifecycle asleep; "),
    ('promote.blocked_risk_tiers=["bad"]', r"promote\.blocked_risk_tiers: there is no risk tier bad; there are: low"),
    ('forecast.models_top=["Prophet"]', r"forecast\.models_top: there is no model Prophet; there are: SeasonalNaive"),
    ('forecast.models_regular=["TSB", "TSB"]', r"forecast\.models_regular: TSB stands there twice"),
    ("forecast.champion_margin=1", r"forecast\.champion_margin: input should be less than 1"),
    ('forecast.ensemble_regular=["Mean"]', r"forecast\.ensemble_regular: there is no model Mean; there are: SeasonalN"),
    ("forecast.intermittent_gap=inf", r"forecast\.intermittent_gap: input should be"),
    ("forecast.pooled.leaves=1", r"forecast\.pooled\.leaves: input should be greater than or equal to 2, found 1"),
    ("forecast.pooled.rate=0.0", r"forecast\.pooled\.rate: input should be greater than 0, found 0\.0"),
    ("forecast.supply.service_level=1.0", r"forecast\.supply\.service_level: input should be less than 1, found 1\.0"),
    ("forecast.refit_outside_95=1.5", r"forecast\.refit_outside_95: input should be less than or equal to 1"),
    (
        'forecast.refit="never"',
        r"forecast\.refit: input should be 'daily', 'weekly' or 'when it drifts', found 'never'",
    ),
    ('segment.features=["recency"]', r"segment\.features: there is no number of user_profile recency; there are: orde"),
    (
        'segment.algorithm="manhattan"',  # D03: what there is for these distances is named
        r"segment\.algorithm: there is no algorithm manhattan; there are: auto, kmeans, kmedians, bisecting, ward",
    ),
    ("segment.max_drift=-inf", r"segment\.max_drift: input should be"),
    (
        'segment.refit="monthly"',
        r"segment\.refit: input should be 'daily', 'weekly' or 'when it drifts', found 'monthly'",
    ),
    (
        "recommend.refit=never",
        r"recommend\.refit: input should be 'daily', 'weekly' or 'when it drifts', found 'never'",
    ),
    ("recommend.refit_without_vector=2", r"recommend\.refit_without_vector: input should be less than or equal to 1"),
    ('recommend.models=["items"]', r"recommend\.models: there is no recommender items; there are: item_neighbours, "),
    ('recommend.first_stage.measure="dice"', r"first_stage\.measure: input should be 'cosine', 'pearson' or 'jaccard'"),
    (
        'recommend.relevance.limits={"SPIRITS" = {age_band = ["25-34"]}}',
        r"limits.*: write a limit of department:NAME, category:NAME, subcategory:NAME, tag:NAME, found 'SPIRITS'",
    ),
    (
        'recommend.relevance.limits={"tag:x" = {town = ["a"]}}',
        r"limits.*: there is no attribute of users town; there ar",
    ),
    ("recommend.sessions.least_share=0.0", r"recommend\.sessions\.least_share: input should be greater than 0"),
    ("recommend.alpha=1e300", r"recommend\.alpha: input should be less than or equal to"),
    ('recommend.als.engine="spark"', r"recommend\.als\.engine: input should be 'blocked' or 'mllib', found 'spark'"),
    ("recommend.als.unobserved=0.0", r"recommend\.als\.unobserved: input should be greater than 0"),
    ("recommend.als.driver_pairs=-1", r"recommend\.als\.driver_pairs: input should be greater than or equal to 0"),
    ("recommend.als.broadcast_mb=4096", r"recommend\.als\.broadcast_mb: input should be less than or equal to 1024"),
    ("risk.medium_score=0.6", r"risk: medium_score, high_score and blocked_score have to rise, found \[0\.6, 0\.55"),
    ("risk.prior_share=0.0", r"risk\.prior_share: input should be greater than 0"),
    *(
        (f"export.targets.crm={{{given}}}", rf"export\.targets\.crm.*: {told}")
        for given, told in (
            ('kind="ftp"', "input should be 'csv', 'jsonl', 'postgresql', 'mysql' or 'kafka'"),
            ('kind="csv"', 'kind = "csv" needs path'),
            ('kind="csv", path="/x", table="offers"', 'table is not for kind = "csv"'),
            ('kind="csv", path="/x", what="summary", ids="channel"', "a summary has rows of groups, no users"),
            ('kind="csv", path="/x", parts=0', "input should be greater than 0"),
            ('kind="csv", path="/x{1}"', "Hadoop reads"),
            ('kind="mysql", url="jdbc:mysql://h/d"', 'kind = "mysql" needs user_secret and password_secret and table'),
            ('kind="mysql", url="jdbc:mysql://me:hunter2@h/d"', "no user and no password in a url"),
            ('kind="mysql", url="jdbc:oracle:thin"', "write it as jdbc:postgresql://"),
            (f'{DATABASE}, table="x"', 'kind = "mysql" needs a url that begins with jdbc:mysql://'),
            (f'{DATABASE}, table="a; DROP TABLE b"', "string should match pattern"),
            (
                f'{DATABASE.replace("mysql", "postgresql")}, table="{41 * "t"}"',
                "the name of a table has 40 letters at most",
            ),
            ('kind="xlsx", path="/x"', "input should be .* found 'xlsx'"),
            ('kind="kafka", servers="h:9092", topic="a b"', "string should match pattern"),
            ('kind="kafka", servers="h:9092", topic="t", parts=2', 'parts is not for kind = "kafka"'),
            (f'{TOPIC}, options={{acks="1"}}', "acks is set by the suite: without it offers could be lost"),
            (f'{TOPIC}, options={{"sasl.jaas.config"="hunter2"}}', "sasl.jaas.config is a secret: give a reference"),
            (f'{TOPIC}, options_secret={{"sasl.jaas.config"="hunter2"}}', ".*a value that is not shown"),
            ('kind="csv", path="/x", pw="hunter2"', "there is no such setting, found a value that is not shown"),
        )
    ),
    ("export.least_group=4", r"export\.least_group: input should be greater than or equal to 5, found 4"),
    (
        'export.targets={a={kind="csv", path="/x"}, b={kind="jsonl", path="/x/"}}',
        r"export: targets a and b both go to /x/: give each its own",
    ),
    ('stream.trigger="often"', r"stream\.trigger: write \"available_now\", or how often as \"60 seconds\""),
    (
        'stream.sources.a={mapping="clicks", format="csv", path="/in"}',
        "clicks, which is not in ingest.sources; there are",
    ),
    *(
        (f'stream.sources.a={{mapping="x", {given}}}', rf"stream\.sources\.a.*: {told}")
        for given, told in (
            ('format="csv"', 'format = "csv" needs a path'),
            ('format="csv", path="/in", topic="t"', 'topic is for format = "kafka" only'),
            ('format="kafka", topic="t"', 'format = "kafka" needs servers'),
            ('format="kafka", topic="t", servers="h:9092", path="/in"', 'format = "kafka" needs no path'),
            (
                'format="kafka", topic="t", servers="h:9092", options={"sasl.jaas.config"="hunter2"}',
                "sasl.jaas.config is a secret: give a reference to it in options_secret",
            ),
        )
    ),
    (
        'stream.sources={a={mapping="x", format="csv", path="/in"}, b={mapping="y", format="csv", path="/in/"}}',
        "stream: sources a and b both read /in: name one of them",
    ),
    ('lake.catalog="x; DROP TABLE y"', r"lake\.catalog: string should match pattern"),
    *(
        (f'{key}="/data/{folder}"', rf"{key}: Hadoop reads .* as a pattern or an escape: rename the folder")
        for key in (r"lake.root", "ingest.folder", "generate.folder")
        for folder in ("a{b,c}", "x [1]", "x%20y", "x*", "x?", "x\\\\y")
    ),
    ('pipeline.jobs=["ingest", "profil"]', r"pipeline\.jobs: there is no job profil; there are: adjust, baskets, "),
    ('pipeline.jobs=["pipeline"]', r"pipeline\.jobs: there is no job pipeline; there are: adjust, baskets, "),
]


@pytest.mark.parametrize(("override", "message"), WRONG, ids=[override for override, _ in WRONG])
def test_a_setting_that_makes_no_sense_is_refused_before_spark_starts(override: str, message: str) -> None:
    """The error names the key; nothing is written, no JVM is started."""
    with pytest.raises(SettingsError, match=message) as refused:
        submit(["pipeline", "--date", "2024-06-01", "--set", override, "--dry-run"])
    assert "hunter2" not in str(refused.value)


def test_a_scenario_without_its_depth_is_refused_by_name() -> None:
    values = load().model_dump(mode="json")
    del values["promote"]["depth"]["clearance"]
    with pytest.raises(SettingsError, match=r"promote\.depth: clearance is missing: the least and the greatest share"):
        validated(values)
    values["promote"]["scenarios"].remove("clearance")
    validated(values)


def test_a_refusal_takes_no_time() -> None:
    """Half a second of processor time, Python's own start included, and no Spark is even imported."""
    code = (
        "import resource, sys\n"
        "from promo_spark.errors import SettingsError\n"
        "from promo_spark.submission.spark_submit import submit\n"
        "try: submit(['promote', '--date', '2024-06-01', '--set', 'business.timezone=\"Europe/Berln\"'])\n"
        "except SettingsError: print('pyspark' in sys.modules, resource.getrusage(resource.RUSAGE_SELF).ru_utime)"
    )
    started = time.monotonic()
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[1]
    )
    imported, seconds = ran.stdout.split()
    assert imported == "False" and float(seconds) < 1.0 and time.monotonic() - started < 10


def test_the_names_that_settings_know_are_those_of_tables_and_rooms() -> None:
    numbers = [n for n, c in UserProfile.columns().items() if isinstance(c.type, T.NumericType)]
    assert list(vocabulary.PROFILE_NUMBERS) == [n for n in numbers if not n.endswith("_id")]
    assert list(vocabulary.FORECAST_MODELS) == list(MODELS)
    assert {*vocabulary.SCENARIOS} == {*registry(), "none"} and set(WITHOUT_DEPTH) < set(registry())
    assert set(load().promote.depth) == set(registry()) - set(WITHOUT_DEPTH)


def test_a_result_does_not_depend_on_where_its_inputs_lie() -> None:
    """The identity of a section is all of it but the settings that say where something lies, however deep."""
    here = load("world", ["ingest.folder=/data/here", "lake.root=/here"])
    there = load("world", ["ingest.folder=/data/there", "lake.root=/there"])
    assert here != there and here.identity() == there.identity()
    assert here.lake.identity() == {} and "folder" not in here.generate.identity()

    values = load(None, ["ingest.mapping=instacart"]).model_dump(mode="json")
    lookup = values["ingest"]["sources"]["prior_purchases"]["lookups"][0]
    before = validated(values).ingest.identity()
    lookup["path"] = values["ingest"]["sources"]["users"]["path"] = "/elsewhere/orders.csv"
    assert validated(values).ingest.identity() == before
    lookup["keys"] = {"order_id": "number"}  # what is read, not where
    assert validated(values).ingest.identity() != before
    assert load().promote.identity() == load().promote.model_dump(mode="json")
