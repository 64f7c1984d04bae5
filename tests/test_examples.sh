#!/bin/sh
# test_examples.sh FOLDER - each program of examples/ with a real client
#
# FOLDER has the programs example_<name>. Those that were not built, for want of a library, are
# named at the end. Every example is shorter than 80 lines.
set -u

examples=${1:?usage: sh $0 FOLDER}
. "$(dirname "$0")/clients/lib.sh"
top=$(cd "$(dirname "$0")/.." && pwd)
need_nc
missing=
shown=0

is_listening() {
    [ -s "$work/server.status" ] || has_text "$work/server.err" "listening, port"
}

is_built() { # NAME
    [ -x "$examples/example_$1" ] || { missing="$missing $1"; return 1; }
}

# Starts the program with a free port; its standard input is descriptor 9.
start_example() { # NAME [MORE ARGUMENTS]
    is_built "$1" || return 1
    name=$1
    shift
    rm -f "$work"/server.* "$work/stdin"
    mkfifo "$work/stdin"
    exec 9<>"$work/stdin"
    spawn server "$examples/example_$name" 127.0.0.1:0 "$@" <"$work/stdin"
    exec 9>"$work/stdin"
    server=$(cat "$work/server.pid")
    wait_until "$name listens" is_listening
    port=$(sed -n 's/^listening, port //p' "$work/server.err")
    [ -n "$port" ] || fail "$name has ended: $(cat "$work/server.err")"
    example=$name
    shown=$((shown + 1))
}

# The program ends by itself, or by SIGTERM; status is what is expected of it then.
expect_end() { # STATUS
    wait_end server
    equal "the exit code of $example" "$(cat "$work/server.status")" "$1"
    equal "what $example has said" "$(grep -v -e '^listening, port' -e '^Terminated$' "$work/server.err")" ""
    exec 9>&-
    for name in $clients; do
        quit "$name"
    done
    clients=
}

terminate() { # STATUS
    kill -TERM "$server"
    expect_end "$1"
}

expect_ticks() { # TEXT: the program's own timer and kelpie's work go on side by side
    client anna nc 127.0.0.1 "$port"
    expect anna "$1"
    client bert nc 127.0.0.1 "$port"
    expect bert "$1"
    terminate 143
}

expect_typed() { # what the operator types goes to all; the end of input is the end
    client anna nc 127.0.0.1 "$port"
    client bert nc 127.0.0.1 "$port"
    wait_until "both are served" are_both_told
    exec 9>&-
    expect_end 0
}

# A client is there when the server has accepted it: typing goes on until both have read.
are_both_told() {
    operator "tea is ready"
    has_line "$work/anna.out" "tea is ready" && has_line "$work/bert.out" "tea is ready"
}

is_answered_by_the_next() {
    say anna Wikipedia
    has_line "$work/anna.out" "2 11e60398"
}

for source in "$top"/examples/*.c; do
    [ "$(wc -l <"$source")" -lt 80 ] || fail "$source has 80 lines or more"
done

if start_example echo; then
    client anna nc 127.0.0.1 "$port"
    say anna hello
    expect anna hello
    terminate 0
fi

if start_example chat; then
    client anna nc 127.0.0.1 "$port"
    expect anna "you are #0 in lobby, with 0 others"
    client bert nc 127.0.0.1 "$port"
    expect bert "you are #1 in lobby, with 1 others"
    say bert hello
    expect anna "#1: hello"
    say bert "/join garden"
    expect bert "you are #1 in garden, with 0 others"
    say anna "is anybody here?"
    say anna "/join garden"
    expect anna "you are #0 in garden, with 1 others"
    say anna "there you are"
    expect bert "#0: there you are"
    if has_text "$work/bert.out" anybody; then fail "bert has heard another room"; fi
    terminate 143
fi

if start_example module; then
    client anna nc 127.0.0.1 "$port"
    say anna Wikipedia
    expect anna "1 11e60398"
    kill -HUP "$server"
    wait_until "a new generation answers" is_answered_by_the_next
    terminate 0
fi

if start_example console; then
    client anna nc 127.0.0.1 "$port"
    say anna status
    wait_until "it has counted some" grep -q '^[1-9][0-9]* primes$' "$work/anna.out"
    say anna help
    expect anna "commands: status, stop"
    say anna stop
    expect anna stopping
    expect_end 0
fi

if start_example poll; then
    client carl nc 127.0.0.1 "$port"
    say carl hello
    expect carl hello
    expect_typed
fi

# Behind it an echo, which it reaches by name; then nobody.
if is_built relay && is_built echo; then
    spawn echo "$examples/example_echo" 127.0.0.1:0 </dev/null
    wait_until "the echo listens" test -s "$work/echo.err"
    target=localhost:$(sed -n 's/^listening, port //p' "$work/echo.err")
    start_example relay "$target"
    client anna nc 127.0.0.1 "$port"
    say anna "through and back"
    expect anna "through and back"
    quit anna
    kill -TERM "$(cat "$work/echo.pid")"
    wait_end echo
    spawn late nc -d 127.0.0.1 "$port" </dev/null
    wait_end late
    equal "what the client of a relay to nobody reads" "$(cat "$work/late.out")" ""
    terminate 143
fi

start_example inside_kqueue && expect_typed
start_example inside_libuv && expect_ticks tick
start_example inside_libevent && expect_ticks tick
start_example inside_glib && expect_ticks tick

if is_built without_sockets; then
    "$examples/example_without_sockets" >"$work/tap" || fail "without_sockets: $(cat "$work/tap")"
    equal "how many checks without_sockets makes" "$(grep -c '^ok - ' "$work/tap")" 3
    shown=$((shown + 1))
fi

[ "$shown" -ge 8 ] || fail "only $shown examples were built; missing:$missing"
echo "examples: $shown ran; not built:${missing:- none}"
