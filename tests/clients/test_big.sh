#!/bin/sh
# test_big.sh - messages of 1 MiB, byte for byte, in both directions
. "$(dirname "$0")/lib.sh"
need_nc

write_script '
local echo = { on_message = function(conn, message) conn:send(message) end }
echo.listeners = { binary = { framing = { "length", bytes = 4 }, on_message = echo.on_message } }
return echo'
start_server run -p 0 -l binary=127.0.0.1:0 --max-message 2M "$work/scripts"
expect_log "listening on binary="
binary_port=$(sed -n 's/.*listening on binary=127.0.0.1:\([0-9]*\)$/\1/p' "$log")

# A line: 1 MiB without a newline, and four in a row.
dd if=/dev/urandom bs=1048576 count=1 2>/dev/null | LC_ALL=C tr '\n\r' '..' >"$work/line"
echo >>"$work/line"
cat "$work/line" "$work/line" "$work/line" "$work/line" >"$work/lines"

# Every byte there is, behind its length in four bytes.
dd if=/dev/urandom bs=1048576 count=1 of="$work/random" 2>/dev/null
{ printf '\000\020\000\000' && cat "$work/random"; } >"$work/binary"
cat "$work/binary" "$work/binary" "$work/binary" >"$work/binaries"

echoes() { # FILE COMMAND...
    file=$work/$1
    shift
    "$@" <"$file" >"$work/back"
    cmp "$file" "$work/back" || fail "what came back is not what was sent: $*"
}
echoes line nc -N 127.0.0.1 "$port"
echoes lines nc -N 127.0.0.1 "$port"
echoes binary nc -N 127.0.0.1 "$binary_port"
echoes binaries nc -N 127.0.0.1 "$binary_port"
if command -v ncat >/dev/null 2>&1; then echoes lines ncat 127.0.0.1 "$port"; fi
if command -v socat >/dev/null 2>&1; then
    echoes binaries socat -t20 - "TCP:127.0.0.1:$binary_port"
fi

# Above the limit the client is told nothing and closed, and nobody else feels it.
client anna nc 127.0.0.1 "$port"
cat "$work/line" "$work/line" "$work/line" | tr '\n' '.' | nc -N 127.0.0.1 "$port" >"$work/back"
equal "the answer to 3 MiB" "$(wc -c <"$work/back" | tr -d ' ')" 0
say anna "still here"
expect anna "still here"
finish
