# lib.sh - what test_install.sh and test_package.sh have in common; read by both
#
# source is the tree, work a folder that is gone afterwards; server is a process to end, if any.

source=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/kelpie-install.XXXXXX")
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null; rm -rf "$work"' EXIT

fail() {
    echo "FAILED: $*"
    exit 1
}

quietly() { # COMMAND...
    "$@" >"$work/log" 2>&1 || {
        cat "$work/log"
        fail "$*"
    }
}
