#!/bin/sh
# test_tf.sh - examples/mud.lua with tinyfugue, a client made for such games, across a reload
. "$(dirname "$0")/lib.sh"
. "$here/protocol.sh"
need tf

player() { # NAME: tf writes blanks and CR before its lines, hence texts and not lines
    client "$1" env HOME="$work" TERM=dumb tf -v -f/dev/null 127.0.0.1 "$port"
    see "$1" "Your name?"
    say "$1" "$1"
    see "$1" "Choose a password:"
    say "$1" "tulip$1"
    see "$1" "The market square"
}

see() { # NAME TEXT
    wait_until "$1 sees: $2" has_text "$work/$1.out" "$2"
}

start_example mud
player Anna
player Bert
see Anna "Bert comes in."
say Anna "say hello"
see Bert "Anna says: hello"
say Bert "n"
see Bert 'The innkeeper nods: "Sit down, Bert."'

reload_example

say Bert "take mug"
see Bert "You take the mug."
say Bert "s"
see Bert "Anna is here."
say Anna "say still here?"
see Bert "Anna says: still here?"
say Bert "drop mug"
see Anna "Bert drops the mug."
say Bert "quit"
see Bert "Farewell."
see Anna "Bert fades away."
see Bert "closed"
for name in Anna Bert; do
    # While a password is typed the server says that it echoes, and tf shows nothing.
    if has_text "$work/$name.out" "tulip"; then fail "$name's password is shown"; fi
done
if has_text "$work/Anna.out" "closed"; then fail "Anna's connection has ended"; fi
expect_no_errors
finish
