"""One run of one engine, in a process of its own: what a line on standard output says when it is done.

    python -m engine_works.one_run WORK ENGINE INPUT RESULT [WARM-UP INPUT]

The libraries are imported and a session is started first. Then the engine does the warm-up, if it is given one, and
after that what is timed: from reading the input to the result that is written. ENGINE `limit` measures the limit.
"""

from __future__ import annotations

import importlib
import json
import os
import shutil
import sys
import time
from pathlib import Path
from typing import Any

from engine_works.processes import cpu_seconds
from engine_works.works import WORKS

BEGINS = "the clock starts"


def main(work_name: str, engine_name: str, data: str, left: str, warm_up: str | None = None) -> None:
    work = WORKS[work_name]
    if engine_name == "limit":
        print(json.dumps({"limit_s": work.limit(Path(data))}), flush=True)
        return
    engine = next(e for e in work.engines if e.name == engine_name)
    for module in engine.modules:
        importlib.import_module(module)
    spark = _session(work_name) if engine.spark else None
    result, first = Path(left), None
    if warm_up:
        began = time.perf_counter()
        engine.run(Path(warm_up), result, spark)
        first = time.perf_counter() - began
        _removed(result)
    print(BEGINS, flush=True)  # whoever samples the memory begins now
    before, began = cpu_seconds(os.getpid()), time.perf_counter()
    engine.run(Path(data), result, spark)
    wall, cpu = time.perf_counter() - began, cpu_seconds(os.getpid()) - before
    print(json.dumps({"wall_s": wall, "cpu_s": cpu, "first_s": first}), flush=True)
    if spark is not None:
        spark.stop()


def _session(name: str) -> Any:
    from local_session import local_session

    from promo_spark.submission.local_mode import LARGER_INPUT_CONF

    return local_session(name, conf={**LARGER_INPUT_CONF, "spark.sql.shuffle.partitions": "4"})


def _removed(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
