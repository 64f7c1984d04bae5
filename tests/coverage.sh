#!/bin/sh
# coverage.sh - builds with gcov, runs all tests, prints line and branch coverage per file
# (needs gcovr)
set -eu

cd "$(dirname "$0")/.."
cmake --preset coverage
cmake --build --preset coverage
find build/coverage -name '*.gcda' -delete
ctest --preset coverage "$@" || echo "some tests failed; the figures are of what ran"
gcovr --root . --filter 'src/' --object-directory build/coverage --print-summary \
    --exclude-unreachable-branches --txt build/coverage/lines.txt
gcovr --root . --filter 'src/' --object-directory build/coverage --branches \
    --exclude-unreachable-branches --txt build/coverage/branches.txt >/dev/null
cat build/coverage/lines.txt build/coverage/branches.txt
