#!/bin/sh
# in_service.sh - what test_package.sh --boot does inside of the system that it boots
#
# The packages are in /packages, newer ones in /packages/newer. Prints what was seen; the last
# line is "all is well" or says what is not.
set -eu

fail() {
    echo "FAILED: $*"
    systemctl status --no-pager --full kelpie.service kelpie.socket || true
    journalctl --no-pager --quiet --unit kelpie.service | tail -n 40
    exit 1
}

wait_until() { # SENTENCE COMMAND...
    sentence=$1
    shift
    deadline=$(($(date +%s) + 60))
    until "$@" >/dev/null 2>&1; do
        [ "$(date +%s)" -lt "$deadline" ] || fail "waited 60 s until $sentence"
        sleep 0.1
    done
}

property() { # NAME
    systemctl show --property "$1" --value kelpie.service
}

greets() { # TEXT
    echo hello | nc -N 127.0.0.1 8080 | grep -qF "$1"
}

has_other_pid() { # PID
    [ "$(property ActiveState)" = active ] && [ "$(property MainPID)" != "$1" ]
}

dpkg -i /packages/*.deb >/dev/null
[ "$(property ActiveState)" = inactive ] || fail "it runs before anybody has said so"

# Type=notify: start returns when it listens.
systemctl start kelpie.service || fail "it does not start"
greets 'welcome! you are client' || fail "started, but it does not serve"
pid=$(property MainPID)
echo "user: $(stat -c %U "/proc/$pid"), $(grep -E '^(NoNewPrivs|Seccomp|CapEff)' "/proc/$pid/status" | tr '\t\n' '  ')"
[ "$(stat -c %u "/proc/$pid")" -ge 61184 ] || fail "it is not a dynamic user"
grep -q '^Seccomp:.2' "/proc/$pid/status" || fail "no filter of system calls"
grep -q '^CapEff:.0*$' "/proc/$pid/status" || fail "it has capabilities"
systemd-analyze security kelpie.service | tail -n 1

# A reload waits for the true result.
sed -i 's/welcome!/good day!/' /etc/kelpie/scripts/welcome.lua
systemctl reload kelpie.service || fail "it does not reload"
greets 'good day! you are client' || fail "reloaded, but the old script serves"
cp /etc/kelpie/scripts/welcome.lua /root/welcome.lua
echo '(' >>/etc/kelpie/scripts/welcome.lua
! systemctl reload kelpie.service 2>/dev/null || fail "the reload of a broken script is a success"
greets 'good day! you are client' || fail "after a broken reload it does not serve"
[ "$(property MainPID)" = "$pid" ] || fail "it was started anew for a reload"
cp /root/welcome.lua /etc/kelpie/scripts/welcome.lua
echo "reload: waits, and has the true result"

# It comes back when it is killed, and when it hangs.
kill -KILL "$pid"
wait_until "it runs again" has_other_pid "$pid"
pid=$(property MainPID)
mkdir -p /run/systemd/system/kelpie.service.d
printf '[Service]\nWatchdogSec=2\n' >/run/systemd/system/kelpie.service.d/trial.conf
systemctl daemon-reload
systemctl restart kelpie.service
pid=$(property MainPID)
kill -STOP "$pid"
wait_until "the watchdog has noticed that it hangs" has_other_pid "$pid"
greets 'good day!' || fail "after its restart it does not serve"
rm -r /run/systemd/system/kelpie.service.d
systemctl daemon-reload
echo "restart: after a kill, and by the watchdog"

# A script that is wrong at the start is no reason to try again and again.
systemctl stop kelpie.service || fail "it does not stop"
[ "$(property Result)" = success ] || fail "its end was $(property Result)"
echo '(' >>/etc/kelpie/scripts/welcome.lua
! systemctl start kelpie.service 2>/dev/null || fail "it starts with a broken script"
[ "$(property ActiveState)" = failed ] || fail "it is tried again"
cp /root/welcome.lua /etc/kelpie/scripts/welcome.lua
systemctl reset-failed kelpie.service

# The socket starts it with the first client, who loses nothing.
systemctl start kelpie.socket || fail "the socket does not start"
[ "$(property ActiveState)" = inactive ] || fail "it runs before the first client"
greets 'good day!' || fail "the socket does not start it"
[ "$(property ActiveState)" = active ] || fail "the socket did not start it"
systemctl stop kelpie.socket kelpie.service
echo "socket: starts it with the first client"

# A newer package starts anew what runs, and nothing else.
systemctl enable --now kelpie.service 2>/dev/null || fail "it cannot be enabled"
pid=$(property MainPID)
dpkg -i /packages/newer/*.deb >/dev/null
wait_until "the newer version runs" has_other_pid "$pid"
systemctl is-enabled --quiet kelpie.service || fail "it is not enabled any more"
greets 'good day!' || fail "the newer version does not serve"
systemctl stop kelpie.service
dpkg -i /packages/*.deb >/dev/null 2>&1
[ "$(property ActiveState)" = inactive ] || fail "another version starts what was stopped"
systemctl start kelpie.service
dpkg --remove kelpie >/dev/null
[ -z "$(pgrep -x kelpie || true)" ] || fail "removed, but it runs"
dpkg --purge kelpie libkelpie-dev libkelpie0 >/dev/null
left=$(find /etc /usr /var /run -xdev -name '*kelpie*' ! -path '/var/cache/man/*' ! -path '/run/systemd/*')
[ -z "$left" ] || fail "left behind: $left"
echo "packages: a newer one starts it anew, purging leaves nothing"
echo "all is well"
