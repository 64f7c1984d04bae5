#!/bin/sh
# run.sh - installs what is missing, builds kelpie with sanitizers, and runs all tests
#
#   sh tests/run.sh [arguments of ctest, for example -R conn]
#
# Longer work has targets of its own: see tests/README.md.
set -eu

cd "$(dirname "$0")/.."
sh src/dist/packages.sh test
cmake --preset dev
cmake --build --preset dev
exec ctest --preset dev "$@"
