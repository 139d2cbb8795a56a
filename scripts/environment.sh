# Sourced by the scripts beside it: makes .venv hold the project with the wanted extras.
#
#   ready_environment EXTRA…     sets $root and $python; returns at once when nothing has changed

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)"
venv="${PROMO_SPARK_VENV:-$root/.venv}"
python="$venv/bin/python"

fail() {
  printf 'error: %s\n' "$*" >&2
  exit 7
}

# Runs a command silently; its output is shown only when it fails.
quietly() {
  local log
  log="$(mktemp)"
  if ! "$@" >"$log" 2>&1; then
    cat "$log" >&2
    rm -f "$log"
    return 1
  fi
  rm -f "$log"
}

base_python() {
  local candidate
  for candidate in ${PROMO_SPARK_PYTHON:-python3.11 python3.12 python3.13 python3.10 python3}; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then
      printf '%s\n' "$candidate"
      return
    fi
  done
  if [ -n "${PROMO_SPARK_PYTHON:-}" ]; then
    fail "PROMO_SPARK_PYTHON=$PROMO_SPARK_PYTHON is not a Python 3.10 or newer"
  fi
  case "$(uname -s)" in
    Darwin) fail "Python 3.10 or newer is needed. Install it:  brew install python@3.11" ;;
    *) fail "Python 3.10 or newer is needed. Install it, such as  sudo apt-get install python3 python3-venv" \
      " or  sudo dnf install python3.11; or set PROMO_SPARK_PYTHON to one that is installed" ;;
  esac
}

# The stamp of an extra is the file that it was installed from: one comparison tells whether it still holds.
not_installed() {
  local extra
  for extra in spark read "$@"; do
    cmp -s "$root/pyproject.toml" "$venv/installed/$extra" || printf '%s\n' "$extra"
  done
}

ready_environment() {
  local base wanted
  wanted="$(not_installed "$@")"
  [ -z "$wanted" ] && return
  base="$(base_python)" || exit $?
  (cd "$root" && "$base" -m promo_spark.submission.requirements >/dev/null) || exit $?
  if command -v flock >/dev/null; then # of two first calls at once, the second finds the first one's work
    mkdir -p "$root/.cache"
    exec 8>"$root/.cache/install.lock"
    flock 8
    wanted="$(not_installed "$@")"
  fi
  [ -z "$wanted" ] || install_environment "$base" $wanted
  exec 8>&-
}

install_environment() {
  local base="$1" extra extras
  shift
  if ! "$python" -c '' 2>/dev/null; then
    printf 'Creating %s with %s\n' "$venv" "$("$base" --version)" >&2
    quietly "$base" -m venv --clear "$venv" ||
      fail "no virtual environment could be made; on Debian or Ubuntu:  sudo apt-get install python3-venv"
  fi
  extras="$(IFS=, && printf '%s' "$*")"
  printf 'Installing promo_spark with %s (a few minutes the first time)\n' "$extras" >&2
  # Without --no-compile pip spends as long again on compiling all packages; Python compiles what is imported, when it is.
  quietly "$python" -m pip install --disable-pip-version-check --no-compile --editable "$root[$extras]" ||
    fail "pip could not install the project; the reason is above"
  mkdir -p "$venv/installed"
  for extra in "$@"; do
    cp "$root/pyproject.toml" "$venv/installed/$extra"
  done
}
