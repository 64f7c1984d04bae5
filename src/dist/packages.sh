#!/bin/sh
# packages.sh run|test - installs what is missing to build kelpie, and to test it
#
# Knows Debian and Ubuntu, FreeBSD, and Homebrew; elsewhere it says what to install.
# Asks for nothing when everything is there already.
set -eu

purpose=${1:-run}

has() {
    command -v "$1" >/dev/null 2>&1
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif has sudo; then
        sudo "$@"
    else
        echo "packages.sh: root is needed for: $*" >&2
        echo "Run it as root, install sudo, or install these packages yourself." >&2
        exit 77
    fi
}

debian() {
    wanted="gcc libc6-dev cmake make liblua5.4-dev"
    if [ "$purpose" = test ]; then
        wanted="$wanted libcmocka-dev clang clang-format libclang-rt-14-dev lua-check lua-busted
                binutils pkg-config netcat-openbsd ncat socat inetutils-telnet procps npm mandoc
                ii mosquitto-clients redis-tools curl wrk libuv1-dev libevent-dev libglib2.0-dev
                lua5.4 lua-cjson lua-lpeg redis-server irssi weechat-headless weechat-plugins tf
                g++ zsh fish"
    fi
    missing=""
    for package in $wanted; do
        # A tool that is there without its package (npm of another origin) will do.
        case $package in
        npm | curl | clang | clang-format | gcc | cmake | make | pkg-config) has "$package" && continue ;;
        libclang-rt-14-dev) has clang && ! clang --version | grep -q 'version 14' && continue ;;
        esac
        dpkg-query -W -f='${Status}' "$package" 2>/dev/null |
            grep -q 'ok installed' || missing="$missing $package"
    done
    [ -z "$missing" ] && return
    echo "installing:$missing"
    as_root apt-get update -q
    # Where the release has another clang, its runtime comes with it. A fresh machine knows
    # that only now.
    apt-cache show libclang-rt-14-dev >/dev/null 2>&1 ||
        missing=$(echo "$missing" | sed 's/ libclang-rt-14-dev//')
    # shellcheck disable=SC2086
    as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -q --no-install-recommends $missing
}

freebsd() {
    wanted="cmake lua54"
    [ "$purpose" = test ] && wanted="$wanted cmocka lua54-luacheck nmap socat llvm pkgconf redis curl wrk"
    missing=""
    for package in $wanted; do
        pkg info -e "$package" || missing="$missing $package"
    done
    [ -z "$missing" ] && return
    # shellcheck disable=SC2086
    as_root pkg install -y $missing
}

homebrew() {
    wanted="cmake lua@5.4"
    [ "$purpose" = test ] && wanted="$wanted cmocka clang-format luacheck nmap socat telnet redis wrk"
    for package in $wanted; do
        brew list "$package" >/dev/null 2>&1 || brew install "$package"
    done
}

by_hand() {
    cat >&2 <<'TEXT'
packages.sh: this system is not known here. Install these, then run the command again:
  to build   a C11 compiler, cmake 3.21, ninja or make, Lua 5.4 with its headers
  to test    cmocka, clang, clang-format 14, luacheck, nc, ncat, socat, telnet
TEXT
    if ! { has cmake && has cc; }; then
        exit 69
    fi
}

if has apt-get; then
    debian
elif has pkg && [ "$(uname -s)" = FreeBSD ]; then
    freebsd
elif has brew; then
    homebrew
else
    by_hand
fi
