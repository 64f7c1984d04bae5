#!/bin/sh
# test_half_close.sh - nc -N ends its output and still gets every reply
. "$(dirname "$0")/lib.sh"
need_nc

write_script 'return { on_message = function(conn, line) conn:send("echo ", line) end }'
start_server run -p 0 "$work/scripts"

printf 'one\ntwo\nthree\n' | nc -N 127.0.0.1 "$port" >"$work/replies"
printf 'echo one\necho two\necho three\n' | cmp - "$work/replies" || fail "replies are missing"

# A last line without its end is no message.
printf 'whole\nhalf' | nc -N 127.0.0.1 "$port" >"$work/replies"
equal "the reply to a line and a half" "$(cat "$work/replies")" "echo whole"

# Many at once, more than one read of the server.
i=0
while [ $i -lt 20000 ]; do
    echo "line number $i"
    i=$((i + 1))
done >"$work/lines"
nc -N 127.0.0.1 "$port" <"$work/lines" >"$work/replies"
sed 's/^/echo /' "$work/lines" | cmp - "$work/replies" || fail "replies are missing or mixed up"

# Nothing at all.
nc -N 127.0.0.1 "$port" </dev/null >"$work/replies"
equal "the reply to nothing" "$(cat "$work/replies")" ""
finish
