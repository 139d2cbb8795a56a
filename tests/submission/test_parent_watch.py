"""No driver outlives its spark-submit."""

from __future__ import annotations

import subprocess
import sys

from promo_spark.submission.parent_watch import TERMINATED

DRIVER = """
import time
from promo_spark.submission.parent_watch import end_with_spark_submit
end_with_spark_submit()
print("started", flush=True)
time.sleep(60)
"""


def test_a_driver_ends_when_its_standard_input_does_and_not_before() -> None:
    driver = subprocess.Popen([sys.executable, "-c", DRIVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert driver.stdin is not None and driver.stdout is not None
    assert driver.stdout.readline() == b"started\n"
    assert driver.poll() is None
    driver.stdin.close()
    assert driver.wait(timeout=30) == TERMINATED
