# protocol.sh - what the tests of the protocols in examples/ have in common; read after lib.sh
#
#   start_example NAME       serves a copy of examples/NAME.lua
#   reload_example           appends a comment to it, reloads, waits until that version serves
#   sample TEXT              one more connection for garble_it: TEXT as printf(1) reads it
#   garble_it COUNT          sends all samples as they are, and COUNT damaged ones
#   expect_no_errors         no handler has raised, and no reload was rejected
generation=1
n_samples=0

start_example() { # NAME [OPTION...]
    example=$1
    shift
    mkdir -p "$work/scripts" "$work/samples"
    cp "$top/examples/$example.lua" "$work/scripts/"
    [ ! -d "$top/examples/$example" ] || cp -R "$top/examples/$example" "$work/scripts/"
    start_server run -p 0 "$@" "$work/scripts/$example.lua"
}

reload_example() {
    generation=$((generation + 1))
    echo "-- version $generation" >>"$work/scripts/$example.lua"
    reload
    expect_log "generation $generation serves"
}

sample() { # TEXT
    n_samples=$((n_samples + 1))
    # shellcheck disable=SC2059
    printf "$1" >"$work/samples/$n_samples"
}

garble_it() { # COUNT
    [ -x "$work/garble" ] || cc -O1 -o "$work/garble" "$here/garble.c" ||
        fail "garble.c does not compile"
    "$work/garble" "$port" "${KELPIE_SEED:-1}" "$1" "$work"/samples/* ||
        fail "the server did not end a connection of garbage"
    expect_no_errors
}

has_newer_status() { # COUNT
    [ "$(grep -c 'handler errors' "$log")" -gt "$1" ]
}

expect_no_errors() {
    before=$(grep -c 'handler errors' "$log")
    kill -USR2 "$server"
    wait_until "the server has said its status" has_newer_status "$before"
    if grep -nE 'Z error |handler errors [1-9]|kills [1-9]| [1-9][0-9]* rejected|rolled back' \
        "$log"; then
        fail "the log has errors"
    fi
}
