#!/usr/bin/env bash
# Builds what runs elsewhere, into dist/: the wheel, and the zip for spark-submit --py-files.
#
#   scripts/package.sh
#
# Environment variables: as in scripts/submit.sh.
set -euo pipefail

. "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
ready_environment
cd "$root"

version="$("$python" -c 'import promo_spark; print(promo_spark.__version__)')"
mkdir -p dist
quietly "$python" -m pip wheel --disable-pip-version-check --no-deps --wheel-dir dist "$root" ||
  fail "the wheel could not be built; the reason is above"
cp "$("$python" -c 'from promo_spark.submission.shipment import package_zip; print(package_zip())')" \
  "dist/promo_spark-$version.zip"
printf '%s\n' "dist/promo_spark-$version-py3-none-any.whl" "dist/promo_spark-$version.zip"
