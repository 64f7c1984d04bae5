#!/bin/sh
# test_redis.sh - redis-cli and redis-benchmark speak to examples/redis.lua, also across a reload
. "$(dirname "$0")/lib.sh"
need redis-cli redis-benchmark cc
need_nc

# The example is a copy, which may be changed.
cp -R "$top/examples/redis.lua" "$top/examples/redis" "$work"
# Hundreds of commands in one message take long with sanitizers on a busy machine.
start_server run -p 0 --handler-timeout 10s "$work/redis.lua"

r() {
    timeout 20 redis-cli -p "$port" "$@" 2>&1 | tr '\n' ' ' | sed 's/ *$//'
}

is_answer() { # WANTED COMMAND...
    wanted=$1
    shift
    [ "$(r "$@")" = "$wanted" ]
}

answer() { # WANTED COMMAND...
    wanted=$1
    shift
    equal "the answer to $*" "$(r "$@")" "$wanted"
}

answer PONG ping
answer hello ping hello
answer "two words" echo "two words"

# Sends 50 times TEXT with three bytes changed in each, chosen by SEED.
fuzz() { # SEED TEXT
    LC_ALL=C awk -v seed="$1" -v text="$2" 'BEGIN {
        srand(seed)
        pool = "\r\n*$0123456789-:+ \"AZaz\001\377"
        for (i = 0; i < 50; i++) {
            t = text
            for (j = 0; j < 3; j++) {
                at = 1 + int(rand() * length(t))
                t = substr(t, 1, at - 1) substr(pool, 1 + int(rand() * length(pool)), 1) \
                    substr(t, at + (rand() < 0.7))
            }
            printf "%s", t
        }
    }' </dev/null | timeout 20 nc -N 127.0.0.1 "$port" >/dev/null
    [ $? -ne 124 ] || fail "the connection of seed $1 does not end"
}

# Strings.
answer OK set a 1
answer 1 get a
answer "" set a 2 NX
answer 1 get a
answer OK set b two nx ex 100
answer 100 ttl b
answer -1 ttl a
answer -2 ttl nothing
answer 2 incr a
answer 1 decr a
answer -1 decr fresh
answer "ERR value is not an integer or out of range" incr b
answer OK set top 9223372036854775807
answer "ERR increment or decrement would overflow" incr top
answer OK mset x 10 y 20
answer "10  20" mget x nothing y
answer 2 exists x y nothing
answer 3 del x y top nothing
answer "ERR syntax error" set a 1 XX YY
answer "ERR value is not an integer or out of range" set a 1 EX soon
answer "ERR invalid expire time in 'set' command" set a 1 EX 0
answer "ERR invalid expire time in 'expire' command" expire a 9223372036854775807
answer 1 expire a 1000
answer 1000 ttl a
answer 1 expire a -1
answer 0 exists a
answer 0 expire a 5
answer OK set brief 1 ex 1
wait_until "the key has expired" is_answer 0 exists brief
equal "bytes" "$(printf 'a\0b\r\nc' | redis-cli -p "$port" -x set bytes)" OK
equal "the bytes" "$(redis-cli -p "$port" --raw get bytes | od -An -c | tr -d ' \n')" 'a\0b\r\nc\n'

# Lists and hashes.
answer 3 rpush l 1 2 3
answer 5 lpush l 0 -1
answer "-1 0 1 2 3" lrange l 0 -1
answer "2 3" lrange l -2 100
answer "" lrange l 5 2
answer 2 hset h one 1 two 2
answer 0 hset h one eins
answer eins hget h one
answer "" hget h three
equal "all fields" "$(redis-cli -p "$port" hgetall h | sort | tr '\n' ' ')" "2 eins one two "
wrongtype="WRONGTYPE Operation against a key holding the wrong kind of value"
answer "$wrongtype" get l
answer "$wrongtype" incr h
answer "$wrongtype" lpush h 1
answer "$wrongtype" rpush b 1
answer "$wrongtype" hset l f 1
answer "$wrongtype" hget b f
answer "$wrongtype" lrange h 0 1

# Patterns.
answer OK mset user:1 a user:2 b user:10 c
for pattern in 'user:?' 'user:[12]' 'user:[^x]' '*er:[0-9]'; do
    equal "keys $pattern" "$(redis-cli -p "$port" keys "$pattern" | sort | tr '\n' ' ')" "user:1 user:2 "
done
answer "" keys 'user\:'
answer user:10 keys 'u*1*0'

# What is no command, and the rest.
answer "ERR unknown command 'nonsense', with args beginning with: '1'" nonsense 1
answer "ERR wrong number of arguments for 'get' command" get
answer "ERR wrong number of arguments for 'mset' command" mset a 1 b
answer "appendonly no" config get appendonly
r info | grep -q kelpie_generation:1 || fail "INFO has no generation"
[ "$(r command count)" = 27 ] || fail "COMMAND COUNT is $(r command count)"

# Inline, pipelined, in parts.
printf 'PING\r\nset "two words" "x y"\nget "two words"\r\n\r\n*1\r\n$4\r\nPING\r\n' |
    nc -N 127.0.0.1 "$port" | tr -d '\r' >"$work/inline"
equal "inline answers" "$(tr '\n' ' ' <"$work/inline")" '+PONG +OK $3 x y +PONG '

# Values much larger than a read.
timeout 20 redis-benchmark -p "$port" -t set,get -d 100000 -P 4 -n 160 -c 2 -q </dev/null >"$work/large" 2>&1 ||
    fail "large values: $(cat "$work/large")"
grep -qiE 'error|closed' "$work/large" && fail "large values: $(cat "$work/large")"

# Far more answers than may be queued, of one who reads nothing before all is sent.
cc -O1 -o "$work/late" "$here/late.c" || fail "late.c does not compile"
head -c 1024 /dev/zero | tr '\0' v | redis-cli -p "$port" -x set kib >/dev/null
printf '*2\r\n$3\r\nGET\r\n$3\r\nkib\r\n' >"$work/request"
{ printf '$1024\r\n' && head -c 1024 /dev/zero | tr '\0' v && printf '\r\n'; } >"$work/reply"
"$work/late" "$port" 100000 "$work/request" "$work/reply" || fail "answers are missing"
timeout 60 redis-benchmark -p "$port" -t get -P 1000 -d 1024 -n 100000 -q </dev/null >"$work/deep" 2>&1 ||
    fail "deep pipelines: $(cat "$work/deep")"
grep -qiE 'error|closed' "$work/deep" && fail "deep pipelines: $(cat "$work/deep")"

# ---- a reload in the middle -----------------------------------------------------------------

client listener redis-cli -p "$port" subscribe news
wait_until "there is a listener" is_answer 1 publish news first
wait_until "the listener has read" grep -q first "$work/listener.out"

# Longer on a machine where it was over before the reloads.
generation=1
for requests in 60000 240000 960000; do
    rm -f "$work/bench.out" "$work/bench.err"
    spawn bench redis-benchmark -p "$port" -t ping,set,get,incr -P 16 -n $requests -c 20 -q </dev/null
    for reloads in 1 2 3; do
        generation=$((generation + 1))
        echo "-- version $generation" >>"$work/redis.lua"
        reload
        expect_log "generation $generation serves"
    done
    [ -s "$work/bench.status" ] || break
done
[ ! -s "$work/bench.status" ] || fail "redis-benchmark has ended before the $reloads reloads"
wait_end bench
equal "the status of redis-benchmark" "$(cat "$work/bench.status")" 0
grep -qiE 'error|closed|WARNING' "$work/bench.out" "$work/bench.err" &&
    fail "redis-benchmark complains: $(cat "$work/bench.out" "$work/bench.err")"
equal "the number of results" "$(tr '\r' '\n' <"$work/bench.out" | grep -c 'requests per second, p50')" 5
answer eins hget h one
answer "-1 0 1 2 3" lrange l 0 -1
answer 1 publish news second
wait_until "the listener has read across the reload" grep -q second "$work/listener.out"
quit listener
answer OK flushall
answer "" keys '*'

# ---- what is no RESP ------------------------------------------------------------------------

# Each is answered with one error, then closed; the next client is served.
for bad in '*x\r\n' '*99999999\r\n' '*99999999999999999999999999' '*1\r\nPING\r\n' '*1\r\n$-5\r\n' \
    '*1\r\n$99999999\r\n' '*2\r\n$3\r\nGET\r\n:1\r\n' 'get "unbalanced\r\n'; do
    # shellcheck disable=SC2059
    printf "$bad" | timeout 20 nc -N 127.0.0.1 "$port" >"$work/answer"
    grep -q '^-ERR Protocol error: ' "$work/answer" || fail "no error for $bad: $(cat "$work/answer")"
    equal "the lines of the answer to $bad" "$(wc -l <"$work/answer" | tr -d ' ')" 1
done
answer PONG ping

# Commands with a few bytes changed, always the same ones.
for seed in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    fuzz "$seed" '*3\r\n$3\r\nSET\r\n$1\r\nq\r\n$5\r\n12345\r\n*2\r\n$4\r\nKEYS\r\n$2\r\n[*\r\n'
done
answer PONG ping

finish
grep -nE '^[^ ]+ error|handler' "$log" && fail "the log has errors"
exit 0
