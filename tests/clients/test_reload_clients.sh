#!/bin/sh
# test_reload_clients.sh - what real programs were in the middle of goes on after a reload
. "$(dirname "$0")/lib.sh"
need_nc
need cc
cc -O1 -o "$work/pipeline" "$here/pipeline.c" || fail "pipeline.c does not compile"

version=0
next_version() {
    version=$((version + 1))
    mkdir -p "$work/scripts"
    cat >"$work/scripts/new" <<END
local handlers = {}
function handlers.on_message(conn, line)
   if line == "ask me" then
      conn:send("your name?")
      conn:send("v$version hello " .. conn:receive())
   else
      conn:send("v$version " .. line)
   end
end
return handlers
END
    mv "$work/scripts/new" "$work/scripts/init.lua"
}

reload_next() {
    next_version
    reload
    expect_log "generation $version serves"
}

# Types into a client, without a newline at the end.
type_part() { # NAME TEXT
    eval "fd=\$input_of_$1"
    eval "printf '%s' \"\$2\" >&$fd"
}

# Asks for the status, and looks for the bytes that have come in.
has_taken() { # BYTES
    kill -USR2 "$server"
    grep -q "bytes in $1, " "$log"
}

next_version
start_server run -p 0 "$work/scripts"

# Half a line, three times over.
client anna nc 127.0.0.1 "$port"
type_part anna "one, "
wait_until "the first part is there" has_taken 5
reload_next
type_part anna "two, "
wait_until "the second part is there" has_taken 10
reload_next
type_part anna "three"
wait_until "the third part is there" has_taken 15
reload_next
say anna "."
expect anna "v4 one, two, three."
bytes=17

# The same through other programs.
if command -v socat >/dev/null 2>&1; then
    client sophie socat - "TCP:127.0.0.1:$port"
    type_part sophie "half "
    wait_until "the half is there" has_taken $((bytes + 5))
    reload_next
    say sophie "whole"
    expect sophie "v$version half whole"
    bytes=$((bytes + 11))
fi

# Suspended in conn:receive: ends in the old code, and the next line is for the new one.
say anna "ask me"
expect anna "your name?"
old=$version
client berta nc 127.0.0.1 "$port"
reload_next
say berta "already new?"
expect berta "v$version already new?"
type_part anna "An"
say anna "na"
say anna "and now?"
expect anna "v$old hello Anna"
expect anna "v$version and now?"

# A whole conversation at once: the answer to the question is there before the reload is.
say berta "ask me"
expect berta "your name?"
old=$version
next_version
reload
say berta "Berta"
say berta "next"
wait_until "berta is greeted" grep -qE "^v($old|$version) hello Berta\$" "$work/berta.out"
wait_until "berta is answered" grep -qE "^v($old|$version) next\$" "$work/berta.out"
expect_log "generation $version serves"

# A client that always has half a line on the way, through many reloads.
client pipeline "$work/pipeline" "$port"
expect pipeline "version v$version"
while [ $version -lt 40 ]; do
    reload_next
    expect pipeline "version v$version"
done
hang_up pipeline
wait_end pipeline
equal "the exit code of the pipelined client" "$(cat "$work/pipeline.status")" 0
tail -n 1 "$work/pipeline.out" # "answered COUNT"
finish
