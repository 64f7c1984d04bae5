#!/bin/sh
# test_weechat.sh - examples/irc.lua with weechat, across a reload
#
# weechat-headless reads commands from a FIFO, and writes a file for each of its buffers.
. "$(dirname "$0")/lib.sh"
. "$here/protocol.sh"
need_nc
need weechat-headless

home=$work/weechat

weechat() { # BUFFER TEXT: types into a buffer, or a command of weechat
    printf '%s\n' "$1 *$2" >"$fifo"
}

see() { # BUFFER TEXT
    wait_until "weechat shows in $1: $2" has_text "$home/logs/$1.weechatlog" "$2"
}

is_listening() {
    fifo=$(find "$home" -type p 2>/dev/null)
    [ -n "$fifo" ]
}

start_example irc
mkdir -p "$home"
printf '[plugin]\nautoload = "irc,fifo,logger"\n' >"$home/weechat.conf"
printf '[file]\nauto_log = on\nflush_delay = 0\n' >"$home/logger.conf"
client wendy env HOME="$work" weechat-headless -d "$home" -r "/set irc.server_default.anti_flood_prio_high 0
;/server add k 127.0.0.1/$port -notls -nicks=wendy -username=wendy -realname=Wendy -autojoin=#tea;/connect k"
see irc.server.k "Welcome to kelpie, wendy!wendy@127.0.0.1"
see 'irc.k.#tea' "wendy (wendy@127.0.0.1) has joined #tea"
see core.weechat "Plugins loaded: "
has_text "$home/logs/core.weechat.weechatlog" "fifo" || skip "weechat has no fifo plugin"
wait_until "its FIFO is there" is_listening

client anna nc 127.0.0.1 "$port"
say anna "NICK anna"
say anna "USER anna 0 * :Anna"
say anna "JOIN #tea"
see 'irc.k.#tea' "anna (anna@127.0.0.1) has joined #tea"
say anna "PRIVMSG #tea :hello wendy"
see 'irc.k.#tea' "hello wendy"
weechat 'irc.k.#tea' "hello anna"
expect anna ":wendy!wendy@127.0.0.1 PRIVMSG #tea :hello anna"
weechat 'irc.k.#tea' "/topic about tea"
expect anna ":wendy!wendy@127.0.0.1 TOPIC #tea :about tea"
see 'irc.k.#tea' 'wendy has changed topic for #tea to "about tea"'

reload_example

say anna "PRIVMSG wendy :just you"
see irc.k.anna "just you"
weechat 'irc.k.#tea' "/me nods"
expect anna ":wendy!wendy@127.0.0.1 PRIVMSG #tea :$(printf '\001')ACTION nods$(printf '\001')"
weechat 'irc.k.#tea' "/names"
see 'irc.k.#tea' "Nicks #tea: [@wendy anna]"
weechat 'irc.k.#tea' "/whois anna"
see irc.server.k "[anna] (anna@127.0.0.1): Anna"
weechat 'irc.k.#tea' "/who #tea"
see irc.server.k "[#tea] wendy (wendy@127.0.0.1) H@ 0 (Wendy)"
weechat 'irc.k.#tea' "/list"
see irc.server.k "End of LIST"
weechat 'irc.k.#tea' "/away at lunch"
see irc.server.k "You have been marked as being away"
say anna "PRIVMSG wendy :hungry?"
expect anna ":kelpie.example 301 anna wendy :at lunch"
weechat 'irc.k.#tea' "/nick wanda"
expect anna ":wendy!wendy@127.0.0.1 NICK :wanda"
weechat 'irc.k.#tea' "/op anna"
expect anna ":wanda!wendy@127.0.0.1 MODE #tea +o anna"
weechat 'irc.k.#tea' "/kick anna enough"
expect anna ":wanda!wendy@127.0.0.1 KICK #tea anna :enough"
say anna "JOIN #tea"
# The server knows all that weechat has sent; it would have told.
for text in "Unknown command" "Not enough parameters"; do
    if has_text "$home/logs/irc.server.k.weechatlog" "$text"; then fail "weechat was told: $text"; fi
done
weechat 'irc.k.#tea' "/quote DANCE"
see irc.server.k "Unknown command"
weechat 'irc.k.#tea' "/quit tired"
expect anna ":wanda!wendy@127.0.0.1 QUIT :Quit: tired"
expect_no_errors
finish
