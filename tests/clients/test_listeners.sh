#!/bin/sh
# test_listeners.sh - several listeners, IPv6, names, an inherited descriptor
. "$(dirname "$0")/lib.sh"
need_nc

write_script '
local function greet(text)
   return function(conn) conn:send(text, " ", conn.listener, " ", conn.peer) end
end
return {
   on_connect = greet("everybody"),
   listeners = { admin = { on_connect = greet("admin") } },
}'
start_server run -l :0 -l admin=127.0.0.1:0 -l "unix:$work/socket" "$work/scripts"
expect_log "listening on unix:$work/socket"
admin_port=$(sed -n 's/.*listening on admin=127.0.0.1:\([0-9]*\)$/\1/p' "$log")
[ -n "$admin_port" ] || fail "the port of the listener admin is not in the log"

reads() { # PATTERN NC-ARGUMENTS...
    pattern=$1
    shift
    nc -N "$@" </dev/null >"$work/line"
    grep -qx "$pattern" "$work/line" || fail "nc $* has read '$(cat "$work/line")'"
}
reads 'everybody  127\.0\.0\.1:[0-9]*' 127.0.0.1 "$port"
reads 'admin admin 127\.0\.0\.1:[0-9]*' 127.0.0.1 "$admin_port"
reads 'everybody  unix' -U "$work/socket"
finish
[ ! -e "$work/socket" ] || fail "the socket is left behind"

# IPv6, where there is any.
start_server run -l '[::1]:0' -p 0 "$work/scripts"
expect_log "listening on 127.0.0.1:"
if has_text "$log" "listening on [::1]:"; then
    reads 'everybody  \[::1\]:[0-9]*' -6 ::1 "$port"
fi
finish

# A socket that was left behind by a server that died is taken over; a live one is not.
start_server run -l "unix:$work/socket" "$work/scripts"
launch_again() {
    "$kelpie" run -l "unix:$work/socket" "$work/scripts" </dev/null >"$work/second" 2>&1
}
launch_again
equal "the exit code of a second server on a live socket" $? 69
has_text "$work/second" "unix:$work/socket" || fail "the message does not name the socket"
kill -KILL "$server"
wait_end server
[ -e "$work/socket" ] || fail "the socket should be left behind"
start_server run -l "unix:$work/socket" "$work/scripts"
reads 'everybody  unix' -U "$work/socket"
finish

# A socket that somebody else has opened, as systemd does.
if command -v systemd-socket-activate >/dev/null 2>&1; then
    log_start=$(($(wc -l <"$log") + 1))
    spawn server systemd-socket-activate -l "$work/activated" "$kelpie" run -l fd:3 \
        "$work/scripts" </dev/null
    server=$(cat "$work/server.pid")
    wait_until "systemd listens" test -S "$work/activated"
    reads 'everybody  unix' -U "$work/activated"
    wait_ready
    reads 'everybody  unix' -U "$work/activated"
    finish
fi
