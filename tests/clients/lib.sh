# lib.sh - what the tests with real programs have in common; read by each of them
#
#   start_server ARGUMENTS   runs kelpie, waits until it listens; sets server (pid) and port
#   client NAME COMMAND...   runs a client in the background
#   say NAME TEXT            types a line into it; operator TEXT: into the server
#   expect NAME TEXT         waits until the client has shown that line
#   expect_printed, expect_log   the same for the server's output and log
#   hang_up NAME             ends the client's input; quit NAME also waits for its end
#   finish                   ends everything and checks that nothing is left or odd
#
# No sleep stands for an event: wait_until looks again and again, for 20 seconds at most,
# and says what it waited for. Everything lives in a folder of its own, and every process
# that was started ends with the test.
#
# Descriptors: 3 to 7 are the inputs of clients, 8 is for a moment the input of a process that
# is being started, 9 is the server's standard input.
set -u

kelpie=${1:?usage: sh $0 KELPIE_BINARY}
case $kelpie in
/*) ;;
*) kelpie=$PWD/$kelpie ;;
esac
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/kelpie-test.XXXXXX")
log=$work/log
out=$work/out
server=
processes=
clients=
unset NO_COLOR
export XDG_RUNTIME_DIR="$work" # control sockets

# ---- ends ---------------------------------------------------------------------------

clean_up() {
    status=$?
    trap '' EXIT HUP INT TERM
    for pid in $processes; do
        kill -CONT "$pid" 2>/dev/null
        kill -KILL "$pid" 2>/dev/null
    done
    exec 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-
    wait
    rm -rf "$work"
    exit $status
}
trap clean_up EXIT
trap 'exit 1' HUP INT TERM

fail() {
    echo "FAILED: $*"
    for file in "$log" "$out"; do
        [ -s "$file" ] || continue
        echo "--- $(basename "$file"), its end:"
        tail -n 40 "$file" | LC_ALL=C tr -c '\n -~' '?'
    done
    for name in $clients; do
        [ -f "$work/$name.out" ] || continue
        echo "--- what $name has read, its end:"
        tail -c 600 "$work/$name.out" | LC_ALL=C tr -c '\n -~' '?'
    done
    exit 1
}

skip() {
    echo "skipped: $*"
    exit 77
}

need() {
    for tool in "$@"; do
        command -v "$tool" >/dev/null 2>&1 || skip "$tool is not installed"
    done
}

# nc of OpenBSD, the one with -N.
need_nc() {
    need nc
    nc -h 2>&1 | grep -q -e '-[A-Za-z]*N' || skip "this nc has no -N"
}

# ---- waiting ------------------------------------------------------------------------

limit=20

wait_until() { # SENTENCE COMMAND...
    sentence=$1
    shift
    deadline=$(($(date +%s) + limit))
    until "$@" >/dev/null 2>&1; do
        [ "$(date +%s)" -lt "$deadline" ] || fail "waited $limit s until $sentence"
        sleep 0.05
    done
}

has_line() { # FILE LINE
    tr -d '\r' <"$1" | grep -qxF -e "$2"
}

has_text() { # FILE TEXT
    grep -qF -e "$2" "$1"
}

equal() { # WHAT IS WANTED
    [ "$2" = "$3" ] || fail "$1 is '$2', not '$3'"
}

# ---- processes ----------------------------------------------------------------------

# Runs a command in the background: NAME.pid, NAME.out, NAME.err and, at its end, NAME.status
# are files in $work. What is the standard input of this function is that of the command; a
# shell gives its background processes /dev/null, hence the detour by descriptor 8.
spawn() { # NAME COMMAND...
    spawned=$1
    shift
    rm -f "$work/$spawned.pid" "$work/$spawned.status"
    {
        (
            exec 3>&- 4>&- 5>&- 6>&- 7>&- 9>&-
            # shellcheck disable=SC2016
            sh -c 'echo $$ >"$0.new"; mv "$0.new" "$0"; exec "$@"' \
                "$work/$spawned.pid" "$@" \
                <&8 8<&- >>"$work/$spawned.out" 2>>"$work/$spawned.err"
            echo $? >"$work/$spawned.status.new"
            mv "$work/$spawned.status.new" "$work/$spawned.status"
        ) 2>/dev/null &
    } 8<&0
    wait_until "$spawned has started" test -s "$work/$spawned.pid"
    processes="$processes $(cat "$work/$spawned.pid")"
}

wait_end() { # NAME
    wait_until "$1 has ended" test -s "$work/$1.status"
}

# ---- the server ---------------------------------------------------------------------

count_fds() {
    # A system without /proc has nothing to count: 0 at the beginning and at the end.
    # shellcheck disable=SC2012
    ls "/proc/$server/fd" 2>/dev/null | wc -l
}

# Takes what has been logged since the start, and the place where it ended.
log_of_start() {
    tail -n +"$log_start" "$log" 2>/dev/null
}

is_ready() {
    [ -s "$work/server.status" ] || log_of_start | grep -q 'listening on'
}

# Starts kelpie with standard input from here.
launch() { # ARGUMENTS
    touch "$log" "$out"
    ln -sf log "$work/server.err"
    ln -sf out "$work/server.out"
    log_start=$(($(wc -l <"$log") + 1))
    spawn server "$kelpie" "$@"
    server=$(cat "$work/server.pid")
}

wait_ready() {
    wait_until "the server listens" is_ready
    [ ! -s "$work/server.status" ] || fail "the server has ended: $(cat "$work/server.status")"
    # shellcheck disable=SC2034
    port=$(log_of_start | sed -n 's/.*listening on .*:\([0-9][0-9]*\)"*}*$/\1/p' | head -n 1)
    fds_before=$(count_fds)
}

start_server() { # ARGUMENTS
    rm -f "$work/stdin"
    mkfifo "$work/stdin"
    exec 9<>"$work/stdin" # opens without waiting for the other end
    launch "$@" <"$work/stdin"
    exec 9>"$work/stdin"
    wait_ready
}

operator() { # LINE
    printf '%s\n' "$1" >&9
}

# The scripts that ship, as a copy that may be changed.
copy_scripts() {
    cp -R "$top/scripts" "$work/scripts"
}

# One script.
write_script() { # LUA
    mkdir -p "$work/scripts"
    printf '%s\n' "$1" >"$work/scripts/init.lua"
}

reload() {
    kill -HUP "$server"
}

expect_log() { # TEXT
    wait_until "the log has: $1" has_text "$log" "$1"
}

expect_printed() { # LINE
    wait_until "the server has printed: $1" has_line "$out" "$1"
}

# ---- clients ------------------------------------------------------------------------

free_input() {
    for fd in 3 4 5 6 7; do
        case " $inputs " in
        *" $fd "*) ;;
        *) return ;;
        esac
    done
    fail "the test has too many clients at a time"
}
inputs=

client() { # NAME COMMAND...
    free_input
    name=$1
    inputs="$inputs $fd"
    clients="$clients $name"
    eval "input_of_$name=$fd"
    rm -f "$work/$name.in"
    mkfifo "$work/$name.in"
    : >"$work/$name.out"
    eval "exec $fd<>\"$work/$name.in\"" # opens without waiting for the other end
    spawn "$@" <"$work/$name.in"
    eval "exec $fd>\"$work/$name.in\""
}

say() { # NAME LINE
    eval "fd=\$input_of_$1"
    eval "printf '%s\\n' \"\$2\" >&$fd"
}

expect() { # NAME LINE
    wait_until "$1 has read: $2" has_line "$work/$1.out" "$2"
}

# The client gets SIGTERM: as a person who presses ^C.
quit() { # NAME
    kill -TERM "$(cat "$work/$1.pid")" 2>/dev/null
    hang_up "$1"
    wait_end "$1"
}

hang_up() { # NAME
    eval "fd=\${input_of_$1:-}"
    [ -n "$fd" ] || return 0
    eval "exec $fd>&-"
    inputs=$(echo " $inputs " | sed "s/ $fd / /")
    eval "input_of_$1="
}

# ---- the end of a test --------------------------------------------------------------

has_fds_as_before() {
    [ "$(count_fds)" -le "$fds_before" ]
}

assert_clean() {
    for file in "$log" "$out"; do
        [ "$(LC_ALL=C tr -d '\n -~' <"$file" | wc -c)" -eq 0 ] ||
            fail "$(basename "$file") has raw control bytes"
    done
    if grep -nE 'Sanitizer|runtime error:|[Pp]anic|[Aa]lert|Assertion|unprotected' "$log"; then
        fail "the log is not clean"
    fi
}

stop_server() {
    kill -TERM "$server"
    wait_end server
    equal "the exit code of the server" "$(cat "$work/server.status")" 0
    assert_clean
}

finish() {
    for name in $clients; do
        [ -s "$work/$name.status" ] || quit "$name"
    done
    wait_until "all descriptors of clients are closed" has_fds_as_before
    stop_server
}
