#!/bin/sh
# test_start.sh - what goes wrong at the start: a sentence that helps, and an exit code
. "$(dirname "$0")/lib.sh"

copy_scripts
touch "$log" "$out"

# Runs kelpie to its end.
try() { # EXIT-CODE TEXT ARGUMENTS...
    wanted=$1
    text=$2
    shift 2
    spawn try "$kelpie" "$@" </dev/null
    wait_end try
    cat "$work/try.out" "$work/try.err" >"$work/tried"
    cat "$work/try.err" >>"$log"
    rm -f "$work/try.out" "$work/try.err"
    [ "$(cat "$work/try.status")" = "$wanted" ] ||
        fail "kelpie $* ended with $(cat "$work/try.status"), not $wanted: $(cat "$work/tried")"
    has_text "$work/tried" "$text" || fail "kelpie $* does not say '$text': $(cat "$work/tried")"
}

# The command line.
try 64 "which script?"
try 64 "--max-cleints is unknown; did you mean --max-clients?" --max-cleints 3 "$work/scripts"
try 64 "--no-sdtin is unknown; did you mean --no-stdin?" --no-sdtin "$work/scripts"
try 64 "-Z is unknown" -Z "$work/scripts"
try 64 "--listen wants a value" "$work/scripts" -l
try 64 "write a number of bytes, such as 8192, 64K or 1M" --max-message big "$work/scripts"
try 64 "write seconds, such as 30" --idle-timeout soon "$work/scripts"
try 64 "did you mean 'debug'?" --log-level debgu "$work/scripts"
try 64 "did you mean 'check'?" chek "$work/scripts"
try 64 '\x1b[31m' "$(printf -- '--\033[31m')" "$work/scripts"
try 0 "kelpie check scripts/" --help
try 0 "kelpie 0." --version

# The configuration file.
echo 'return { max_cleints = 3 }' >"$work/config.lua"
try 78 "did you mean 'max_clients'?" -c "$work/config.lua" "$work/scripts"
echo 'return { max_clients = }' >"$work/config.lua"
try 78 "config.lua:1: unexpected symbol near '}'" -c "$work/config.lua" "$work/scripts"
try 66 "nowhere.lua" -c "$work/nowhere.lua" "$work/scripts"

# Addresses.
try 64 "localhost:80" -l localhost:80 "$work/scripts"
try 64 "127.0.0.1:99999" -l 127.0.0.1:99999 "$work/scripts"
try 69 "192.0.2.1:0" -l 192.0.2.1:0 "$work/scripts"
try 64 "such a message could never be sent" --max-message 2M --max-outbox 1M "$work/scripts"
try 64 "--no-stdin takes no value" --no-stdin=yes "$work/scripts"
try 64 "one too many" run "$work/scripts" more
try 73 "nowhere/log" --log-file "$work/nowhere/log" -p 0 "$work/scripts"

# Scripts.
try 66 "nowhere" -p 0 "$work/nowhere"
printf 'return {\n   on_mesage = print,\n}\n' >"$work/typo.lua"
try 65 "did you mean 'on_message'?" -p 0 "$work/typo.lua"
printf 'return {\n   on_message = = 3\n}\n' >"$work/broken.lua"
try 65 "broken.lua:2: " -p 0 "$work/broken.lua"

# check
try 0 "$work/scripts: ok" check "$work/scripts"
try 65 "broken.lua:2: " check "$work/broken.lua"
try 65 "did you mean 'on_message'?" check "$work/typo.lua"
try 66 "nowhere" check "$work/nowhere"
printf 'return {\n' >"$work/scripts/routing.lua"
printf 'x = = 1\n' >"$work/scripts/welcome.lua"
try 65 "welcome.lua:1: " check "$work/scripts"
has_text "$work/tried" "routing.lua:2: " || fail "check reports one error only: $(cat "$work/tried")"
cp "$top/scripts/"*.lua "$work/scripts"

# A port in use: the second one says so before it has run any script.
printf 'print("side effect") return {}\n' >"$work/effect.lua"
start_server run -p 0 "$work/scripts"
try 69 "127.0.0.1:$port" run -p "$port" "$work/effect.lua"
has_text "$work/tried" "in use" || fail "the reason is missing: $(cat "$work/tried")"
has_text "$work/tried" "-p 0" || fail "the advice is missing: $(cat "$work/tried")"
if has_text "$work/tried" "side effect"; then fail "the script was run before the port was had"; fi
finish

# Options from a file.
cat >"$work/config.lua" <<LUA
return { script = "$work/scripts", listen = "127.0.0.1:0", log_format = "json", max_clients = 3 }
LUA
start_server -c "$work/config.lua"
expect_log '"level":"info","message":"listening on 127.0.0.1:'
finish

# TCP Fast Open is asked for; where the kernel has none it is a warning.
start_server run -p 0 --fastopen "$work/scripts"
finish

# Another user.
if [ "$(id -u)" -eq 0 ] && id nobody >/dev/null 2>&1; then
    try 67 "there is no such user" -p 0 --user no-such-user "$work/scripts"
    chmod 755 "$work" "$work/scripts"
    chmod 644 "$work/scripts/"*
    start_server run -p 0 --user nobody "$work/scripts"
    equal "the user of the server" "$(ps -o user= -p "$server" | tr -d ' ')" nobody
    reload
    expect_log "generation 2 serves"
    finish
    start_server run -p 0 --user 54321 "$work/scripts"
    equal "the user of the server" "$(ps -o user= -p "$server" | tr -d ' ')" 54321
    finish
    if su -s /bin/sh nobody -c true >/dev/null 2>&1; then
        cp "$kelpie" "$work/kelpie"
        spawn poor su -s /bin/sh nobody -c "exec '$work/kelpie' -p 0 --user root '$work/scripts'" \
            </dev/null
        wait_end poor
        equal "the exit code of nobody who wants to be root" "$(cat "$work/poor.status")" 77
        has_text "$work/poor.err" "only root can become another user" ||
            fail "nobody is told: $(cat "$work/poor.err")"
    fi
    rmdir "/tmp/kelpie-$(id -u nobody)" /tmp/kelpie-54321 2>/dev/null # control sockets
fi

# Fewer files than clients.
# shellcheck disable=SC2016
spawn server sh -c 'ulimit -n 200; exec "$0" run -l "*:0" --max-clients 1000 --log-file "$1" "$2"' \
    "$kelpie" "$log" "$work/scripts" </dev/null
server=$(cat "$work/server.pid")
expect_log "1000 clients are wanted, but only 200 files may be open (ulimit -n)"
expect_log "listening on *:"
fds_before=$(count_fds)
finish
