#!/bin/sh
# test_supervisor.sh - started by somebody who opens the listeners and wants to be told
. "$(dirname "$0")/lib.sh"

need socat
need_nc
copy_scripts

# Told when it serves, that it lives, and when it ends.
spawn supervisor socat -u "UNIX-RECV:$work/notify" OPEN:"$work/told",creat,append </dev/null
wait_until "the supervisor listens" test -S "$work/notify"
NOTIFY_SOCKET=$work/notify WATCHDOG_USEC=200000
export NOTIFY_SOCKET WATCHDOG_USEC
start_server run -p 0 "$work/scripts"
unset NOTIFY_SOCKET WATCHDOG_USEC
wait_until "the supervisor knows that it serves" has_text "$work/told" READY=1
wait_until "the supervisor knows that it lives" has_text "$work/told" WATCHDOG=1
reload
expect_log "generation 2 serves"
wait_until "the supervisor knows what serves" has_text "$work/told" "STATUS=generation 2 serves: "
echo 'return {' >"$work/scripts/init.lua"
reload
wait_until "the supervisor knows what is wrong" has_text "$work/told" "STATUS=reload rejected: "
cp "$top/scripts/init.lua" "$work/scripts/init.lua"
finish
wait_until "the supervisor knows that it ends" has_text "$work/told" STOPPING=1
equal "what the supervisor was told first" "$(head -c 7 "$work/told")" READY=1

# A supervisor that is not there is a line in the log.
NOTIFY_SOCKET=$work/nobody start_server run -p 0 "$work/scripts"
expect_log "the supervisor at $work/nobody cannot be told how it goes"
finish

# Inherited listeners stand in for the default address; named ones keep their name.
activate=$(command -v systemd-socket-activate || true)
[ -n "$activate" ] || skip "systemd-socket-activate is not installed; all else has passed"
write_script 'local function hello(text)
   return { on_connect = function(conn) conn:send(text, " ", conn.listener) end }
end
local handlers = hello("main")
handlers.listeners = { admin = hello("admin") }
return handlers'
launch_activated() { # FDNAME
    rm -f "$work/activated"
    spawn server "$activate" -l "$work/activated" --fdname="$1" "$kelpie" run --no-stdin \
        --log-file "$log" "$work/scripts" </dev/null
    server=$(cat "$work/server.pid")
    wait_until "systemd-socket-activate listens" test -S "$work/activated"
}
log_start=$(($(wc -l <"$log") + 1))
launch_activated admin
client first nc -U "$work/activated"
expect first "admin admin"
expect_log "listening on admin=fd:3"
if log_of_start | grep -q '127\.0\.0\.1:8080'; then fail "the default address was used as well"; fi
fds_before=$(($(count_fds) - 1))
finish
launch_activated kelpie.socket
client second nc -U "$work/activated"
expect second "main "
expect_log "listening on fd:3"
fds_before=$(($(count_fds) - 1))
finish
