#!/bin/sh
# test_proxy.sh - examples/proxy.lua: two upstreams, one of them dies, much data, a reload; clients
# and upstreams that end their side
. "$(dirname "$0")/lib.sh"

need socat curl cmp
need_nc

mkdir -p "$work/scripts/proxy"
cp "$top/examples/proxy.lua" "$work/scripts/init.lua"
printf 'return { "unix:%s/up1", "unix:%s/up2" }\n' "$work" "$work" >"$work/scripts/proxy/upstreams.lua"
head -c 33554432 /dev/urandom >"$work/big"
printf 'HTTP/1.0 200 OK\r\nContent-Length: %s\r\n\r\n' "$(wc -c <"$work/big" | tr -d ' ')" >"$work/head"
cat >"$work/answer" <<SH
#!/bin/sh
read -r line
echo "\$1" >>"$work/asked"
cat "$work/head" "$work/big"
SH
chmod +x "$work/answer"

upstream() { # NAME
    spawn "$1" socat "UNIX-LISTEN:$work/$1,fork" "SYSTEM:'$work/answer $1'" </dev/null
    wait_until "$1 listens" test -S "$work/$1"
}

download() { # FILE
    curl -sS --max-time 60 -o "$1" "http://127.0.0.1:$port/" || fail "curl: $?"
    cmp "$1" "$work/big" || fail "what came through the proxy is something else"
}

upstream up1
upstream up2
start_server run -p 0 "$work/scripts"
download "$work/first"
download "$work/second"
has_line "$work/asked" up1 || fail "the first upstream was never asked"
has_line "$work/asked" up2 || fail "the second upstream was never asked"

# One of them goes: nobody notices but the log.
kill "$(cat "$work/up1.pid")"
wait_end up1
rm -f "$work/up1"
download "$work/third"
download "$work/fourth"
expect_log "upstream unix:$work/up1: connection refused"

# It is there again: the check finds it.
upstream up1
expect_log "upstream unix:$work/up1 is up"

# A slow reader in the middle of a reload gets every byte.
spawn slow curl -sS --limit-rate 16M --max-time 60 -o "$work/fifth" "http://127.0.0.1:$port/" </dev/null
wait_until "the download has begun" test -s "$work/fifth"
reload
expect_log "generation 2 serves"
wait_end slow
equal "what curl said" "$(cat "$work/slow.status")" 0
cmp "$work/fifth" "$work/big" || fail "the reload has changed what came through"

# Clients that end their side before the answer comes: to one that answers at the end, and to
# one that answers all the time.
for name in up1 up2; do
    kill "$(cat "$work/$name.pid")"
    wait_end "$name"
    rm -f "$work/$name"
done
spawn counts socat "UNIX-LISTEN:$work/up1,fork" "SYSTEM:wc -c" </dev/null
wait_until "the upstream that counts listens" test -S "$work/up1"
equal "the count" "$(timeout 30 nc -N 127.0.0.1 "$port" <"$work/big" | tr -d ' ')" 33554432
kill "$(cat "$work/counts.pid")"
wait_end counts
rm -f "$work/up1"
spawn echoes socat -t 30 "UNIX-LISTEN:$work/up2,fork" "SYSTEM:cat" </dev/null
wait_until "the upstream that echoes listens" test -S "$work/up2"
timeout 60 nc -N 127.0.0.1 "$port" <"$work/big" >"$work/sixth"
cmp "$work/sixth" "$work/big" || fail "the echo is something else"
kill "$(cat "$work/echoes.pid")"
wait_end echoes
rm -f "$work/up2"

# Nobody is there.
if curl -sS --max-time 20 -o "$work/none" "http://127.0.0.1:$port/" 2>/dev/null; then
    fail "an answer came from nowhere"
fi
finish
