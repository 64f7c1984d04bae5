-- routing_test.lua: tests of what clients can say; run them with `kelpie test scripts/`

local test = require("kelpie.test")

local tests = {}

-- Says something and reads the lines that are the answer.
local function ask(conn, line, ...)
   conn:send(line)
   for _, answer in ipairs({ ... }) do
      conn:expect(answer, "after " .. line)
   end
end

local function arrive(server)
   local conn = server:connect()
   conn:skip()
   return conn
end

function tests.who_is_in_no_room_talks_to_the_operator_only()
   local server = test.start("init.lua")
   local one, two = arrive(server), arrive(server)
   ask(one, "hello")
   one:expect_nothing()
   two:expect_nothing()
   assert(server:printed() == "client #0: hello\n")
end

function tests.a_room_is_left_for_another_one()
   local server = test.start("init.lua")
   local one, two = arrive(server), arrive(server)
   ask(one, "/join tea", "you are in tea, 1 here")
   ask(two, "/join tea", "you are in tea, 2 here")
   one:expect("client #1 joined tea")
   ask(two, "/join coffee", "you are in coffee, 1 here")
   one:expect("client #1 left tea")
   ask(two, "hello")
   one:expect_nothing()
   ask(two, "/leave", "you left coffee")
   ask(two, "/leave", "you are in no room")
   ask(two, "/join no room", "a room's name is up to 24 letters, digits, _ and -: /join ROOM")
end

function tests.a_name_belongs_to_one_client()
   local server = test.start("init.lua")
   local one, two = arrive(server), arrive(server)
   ask(one, "/nick ann", "you are now called ann")
   ask(one, "/nick ann", "you are now called ann")
   ask(two, "/nick ann", "somebody is called ann already")
   ask(two, "/nick", "a name is up to 24 letters, digits, _ and -: /nick NAME")
   ask(two, "/nick " .. ("x"):rep(25), "a name is up to 24 letters, digits, _ and -: /nick NAME")
   one:eof()
   ask(two, "/nick ann", "you are now called ann")
end

function tests.a_message_to_a_number_is_read_by_one_client()
   local server = test.start("init.lua")
   local one, two, three = arrive(server), arrive(server), arrive(server)
   ask(one, "/nick ann", "you are now called ann")
   ask(one, "/msg 1 how are you?")
   two:expect("(ann) how are you?")
   one:expect_nothing()
   three:expect_nothing()
   ask(one, "/msg 7 hello", "there is no client #7")
   ask(one, "/msg 99999999999999999999 x", "there is no client #99999999999999999999")
   ask(one, "/msg bob hello", "to whom, and what? /msg NUMBER TEXT")
   ask(one, "/msg", "to whom, and what? /msg NUMBER TEXT")
end

function tests.who_lists_everybody_and_counts_visits_across_a_reload()
   local server = test.start("init.lua")
   local one, two = arrive(server), arrive(server)
   ask(two, "/join tea", "you are in tea, 1 here")
   ask(two, "/nick bob", "you are now called bob")
   arrive(server):eof()
   server:reload()
   ask(one, "/who", "#0 client #0", "#1 bob in tea", "2 here, 3 visits so far")
end

function tests.who_leaves_is_missed_in_the_room()
   local server = test.start("init.lua")
   local one, two = arrive(server), arrive(server)
   ask(one, "/join tea", "you are in tea, 1 here")
   ask(two, "/join tea", "you are in tea, 2 here")
   one:skip()
   server:reload()
   two:eof()
   one:expect("client #1 left tea")
   ask(arrive(server), "/join tea", "you are in tea, 2 here")
   one:expect("client #1 joined tea", "the number is free again")
end

function tests.odd_lines_are_answered_or_ignored()
   local server = test.start("init.lua")
   local conn = arrive(server)
   for _, line in ipairs({ "/", "//", "/ who", "/dance", "/__index", "/1" }) do
      ask(conn, line, "there is no such command; /help lists them")
   end
   for _, line in ipairs({ "", " ", "\0", "\27[2J", "\255\254" }) do
      ask(conn, line)
   end
   conn:expect_nothing()
   conn:send("/help")
   conn:expect_match("^/nick NAME ")
end

return tests
