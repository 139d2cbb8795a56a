#!/usr/bin/env bash
# Every check and test of the project, from a bare checkout; stops at the first that fails.
#
#   scripts/test.sh [PYTEST ARGUMENT…]     arguments are handed to pytest
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
JAVA_HOME="$("$python" -m promo_spark.runtime.requirements)"
export JAVA_HOME

step "$bin/ruff" check .
step "$bin/mypy"
step "$bin/lint-imports"
step "$python" -m pytest "$@" # the slow ones come last
