#!/bin/sh
# test_routing.sh - the commands of the scripts that ship, and what of them survives a reload
. "$(dirname "$0")/lib.sh"
need_nc

copy_scripts
start_server run -p 0 "$work/scripts"
client anna nc 127.0.0.1 "$port"
expect anna "welcome! you are client #0!"
client bert nc 127.0.0.1 "$port"
expect bert "welcome! you are client #1!"
client carl nc 127.0.0.1 "$port"
expect carl "welcome! you are client #2!"

say anna "/help"
expect anna "/nick NAME          be called NAME"
expect anna "/help               this list"
say anna "/dance"
expect anna "there is no such command; /help lists them"
say anna "/"
say anna "/nick"
expect anna "a name is up to 24 letters, digits, _ and -: /nick NAME"

# Names.
say anna "/nick Anna"
expect anna "you are now called Anna"
say bert "/nick Anna"
expect bert "somebody is called Anna already"
say bert "/nick two words"
expect bert "a name is up to 24 letters, digits, _ and -: /nick NAME"

# Rooms.
say anna "/leave"
expect anna "you are in no room"
say anna "/join tea"
expect anna "you are in tea, 1 here"
say bert "/join tea"
expect bert "you are in tea, 2 here"
expect anna "client #1 joined tea"
say anna "hello"
expect bert "Anna: hello"
say bert "/nick Bert"
expect anna "client #1 is now called Bert"
say carl "is anybody there?"
expect_printed "client #2: is anybody there?"

# To one.
say carl "/msg 0 psst"
expect anna "(client #2) psst"
say carl "/msg 99 psst"
expect carl "there is no client #99"
say carl "/msg 99999999999999999999 psst"
expect carl "there is no client #99999999999999999999"
say carl "/msg Anna"
expect carl "to whom, and what? /msg NUMBER TEXT"

say carl "/who"
expect carl "#0 Anna in tea"
expect carl "#1 Bert in tea"
expect carl "#2 client #2"
expect carl "3 here, 3 visits so far"

# Names, rooms and counters survive a reload.
reload
expect_log "generation 2 serves"
say bert "after the reload"
expect anna "Bert: after the reload"
say anna "/who"
expect anna "3 here, 3 visits so far"
expect anna "#1 Bert in tea"

# Leaving, in both ways.
say anna "/leave"
expect anna "you left tea"
expect bert "Anna left tea"
say anna "/join tea"
expect bert "Anna joined tea"
say anna "/join coffee"
expect anna "you are in coffee, 1 here"
say anna "/join tea"
expect anna "you are in tea, 2 here"
quit bert
expect_printed "client #1 disconnected."
expect anna "Bert left tea"

for name in anna bert carl; do
    if has_text "$work/$name.out" "is anybody there?"; then
        fail "$name has read what somebody in no room said"
    fi
done
if grep -q 'handler\|lua:[0-9]' "$log"; then fail "a handler has raised"; fi
finish
