#!/bin/sh
# test_redis_alike.sh - examples/redis.lua and a real redis-server give the same answers
#
# Each line below is sent as it stands, as a person types it, to both; every byte of the answers is
# compared, errors as well. Then the same for bytes that are no commands, which both must answer
# with the same error and close.
. "$(dirname "$0")/lib.sh"
need redis-server redis-cli
need_nc

is_up() {
    [ "$(redis-cli -s "$work/real.sock" ping 2>/dev/null)" = PONG ]
}

spawn real redis-server --port 0 --unixsocket "$work/real.sock" --save '' --appendonly no \
    --dir "$work" --logfile "$work/real.log" </dev/null
wait_until "the real server answers" is_up
start_server run -l "unix:$work/ours.sock" "$top/examples/redis.lua"

both() { # reads what is sent from standard input
    cat >"$work/asked"
    for name in real ours; do
        timeout 20 nc -N -U "$work/$name.sock" <"$work/asked" >"$work/$name.answer" ||
            fail "$name does not end the connection after $(head -c 60 "$work/asked")"
    done
}

cat >"$work/lines" <<'END'
PING
ping "hello world"
PING a b
ECHO x
echo
set a 1
set "quoted \x41\n" 'it\'s'
get "quoted \x41\n"
get a
GET
get a b
set a
set a 2 nx
set a 2 ex
set a 2 ex 0
set a 2 ex -5
set a 2 ex x
set a 2 nonsense
set a 5 nx ex 100
set b two ex 100
ttl b
ttl a
ttl none
incr a
decr a
decr fresh
incr b
set n 007
incr n
set n " 1"
incr n
set n 9223372036854775807
incr n
decr n
set n -9223372036854775808
decr n
set n 9223372036854775808
incr n
del a b none n fresh
exists a
mset x 1 y 2 x 3
mset x
mset x 1 y
mget x y none
mget
exists x x y none
expire x 100
expire x abc
expire x 9223372036854775807
expire none 10
ttl x
expire x -1
exists x
rpush l a b c
lpush l 0
lpush l
lrange l 0 -1
lrange l 1 1
lrange l -100 100
lrange l 5 2
lrange l a b
lrange none 0 -1
lrange l 0
hset h f 1
hset h f 2 g 3
hset h f
hset h f 1 g
hget h f
hget h none
hget none f
hgetall none
hgetall l
get l
get h
incr l
incr h
lpush h 1
rpush x2 1
hset l f 1
hget l f
lrange h 0 -1
mget l h y
set l 1
get l
del h
keys y*
keys [x-z]
keys nothing*
publish nobody hello
publish nobody
subscribe
nonsense
nonsense a "b c" d
NonSense
exists
del
ttl
expire a
keys
incr
unsubscribe
flushall
keys *
config get appendonly
END
n_lines=0
while IFS= read -r line; do
    n_lines=$((n_lines + 1))
    printf '%s\n' "$line" | both
    cmp -s "$work/real.answer" "$work/ours.answer" ||
        fail "the answers to '$line' differ: $(cat -v "$work/real.answer"); ours: $(cat -v "$work/ours.answer")"
done <"$work/lines"
[ "$n_lines" -ge 90 ] || fail "only $n_lines lines were asked"
both <"$work/lines"
cmp "$work/real.answer" "$work/ours.answer" || fail "the answers to all lines at once differ"

# What a client hears that listens, and what it may not say.
printf 'subscribe a b a\nping\nping x\nget k\nset k v\nunsubscribe a\nunsubscribe\nget k\nquit\nget k\n' | both
cmp "$work/real.answer" "$work/ours.answer" || fail "what a listener hears differs: $(cat "$work/ours.answer")"

for bad in '*x\r\n' '*1x\r\n' '*\r\n' '*99999999999\r\n' '*1\r\nPING\r\n' '*2\r\n$3\r\nGET\r\n:1\r\n' '*1\r\n$-5\r\n' \
    '*1\r\n$x\r\n' '*1\r\n$04\r\nPING\r\n' '*1\r\n$99999999999\r\n' 'get "unbalanced\r\n' "get 'a'b\\r\\n" \
    '*-1\r\n*0\r\n\r\nPING\r\n'; do
    # shellcheck disable=SC2059
    printf "$bad" | both
    cmp "$work/real.answer" "$work/ours.answer" || fail "the answers to $bad differ: $(cat "$work/ours.answer")"
done

kill "$(cat "$work/real.pid")"
wait_end real
finish
grep -nE '^[^ ]+ error|handler' "$log" && fail "the log has errors"
exit 0
