#!/bin/sh
# test_rc.sh - the script of rc.d starts, checks, reloads and stops the service, with stand-ins
# for rc.subr(8) and daemon(8); and the unit of systemd is well-formed and closed
. "$(dirname "$0")/lib.sh"

need_nc
copy_scripts
cat >"$work/kelpie.lua" <<LUA
return { script = "$work/scripts", listen = "127.0.0.1:0", log_level = "info" }
LUA
cat >"$work/rc.conf" <<CONF
kelpie_enable=YES
kelpie_program="$kelpie"
kelpie_config="$work/kelpie.lua"
kelpie_user="$(id -un)"
kelpie_flags="--max-clients 1"
CONF
RC_CONF=$work/rc.conf RC_LOG=$log
export RC_CONF RC_LOG
sed -e "s|^\. /etc/rc.subr|. $top/tests/dist/rc.subr|" -e "s|/var/run|$work/run|" \
    -e "s|/usr/sbin/daemon|$top/tests/dist/daemon|" -e "s|@CMAKE_INSTALL_[A-Z_]*@|/nowhere|" \
    "$top/src/dist/rc.d/kelpie.in" >"$work/rc"
mkdir "$work/run"
: >"$log"
: >"$out"
log_start=1

service() { # ARGUMENT
    sh "$work/rc" "$1" >"$work/rc.out" 2>&1
}

service check || fail "check: $(cat "$work/rc.out")"
service start || fail "start: $(cat "$work/rc.out")"
server=$(cat "$work/run/kelpie.pid")
processes="$processes $server"
wait_ready
client anna nc 127.0.0.1 "$port"
expect anna "welcome! you are client #0!"
client bert nc 127.0.0.1 "$port"
expect bert "connection refused." # its options have arrived

# A reload has the true result, and a configuration that is wrong starts nothing.
service reload || fail "reload: $(cat "$work/rc.out")"
echo "(" >"$work/scripts/welcome.lua"
service reload && fail "the reload of a broken script is a success"
has_text "$work/rc.out" "still serving generation 2" || fail "reload says: $(cat "$work/rc.out")"
service start && fail "it starts with a broken script"

quit anna
service stop || fail "stop: $(cat "$work/rc.out")"
has_ended() {
    ! kill -0 "$server" 2>/dev/null
}
wait_until "the server has ended" has_ended
assert_clean

# The unit, as far as can be said of it without a running systemd.
need systemd-analyze
sed "s|@CMAKE_INSTALL_FULL_BINDIR@/kelpie|$kelpie|" "$top/src/dist/systemd/kelpie.service.in" \
    >"$work/kelpie.service"
cp "$top/src/dist/systemd/kelpie.socket" "$work"
systemd-analyze verify --man=no "$work/kelpie.service" "$work/kelpie.socket" >"$work/verify" 2>&1 ||
    fail "systemd-analyze verify: $(cat "$work/verify")"
[ ! -s "$work/verify" ] || fail "systemd-analyze verify: $(cat "$work/verify")"
systemd-analyze security --offline=true --threshold=15 "$work/kelpie.service" \
    >"$work/security" 2>&1 || fail "its exposure: $(tail -n 1 "$work/security")"
