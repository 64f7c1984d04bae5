#!/bin/sh
# test_telnet.sh - telnet ends its lines with CR LF, and is a person at a keyboard
. "$(dirname "$0")/lib.sh"
need telnet

copy_scripts
start_server run -p 0 "$work/scripts"

client anna telnet 127.0.0.1 "$port"
expect anna "welcome! you are client #0!"
client bert telnet 127.0.0.1 "$port"
expect bert "welcome! you are client #1!"
say anna "/join tea"
expect anna "you are in tea, 1 here"
say bert "/join tea"
expect bert "you are in tea, 2 here"
say anna "hello"
expect bert "client #0: hello"
expect_printed "client #0: hello"
if has_text "$out" 'x0d'; then fail "the CR is part of the message"; fi
operator "to all"
expect anna "to all"
expect bert "to all"
finish
