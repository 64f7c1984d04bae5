#!/bin/sh
# lint_lua.sh - every Lua file passes luacheck; exits 77 without luacheck
set -eu

cd "$(dirname "$0")/.."
command -v luacheck >/dev/null 2>&1 || { echo "skipped: luacheck is not installed"; exit 77; }
files=$(find scripts examples src/lua tests -name '*.lua' ! -path '*/bad/*' ! -path '*/hostile/*')
# shellcheck disable=SC2086
luacheck --quiet $files
