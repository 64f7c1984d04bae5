-- message_test.lua: tests of what the operator reads; run them with `kelpie test scripts/`

local test = require("kelpie.test")

local tests = {}

function tests.the_operator_reads_what_clients_say_and_that_they_leave()
   local server = test.start("init.lua")
   local one, two = server:connect(), server:connect()
   two:send("hello  there ")
   one:write("a\r\nb\n\nhalf a line")
   one:eof()
   two:eof()
   local said = server:printed()
   assert(said == "client #1: hello  there \n"
      .. "client #0: a\nclient #0: b\nclient #0: \n"
      .. "client #0 disconnected.\nclient #1 disconnected.\n", said)
end

function tests.no_client_plays_tricks_on_the_terminal_of_the_operator()
   local server = test.start("init.lua")
   server:connect():send("\27[2J\7\0 client #1: I am somebody else")
   local said = server:printed()
   assert(said == "client #0: \\x1b[2J\\x07\\x00 client #1: I am somebody else\n", said)
end

return tests
