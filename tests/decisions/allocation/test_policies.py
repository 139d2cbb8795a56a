"""Other policies than prices: the greedy baseline, and what another package brings."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pyspark.sql import SparkSession

from promo_spark.decisions.allocation.policies import by_policy, greedy
from promo_spark.decisions.allocation.prices import allocated_by_prices, solved
from promo_spark.decisions.allocation.repair import filled_in_order
from promo_spark.decisions.allocation.user_options import UserOptions
from promo_spark.errors import ContractError
from tests.decisions.allocation.instances import broken, instance


@pytest.mark.parametrize("seed", range(12))
def test_what_is_taken_in_order_keeps_every_limit_and_leaves_nothing_that_fits(seed: int) -> None:
    of, most = instance(seed, users=40, candidates=6, room=2, tight=0.1)
    order = np.lexsort((-of.value,))
    chosen = filled_in_order(of, most, order)
    assert not broken(of, most, chosen)
    bound, _ = solved(of, most)
    assert 0 < of.value[chosen].sum() <= bound.bound + 1
    for option in np.flatnonzero(~chosen):
        more = chosen.copy()
        more[option] = True
        assert broken(of, most, more), f"option {option} fits, and was left"


def test_greedy_takes_what_brings_most_for_its_part_of_all_limits(spark: SparkSession) -> None:
    """Of 10 units: 9 for 6 and 2 for 2 come first, 10 for 10, which is best alone, no longer fits."""
    rows = [
        {"user_id": "a", "room": 1, "options": [("a1", 9, ["product:1"], [("daily", 6)])]},
        {"user_id": "b", "room": 1, "options": [("b1", 10, ["product:1"], [("daily", 10)])]},
        {
            "user_id": "c",
            "room": 2,
            "options": [("c1", 2, ["product:1"], [("daily", 2)]), ("c2", 2, ["product:1"], [])],
        },
    ]
    options = UserOptions.frame(spark, rows)
    chosen = greedy(options, {"daily": 10})
    assert sorted(chosen.collect()) == [("a", "a1"), ("c", "c2")]  # c2 uses nothing, and is about the same as c1
    best = allocated_by_prices(options, {"daily": 10}, sample_users=10, frontier_of="daily")
    told = by_policy(best, chosen, options, "greedy")
    assert (told.value_micro, told.bound_micro) == (11, best.bound_micro)
    with pytest.raises(ContractError, match=r"promote.policy mine chose 1 offers that could not be made"):
        by_policy(best, spark.createDataFrame([("a", "b1")], "user_id string, promotion_id string"), options, "mine")


ASKED = """
from promo_spark.decisions.allocation.policies import policy
from promo_spark.settings import load
print(load(None, ["promote.policy=" + chr(34) + "mine" + chr(34)]).promote.policy, policy("mine"))
"""


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ("mine = rules:chosen", "mine <function chosen"),
        ("mine = rules:NONE", "rules:NONE of promo_spark.policies has to"),
    ],
)
def test_another_package_brings_its_policy_without_a_fork(tmp_path: Path, entry: str, told: str) -> None:
    (tmp_path / "rules.py").write_text("def chosen(options, limits): ...\nNONE = 3\n")
    (installed := tmp_path / "rules-1.0.dist-info").mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: rules\nVersion: 1.0\n")
    (installed / "entry_points.txt").write_text(f"[promo_spark.policies]\n{entry}\n")
    found = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    done = subprocess.run([sys.executable, "-c", ASKED], env=found, capture_output=True, text=True, check=False)
    assert told in done.stdout + done.stderr, done.stderr
