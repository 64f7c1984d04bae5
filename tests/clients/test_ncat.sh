#!/bin/sh
# test_ncat.sh - ncat as the client
. "$(dirname "$0")/lib.sh"
need ncat

copy_scripts
start_server run -p 0 "$work/scripts"

client anna ncat 127.0.0.1 "$port"
expect anna "welcome! you are client #0!"
printf '/nick Nora\n/msg 0 hello\n' | ncat 127.0.0.1 "$port" >"$work/nora"
expect anna "(Nora) hello"
equal "what ncat reads" "$(cat "$work/nora")" "welcome! you are client #1!
you are now called Nora"
expect_printed "client #1 disconnected."

# ncat -C sends CRLF.
printf '/nick Carla\n' | ncat -C 127.0.0.1 "$port" >"$work/carla"
has_line "$work/carla" "you are now called Carla" || fail "CRLF is not understood"
hang_up anna
finish
