# servers.sh - the servers that are measured; read by run.sh and profile.sh
#
#   server_is_installed NAME; server_can NAME MODE
#   server_exec NAME MODE PORT   becomes that server; behind $pin_server
#   server_dialect NAME MODE     how one talks to it
#   server_max_conns NAME        how many it can have at a time
#
# Expects here (this folder), bin (of the reference server), kelpie, work (for files).

all_servers="c kelpie haproxy redis tarantool cqueues luv node mosquitto ngircd nats"
packages="haproxy redis-server tarantool lua5.4 lua-cqueues lua-luv nodejs mosquitto ngircd nats-server"

has() {
    command -v "$1" >/dev/null 2>&1
}

has_lua_module() {
    has lua5.4 && lua5.4 -e "require('$1')" >/dev/null 2>&1
}

server_is_installed() {
    case $1 in
    c | kelpie) true ;;
    redis) has redis-server ;;
    cqueues | luv) has_lua_module "$1" ;;
    mosquitto) has mosquitto || [ -x /usr/sbin/mosquitto ] ;;
    nats) has nats-server ;;
    *) has "$1" ;;
    esac
}

# What each can do: modes are echo, receive, stream, churn, fanout, chat, data, timers.
server_modes() {
    case $1 in
    c) echo "echo stream churn fanout chat" ;;
    kelpie) echo "echo receive stream churn fanout chat data timers" ;;
    haproxy) echo "echo stream churn" ;;
    redis) echo "echo fanout" ;;
    tarantool | cqueues | luv | node) echo "echo stream churn fanout" ;;
    *) echo "fanout" ;;
    esac
}

server_can() { # NAME MODE
    case " $(server_modes "$1") " in
    *" $2 "*) true ;;
    *) false ;;
    esac
}

# How many connections it can have at a time; HAProxy reckons with two descriptors for each.
server_max_conns() { # NAME
    case $1 in
    haproxy) echo $((($(ulimit -n) - 100) / 2)) ;;
    *) echo $(($(ulimit -n) - 100)) ;;
    esac
}

server_dialect() {
    case $1.$2 in
    *.stream) echo stream ;;
    redis.*) echo redis ;;
    nats.*) echo nats ;;
    mosquitto.*) echo mqtt ;;
    ngircd.*) echo irc ;;
    *) echo line ;;
    esac
}

# A configuration that ends with what only bench knows.
config() { # NAME LINES
    cat "$here/peers/$1" >"$work/$1"
    printf '%b\n' "$2" >>"$work/$1"
}

server_exec() { # NAME MODE PORT
    # $pin_server is a command and its arguments.
    # shellcheck disable=SC2086
    case $1 in
    c) exec $pin_server "$bin/bench_raw" "$2" "$3" ;;
    kelpie)
        exec $pin_server "$kelpie" run --no-stdin --control none --log-level error \
            --max-clients 55000 -p "$3" "$here/scripts/$2.lua"
        ;;
    haproxy)
        BENCH_PEERS=$here/peers BENCH_PORT=$3 BENCH_MODE=$2 BENCH_CONNS=$(server_max_conns haproxy) \
            exec $pin_server haproxy -db -f "$here/peers/haproxy.cfg"
        ;;
    redis) exec $pin_server redis-server "$here/peers/redis.conf" --port "$3" --dir "$work" ;;
    tarantool) exec $pin_server tarantool "$here/peers/tarantool.lua" "$2" "$3" "$work" ;;
    cqueues) exec $pin_server lua5.4 "$here/peers/cqueues.lua" "$2" "$3" ;;
    luv) exec $pin_server lua5.4 "$here/peers/luv.lua" "$2" "$3" ;;
    node) exec $pin_server node "$here/peers/node.js" "$2" "$3" ;;
    mosquitto)
        config mosquitto.conf "listener $3 127.0.0.1"
        PATH=$PATH:/usr/sbin exec $pin_server mosquitto -c "$work/mosquitto.conf"
        ;;
    ngircd)
        config ngircd.conf "[Global]\nPorts = $3"
        PATH=$PATH:/usr/sbin exec $pin_server ngircd -n -f "$work/ngircd.conf"
        ;;
    nats) exec $pin_server nats-server -a 127.0.0.1 -p "$3" -l "$work/nats.log" ;;
    esac
}
