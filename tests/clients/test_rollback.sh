#!/bin/sh
# test_rollback.sh - a version that fails is rolled back while clients are connected
. "$(dirname "$0")/lib.sh"
need_nc

version() { # NUMBER LINE
    write_script "local kelpie = require('kelpie')
local count = kelpie.keep('count', { n = 0 })
return {
   on_connect = function(conn) conn:send('hello') end,
   on_message = function(conn, line)
      count.n = count.n + 1
      $2
      conn:send('$1 ', line, ' ', count.n)
   end,
}"
}

version one ""
start_server run -p 0 "$work/scripts"
client anna nc 127.0.0.1 "$port"
expect anna "hello"
say anna "a"
expect anna "one a 1"

# Kelpie goes back by itself, and the count has gone on.
version two "if line == 'bad' then error('broken') end"
kill -HUP "$server"
expect_log "generation 2 serves"
say anna "b"
expect anna "two b 2"
for i in 1 2 3 4 5 6; do
    say anna "bad"
done
expect_log "generation 2 rolled back to 1: 6 of "
expect_log "init.lua:7: broken"
say anna "c"
expect anna "one c 9"

# The next version serves, with the next number.
version three ""
kill -HUP "$server"
expect_log "generation 3 serves"
say anna "d"
expect anna "three d 10"
finish

# Unless the operator wants to decide.
version one ""
start_server run -p 0 --no-rollback "$work/scripts"
client berta nc 127.0.0.1 "$port"
expect berta "hello"
version two "if line == 'bad' then error('broken') end"
kill -HUP "$server"
wait_until "the reload is done" sh -c "tail -n +$log_start '$log' | grep -q 'generation 2 serves'"
for i in 1 2 3 4 5 6 7; do
    say berta "bad"
done
say berta "e"
expect berta "two e 8"
finish
