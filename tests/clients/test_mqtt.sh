#!/bin/sh
# test_mqtt.sh - examples/mqtt.lua with the clients of mosquitto, across a reload
. "$(dirname "$0")/lib.sh"
. "$here/protocol.sh"
need_nc
need mosquitto_pub mosquitto_sub cc

publish() { # ARGUMENTS
    mosquitto_pub -V 311 -h 127.0.0.1 -p "$port" "$@" || fail "mosquitto_pub $*"
}

# A subscriber says nothing when it is ready: the retained message of its own topic tells.
subscriber() { # NAME ARGUMENTS
    subscribed=$1
    shift
    publish -r -t "ready/$subscribed" -m "$subscribed is ready"
    client "$subscribed" mosquitto_sub -V 311 -h 127.0.0.1 -p "$port" -k 5 -v "$@" \
        -t "ready/$subscribed"
    expect "$subscribed" "ready/$subscribed $subscribed is ready"
}

start_example mqtt
publish -r -t home/kitchen/heat -m 21.5
publish -r -t home/cellar/heat -m 9
publish -q 1 -r -t '$secret/heat' -m hidden
subscriber anna -q 1 -t 'home/#'
expect anna "home/kitchen/heat 21.5"
expect anna "home/cellar/heat 9"
subscriber bert -q 0 -t 'home/+/heat' -t '+/heat'
expect bert "home/cellar/heat 9"
publish -q 1 -t home/kitchen/light -m on
expect anna "home/kitchen/light on"
publish -t home/attic/heat -m 30
expect anna "home/attic/heat 30"
expect bert "home/attic/heat 30"
publish -t '$secret/heat' -m hidden
publish -t home/heat -n # an empty payload
expect anna "home/heat (null)"

# Somebody dies: its last will is read. The other one leaves politely.
client carl mosquitto_sub -V 311 -h 127.0.0.1 -p "$port" -t ready/anna -v \
    --will-topic home/carl --will-payload "carl is gone" --will-qos 1
expect carl "ready/anna anna is ready"

reload_example

# The same connections go on: subscriptions, retained messages, wills.
publish -q 1 -t home/attic/heat -m 31
expect anna "home/attic/heat 31"
expect bert "home/attic/heat 31"
kill -KILL "$(cat "$work/carl.pid")"
expect anna "home/carl carl is gone"
subscriber dora -t 'home/cellar/#' -t 'home/kitchen/heat'
expect dora "home/cellar/heat 9"
expect dora "home/kitchen/heat 21.5"
publish -r -t home/cellar/heat -n
subscriber emil -t home/cellar/heat -t home/kitchen/heat
expect emil "home/kitchen/heat 21.5"
if has_text "$work/emil.out" cellar; then fail "the message is retained still"; fi
if grep -q -e light -e secret "$work/bert.out"; then fail "bert reads what he did not want"; fi

# A large payload of any bytes, and many messages through one connection, with another reload.
head -c 60000 /dev/urandom >"$work/blob"
mosquitto_sub -V 311 -h 127.0.0.1 -p "$port" -C 1 -W 20 -N -t blob >"$work/blob.read" &
processes="$processes $!"
reader=$!
until cmp -s "$work/blob" "$work/blob.read" || ! kill -0 "$reader" 2>/dev/null; do
    publish -q 1 -t blob -f "$work/blob"
done
cmp "$work/blob" "$work/blob.read" || fail "the bytes of a message were changed"
i=0
while [ $((i += 1)) -le 2000 ]; do echo "n $i"; done >"$work/numbers"
mosquitto_pub -V 311 -h 127.0.0.1 -p "$port" -q 1 -t home/n -l <"$work/numbers" &
processes="$processes $!"
reload_example
expect anna "home/n n 2000"
equal "the count of messages" "$(grep -c '^home/n n ' "$work/anna.out")" 2000

# A session that is kept: what is said meanwhile waits, also across a reload.
spawn gina mosquitto_sub -V 311 -h 127.0.0.1 -p "$port" -c -i gina -q 1 -t gina -v -C 1 -W 20 </dev/null
until has_text "$work/gina.out" "gina first" || [ -s "$work/gina.status" ]; do
    publish -q 1 -t gina -m first
done
wait_end gina
equal "the exit code of gina" "$(cat "$work/gina.status")" 0
publish -q 1 -t gina -m second
reload_example
publish -q 1 -t gina -m third
spawn gina mosquitto_sub -V 311 -h 127.0.0.1 -p "$port" -c -i gina -q 1 -t gina -v </dev/null
clients="$clients gina"
expect gina "gina second"
expect gina "gina third"

# A client that is not heard any more: a keep-alive of one second, and silence.
quit emil
client fred sh -c "nc 127.0.0.1 $port; echo hung up"
# shellcheck disable=SC2154
printf '\020\017\000\004MQTT\004\002\000\001\000\003abc' >&"$input_of_fred"
expect fred "hung up"

connect='\020\017\000\004MQTT\004\002\000\074\000\003abc'
sample "$connect"'\202\010\000\001\000\003a/b\001\060\006\000\003a/bx\062\010\000\003a/b\000\002y\300\000\340\000'
sample "$connect"'\202\006\000\001\000\001#\001\242\005\000\001\000\001#\061\005\000\003a/b\340\000'
sample '\020\031\000\004MQTT\004\306\000\000\000\001w\000\001t\000\001m\000\001u\000\001p\060\004\000\001tx'
sample '\020\014\000\004MQTT\004\002\000\000\000\000\300\000'
sample '\020\014\000\004MQTT\003\002\000\000\000\000'           # version 3
sample '\020\014\000\004MQTT\004\000\000\000\000\000'           # no name, session kept
sample '\020\017\000\004MQTT\004\000\000\000\000\003xyz\202\010\000\001\000\003a/b\001' # kept
sample "$connect$connect"                                       # twice
sample '\060\005\000\003a/b'                                    # before CONNECT
sample '\020\377\377\377\377\177'                               # a length of five bytes
sample "$connect"'\060\377\377\377\177'                         # 256 MiB
sample "$connect"'\060\000'                                     # no topic
sample "$connect"'\060\004\000\002a#'                           # wildcard in a topic
sample "$connect"'\060\004\000\002\300\200'                     # not UTF-8
sample "$connect"'\062\005\000\003a/b'                          # no packet identifier
sample "$connect"'\064\007\000\003a/b\000\001'                  # QoS 2
sample "$connect"'\202\010\000\001\000\003a/b\003'              # QoS 3
sample "$connect"'\202\010\000\001\000\003#/b\001'              # a filter that goes on after #
sample "$connect"'\202\002\000\001\202\000\242\002\000\001'     # no filter
sample "$connect"'\000\000\360\000'                             # types that do not exist
sample ''
garble_it 200
publish -q 1 -t home/last -m "after it all"
expect anna "home/last after it all"
finish
