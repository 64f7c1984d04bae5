#!/bin/sh
# test_chat.sh - examples/chat.lua with nc and telnet, across a reload
. "$(dirname "$0")/lib.sh"
. "$here/protocol.sh"
need_nc
need telnet cc

start_example chat
client anna nc 127.0.0.1 "$port"
expect anna "your name?"
say anna "an na"
expect anna "! a name is up to 24 letters, digits, _ and -"
say anna "Anna"
expect anna "* you are in lobby, 1 here"
say anna "first words"

client bert telnet 127.0.0.1 "$port"
say bert "Anna"
expect bert "! somebody is called Anna already"
say bert "Bert"
expect bert "  Anna: first words"
expect bert "* you are in lobby, 2 here"
expect anna "* Bert has come"
say bert "hello"
expect anna "Bert: hello"
say bert "/join tea"
expect anna "* Bert has left"
expect bert "* you are in tea, 1 here"

reload_example

# Names, places and what was said are still there.
say anna "/msg Bert still here?"
expect bert "[Anna] still here?"
expect anna "[to Bert] still here?"
say anna "/msg Carl hello"
expect anna "! nobody is called Carl"
say bert "/who"
expect bert "* here: Bert"
say anna "/rooms"
expect anna "* rooms: lobby (1), tea (1)"
say anna "/name Berta"
expect anna "* you are called Berta"
client carl nc -N 127.0.0.1 "$port"
say carl "Carl"
expect carl "  Anna: first words"
expect carl "  Bert: hello"
expect carl "* you are in lobby, 2 here"
expect anna "* Carl has come"
say carl "/dance"
expect carl "! there is no such command; /help lists them"
say carl "/quit"
expect carl "* bye"
expect anna "* Carl has left"
say bert "/join lobby"
expect anna "* Bert has come"

# Garbage. It takes a name now and then, and then everybody reads what it says.
sample 'Dora\n/join x\n/msg Anna hello\n/name Emil\n/who\n/rooms\n/help\n/quit\n'
sample '\n\n/\n//\n/ \n/msg\n/msg a\n/join\n/name\n/quit\n'
sample '/quit\n/who\nx y\n\000\001\033[2J\n\377\376\n/name \000\nz\n/join \000\n'
sample 'Emil\r\n/name Emil\r\n\000\000\t\r\n/join lobby\n/join a\n/join a\n/msg Emil me'
garble_it 200
say bert "/msg Berta after it all"
expect anna "[Bert] after it all"
finish
