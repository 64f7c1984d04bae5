#!/bin/sh
# test_control.sh - asking a running daemon: reload, status, rollback, and nc -U
# Two of it at a time, from two trees, would find each other's daemons below /tmp.
if [ -z "${KELPIE_CONTROL_LOCK:-}" ] && command -v flock >/dev/null 2>&1; then
    KELPIE_CONTROL_LOCK=/tmp/kelpie-test-control.lock
    export KELPIE_CONTROL_LOCK
    exec flock -o "$KELPIE_CONTROL_LOCK" sh "$0" "$@"
fi
. "$(dirname "$0")/lib.sh"

folder=/tmp/kelpie-$(id -u)
for file in "$folder"/*.sock; do
    [ ! -e "$file" ] || skip "another daemon may be running: $file"
done

copy_scripts
touch "$log" "$out"

# Asks, and checks the exit code and a text of the answer.
asks() { # EXIT-CODE TEXT ARGUMENTS...
    wanted=$1
    text=$2
    shift 2
    spawn asked "$kelpie" "$@" </dev/null
    wait_end asked
    cat "$work/asked.out" "$work/asked.err" >"$work/said"
    rm -f "$work/asked.out" "$work/asked.err"
    [ "$(cat "$work/asked.status")" = "$wanted" ] ||
        fail "kelpie $* ended with $(cat "$work/asked.status"), not $wanted: $(cat "$work/said")"
    has_text "$work/said" "$text" || fail "kelpie $* does not say '$text': $(cat "$work/said")"
}

# Nobody is there.
asks 3 "no daemon of this user is running" reload
asks 3 "no daemon of this user is running" status
asks 3 "no daemon answers at $work/nowhere" reload --control "$work/nowhere"
asks 64 "there is nobody to ask" status --control none

# Wrong words.
asks 64 "'$work/scripts' is one too many: kelpie reload takes no script" reload "$work/scripts"
asks 64 "--drop goes with kelpie reload only" status --drop
asks 64 "did you mean 'reload'?" relaod

# One daemon is found by itself; it is the user's alone.
start_server run -p 0 "$work/scripts"
socket=$work/kelpie-$server.sock
wait_until "the control socket is there" test -S "$socket"
# shellcheck disable=SC2012
equal "the mode of the control socket" "$(ls -l "$socket" | cut -c 1-10)" "srw-------"
asks 0 "generation         1" status
has_text "$work/said" "script             $work/scripts" || fail "the script is missing"
asks 0 '"generation":1,' status --json
has_text "$work/said" "\"address\":\"127.0.0.1:$port\"" || fail "the listener is missing"

asks 0 "generation 2 serves" reload
asks 0 "generation         2" status
printf 'return {\n' >"$work/scripts/welcome.lua"
asks 1 "welcome.lua:2: " reload
has_text "$work/said" "still serving generation 2" || fail "the consequence is missing"
cp "$top/scripts/welcome.lua" "$work/scripts"
echo '-- other' >>"$work/scripts/welcome.lua"
asks 0 "changed: $work/scripts/welcome.lua" reload --dry-run
asks 0 "generation         2" status
asks 0 "serves" reload
asks 0 "rolled back to 2" rollback
asks 0 "generation         2" status
asks 64 "says what would be dropped, and loads nothing" reload --dry-run --drop
asks 0 "serves" reload --control "$socket"

# What others have left, or made, does not disturb.
touch "$work/kelpie-1.sock.old" "$work/kelpie-x.sock"
sh -c 'exit 0' &
dead=$!
wait $dead
if command -v socat >/dev/null 2>&1; then
    spawn stale socat "UNIX-LISTEN:$work/kelpie-$dead.sock" - </dev/null
    wait_until "the stale socket is there" test -S "$work/kelpie-$dead.sock"
    kill -KILL "$(cat "$work/stale.pid")"
    wait_end stale
    [ -S "$work/kelpie-$dead.sock" ] || fail "socat has cleaned up"
    asks 0 "clients            0" status
    [ ! -e "$work/kelpie-$dead.sock" ] || fail "the stale socket was not removed"
fi

# nc -U.
if command -v nc >/dev/null 2>&1 && nc -h 2>&1 | grep -q -e '-[A-Za-z]*U'; then
    printf 'ping\nrelod\nquit\n' | nc -U "$socket" >"$work/nc" || fail "nc -U failed"
    has_line "$work/nc" "ok pong" || fail "nc has read $(cat "$work/nc")"
    has_line "$work/nc" "error unknown command 'relod' (did you mean 'reload'?)" ||
        fail "nc has read $(cat "$work/nc")"
fi

# A second one: which is meant?
printf 'return {}\n' >"$work/other.lua"
spawn other "$kelpie" -p 0 --no-stdin "$work/other.lua" </dev/null
other=$(cat "$work/other.pid")
wait_until "the other one has its control socket" test -S "$work/kelpie-$other.sock"
wait_until "the other one serves" has_text "$work/other.err" "listening on"
asks 64 "2 daemons are running; say which one:" reload
has_text "$work/said" "--control $socket   pid $server  $work/scripts" ||
    fail "the first one is missing: $(cat "$work/said")"
has_text "$work/said" "--control $work/kelpie-$other.sock   pid $other  $work/other.lua" ||
    fail "the other one is missing: $(cat "$work/said")"
asks 0 "generation 2 serves" reload --control "$work/kelpie-$other.sock"
kill -TERM "$other"
wait_end other
[ ! -e "$work/kelpie-$other.sock" ] || fail "the other one has left its control socket"
finish
[ ! -e "$socket" ] || fail "the control socket was left behind"

# A path of one's own.
start_server run -p 0 --control "$work/mine.sock" "$work/scripts"
asks 0 "generation 2 serves" reload --control "$work/mine.sock"
asks 3 "no daemon of this user" reload
asks 69 "address in use by a running server" run -p 0 --control "$work/mine.sock" "$work/scripts"
finish
start_server run -p 0 --control none "$work/scripts"
asks 3 "no daemon of this user" status
finish

# Without a folder of the session, in one below /tmp; the other kind is looked at as well.
export XDG_RUNTIME_DIR=
start_server run -p 0 "$work/scripts"
wait_until "the control socket is there" test -S "$folder/$server.sock"
asks 0 "serves" reload
export XDG_RUNTIME_DIR="$work"
asks 0 "pid                $server" status
finish
rmdir "$folder"

# A folder that others may write to is not to be trusted.
mkdir -m 777 "$work/open"
chmod 777 "$work/open"
export XDG_RUNTIME_DIR="$work/open"
start_server run -p 0 "$work/scripts"
wait_until "the control socket is elsewhere" test -S "$folder/$server.sock"
finish
rmdir "$folder"
ln -s "$work/scripts" "$folder"
start_server run -p 0 "$work/scripts"
expect_log "there is no control socket, so kelpie reload and status will not find this daemon: $folder: it is not a folder"
finish
rm "$folder"
