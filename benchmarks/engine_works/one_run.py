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

from engine_works.processes import all_cpu_seconds, cpu_seconds
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
    spark = _session(work_name, Path(data)) if engine.spark else None
    result, first = Path(left), None
    if warm_up:
        began = time.perf_counter()
        engine.run(Path(warm_up), result, spark)
        first = time.perf_counter() - began
        _removed(result)
    print(BEGINS, flush=True)  # whoever samples the memory begins now
    own, every, began = cpu_seconds(os.getpid()), all_cpu_seconds(), time.perf_counter()
    engine.run(Path(data), result, spark)
    wall = time.perf_counter() - began
    own, every = cpu_seconds(os.getpid()) - own, all_cpu_seconds() - every
    others = max(every - own, 0.0) / wall
    print(json.dumps({"wall_s": wall, "cpu_s": own, "others_cores": others, "first_s": first}), flush=True)
    if spark is not None:
        spark.stop()


def _session(name: str, data: Path) -> Any:
    """With the properties and JVM options of the suite's local mode, which go by how much there is to read."""
    from local_session import local_session

    from promo_spark.submission import local_mode as mode

    if sum(file.stat().st_size for file in data.rglob("*")) <= mode.SMALL_INPUT_BYTES:
        conf, options = mode.SMALL_INPUT_CONF, [*mode.LOCAL_JAVA_OPTIONS, *mode.SMALL_INPUT_JAVA_OPTIONS]
    else:
        conf = {**mode.LARGER_INPUT_CONF, "spark.sql.shuffle.partitions": str(mode.PARTITIONS[0])}
        options = [*mode.LOCAL_JAVA_OPTIONS, *mode.LARGER_INPUT_JAVA_OPTIONS]
    return local_session(name, conf={**conf, mode.JAVA_OPTIONS: " ".join(options)})


def _removed(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
