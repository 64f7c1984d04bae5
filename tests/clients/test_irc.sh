#!/bin/sh
# test_irc.sh - examples/irc.lua with ii, across a reload, and with nc for what ii never sends
. "$(dirname "$0")/lib.sh"
. "$here/protocol.sh"
need_nc
need ii cc

# ii has no input of its own: it makes a folder for each channel, with files "in" and "out".
irc_client() { # NAME
    client "$1" ii -s 127.0.0.1 -p "$port" -n "$1" -i "$work/$1"
    wait_until "$1 is welcome" has_text "$work/$1/127.0.0.1/out" "Welcome to kelpie, $1!"
}

irc_say() { # NAME CHANNEL LINE; "" is the server
    printf '%s\n' "$3" >"$work/$1/127.0.0.1/$2/in"
}

irc_expect() { # NAME CHANNEL TEXT
    wait_until "$1 reads in '$2': $3" has_text "$work/$1/127.0.0.1/$2/out" "$3"
}

irc_join() { # NAME CHANNEL
    irc_say "$1" "" "/j $2"
    wait_until "$1 is in $2" test -p "$work/$1/127.0.0.1/$2/in"
    irc_expect "$1" "$2" "$1"
}

start_example irc
irc_client anna
irc_client bert
irc_join anna '#tea'
irc_join bert '#tea'
irc_expect anna '#tea' "bert"
irc_say anna '#tea' "hello all"
irc_expect bert '#tea' "<anna> hello all"
irc_say anna '#tea' "/t about tea"
irc_expect bert '#tea' "about tea"

# Two who type the protocol themselves.
client carl nc 127.0.0.1 "$port"
say carl "JOIN #tea"
expect carl ":kelpie.example 451 * :You have not registered"
say carl "CAP LS 302"
expect carl ":kelpie.example CAP * LS :"
say carl "NICK anna"
expect carl ":kelpie.example 433 * anna :Nickname is already in use"
say carl "NICK carl"
say carl "USER carl 0 * :Carl the Great"
say carl "CAP END"
expect carl ":kelpie.example 422 carl :There is no message of the day"
say carl "JOIN #tea"
expect carl ":kelpie.example 332 carl #tea :about tea"
expect carl ":kelpie.example 353 carl = #tea :@anna bert carl"
irc_expect anna '#tea' "carl"

reload_example

# Nobody has noticed.
irc_say bert '#tea' "still here"
irc_expect anna '#tea' "<bert> still here"
expect carl ":bert!bert@127.0.0.1 PRIVMSG #tea :still here"
irc_say bert '' "/j carl psst"
expect carl ":bert!bert@127.0.0.1 PRIVMSG carl :psst"
say carl "PRIVMSG bert :what?"
irc_expect bert carl "<carl> what?"
say carl "PING :42"
expect carl ":kelpie.example PONG kelpie.example :42"
say carl "WHO #tea"
expect carl ":kelpie.example 352 carl #tea carl 127.0.0.1 kelpie.example carl H :0 Carl the Great"
expect carl ":kelpie.example 315 carl #tea :End of WHO list"
client dora nc 127.0.0.1 "$port"
say dora "NICK dora" # who is half registered is not shown
say dora "USER"
expect dora ":kelpie.example 461 dora USER :Not enough parameters"
say carl "WHO dora"
expect carl ":kelpie.example 315 carl dora :End of WHO list"
say carl "MODE #tea"
expect carl ":kelpie.example 324 carl #tea +nt"
say carl "TOPIC #tea :mine"
expect carl ":kelpie.example 482 carl #tea :You're not channel operator"
irc_say anna '#tea' "/MODE #tea +o carl"
expect carl ":anna!anna@127.0.0.1 MODE #tea +o carl"
say carl "TOPIC #tea :coffee"
irc_expect bert '#tea' "coffee"
say carl "NICK Karl"
expect carl ":carl!carl@127.0.0.1 NICK :Karl"
say carl "NOTICE nobody :hello"
say carl "PRIVMSG nobody :hello"
expect carl ":kelpie.example 401 Karl nobody :No such nick/channel"
equal "answers to nobody" "$(grep -c ' 401 ' "$work/carl.out")" 1
say carl "PART #tea :bye"
irc_expect anna '#tea' "Karl"
say carl "PRIVMSG #tea :from outside"
expect carl ":kelpie.example 404 Karl #tea :Cannot send to channel"
say carl "QUIT :done"
expect carl "ERROR :Closing link"
irc_say bert '' "/q"
wait_until "anna is told of the quit" has_text "$work/anna.out" ":bert!bert@127.0.0.1 QUIT :Quit: bye"

sample 'CAP LS\r\nNICK dora\r\nUSER d 0 * :D\r\nCAP REQ :sasl\r\nCAP END\r\nJOIN #a,#tea\r\nQUIT :x\r\n'
sample 'NICK emil\nUSER e 0 * :E\nJOIN #a\nTOPIC #a :t\nMODE #a -t\nMODE #a +b\nWHO #a\nNAMES #a\nPART #a\n'
sample 'NICK fred\nUSER f 0 * :F\nJOIN #a\nMODE #a +o\nMODE #a +x\nMODE fred\nPRIVMSG #a :x\nNICK fritz\n'
sample 'NICK\nUSER\nUSER a\nNICK 1a\nNICK :\nNICK a b\n: \n:\n:x\n :\nPING\nPING :\nCAP\nCAP x\nCAP :\n'
sample 'NICK g\nUSER \377 \000 \001 :\nJOIN\nJOIN #\nJOIN :\nJOIN :#a b\nWHO\nWHO :\nMODE :\nMODE #a :\nPART :,\n'
sample 'NICK h\nUSER h h h h\nTOPIC #tea :mine\nMODE #tea +o h\nPRIVMSG anna\nPRIVMSG :anna\nNOTICE anna :\n'
sample 'NICK i\nUSER i i i i\nJOIN #tea\nPRIVMSG #tea :\001ACTION \000 \377\001\nTOPIC #tea\nPART #tea :\nQUIT\n'
garble_it 200
client karl nc 127.0.0.1 "$port"
say karl "NICK karl"
say karl "USER karl 0 * karl"
say karl "PRIVMSG anna :after it all"
wait_until "anna is told" grep -rqF "<karl> after it all" "$work/anna"
finish
