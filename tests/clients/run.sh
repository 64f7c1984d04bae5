#!/bin/sh
# run.sh - all tests with real programs, one after the other
#
#   sh tests/clients/run.sh KELPIE_BINARY [NAME...]      for example: ... session telnet
set -u

here=$(cd "$(dirname "$0")" && pwd)
kelpie=${1:?usage: sh run.sh KELPIE_BINARY [NAME...]}
shift
# shellcheck disable=SC2012,SC2046
[ $# -gt 0 ] || set -- $(ls "$here" | sed -n 's/^test_\(.*\)\.sh$/\1/p')
failed=0
for name in "$@"; do
    output=$(sh "$here/test_$name.sh" "$kelpie" 2>&1)
    case $? in
    0) echo "ok       $name" ;;
    77) echo "skipped  $name: ${output#skipped: }" ;;
    *)
        echo "FAILED   $name"
        echo "$output" | sed 's/^/    /'
        failed=1
        ;;
    esac
done
exit $failed
