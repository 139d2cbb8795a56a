#!/usr/bin/env bash
# Runs a job of promo_spark through spark-submit, here or on a cluster, and exits with its code.
#
#   scripts/submit.sh JOB [--env NAME] [--date YYYY-MM-DD] [--set section.key=value]… [--force] [--dry-run]
#
#   JOB                      a job, see the list below; `pipeline` runs the whole daily loop
#   --env NAME               settings of conf/NAME.toml on top of conf/base.toml: demo, world, standalone, yarn, kubernetes
#   --conf DIR               a folder of settings files of your own, looked into before conf/
#   --date YYYY-MM-DD        the date to decide for; only earlier days are used
#   --from D1 --to D2        of pipeline: every date of a span, in order; stopped, it goes on where it stopped
#   --set section.key=value  override one setting of conf/; the value is TOML or a bare word; may be repeated
#   --force                  run even if the tables hold this result already
#   --check                  of ingest: show how sources are understood by their first rows, and write nothing
#   --dry-run                print the exact spark-submit line and stop
#   --help                   this text; after a JOB: that job's description
#
# Environment variables:
#   JAVA_HOME                Java 17 or newer; default: the one on PATH, else one that is installed
#   PROMO_SPARK_PYTHON       the Python 3.10 or newer to build .venv with; default: python3.11 and others on PATH
#   PROMO_SPARK_VENV         another place for the virtual environment; default: .venv beside the scripts
#   HADOOP_CONF_DIR          the YARN cluster's configuration, for --env yarn
#
# The first call makes .venv, installs the project, fetches Delta's JARs into .cache and prepares faster
# starts. Relative paths in settings count from the project's folder, wherever this is called from.
# Exit codes: 0 done · 1 unexpected · 2 settings or options · 3 source · 4 contract · 5 invariant ·
# 6 missing data · 7 Java, Python, memory, JARs or cluster · 8 another run holds the tables ·
# 20 to 29 an alarm, see docs/alarms.md · 130 stopped by Ctrl-C · 143 stopped by SIGTERM.
set -euo pipefail

. "$(dirname "${BASH_SOURCE[0]}")/environment.sh"

help() {
  sed -n '2,/^set -euo/{ /^#/s/^# \{0,1\}//p; }' "$root/scripts/submit.sh"
  printf '\nJobs:\n'
  local file
  for file in "$root"/jobs/[a-z]*.py "$root"/jobs/commands/[a-z]*.py; do
    printf '  %-12s %s\n' "$(basename "$file" .py)" "$(sed -n '1{ s/^"""//; s/"""$//; p; }' "$file")"
  done
}

case "${1:---help}" in
  -h | --help)
    help
    exit 0
    ;;
esac

if ! [ -f "$root/jobs/$1.py" ] && ! [ -f "$root/jobs/commands/$1.py" ]; then # said before anything is installed
  printf 'error: there is no job %q; scripts/submit.sh --help lists them\n' "$1" >&2
  exit 2
fi

extras=()
for argument in "$@"; do
  case "$argument" in
    demo | --env=demo) extras=(demo) ;; # the demo's retailer is a package of its own
  esac
done
ready_environment ${extras[@]+"${extras[@]}"}

cd "$root"
exec "$python" -m promo_spark.submission.spark_submit "$@"
