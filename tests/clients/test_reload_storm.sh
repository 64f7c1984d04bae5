#!/bin/sh
# test_reload_storm.sh - 10,000 SIGHUPs in about a second, while the script keeps changing
. "$(dirname "$0")/lib.sh"
need_nc
need cc
cc -O1 -o "$work/storm" "$here/storm.c" || fail "storm.c does not compile"

# Its answers have the version in them; it says when it begins. The log says when it ends.
write_version() { # VERSION
    mkdir -p "$work/scripts"
    cat >"$work/scripts/new" <<END
local kelpie = require("kelpie")
local handlers = {}
function handlers.on_load()
   kelpie.log("info", "begins")
end
function handlers.on_message(conn, line)
   if line == "ask me" then
      conn:send("your name?")
      conn:send("$1 hello " .. conn:receive())
   else
      conn:send("$1 " .. line)
   end
end
return handlers
END
    mv "$work/scripts/new" "$work/scripts/init.lua"
}

# Whether the client is answered by that version now; asks once more each time.
answers_with() { # NAME VERSION
    say "$1" "which"
    has_line "$work/$1.out" "$2 which"
}

# Changes the script all the time, until the storm has sent its 10,000.
change_during_storm() { # PREFIX
    n=0
    until has_line "$work/storm.out" "sent 10000"; do
        [ ! -s "$work/storm.status" ] || fail "the storm has ended: $(cat "$work/storm.err")"
        n=$((n + 1))
        write_version "$1$n"
        say anna "$1 $n"
        wait_until "anna is served within the storm" grep -qE "^[a-z]+[0-9]* $1 $n\$" "$work/anna.out"
    done
}

# At the time a generation has come into service there are at most two.
count_states() {
    awk '/script [0-9]+: begins/ { n++ }
        /generation [0-9]+ ends/ { n-- }
        /generation [0-9]+ serves/ { served++; if (n > most) most = n }
        END { print served, most }' "$log"
}

write_version first
start_server run -p 0 --log-level trace "$work/scripts"
client anna nc 127.0.0.1 "$port"
say anna "hello"
expect anna "first hello"

# Nobody is suspended: the last content wins.
client storm "$work/storm" "$server" 10000
change_during_storm calm
write_version last
hang_up storm
wait_end storm
equal "the exit code of the storm" "$(cat "$work/storm.status")" 0
wait_until "the last content serves" answers_with anna last

# A handler that waits in old code holds up all but the first reload, and is not lost.
client berta nc 127.0.0.1 "$port"
say berta "ask me"
expect berta "your name?"
client storm "$work/storm" "$server" 10000
change_during_storm held
write_version final
hang_up storm
wait_end storm
say berta "Berta"
expect berta "last hello Berta"
wait_until "the final content serves" answers_with anna final
wait_until "also the one who was suspended" answers_with berta final

# shellcheck disable=SC2046
set -- $(count_states)
[ "$1" -ge 4 ] || fail "only $1 generations have served"
[ "$2" -le 2 ] || fail "$2 generations at a time"
echo "$1 generations, at most $2 at a time"
kill -USR2 "$server"
expect_log " 0 rejected); clients 2 (accepted 2, refused 0, closed 0)"
finish
