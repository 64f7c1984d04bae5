#!/bin/sh
# test_session.sh - the first session of the README: clients, operator, reload, broken reload
. "$(dirname "$0")/lib.sh"
need_nc

copy_scripts
start_server run -p 0 --max-clients 10 "$work/scripts"

# A client is welcomed, what it says is printed, what the operator types goes to everybody.
client anna nc 127.0.0.1 "$port"
expect anna "welcome! you are client #0!"
client bert nc 127.0.0.1 "$port"
expect bert "welcome! you are client #1!"
say anna "hello"
expect_printed "client #0: hello"
operator "tea is ready"
expect anna "tea is ready"
expect bert "tea is ready"
if has_text "$work/bert.out" hello; then fail "bert has read what was meant for the operator"; fi

# The eleventh client is refused, politely.
extra=2
while [ $extra -lt 10 ]; do
    spawn "extra$extra" nc -d 127.0.0.1 "$port" </dev/null
    clients="$clients extra$extra"
    expect "extra$extra" "welcome! you are client #$extra!"
    extra=$((extra + 1))
done
spawn late nc -d 127.0.0.1 "$port" </dev/null
wait_end late
equal "what the eleventh client reads" "$(cat "$work/late.out")" "connection refused."

# The number of one who left is the next one's.
quit bert
expect_printed "client #1 disconnected."
client carl nc 127.0.0.1 "$port"
expect carl "welcome! you are client #1!"

# A new text for the next one; who is connected stays.
quit carl
sed 's/welcome! you are/ahoy! you are/' "$top/scripts/welcome.lua" >"$work/scripts/welcome.lua"
reload
expect_log "generation 2"
client dora nc 127.0.0.1 "$port"
expect dora "ahoy! you are client #1!"
say anna "still here"
expect_printed "client #0: still here"

# A broken script is refused, with file, line and reason, and everybody is served as before.
printf 'local welcome = {}\n\nfunction welcome.text(conn\n   return 1\nend\n' \
    >"$work/scripts/welcome.lua"
reload
expect_log "reload rejected:"
expect_log "welcome.lua:4: "
expect_log "still serving generation 2"
say anna "as before"
expect_printed "client #0: as before"
quit dora
client emil nc 127.0.0.1 "$port"
expect emil "ahoy! you are client #1!"
operator "good night"
expect anna "good night"

# One that fails while it runs, too.
printf 'error("no tea")\n' >"$work/scripts/welcome.lua"
reload
expect_log "welcome.lua:1: no tea"
say emil "and me"
expect_printed "client #1: and me"

# Repaired: it goes on.
cp "$top/scripts/welcome.lua" "$work/scripts/welcome.lua"
quit emil
reload
expect_log "serves: "
wait_until "a third generation serves" sh -c "grep -c 'generation [0-9]* serves' '$log' | grep -qx 3"
client frida nc 127.0.0.1 "$port"
expect frida "welcome! you are client #1!"
finish
