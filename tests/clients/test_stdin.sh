#!/bin/sh
# test_stdin.sh - standard input as pipe, file, /dev/null, closed, and not at all
. "$(dirname "$0")/lib.sh"
need_nc

write_script 'return {
   on_connect = function(conn) conn:send("welcome") end,
   on_input = function(line) print("operator: " .. #line .. " " .. line:sub(1, 20)) end,
}'

# Runs the server with some descriptors closed, and a log file.
serve_closed() { # REDIRECTIONS
    : >"$out"
    : >"$log"
    # shellcheck disable=SC2016
    spawn server sh -c 'exec "$0" run -p 0 --log-file "$1" "$2" '"$1" \
        "$kelpie" "$log" "$work/scripts" <"$work/lines"
    server=$(cat "$work/server.pid")
    log_start=1
    wait_ready
    equal "what a client reads" "$(nc -N 127.0.0.1 "$port" </dev/null)" "welcome"
}

# Starts with what is the standard input of this function, and sees that clients are served.
serve() { # ARGUMENTS
    : >"$out"
    launch run -p 0 --log-level debug "$@" "$work/scripts"
    wait_ready
    equal "what a client reads" "$(nc -N 127.0.0.1 "$port" </dev/null)" "welcome"
}

# A file: every line, also the last one without its end.
printf 'one\ntwo\r\n\nlast' >"$work/lines"
serve <"$work/lines"
expect_printed "operator: 3 one"
expect_printed "operator: 3 two"
expect_printed "operator: 0 "
expect_printed "operator: 4 last"
expect_log "standard input has ended"
finish

# An empty file.
: >"$work/empty"
serve <"$work/empty"
finish

# Nothing.
serve </dev/null
finish

# A pipe, with its end, and a line that is too long for anybody.
rm -f "$work/stdin"
mkfifo "$work/stdin"
exec 9<>"$work/stdin"
serve <"$work/stdin"
exec 9>"$work/stdin"
operator "first"
expect_printed "operator: 5 first"
i=0
while [ $i -lt 2000 ]; do
    printf '%0100d' 0
    i=$((i + 1))
done >&9
operator ""
operator "after"
expect_printed "operator: 5 after"
expect_log "a line of more than 65536 bytes was left out"
printf 'end' >&9
exec 9>&-
expect_printed "operator: 3 end"
equal "what a client reads after the end" "$(nc -N 127.0.0.1 "$port" </dev/null)" "welcome"
finish

# --no-stdin.
serve --no-stdin <"$work/lines"
finish
if has_text "$out" operator; then fail "--no-stdin has read standard input"; fi

# Closed descriptors: what is written there does not go to a client.
serve_closed '<&-'
finish
serve_closed '>&- 2>&-'
finish
serve_closed '<&- >&- 2>&-'
finish
