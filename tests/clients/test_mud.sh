#!/bin/sh
# test_mud.sh - examples/mud.lua with telnet, while its world is edited
. "$(dirname "$0")/lib.sh"
. "$here/protocol.sh"
need_nc
need telnet cc

edit_room() { # NAME LUA
    generation=$((generation + 1))
    printf '%s\n' "$2" >"$work/scripts/mud/rooms/$1.new"
    mv "$work/scripts/mud/rooms/$1.new" "$work/scripts/mud/rooms/$1.lua"
    reload
    expect_log "generation $generation serves"
}

start_example mud
client anna telnet 127.0.0.1 "$port"
expect anna "Your name?"
say anna "Anna"
expect anna "You are new. Choose a password:"
say anna "secret"
expect anna "The market square"
expect anna "There is a loaf."
say anna "take loaf"
expect anna "You take the loaf."
say anna "n"
expect anna 'The innkeeper nods: "Sit down, Anna."'

client bert nc 127.0.0.1 "$port"
say bert "Anna"
wait_until "bert is asked for a password" has_text "$work/bert.out" "Password?"
say bert "guess"
expect bert "That is not the password. Your name?"
say bert "Bert"
say bert "xyz"
expect bert "The market square"
say bert "go north"
expect bert "Anna is here."
expect anna "Bert comes in."
say bert "say hello"
expect anna "Bert says: hello"

# The inn is rebuilt around them; the loaf stays in the bag.
edit_room inn 'return {
   title = "The ruins of the inn", text = "Ashes.", exits = { south = "square", down = "garden" },
}'
say anna "look"
expect anna "The ruins of the inn"
expect anna "Bert is here."
say anna "drop loaf"
say anna "go down"
expect anna "The garden"
say bert "look"
expect bert "There is a loaf."

# The inn is taken out of the world: who is in it wakes up on the square.
sed -i.old 's/, "inn"//' "$work/scripts/mud/world.lua"
edit_room square 'return { title = "The empty square", text = "Nobody.", exits = { north = "inn" } }'
expect bert "The world changes around you."
expect bert "The empty square"
say bert "n"
expect bert "There is no way."
say anna "w"
expect bert "Anna comes in."
say bert "quit"
expect bert "Farewell."
expect anna "Bert fades away."

# Options of telnet: each demand is refused once, an answer is not answered, IAC IAC is a byte.
printf '\377\375\001\377\373\037\377\375\003\377\372\030\000x\377\360\377\366\377\376\001Zo\377\361e\r\0' \
    >"$work/options"
nc -N 127.0.0.1 "$port" <"$work/options" >"$work/answers" || fail "nc has failed"
printf 'Your name?\r\n\377\374\001\377\376\037\377\374\003[yes]\r\n\377\373\001%s\r\n' \
    "You are new. Choose a password:" >"$work/wanted"
cmp "$work/answers" "$work/wanted" || fail "telnet options: $(od -c "$work/answers")"

sample 'Carl\nx\nlook\ntake loaf\ndrop loaf\nbag\nsay hi\nn\ns\ne\nw\ngo\ngo north\ngo xyz\nhelp\nquit\n'
sample '\377\373\001\377\375\001Dora\r\000pw\r\000\377\372\037\000\120\000\030\377\360look\r\n\377\366quit\r\n'
sample '\n \n\000\nA B\n123\n\377\377\n\nEmil\n\n\nl\ntake\ndrop\ntake \377\377\nsay\nsay \377\377\n'
sample 'Fred\nf\ngo on_enter\ntake __index\n__gc\nsay %%s%%n\nsay \033[2J\nlook look\n \n\n\377'
sample 'Anna\nx\nAnna\ny\nAnna\nz\n\377\372\377\377\377\372\377\373'
garble_it 200
say anna "say after it all"
expect anna "You say: after it all"
finish
