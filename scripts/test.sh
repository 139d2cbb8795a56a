#!/usr/bin/env bash
# Every check and test of the project, from a bare checkout; stops at the first that fails.
#
#   scripts/test.sh [PYTEST ARGUMENT…]     arguments are handed to pytest; -n 0: all tests in one process
#
# Environment variables: as in scripts/submit.sh.
set -euo pipefail

. "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
ready_environment demo dev cluster
cd "$root"

step() {
  printf '\n== %s\n' "$*" >&2
  "$@"
}

bin="$(dirname "$python")"
JAVA_HOME="$("$python" -m promo_spark.submission.requirements)"
export JAVA_HOME

# A thread per test process: with more, numpy waits for cores that others use.
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1

step "$bin/ruff" check .
step "$bin/ruff" format --check .
step "$bin/mypy" --num-workers auto
step "$bin/lint-imports"
# A file's tests share what they have made, so they stay together; files in the order that tests/conftest.py gives.
step "$python" -m pytest -n auto --dist loadfile --no-loadscope-reorder "$@"
