#!/bin/sh
# test_watch.sh - --watch: what cat, sed -i, mv and editors do to a file reaches the clients
. "$(dirname "$0")/lib.sh"
need_nc

# A server that answers with a word, which is in a module of its own.
mkdir -p "$work/scripts/lib"
cat >"$work/scripts/init.lua" <<'END'
local word = require("lib.word")
return {
   on_load = function() print("the word is " .. word) end,
   on_message = function(conn, message) conn:send(message, " ", word) end,
}
END
module=$work/scripts/lib/word.lua
echo 'return "one"' >"$module"
start_server --watch -p 0 "$work/scripts"
client ann nc 127.0.0.1 "$port"
say ann hello
expect ann "hello one"

answers() { # WORD
    expect_printed "the word is $1"
    say ann "$1?"
    expect ann "$1? $1"
}

# In place.
cat >"$module" <<'END'
return "two"
END
answers two
has_text "$log" "watch: $module changed" || fail "the log does not say what has changed"

# Replaced by a rename: sed, mv.
sed -i.bak 's/two/three/' "$module"
answers three
echo 'return "four"' >"$work/four"
mv "$work/four" "$module"
answers four

# As vim does it: the old one becomes the backup, a new one is written, the backup goes.
mv "$module" "$module~"
echo 'return "five"' >"$module"
rm "$module~"
answers five

# A broken one, and its repair; the client stays all the time.
echo 'return "six' >"$module"
expect_log "reload rejected: $module:1:"
echo 'return "six"' >"$module"
answers six

# A module that is missing, and then there.
sed -i.bak 's/lib.word/lib.other/' "$work/scripts/init.lua"
expect_log "module 'lib.other' not found"
echo 'return "seven"' >"$work/scripts/lib/other.lua"
answers seven

# What has nothing to do with it: the next reload is that of the next change.
before=$(grep -c ' serves: ' "$log")
echo 'return "unused"' >"$module"
echo notes >"$work/scripts/notes.txt"
touch "$work/scripts/lib/other.lua"
echo 'return "eight"' >"$work/scripts/lib/other.lua"
answers eight
equal "the number of reloads for one change" "$(($(grep -c ' serves: ' "$log") - before))" 1

# By signal, as ever.
reload
wait_until "the signal has reloaded too" \
    sh -c 'test "$(grep -c " serves: " "$1")" -gt "$2"' - "$log" $((before + 1))
answers eight

fds_before=$((fds_before + 1)) # on Linux, what tells about files is a descriptor itself
finish
