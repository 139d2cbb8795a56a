"""Executors that run another Python than the driver are refused by name."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from pyspark.errors import PySparkRuntimeError

from promo_spark.errors import RequirementError
from promo_spark.runtime.executor_python import check_executor_python


def session(master: str, failure: str) -> Any:
    """A session whose executors answer the first Python task with `failure`."""

    def collect() -> None:
        raise PySparkRuntimeError(failure)

    frame = SimpleNamespace(mapInArrow=lambda *_: SimpleNamespace(collect=collect))
    conf = SimpleNamespace(get=lambda *_: master)
    return SimpleNamespace(conf=conf, range=lambda *_, **__: frame)


def test_executors_with_another_python_are_refused_with_what_to_set() -> None:
    told = "Traceback\n[PYTHON_VERSION_MISMATCH] Python in worker has different version: 3.10 than that in driver: 3.11"
    with pytest.raises(RequirementError, match=r"worker has different version: 3\.10 .*\n.*ship_environment = true"):
        check_executor_python(session("spark://127.0.0.1:7077", told))
    with pytest.raises(RequirementError, match="No module named 'pyarrow'"):
        check_executor_python(session("yarn", "ModuleNotFoundError: No module named 'pyarrow'"))
    with pytest.raises(PySparkRuntimeError, match="disk full"):  # any other failure stays what it is
        check_executor_python(session("yarn", "disk full"))
    check_executor_python(session("local[2]", "never asked"))
