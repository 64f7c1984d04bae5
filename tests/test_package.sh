#!/bin/sh
# test_package.sh - builds the Debian packages, installs them, uses them, and removes them
#
#   sh tests/test_package.sh            build them and look inside
#   sh tests/test_package.sh --install  and install them on this machine, serve, reload, purge
#
# By hand: the second form needs root, and a machine on which kelpie is not installed.
set -eu

. "$(dirname "$0")/install/lib.sh"

for tool in dpkg-deb dpkg-shlibdeps cpack; do
    command -v "$tool" >/dev/null 2>&1 || { echo "skipped: $tool is not installed"; exit 77; }
done

cd "$source"
quietly cmake --preset package -B "$work/build"
quietly cmake --build "$work/build" -j 2
(cd "$work/build" && quietly cpack)
for package in kelpie libkelpie0 libkelpie-dev lua-kelpie; do
    deb=$(echo "$work/build/${package}"_*.deb)
    [ -f "$deb" ] || fail "there is no package $package"
    dpkg-deb --contents "$deb" >"$work/$package.files"
    dpkg-deb --field "$deb" >"$work/$package.fields"
done
has() { # PACKAGE FILE
    grep -q "[. ]/*$2$" "$work/$1.files" || fail "$1 lacks $2: $(cat "$work/$1.files")"
}
has kelpie usr/bin/kelpie
has kelpie etc/kelpie/kelpie.lua
has kelpie etc/kelpie/scripts/init.lua
has kelpie usr/share/man/man1/kelpie.1
has kelpie usr/lib/systemd/system/kelpie.service
has libkelpie-dev usr/include/kelpie.h
has lua-kelpie "usr/lib/.*lua/5.4/kelpie.so"
grep -q 'libkelpie.so.0 -> ' "$work/libkelpie0.files" || fail "libkelpie0 lacks libkelpie.so.0"
grep -q '^Depends:.*liblua5.4-0' "$work/libkelpie0.fields" || fail "libkelpie0 does not ask for Lua"
grep -q '^Depends:.*libkelpie0' "$work/kelpie.fields" || fail "kelpie does not ask for libkelpie0"
ls -sh "$work/build/"*.deb
[ "${1:-}" = --install ] || exit 0

dpkg-query -W kelpie >/dev/null 2>&1 && fail "kelpie is installed on this machine already"
quietly dpkg -i "$work/build/"*.deb
sed -i 's/127.0.0.1:8080/127.0.0.1:0/' /etc/kelpie/kelpie.lua
kelpie run -c /etc/kelpie/kelpie.lua --no-stdin --control "$work/control" >"$work/out" 2>"$work/log" &
server=$!
for _ in $(seq 100); do
    grep -q 'listening on' "$work/log" && break
    sleep 0.1
done
port=$(sed -n 's/.*listening on 127.0.0.1:\([0-9]*\).*/\1/p' "$work/log")
[ -n "$port" ] || fail "the installed program does not listen: $(cat "$work/log")"
echo hello | nc -N 127.0.0.1 "$port" | grep -q 'welcome! you are client #0!' || fail "no welcome"
sed -i 's/welcome!/good day!/' /etc/kelpie/scripts/welcome.lua
kelpie reload --control "$work/control" >/dev/null || fail "it does not reload"
echo hello | nc -N 127.0.0.1 "$port" | grep -q 'good day! you are client' || fail "no new welcome"
kill "$server"
wait "$server" || fail "it does not end well"
server=
cp -R tests/install "$work/strangers"
quietly make -C "$work/strangers/make"
"$work/strangers/make/consumer_shared" | grep -q 'says hello' || fail "the shared library"
if command -v lua5.4 >/dev/null 2>&1; then
    quietly lua5.4 -e 'os.exit(require("kelpie.test").run("/usr/share/kelpie/scripts") == 0)'
fi
man -w 3 kelpie >/dev/null 2>&1 || ! command -v man >/dev/null 2>&1 || fail "there is no kelpie(3)"
quietly dpkg --purge kelpie libkelpie-dev libkelpie0 lua-kelpie
for left in /etc/kelpie /usr/bin/kelpie /usr/include/kelpie.h; do
    [ ! -e "$left" ] || fail "$left is left behind"
done
echo "package: installed, served, reloaded, purged"
