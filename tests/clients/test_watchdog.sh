#!/bin/sh
# test_watchdog.sh - handlers that do not end: in Lua, while others talk; and in C
. "$(dirname "$0")/lib.sh"
need_nc

write_script "return {
   on_message = function(conn, line)
      if line == 'loop' then
         while true do pcall(function() while true do local _ = {} end end) end
      elseif line == 'hang' then
         os.execute('sleep 15')
      end
      conn:send('got ', line)
   end,
}"
ulimit -c 0
start_server run -p 0 --allow os --log-file "$log" "$work/scripts"
client anna nc 127.0.0.1 "$port"
client berta nc 127.0.0.1 "$port"
say anna "a"
expect anna "got a"

# An endless loop is ended, with its place; the others are served, and so is who caused it.
say anna "loop"
say berta "b"
expect berta "got b"
expect_log "init.lua:4: handler ran longer than 100 ms"
say anna "c"
expect anna "got c"
equal "kills" "$(grep -c 'ran longer than' "$log")" 1

# The thread of the watchdog has no descriptors but the standard ones, if the kernel can do that.
has_own_files() {
    for thread in "/proc/$server/task"/*; do
        # shellcheck disable=SC2012
        [ "$(ls "$thread/fd" | wc -l)" -gt 3 ] || return 0
    done
    return 1
}
[ ! -d "/proc/$server/task" ] || wait_until "a thread has descriptors of its own" has_own_files

# What hangs outside of Lua cannot be ended: the last resort. The thread sanitizer keeps signals
# from a thread that is in C, so nobody learns which call it is.
hanging=on_message
! grep -q __tsan_init "$kelpie" || hanging="a call"
say berta "hang"
wait_end server
expect_log "$hanging hangs outside of Lua and cannot be ended: aborting"
equal "the exit code of the server" "$(cat "$work/server.status")" 134
assert_clean
