#!/bin/sh
# test_terminal.sh - kelpie on a terminal, in the foreground and in the background
. "$(dirname "$0")/lib.sh"
need script
script -qec true /dev/null >/dev/null 2>&1 || skip "this script has other options"

copy_scripts
touch "$log" "$out"

# Runs a command of the shell on a terminal of its own; it writes the pid of kelpie to a file.
on_terminal() { # NAME COMMAND
    rm -f "$work/pid"
    client "$1" script -qec "$2" /dev/null
    wait_until "kelpie has started on the terminal" test -s "$work/pid"
    server=$(cat "$work/pid")
    processes="$processes $server"
    wait_until "the terminal shows how to try it" has_text "$work/$1.out" "try it    nc 127.0.0.1 "
    port=$(tr -d '\r' <"$work/$1.out" | sed -n 's/^try it .* //p')
}

end() { # NAME
    kill -TERM "$server"
    wait_end "$1"
    equal "the exit code on a terminal" "$(cat "$work/$1.status")" 0
    hang_up "$1"
}

# The first start says five things. What is typed is a line from the operator.
on_terminal front "echo \$\$ >'$work/pid'; exec '$kelpie' run -p 0 '$work/scripts'"
for text in "listens   127.0.0.1:$port" "script    $work/scripts/init.lua" "pid       $server" \
    "reload    edit the script, then: $kelpie reload (or kill -HUP $server)" "try it    nc 127.0.0.1 $port"; do
    expect front "$text"
done
if command -v socat >/dev/null 2>&1; then
    client anna socat - "TCP:127.0.0.1:$port"
    expect anna "welcome! you are client #0!"
    say front "typed"
    expect anna "typed"
    say anna "hello"
    expect front "client #0: hello"
    hang_up anna
    expect front "client #0 disconnected."
fi
end front

on_terminal watching "echo \$\$ >'$work/pid'; exec '$kelpie' run -w -p 0 '$work/scripts'"
expect watching "reload    save a file of the script, it is loaded at once"
end watching

# In the background the terminal belongs to the shell: nothing is read, and nothing stops. In
# the foreground again, what was typed is read.
printf 'return { on_input = function(line) print("operator: " .. line) end }\n' \
    >"$work/scripts/init.lua"
on_terminal back "sh -m -c '
    \"$kelpie\" run -p 0 \"$work/scripts\" & echo \$! >\"$work/pid\"
    while [ ! -e \"$work/foreground\" ]; do sleep 0.05; done
    fg >/dev/null'"
say back "typed"
expect back "typed" # the echo of the terminal
reload
wait_until "it serves in the background" has_text "$work/back.out" "generation 2 serves"
if has_text "$work/back.out" "operator: typed"; then fail "the background has read the terminal"; fi
touch "$work/foreground"
expect back "operator: typed"
end back

# Errors are red, unless nobody wants colours.
spawn red script -qec "TERM=xterm exec '$kelpie' -p 0 '$work/nowhere'" /dev/null </dev/null
wait_end red
has_text "$work/red.out" "$(printf '\033[31merror')" || fail "errors have no colour"
spawn grey script -qec "NO_COLOR=1 exec '$kelpie' -p 0 '$work/nowhere'" /dev/null </dev/null
wait_end grey
has_text "$work/grey.out" "error cannot read" || fail "there is no error"
if has_text "$work/grey.out" "$(printf '\033')"; then fail "NO_COLOR is not honoured"; fi
