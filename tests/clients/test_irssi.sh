#!/bin/sh
# test_irssi.sh - examples/irc.lua with irssi, across a reload
#
# irssi wants a terminal, which is one of script(1); it writes a log of each channel and person.
. "$(dirname "$0")/lib.sh"
. "$here/protocol.sh"
need_nc
need irssi script
script --version 2>/dev/null | grep -q util-linux || skip "this script(1) is another one"

home=$work/irssi

see() { # CHANNEL|NICK TEXT
    wait_until "irssi shows in $1: $2" has_text "$home/log.$1" "$2"
}

see_screen() { # TEXT
    wait_until "irssi has shown: $1" has_text "$home/screen" "$1"
}

start_example irc
mkdir -p "$home"
cat >"$home/config" <<END
servers = ( { address = "127.0.0.1"; port = "$port"; chatnet = "k"; autoconnect = "yes"; } );
chatnets = { k = { type = "IRC"; nick = "ira"; }; };
channels = ( { name = "#tea"; chatnet = "k"; autojoin = "yes"; } );
settings = {
  core = { real_name = "Ira"; user_name = "ira"; nick = "ira"; };
  "irc/core" = { cmd_queue_speed = "1msec"; cmds_max_at_once = "100"; };
  "fe-common/core" = {
    autolog = "yes"; autolog_level = "ALL"; autolog_path = "$home/log.\$0";
    use_status_window = "no"; autocreate_windows = "no"; # all in one, on the screen
  };
};
END
client ira env HOME="$work" TERM=xterm script -qfc "irssi --home=$home --config=$home/config" "$home/screen"
see '#tea' "ira [ira@127.0.0.1] has joined #tea"

client anna nc 127.0.0.1 "$port"
say anna "NICK anna"
say anna "USER anna 0 * :Anna"
say anna "JOIN #tea"
see '#tea' "anna [anna@127.0.0.1] has joined #tea"
say anna "PRIVMSG #tea :hello ira"
see '#tea' "< anna> hello ira"
say ira "hello anna"
expect anna ":ira!ira@127.0.0.1 PRIVMSG #tea :hello anna"
say ira "/topic about tea"
expect anna ":ira!ira@127.0.0.1 TOPIC #tea :about tea"

reload_example

say anna "PRIVMSG ira :just you"
see anna "<anna> just you"
say ira "/me nods"
expect anna ":ira!ira@127.0.0.1 PRIVMSG #tea :$(printf '\001')ACTION nods$(printf '\001')"
say ira "/names"
see '#tea' "[Users #tea]"
say ira "/whois anna"
see anna "End of WHOIS"
say ira "/who #tea"
see_screen "End of /WHO list"
say ira "/nick irma"
expect anna ":ira!ira@127.0.0.1 NICK :irma"
say ira "/op anna"
expect anna ":irma!ira@127.0.0.1 MODE #tea +o anna"
say ira "/kick anna enough"
expect anna ":irma!ira@127.0.0.1 KICK #tea anna :enough"
say anna "JOIN #tea"
# The server knows all that irssi has sent; it would have told.
for text in "Unknown command" "Not enough parameters"; do
    if has_text "$home/screen" "$text"; then fail "irssi was told: $text"; fi
done
say ira "/quote DANCE"
see_screen "Unknown command"
say ira "/quit tired"
expect anna ":irma!ira@127.0.0.1 QUIT :Quit: tired"
expect_no_errors
finish
