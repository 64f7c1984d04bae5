#!/bin/sh
# test_http.sh - curl and wrk speak to examples/http.lua, also across a reload
. "$(dirname "$0")/lib.sh"
need curl wrk
need_nc

mkdir -p "$work/www/sub"
printf '<p>page</p>\n' >"$work/www/page.html"
printf 'a\0b' >"$work/www/sub/bytes.bin"
: >"$work/www/empty.css"
echo secret >"$work/www/.hidden"
echo secret >"$work/secret"
cp -R "$top/examples/http.lua" "$top/examples/http" "$work"
cd "$work" || exit 1 # the folder www is looked for there
start_server run --allow io -p 0 "$work/http.lua"
url=http://127.0.0.1:$port

get() { # OF_CURL...
    timeout 30 curl -sS --path-as-is "$@"
}

status() { # WANTED OF_CURL...
    wanted=$1
    shift
    equal "the status of $*" "$(get -o "$work/body" -w '%{http_code}' "$@")" "$wanted"
}

# Sends bytes, and looks at the statuses that come back.
raw() { # WANTED FORMAT
    # shellcheck disable=SC2059
    printf "$2" | timeout 30 nc -N 127.0.0.1 "$port" >"$work/answer" || fail "no end after $2"
    equal "the answers to $2" "$(tr -d '\r' <"$work/answer" | sed -n 's/^HTTP.1.1 \([0-9]*\) .*/\1/p' |
        tr '\n' ' ')" "$1 "
}

# ---- routes ---------------------------------------------------------------------------------

equal "the first page" "$(get "$url/")" "hello from kelpie"
equal "the query" "$(get "$url/?a=b")" "hello from kelpie"
equal "the visits" "$(get "$url/visits")" "1 visits, generation 1"
equal "two on one connection" "$(get -w '%{num_connects} ' -o /dev/null -o /dev/null "$url/" "$url/")" "1 0 "
get -I "$url/" | tr -d '\r' >"$work/head"
grep -qx 'Content-Length: 18' "$work/head" || fail "HEAD has no length"
grep -qE '^Date: [A-Z][a-z]{2}, [0-9]{2} ' "$work/head" || fail "HEAD has no date"
status 404 "$url/nothing"
status 405 -X DELETE "$url/"
get -i -X POST -d '' "$url/" | tr -d '\r' | grep -qx 'Allow: GET, HEAD, OPTIONS' || fail "405 does not say what is allowed"
status 501 -X BREW "$url/"

# ---- bodies ---------------------------------------------------------------------------------

head -c 200000 /dev/urandom >"$work/large"
for how in "Expect:" "Expect: 100-continue" "Transfer-Encoding: chunked"; do
    get -H "$how" --data-binary "@$work/large" -o "$work/body" "$url/echo"
    cmp "$work/large" "$work/body" || fail "echo with $how differs"
done
head -c 300000 /dev/zero >"$work/larger"
status 413 -H Expect: --data-binary "@$work/larger" "$url/echo"
status 413 -H Expect: -H "Transfer-Encoding: chunked" --data-binary "@$work/larger" "$url/echo"
status 417 -H "Expect: miracles" -d x "$url/echo"
raw 411 'POST /echo HTTP/1.1\r\nHost: a\r\n\r\n'
raw 200 'POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\nA\r\n0123456789\r\n0\r\nT: 1\r\n\r\n'
grep -q '^abc0123456789$' "$work/answer" || [ "$(tail -c 13 "$work/answer")" = abc0123456789 ] ||
    fail "the chunks are not joined"

# ---- files ----------------------------------------------------------------------------------

equal "a file" "$(get "$url/static/page.html")" "<p>page</p>"
get -o "$work/body" "$url/static/sub/bytes.bin"
cmp "$work/www/sub/bytes.bin" "$work/body" || fail "a file differs"
status 200 "$url/static/empty.css"
for path in ../secret %2e%2e/secret ..%2fsecret sub/../../secret .hidden sub/ sub '' /etc/passwd //page.html \
    page.html/ page.html%00 ./page.html sub//bytes.bin 'sub\..\page.html' none.html; do
    status 404 "$url/static/$path"
    grep -q secret "$work/body" && fail "$path got out of the folder"
done

# ---- keep-alive, pipelining, versions -------------------------------------------------------

raw "200 404 200" 'GET / HTTP/1.1\r\nHost: a\r\n\r\n\r\nGET /no HTTP/1.1\r\nHost: a\r\n\r\nHEAD / HTTP/1.1\r\nHost: a\r\n\r\n'
raw 200 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n'
raw 200 'GET / HTTP/1.0\r\n\r\nGET / HTTP/1.0\r\n\r\n'
raw "200 200" 'GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\nGET / HTTP/1.0\r\n\r\n'
raw 505 'GET / HTTP/2.0\r\nHost: a\r\n\r\n'

# ---- errors: one answer, then closed, whatever comes after ----------------------------------

for bad in 'GET\r\n\r\n' 'GET / HTTP/1.1\r\n\r\n' 'GET  / HTTP/1.1\r\nHost: a\r\n\r\n' 'GET / HTTQ/1.1\r\nHost: a\r\n\r\n' \
    'GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n' 'GET / HTTP/1.1\r\nHost : a\r\n\r\n' '\001\002\003\r\n\r\n' \
    'GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n' 'GET / HTTP/1.1\r\nHost: a\000b\r\n\r\n' 'GET /%%zz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n' \
    'POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n' 'POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\n' \
    'POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n' \
    'POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n' \
    'POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n' \
    'POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nshort' 'GET / HT'; do
    raw 400 "$bad"
done
raw 501 'POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n'
raw 413 'POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n'
status 431 -H "X: $(head -c 9000 /dev/zero | tr '\0' x)" "$url/"
raw 431 "GET / HTTP/1.1\r\nHost: a\r\nX:$(head -c 9000 /dev/zero | tr '\0' ' ')y\r\n\r\n"
raw 200 "GET / HTTP/1.1\r\nHost: a\r\nX:$(head -c 8000 /dev/zero | tr '\0' ' ')y\r\n\r\n"

# Requests with a few bytes changed, always the same ones.
for seed in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    LC_ALL=C awk -v seed="$seed" 'BEGIN {
        srand(seed)
        text = "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n" \
            "GET /static/%70age.html HTTP/1.1\r\nHost: b\r\nContent-Length: 2\r\n\r\nok"
        pool = "\r\n :;%/.,0123456789AZaz\001\377"
        for (i = 0; i < 20; i++) {
            t = text
            for (j = 0; j < 2; j++) {
                at = 1 + int(rand() * length(t))
                t = substr(t, 1, at - 1) substr(pool, 1 + int(rand() * length(pool)), 1) \
                    substr(t, at + (rand() < 0.7))
            }
            printf "%s", t
        }
    }' </dev/null | timeout 30 nc -N 127.0.0.1 "$port" >"$work/answer"
    [ $? -ne 124 ] || fail "the connection of seed $seed does not end"
    grep -q secret "$work/answer" && fail "seed $seed got out of the folder"
done
equal "after all that" "$(get "$url/")" "hello from kelpie"

# ---- a reload in the middle -----------------------------------------------------------------

# Longer on a machine where it was over before the reloads.
generation=1
for seconds in 3 9 27; do
    rm -f "$work/bench.out"
    spawn bench wrk -t1 -c20 "-d${seconds}s" "$url/visits" </dev/null
    for reloads in 1 2 3; do
        generation=$((generation + 1))
        sed "s/hello from kelpie/hello from version $generation/" "$top/examples/http.lua" >"$work/http.lua"
        reload
        expect_log "generation $generation serves"
    done
    [ -s "$work/bench.status" ] || break
done
[ ! -s "$work/bench.status" ] || fail "wrk has ended before the $reloads reloads"
wait_end bench
equal "the status of wrk" "$(cat "$work/bench.status")" 0
grep -qE '^Requests/sec: *[1-9]' "$work/bench.out" || fail "wrk has no requests: $(cat "$work/bench.out")"
grep -E 'Socket errors|Non-2xx' "$work/bench.out" && fail "wrk complains"
equal "the new page" "$(get "$url/")" "hello from version $generation"
[ "$(get "$url/visits" | sed 's/ .*//')" -gt 20 ] || fail "the visits are lost"

finish
grep -nE '^[^ ]+ error|handler' "$log" && fail "the log has errors"
exit 0
