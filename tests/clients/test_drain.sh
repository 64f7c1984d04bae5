#!/bin/sh
# test_drain.sh - SIGTERM sends what is queued, then ends; a second signal ends at once
. "$(dirname "$0")/lib.sh"
need_nc

write_script '
local kelpie = require("kelpie")
return {
   on_message = function(conn, line)
      if line == "much" then
         local rest = (" and so on"):rep(100)
         for number = 1, 30000 do conn:send("line ", number, rest) end
         print("queued")
      elseif line == "end" then
         kelpie.shutdown()
      end
   end,
   on_disconnect = function(conn, reason) print("left: " .. reason) end,
   on_shutdown = function() print("on_shutdown") end,
}'
# 30 MB: more than all buffers of the kernel between server and client.
awk 'BEGIN {
    for (i = 0; i < 100; i++) rest = rest " and so on"
    for (i = 1; i <= 30000; i++) print "line " i rest
}' >"$work/wanted"

# Starts a client that does not read: its output is a pipe that nobody reads from yet.
start_lazy() {
    rm -f "$work/pipe"
    mkfifo "$work/pipe"
    # shellcheck disable=SC2016
    client lazy sh -c 'exec nc 127.0.0.1 "$1" >"$2"' sh "$port" "$work/pipe"
    exec 7<>"$work/pipe"
    say lazy much
    expect_printed "queued"
}
options="-p 0 --max-outbox 64M --handler-timeout 10s"

# The client begins to read after SIGTERM, and gets everything.
# shellcheck disable=SC2086
start_server run $options "$work/scripts"
start_lazy
kill -TERM "$server"
expect_log "drain: 1 client"
expect_printed "on_shutdown"
[ ! -s "$work/server.status" ] || fail "the server did not wait for its client"
exec 6<"$work/pipe"
cat <&6 3>&- 6<&- 7>&- >"$work/got" & # holds no end of a pipe that is somebody else's
exec 6<&- 7>&-
wait_end server
hang_up lazy
wait_end lazy
wait
cmp "$work/wanted" "$work/got" || fail "output is missing"
equal "the exit code" "$(cat "$work/server.status")" 0
expect_printed "left: shutdown"
assert_clean

# A second SIGTERM does not wait for a client that reads nothing.
: >"$out"
# shellcheck disable=SC2086
start_server run $options --drain-timeout none "$work/scripts"
start_lazy
kill -TERM "$server"
expect_printed "on_shutdown"
[ ! -s "$work/server.status" ] || fail "the server did not wait for its client"
kill -INT "$server"
wait_end server
equal "the exit code after a second signal" "$(cat "$work/server.status")" 0
expect_log "second signal: closing at once"
expect_log "bytes were not taken by clients"
expect_printed "left: shutdown"
assert_clean
exec 7>&-
quit lazy

# The drain has a limit, too.
: >"$out"
# shellcheck disable=SC2086
start_server run $options --drain-timeout 300ms "$work/scripts"
start_lazy
kill -TERM "$server"
wait_end server
equal "the exit code after the limit" "$(cat "$work/server.status")" 0
expect_log "bytes were not taken by clients"
assert_clean
exec 7>&-
quit lazy

# A script may ask for the end.
start_server run -p 0 "$work/scripts"
client anna nc 127.0.0.1 "$port"
say anna end
wait_end server
equal "the exit code after kelpie.shutdown" "$(cat "$work/server.status")" 0
assert_clean

# SIGINT without clients.
start_server run -p 0 "$work/scripts"
kill -INT "$server"
wait_end server
equal "the exit code after SIGINT" "$(cat "$work/server.status")" 0
assert_clean
quit anna
