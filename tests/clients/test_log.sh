#!/bin/sh
# test_log.sh - bytes of clients cannot forge records or reach a terminal; nothing stops the log
. "$(dirname "$0")/lib.sh"
need_nc

evil='\033[31mred\007\033]0;title\007\2022 \226\342\200\256 a\rb\tc\0d\\'

write_script '
local kelpie = require("kelpie")
return {
   on_message = function(conn, line)
      print("said: " .. line)
      kelpie.log("info", "said: %s", line)
      if line:find("raise") then error("raised: " .. line) end
   end,
   on_input = function(line) print("operator: " .. line) end,
}'
start_server run -p 0 "$work/scripts"
# shellcheck disable=SC2059
printf "one $evil\nraise $evil\n2026-01-01T00:00:00.000Z error forged\n" | nc -N 127.0.0.1 "$port"
wait_until "everything is printed" has_text "$out" "said: 2026-01-01"
has_text "$out" '\x1b[31mred\x07' || fail "the escape is not shown as \\x1b"
has_text "$log" '\x1b[31mred\x07' || fail "the escape is not shown as \\x1b in the log"
expect_log "raised: raise"
if grep -q '^2026-01-01T' "$log"; then fail "a client has forged a record"; fi
# shellcheck disable=SC2059
printf "$evil\n" >&9
wait_until "the operator's line is printed" has_text "$out" "operator: "
finish

# The same as JSON: every line is one object.
: >"$log"
start_server run -p 0 --log-format json "$work/scripts"
# shellcheck disable=SC2059
printf "one \" $evil\nraise \" $evil\n" | nc -N 127.0.0.1 "$port"
expect_log "raised: raise"
bad=$(grep -cv '^{"time":"[-0-9T:.]*Z","level":"[a-z]*","message":"\([^"\\]\|\\["\\]\)*"}$' "$log")
equal "the number of lines that are no JSON" "$bad" 0
finish

# Nobody reads the log or the output: the server goes on, and says what was lost.
: >"$log"
rm -f "$work/pipe"
mkfifo "$work/pipe"
exec 7<>"$work/pipe"
# shellcheck disable=SC2016
spawn server sh -c 'exec "$0" run -p 0 --log-file "$1" "$2" >"$3" 2>&1' \
    "$kelpie" "$work/log" "$work/scripts" "$work/pipe" </dev/null
server=$(cat "$work/server.pid")
log_start=1
wait_ready
i=0
while [ $i -lt 40000 ]; do
    i=$((i + 1))
    echo "line number $i of a client that talks much"
done >"$work/much"
nc -N 127.0.0.1 "$port" <"$work/much"
wait_until "the last line is handled" has_text "$log" "said: line number 40000 "
sed '/lines were lost/q' <"$work/pipe" 7>&- >"$work/taken" &
wait_until "the loss is told" has_text "$work/taken" "lines were lost here"
exec 7>&-
has_line "$work/taken" "said: line number 1 of a client that talks much" || fail "the first line is lost"
finish
wait

# A full disk, and a reader that is gone.
if [ -c /dev/full ]; then
    : >"$log"
    # shellcheck disable=SC2016
    spawn server sh -c 'exec "$0" run -p 0 --log-file "$1" "$2" >/dev/full 2>&1' \
        "$kelpie" "$work/log" "$work/scripts" </dev/null
    server=$(cat "$work/server.pid")
    wait_ready
    echo one | nc -N 127.0.0.1 "$port"
    expect_log "said: one"
    finish
fi
