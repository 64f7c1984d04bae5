#!/bin/sh
# test_paths.sh - reloads while the folders of the scripts are moved, removed and replaced
. "$(dirname "$0")/lib.sh"
need_nc

# Writes scripts that tell their version to whoever connects.
write_version() { # FOLDER VERSION
    mkdir -p "$1"
    echo "return { on_connect = function(conn) conn:send('version $2') end }" >"$1/init.lua"
}

expect_version() { # VERSION CLIENT
    client "$2" nc 127.0.0.1 "$port"
    expect "$2" "version $1"
    quit "$2"
}

# The working directory gets another name: a relative path goes with it.
write_version "$work/home/scripts" one
cd "$work/home" || fail "no $work/home"
start_server run -p 0 scripts
cd "$top" || fail "no $top"
expect_version one anna
mv "$work/home" "$work/moved"
write_version "$work/moved/scripts" two
reload
expect_log "generation 2 serves"
expect_version two bert

# It is removed: the reload is rejected, and who serves goes on.
rm -r "$work/moved"
reload
expect_log "still serving generation 2"
expect_version two cora
stop_server

# A symbolic link is followed anew by every reload, which is how versions are put in place.
write_version "$work/release-3" three
write_version "$work/release-4" four
ln -s release-3 "$work/current"
start_server run -p 0 "$work/current"
expect_version three dora
rm "$work/current"
ln -s release-4 "$work/current"
reload
expect_log "generation 2 serves"
expect_version four emil
finish
