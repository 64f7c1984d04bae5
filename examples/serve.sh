#!/bin/sh
# serve.sh - installs what is missing, builds kelpie, and serves scripts/ on 127.0.0.1:8080
#
#   sh examples/serve.sh [arguments of `kelpie run`]
#
# then, from another terminal:  nc 127.0.0.1 8080
set -eu

cd "$(dirname "$0")/.."
sh src/dist/packages.sh run
mkdir -p build
cmake --preset release -DKELPIE_BUILD_TESTS=OFF -DKELPIE_BUILD_EXAMPLES=OFF >build/serve.log 2>&1 || { cat build/serve.log; exit 1; }
cmake --build --preset release --target kelpie_daemon >>build/serve.log 2>&1 || { cat build/serve.log; exit 1; }
exec build/release/kelpie run "$@" scripts
