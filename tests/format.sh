#!/bin/sh
# format.sh - all C is as clang-format leaves it; exits 77 without clang-format 14 or newer
set -eu

cd "$(dirname "$0")/.."
tool=$(command -v clang-format || command -v clang-format-14 || true)
[ -n "$tool" ] || { echo "skipped: clang-format is not installed"; exit 77; }
files=$(find src include tests examples -name '*.[ch]')
# shellcheck disable=SC2086
"$tool" --dry-run --Werror $files
echo "format: $(echo "$files" | wc -l) files"
