#!/bin/sh
# test_socat.sh - socat over TCP, over IPv6 and over a unix socket
. "$(dirname "$0")/lib.sh"
need socat

copy_scripts
start_server run -l "127.0.0.1:0" -l "unix:$work/socket" "$work/scripts"

client anna socat - "TCP:127.0.0.1:$port"
expect anna "welcome! you are client #0!"
client bert socat - "UNIX-CONNECT:$work/socket"
expect bert "welcome! you are client #1!"
say anna "/join tea"
expect anna "you are in tea, 1 here"
say bert "/join tea"
expect anna "client #1 joined tea"
say bert "through a file"
expect anna "client #1: through a file"
printf 'one\n' | socat -t5 - "UNIX-CONNECT:$work/socket" >"$work/replies"
equal "what a short client reads" "$(cat "$work/replies")" "welcome! you are client #2!"
expect_printed "client #2: one"
hang_up bert
expect_printed "client #1 disconnected."
expect anna "client #1 left tea"
finish
[ ! -e "$work/socket" ] || fail "the socket is left behind"
