"""The walls of the house hold: by the linter's contracts, and by rules on the text of every file."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from promo_spark.contracts.catalogue import ALL_TABLES
from promo_spark.contracts.model_features import meaning_of
from promo_spark.contracts.schema import Personal
from promo_spark.contracts.sensitive import SENSITIVE_ATTRIBUTES, declared_features
from promo_spark.contracts.vocabulary import PROFILE_NUMBERS, USER_ATTRIBUTES
from promo_spark.errors import ContractError
from promo_spark.features.labels.users import USER_FEATURES
from promo_spark.flows.recommend.pairs import RANKING
from promo_spark.learners.tables import FeatureTable
from promo_spark.models.uplift.response_model import FEATURES as RESPONSE_FEATURES
from tests.conftest import LONGEST, WITHOUT_SPARK

PROJECT = Path(__file__).resolve().parents[1]
JOB_FILES = sorted(p for p in (PROJECT / "jobs").glob("*.py") if not p.stem.startswith("_"))
PRODUCT_FILES = sorted([*(PROJECT / "promo_spark").rglob("*.py"), *(PROJECT / "jobs").rglob("*.py")])
MOST_LINES_OF_RUN = 25
MOST_BARE_COLUMNS = 100
MOST_LINES_OF_FILE = 400

# Methods of frames, windows and groups that take names of columns; and functions of which not every text is one.
COLUMN_METHODS = {
    *("select", "selectExpr", "groupBy", "groupby", "drop", "withColumn", "withColumns", "withColumnRenamed"),
    *("withColumnsRenamed", "join", "orderBy", "sort", "sortWithinPartitions", "partitionBy", "dropDuplicates"),
    *("alias", "agg", "fillna", "dropna", "unpivot", "pivot", "getField", "repartition", "repartitionByRange"),
    *("cube", "rollup"),
}
NO_COLUMNS = {"lit", "expr", "raise_error", "format_string", "hint", "when"}
FIRST_IS_COLUMN = {
    *("date_format", "to_date", "to_timestamp", "regexp_replace", "rlike", "conv", "sha2", "from_json", "to_json"),
    *("try_to_timestamp", "try_to_date", "get_json_object", "from_utc_timestamp", "to_utc_timestamp", "split"),
    *("lpad", "rpad", "translate", "trunc", "date_trunc", "json_object_keys"),
}
COLUMN_NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_*]\w*)*")
KINDS_OF_JOIN = {"inner", "left", "left_anti", "left_semi", "outer", "cross", "right", "full"}


def texts_in(node: ast.AST) -> Iterator[ast.Constant]:
    """The literal texts of an argument: itself, or the elements of a list, or the keys of a dict."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node
    elif isinstance(node, (ast.List, ast.Tuple, ast.Set)):
        for element in node.elts:
            yield from texts_in(element)
    elif isinstance(node, ast.Starred):
        yield from texts_in(node.value)
    elif isinstance(node, ast.Dict):
        for key in node.keys:
            if key is not None:
                yield from texts_in(key)


def column_arguments(call: ast.Call) -> list[ast.AST]:
    """The arguments of a call that are columns, if it is a call that takes columns."""
    if not isinstance(call.func, ast.Attribute) or isinstance(call.func.value, ast.Constant):
        return []
    name, owner = call.func.attr, call.func.value
    if isinstance(owner, ast.Name) and owner.id == "F":
        if name in NO_COLUMNS:
            return []
        if name == "concat_ws":
            return list(call.args[1:])
        return list(call.args[:1] if name in FIRST_IS_COLUMN else call.args)
    if name not in COLUMN_METHODS:
        return []
    if name == "join":
        return [*call.args[1:2], *(k.value for k in call.keywords if k.arg == "on")]
    if name == "withColumn":
        return list(call.args[:1])
    return [*call.args, *(k.value for k in call.keywords if k.arg == "subset")]


def bare_columns(tree: ast.AST) -> list[ast.Constant]:
    """The names of columns that are written as text."""
    return [
        text
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        for argument in column_arguments(node)
        for text in texts_in(argument)
        if COLUMN_NAME.fullmatch(str(text.value)) and text.value not in KINDS_OF_JOIN
    ]


def test_columns_are_named_by_contracts() -> None:
    found = [
        f"{file.relative_to(PROJECT)}:{text.lineno} {text.value!s}"
        for file in PRODUCT_FILES
        for text in bare_columns(ast.parse(file.read_text(encoding="utf-8")))
    ]
    assert len(found) <= MOST_BARE_COLUMNS, "\n".join(found)


def test_bare_columns_are_seen_wherever_a_column_can_stand() -> None:
    """The count itself: names in calls, lists and keys count; values, patterns and kinds of join do not."""
    text = """
rows.select("user_id", F.col("a.b"), F.lit("x")).join(other, ["user_id"], "left_anti")
rows.withColumns({"n": F.count("*")}).withColumn("t", F.concat_ws("|", "p"))
F.when(F.col(Users.user_id) == "bob", F.regexp_replace("q", "from", "to"))
"""
    named = sorted(str(t.value) for t in bare_columns(ast.parse(text)))
    assert named == ["a.b", "n", "p", "q", "t", "user_id", "user_id"]


@pytest.mark.parametrize("file", JOB_FILES, ids=lambda file: file.stem)
def test_a_job_is_its_declaration_and_its_flow(file: Path) -> None:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    imported = {
        f"{node.module}.{alias.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert not {name for name in imported if name.startswith("pyspark")}
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    for function in functions:
        lines = (function.end_lineno or 0) - function.lineno + 1
        assert lines <= MOST_LINES_OF_RUN, f"{file.name}: {function.name} has {lines} lines"
    assert {f.name for f in functions} <= {"run"}


def test_storage_is_reached_through_what_a_job_declares() -> None:
    """No file of a job, room or flow opens a table, a path or SQL by itself; ingest's flow asks the own lake only."""
    found = []
    for file in PRODUCT_FILES:
        place = file.relative_to(PROJECT)
        if place.parts[:2] in {("promo_spark", room) for room in ("storage", "runtime", "reports")}:
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute):
                whole = ast.unparse(node)
                opens = node.attr in {"whole_lake", "_lake"} or re.search(r"\bspark\.(read|sql|table|catalog)\b", whole)
                of_ingest = place.parts[:3] in {("promo_spark", "flows", "ingest")}
                if opens or (node.attr == "lake" and not of_ingest and whole.startswith("ctx")):
                    found.append(f"{place}:{node.lineno} {whole}")
    assert not found


# What offers, values and prices are made by; and where a region may be named: it says which store is meant, and what of
# the budget a group of users may have.
PRICING = [
    ("promo_spark", "decisions"),
    ("promo_spark", "models"),
    ("promo_spark", "learners"),
    ("promo_spark", "features"),
]
REGION_MAY_BE_NAMED = {
    "promo_spark/decisions/users.py",
    "promo_spark/decisions/scenarios/store_coupon.py",
    "promo_spark/features/users/profile.py",
}


def sensitive_names(tree: ast.AST) -> set[str]:
    """The sensitive attributes that code names, as a column of a contract or as a text; docstrings do not count."""
    attributes = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    texts = {str(node.value) for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    targets = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    return (attributes | texts | targets) & SENSITIVE_ATTRIBUTES


def test_no_price_follows_from_who_somebody_is() -> None:
    """N07: neither what learns and values nor what decides names gender, age, income or the like, but for a region."""
    found = {}
    for file in PRODUCT_FILES:
        place = file.relative_to(PROJECT)
        if place.parts[:2] in PRICING:
            named = sensitive_names(ast.parse(file.read_text(encoding="utf-8")))
            found[str(place)] = named - ({"region"} if str(place) in REGION_MAY_BE_NAMED else set())
    assert len(found) > 100 and not {place: named for place, named in found.items() if named}
    assert sensitive_names(ast.parse("users.select(Users.age_band, 'gender')\nregion = 1")) == {
        "age_band",
        "gender",
        "region",
    }
    assert not SENSITIVE_ATTRIBUTES & {*PROFILE_NUMBERS, *USER_FEATURES, *RANKING, *RESPONSE_FEATURES}
    with_them = {
        (table.full_name(), name)
        for table in ALL_TABLES
        for name, kind in table.personal().items()
        if kind is Personal.ATTRIBUTE and table.layer in ("features", "models", "decisions")
    }
    assert with_them == {("features.user_profile", "region")}


def test_a_sensitive_feature_is_refused_where_it_is_declared_and_where_it_is_learnt() -> None:
    """N07: a model that declares one cannot be imported, and a learner that is given one fits nothing."""
    with pytest.raises(ContractError, match=r"gender is a sensitive attribute of silver\.users: .* Take it out"):
        declared_features("recency_days", "gender")
    with pytest.raises(ContractError, match=r"age_band, region are sensitive attributes"):
        FeatureTable(("region", "order_days", "age_band"), np.zeros((1, 3)))
    for job, names in (("propensity", USER_FEATURES), ("recommend", RANKING), ("uplift", RESPONSE_FEATURES)):
        assert not [name for name in names if meaning_of(job, name) is None]  # each has a contract that says what it is
    assert set(USER_ATTRIBUTES) - SENSITIVE_ATTRIBUTES == {"member_tier"}  # what the shop gave, not who somebody is


def test_no_file_outgrows_one_idea() -> None:
    long = {str(f.relative_to(PROJECT)): len(f.read_text("utf-8").splitlines()) for f in PRODUCT_FILES}
    assert not {name: lines for name, lines in long.items() if lines > MOST_LINES_OF_FILE}


def test_the_order_of_the_tests_names_files_that_there_are() -> None:
    assert [name for name in (*LONGEST, *WITHOUT_SPARK) if not (PROJECT / "tests" / name).is_file()] == []


def test_the_formatter_has_no_exceptions() -> None:
    marks = ("# fmt: " + "skip", "# fmt: " + "off")
    files = [
        f
        for folder in ("promo_spark", "jobs", "tests", "scripts", "benchmarks")
        for f in (PROJECT / folder).rglob("*.py")
    ]
    assert not [f for f in files if any(mark in f.read_text(encoding="utf-8") for mark in marks)]


CHURN = '''"""Score who may leave."""

from jobs import profile
from promo_spark.contracts.models import Metrics
from promo_spark.contracts.restricted import Persons
from promo_spark.contracts.silver import OrderLines
from promo_spark.runtime.job import Context, Everyone, job
from promo_spark.settings.segment import SegmentSettings


@job(
    reads=[Everyone(OrderLines, why="everybody may leave")],
    writes=[Metrics],
    settings=SegmentSettings,
)
def run(ctx: Context[SegmentSettings]) -> None:
    names = ctx.whole_lake.read(Persons)
    ctx.metrics(ctx.read_everyone(OrderLines).join(names, profile.run.name))
'''


def test_a_job_that_breaks_every_wall_is_refused(tmp_path: Path) -> None:
    """A file jobs/churn.py reads persons through the lake, imports another job, and uses who refused profiling."""
    for folder in ("jobs", "promo_spark"):
        shutil.copytree(PROJECT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(PROJECT / "pyproject.toml", tmp_path)
    (tmp_path / "jobs" / "churn.py").write_text(CHURN)
    linter = Path(sys.executable).parent / "lint-imports"
    ran = subprocess.run([linter, "--no-cache"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    told = " ".join(ran.stdout.split())
    assert "jobs.churn -> promo_spark.contracts.restricted" in told
    assert "jobs.churn -> jobs.profile" in told
    # The lake by its back door is refused by the rule on texts; whoever refused profiling by the list of reasons.
    opened = [ast.unparse(n) for n in ast.walk(ast.parse(CHURN)) if isinstance(n, ast.Attribute)]
    assert "ctx.whole_lake" in opened
    page = (PROJECT / "docs" / "privacy.md").read_text(encoding="utf-8")
    assert "| churn |" not in page, "tests/test_docs.py holds the page to the jobs: churn would have to stand in it"
