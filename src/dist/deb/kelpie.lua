-- The configuration of the kelpie service: a Lua table with the names of the options of
-- kelpie(1), with _ for -. `kelpie check -c /etc/kelpie/kelpie.lua` says what is wrong with it.
return {
   script = "/etc/kelpie/scripts",
   -- Where to listen, if that is neither 127.0.0.1:8080 nor what kelpie.socket says:
   -- listen = "127.0.0.1:8080",
   log_level = "info",
}
