#!/bin/sh
# test_package.sh - builds the Debian packages, installs them, uses them, and removes them
#
#   sh tests/test_package.sh            build them and look inside
#   sh tests/test_package.sh --install  and install them on this machine, serve, reload, upgrade
#                                       to a newer version, remove, purge
#   sh tests/test_package.sh --boot     and install them in a system that is booted for it: the
#                                       service under systemd, its socket, its reload
#
# By hand: the last two need root, and a machine on which kelpie is not installed. The booted
# system is a container over a copy-on-write view of this one (the package systemd-container).
set -eu

. "$(dirname "$0")/install/lib.sh"
trap clean_up EXIT

clean_up() {
    [ -z "$server" ] || kill "$server" 2>/dev/null
    umount "$work/boot/root" "$work/boot" 2>/dev/null
    rm -rf "$work"
}

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
has kelpie usr/share/man/man1/kelpie.1.gz
has kelpie usr/lib/systemd/system/kelpie.service
has libkelpie-dev usr/include/kelpie.h
has lua-kelpie "usr/lib/.*lua/5.4/kelpie.so"
for package in kelpie libkelpie0 libkelpie-dev lua-kelpie; do
    has $package usr/share/doc/$package/copyright
    has $package usr/share/doc/$package/changelog.gz
done
dpkg-deb --ctrl-tarfile "$work/build/kelpie"_*.deb | tar -xO ./conffiles | sort >"$work/conffiles"
sed -n 's|^-.* \./*\(/etc/.*\)|\1|p; s|^-.* \./\(etc/.*\)|/\1|p' "$work/kelpie.files" | sort -u |
    diff "$work/conffiles" - >"$work/log" || fail "conffiles are not what is in /etc: $(cat "$work/log")"
grep -q 'libkelpie.so.0 -> ' "$work/libkelpie0.files" || fail "libkelpie0 lacks libkelpie.so.0"
grep -q '^Depends:.*liblua5.4-0' "$work/libkelpie0.fields" || fail "libkelpie0 does not ask for Lua"
grep -q '^Depends:.*libkelpie0' "$work/kelpie.fields" || fail "kelpie does not ask for libkelpie0"
dpkg-deb -x "$work/build/libkelpie-dev"_*.deb "$work/dev"
if readelf -SW "$(find "$work/dev" -name libkelpie.a)" | grep -q 'gnu\.lto'; then
    fail "the static library is for one version of the compiler"
fi
if command -v lintian >/dev/null 2>&1; then
    # Who makes packages for others names himself; the other two are known: CPack's own call of
    # ldconfig, and daemon-reload and is-active, for which Debian has no other command.
    lintian --allow-root --suppress-tags bogus-mail-host,bogus-mail-host-in-debian-changelog,root-in-contact \
        --suppress-tags maintscript-calls-ldconfig,maintainer-script-calls-systemctl \
        --fail-on error,warning "$work/build/"*.deb || fail "lintian"
else
    echo "not checked: lintian is not installed"
fi
ls -sh "$work/build/"*.deb
# The same packages with a higher version, and another script.
make_newer() {
    mkdir "$work/newer"
    for deb in "$work/build/"*.deb; do
        tree=$work/tree
        rm -rf "$tree"
        dpkg-deb -R "$deb" "$tree"
        version=$(sed -n 's/^Version: //p' "$tree/DEBIAN/control")
        sed -i "s/$version/$version.1/" "$tree/DEBIAN/control"
        [ ! -d "$tree/etc" ] || echo '-- newer' >>"$tree/etc/kelpie/scripts/message.lua"
        quietly dpkg-deb --root-owner-group -b "$tree" "$work/newer"
    done
}

# Boots a system that has the packages, and runs dist/in_service.sh there.
boot() {
    command -v systemd-nspawn >/dev/null 2>&1 || { echo "skipped: no systemd-nspawn"; exit 77; }
    make_newer
    mkdir -p "$work/boot"
    mount -t tmpfs tmpfs "$work/boot"
    root=$work/boot/root
    mkdir "$work/boot/changes" "$work/boot/own" "$root"
    mount -t overlay overlay "$root" \
        -o "lowerdir=/,upperdir=$work/boot/changes,workdir=$work/boot/own" ||
        { echo "skipped: no overlay file system"; exit 77; }
    mkdir "$root/packages" "$root/packages/newer"
    cp "$work/build/"*.deb "$root/packages"
    cp "$work/newer/"*.deb "$root/packages/newer"
    cp tests/dist/in_service.sh "$root/in_service.sh"
    : >"$root/etc/fstab"
    rm -f "$root/usr/sbin/policy-rc.d" # of machines on which packages start nothing
    cat >"$root/etc/systemd/system/trial.service" <<'UNIT'
[Unit]
Requires=sysinit.target dbus.socket
After=sysinit.target dbus.socket
SuccessAction=exit-force
FailureAction=exit-force
[Service]
Type=oneshot
TimeoutStartSec=300
ExecStart=/bin/sh -c 'sh /in_service.sh >/trial.out 2>&1'
UNIT
    # Without a systemd out here there is nobody to register with.
    [ -d /run/systemd/system ] && alone= || alone=--keep-unit
    # shellcheck disable=SC2086
    timeout 400 systemd-nspawn -D "$root" --register=no $alone --private-network --boot \
        systemd.unit=trial.service >"$work/console" 2>&1 || true
    cat "$root/trial.out" 2>/dev/null || fail "it has not booted: $(tail -n 20 "$work/console")"
    [ "$(tail -n 1 "$root/trial.out")" = "all is well" ] || exit 1
}

case ${1:-} in
--install) ;;
--boot)
    boot
    exit 0
    ;;
*) exit 0 ;;
esac

dpkg-query -W kelpie >/dev/null 2>&1 && fail "kelpie is installed on this machine already"
quietly dpkg -i "$work/build/"*.deb
sed -i 's/-- listen = .*/listen = "127.0.0.1:0",/' /etc/kelpie/kelpie.lua
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
for kind in shared static; do
    "$work/strangers/make/consumer_$kind" | grep -q 'says hello' || fail "the $kind library"
done
if command -v lua5.4 >/dev/null 2>&1; then
    quietly lua5.4 -e 'os.exit(require("kelpie.test").run("/usr/share/kelpie/scripts") == 0)'
fi
man -w 3 kelpie >/dev/null 2>&1 || ! command -v man >/dev/null 2>&1 || fail "there is no kelpie(3)"

# A newer version: what the operator has changed stays, what he has not is replaced.
command -v systemctl >/dev/null 2>&1 && quietly systemctl enable kelpie.service
wanted=/etc/systemd/system/multi-user.target.wants/kelpie.service
make_newer
quietly dpkg -i "$work/newer/"*.deb
[ "$(dpkg-query -W -f '${Version}' kelpie)" = "$version.1" ] || fail "it is not upgraded"
grep -q 'good day!' /etc/kelpie/scripts/welcome.lua || fail "an edited script was replaced"
grep -q '127.0.0.1:0' /etc/kelpie/kelpie.lua || fail "the edited configuration was replaced"
grep -q -e '-- newer' /etc/kelpie/scripts/message.lua || fail "a script is still the old one"
command -v systemctl >/dev/null 2>&1 && { [ -L "$wanted" ] || fail "it is not enabled any more"; }

# Removing keeps what the operator has written, purging does not.
quietly dpkg --remove kelpie libkelpie-dev libkelpie0 lua-kelpie
[ ! -e /usr/bin/kelpie ] || fail "the program is not removed"
grep -q 'good day!' /etc/kelpie/scripts/welcome.lua || fail "removing takes the edited script"
quietly dpkg --purge kelpie libkelpie-dev libkelpie0 lua-kelpie
left=$(find /etc /usr /var /lib /run -xdev -name '*kelpie*' ! -path '/var/cache/man/*')
[ -z "$left" ] || fail "left behind: $left"
echo "package: installed, served, reloaded, upgraded, removed, purged"
