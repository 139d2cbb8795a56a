"""Ids are keys: never a feature of a model, and encoded as integers without loss."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

import promo_spark
from promo_spark.contracts.features import UserProfile
from promo_spark.errors import SettingsError
from promo_spark.models.recommenders.mllib_als import dense_ids
from promo_spark.models.segments.scaling import checked_features
from promo_spark.settings import Settings

# The only module that assembles vectors: of the features of the settings, which checked_features has passed.
ASSEMBLES_CHECKED_FEATURES = "models/segments/algorithms.py"


def assembled_columns(source: str) -> list[str] | None:
    """The column names written into the calls of VectorAssembler; None without such a call."""
    calls = [
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("VectorAssembler")
    ]
    inputs = [k.value for call in calls for k in call.keywords if k.arg == "inputCols"]
    texts = [n.value for node in inputs for n in ast.walk(node) if isinstance(n, ast.Constant)]
    return [str(text) for text in texts] if calls else None


def test_ids_are_no_features_and_their_mapping_is_a_bijection(spark: SparkSession, settings: Settings) -> None:
    """C16: no *_id column is an input of a VectorAssembler, and dense ids map keys one to one."""
    package = Path(promo_spark.__file__).parent
    columns = {
        str(file.relative_to(package)): names
        for file in package.rglob("*.py")
        if (names := assembled_columns(file.read_text(encoding="utf-8"))) is not None
    }
    assert columns == {ASSEMBLES_CHECKED_FEATURES: []}  # no name is written there, so none is an id
    assert assembled_columns("VectorAssembler(inputCols=['user_id', x], outputCol='v')") == ["user_id"]
    assert checked_features(settings.segment.features) == settings.segment.features
    ids = [name for name in UserProfile.columns() if name.endswith("_id")]
    assert {"user_id", "main_store_id"} <= set(ids)
    for name in ids:
        with pytest.raises(SettingsError, match=rf"segment\.features: {name} cannot be used"):
            checked_features([*settings.segment.features, name])

    keys = spark.createDataFrame([(f"u{i}",) for i in range(300)], "user_id string")
    mapping = dense_ids(keys.repartition(7), "user_id", "id")
    rows, users, numbers = mapping.agg(F.count("*"), F.count_distinct("user_id"), F.count_distinct("id")).collect()[0]
    assert rows == users == numbers == 300
    assert mapping.join(keys, "user_id", "left_anti").isEmpty()
