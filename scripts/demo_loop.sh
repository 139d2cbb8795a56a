#!/usr/bin/env bash
# A small shop whose customers are simulated, a week of offers, and what they brought.
#
#   scripts/demo_loop.sh [FOLDER]
#
#   FOLDER                   where its files and tables go; default: world/demo. A relative one counts from the
#                            project's folder. One that holds something else is refused
#   --help                   this text
#
# Offers are decided for each day and played, and the next day knows what came of them: seven days. They hold two
# days, so that at the end is told what those of the first days brought. Called again, it goes on where it was
# stopped; once it is through, it tells the same again. What the jobs say goes to FOLDER/demo.log.
# Environment variables and exit codes: as of scripts/submit.sh.
set -euo pipefail

. "$(dirname "${BASH_SOURCE[0]}")/environment.sh"

case "${1:-}" in
  -h | --help)
    sed -n '2,/^set -euo/{ /^#/s/^# \{0,1\}//p; }' "$root/scripts/demo_loop.sh"
    exit 0
    ;;
esac

ready_environment
cd "$root"
PYTHONPATH="$root" exec "$python" scripts/demo_loop.py "$@"
