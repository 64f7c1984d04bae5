#!/bin/sh
# test_scarce.sh - where files run out, the disk is full or a place is somebody else's, each
# command ends with a sentence and the exit code of sysexits(3)
. "$(dirname "$0")/lib.sh"

need_nc
copy_scripts
touch "$log" "$out"
# The sanitizer opens files at the end, of which there are none here.
ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0
export ASAN_OPTIONS

# Sets code; what was said is in $work/said.
with_files() { # N ARGUMENTS...
    n=$1
    shift
    # shellcheck disable=SC2016
    sh -c 'ulimit -n "$0"; exec "$@"' "$n" "$kelpie" "$@" </dev/null >"$work/said" 2>&1
    code=$?
}

# One file more each time, until there are enough; from where the program can be loaded at all,
# which depends on what is open here already.
n=4
with_files $n check "$work/scripts"
while [ "$code" -eq 127 ] && [ "$n" -lt 40 ]; do
    n=$((n + 1))
    with_files $n check "$work/scripts"
done
first=$n
while [ "$code" -ne 0 ]; do
    equal "the exit code of check with $n files" "$code" 71
    grep -qi 'too many open files' "$work/said" || fail "check with $n files says: $(cat "$work/said")"
    n=$((n + 1))
    [ "$n" -lt 40 ] || fail "40 files are not enough for check"
    with_files $n check "$work/scripts"
done
[ "$n" -gt "$first" ] || fail "no file is needed"

# The same for a server, with a folder of its own for each: it starts or says why not.
n=$first
while :; do
    rm -f "$work/server.out" "$work/server.err" "$log" "$out"
    touch "$log" "$out"
    ln -sf log "$work/server.err"
    ln -sf out "$work/server.out"
    log_start=1
    # shellcheck disable=SC2016
    spawn server sh -c 'ulimit -n "$0"; exec "$@"' "$n" "$kelpie" run -p 0 --no-stdin \
        --control "$work/control" "$work/scripts" </dev/null
    wait_until "the server with $n files listens or has ended" is_ready
    [ -s "$work/server.status" ] || break
    equal "the exit code of run with $n files" "$(cat "$work/server.status")" 71
    grep -qi 'too many open files' "$log" || fail "run with $n files says nothing of it"
    if has_text "$log" "0 clients are wanted"; then fail "it talks of no clients"; fi
    n=$((n + 1))
    [ "$n" -lt 40 ] || fail "40 files are not enough for a server"
done
server=$(cat "$work/server.pid")
wait_ready
client anna nc 127.0.0.1 "$port"
wait_until "a client of a server with $n files is told something" test -s "$work/anna.out"
finish

# Output that nobody can take.
if [ -w /dev/full ]; then
    "$kelpie" check "$work/scripts" >/dev/full
    equal "the exit code of check with a full disk" $? 74
    "$kelpie" --help >/dev/full
    equal "the exit code of --help with a full disk" $? 74
    "$kelpie" --version >/dev/full
    equal "the exit code of --version with a full disk" $? 74
fi

# Places of somebody else.
if ! { [ "$(id -u)" -eq 0 ] && su -s /bin/sh nobody -c true >/dev/null 2>&1; }; then
    skip "only root can be somebody else; all else has passed"
fi
as_nobody() { # ARGUMENTS...
    su -s /bin/sh nobody -c "exec '$work/kelpie' $*" </dev/null >"$work/said" 2>&1
    code=$?
}
cp "$kelpie" "$work/kelpie"
chmod 755 "$work"
mkdir "$work/closed"
cp "$work/scripts/"* "$work/closed"
chmod 700 "$work/closed"
chmod 755 "$work/scripts"
as_nobody check "$work/closed"
equal "the exit code of check where reading is not allowed" "$code" 77
as_nobody run -p 0 --control none "$work/closed"
equal "the exit code of run where reading is not allowed" "$code" 77
as_nobody run -l "unix:$work/scripts/socket" --control none "$work/scripts"
equal "the exit code where a socket is not allowed" "$code" 77
as_nobody init "$work/scripts/new"
equal "the exit code of init where writing is not allowed" "$code" 73
grep -qi 'permission denied' "$work/said" || fail "init says: $(cat "$work/said")"
