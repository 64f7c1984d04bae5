#!/bin/sh
# test_signals.sh - HUP, USR1, USR2, PIPE, TTIN and TTOU, alone and by the thousand
. "$(dirname "$0")/lib.sh"
need_nc

copy_scripts
log_file=$work/kelpie.log
: >"$log_file"
rm -f "$log"
ln -s kelpie.log "$log"
rm -f "$out"

# The log is a file that is moved away and opened again.
start_server run -p 0 --log-file "$log_file" "$work/scripts"
mv "$log_file" "$log_file.1"
kill -USR2 "$server"
wait_until "the status is in the file that was moved" has_text "$log_file.1" "status: up "
kill -USR1 "$server"
wait_until "there is a new log file" test -s "$log_file"
kill -USR2 "$server"
wait_until "the status is in the new file" has_text "$log_file" "status: up "
client anna nc 127.0.0.1 "$port"
expect anna "welcome! you are client #0!"
kill -USR2 "$server"
expect_log "clients 1 (accepted 1, refused 0, closed 0)"

# A folder that is gone: the old file goes on.
mv "$log_file" "$log_file.2"
mkdir "$log_file"
kill -USR1 "$server"
wait_until "the old log says that it stays" has_text "$log_file.2" "going on with the old one"
rmdir "$log_file"
mv "$log_file.2" "$log_file"
kill -USR1 "$server"
expect_log "opened again"

# Signals that do nothing.
kill -PIPE "$server"
kill -TTIN "$server"
kill -TTOU "$server"
say anna "/who"
expect anna "1 here, 1 visits so far"

# Thousands of requests are a few reloads, and a TERM among them is not lost.
i=0
while [ $i -lt 3000 ]; do
    kill -HUP "$server"
    i=$((i + 1))
done
say anna "/nick Anna"
expect anna "you are now called Anna"
expect_log "generation 2 serves"
kill -HUP "$server"
finish

# A signal while the scripts are being loaded is remembered.
write_script 'print("loading")
local now = require("kelpie").now
local stop = now() + 0.5
while now() < stop do end
return {}'
launch run -p 0 --log-file "$log_file" "$work/scripts" </dev/null
expect_printed "loading"
kill -HUP "$server"
wait_ready
wait_until "the reload is done" sh -c "tail -n +$log_start '$log_file' | grep -q 'generation 2 serves'"
stop_server
: >"$out"
launch run -p 0 --log-file "$log_file" "$work/scripts" </dev/null
expect_printed "loading"
stop_server
