-- chat_test.lua: tests of chat.lua; run them with `kelpie test examples`

local test = require("kelpie.test")

local tests = {}

-- Somebody in the lobby, who has read all that was there to read.
local function arrive(t, name)
   local c = t:connect()
   c:send(name)
   local said = c:skip()
   assert(said:find("* you are in lobby", 1, true), said)
   return c
end

function tests.a_name_is_asked_for_until_it_is_one()
   local t = test.start("chat.lua")
   local anna = t:connect()
   anna:expect("your name?")
   for _, name in ipairs({ "", " ", "an na", "a:b", ("x"):rep(25), "/who", "\27[2J" }) do
      anna:ask(name, "! a name is up to 24 letters, digits, _ and -")
   end
   anna:ask("  Anna-Lena_1  ", "* you are in lobby, 1 here")
   local bert = t:connect()
   bert:skip()
   bert:ask("Anna-Lena_1", "! somebody is called Anna-Lena_1 already")
   bert:ask("Bärt", "* you are in lobby, 2 here")
   anna:expect("* Bärt has come")
   anna:send("/quit")
   anna:expect("* bye")
   anna:expect_closed("quit")
   bert:expect("* Anna-Lena_1 has left")
   bert:ask("/name Anna-Lena_1", "* you are called Anna-Lena_1")
end

function tests.what_is_said_stays_in_the_room()
   local t = test.start("chat.lua")
   local anna, bert, carl = arrive(t, "Anna"), arrive(t, "Bert"), arrive(t, "Carl")
   anna:skip()
   bert:skip()
   carl:ask("/join tea", "* you are in tea, 1 here")
   anna:expect("* Carl has left")
   bert:expect("* Carl has left")
   anna:ask("hello all")
   anna:expect_nothing()
   bert:expect("Anna: hello all")
   carl:expect_nothing()
   anna:ask("/rooms", "* rooms: lobby (2), tea (1)")
   carl:ask("/who", "* here: Carl")
   anna:ask("/join lobby")
   anna:expect_nothing("she is there already")
   anna:ask("/join a room", "! a room's name is up to 24 letters, digits, _ and -")
   anna:ask("/who", "* here: Anna, Bert")
end

function tests.a_private_message_is_read_by_one()
   local t = test.start("chat.lua")
   local anna, bert, carl = arrive(t, "Anna"), arrive(t, "Bert"), arrive(t, "Carl")
   anna:skip()
   bert:skip()
   anna:ask("/msg Bert  how are you? ", "[to Bert] how are you?")
   bert:expect("[Anna] how are you?")
   carl:expect_nothing()
   anna:ask("/msg Dora hello", "! nobody is called Dora")
   anna:ask("/msg Bert", "! to whom, and what? /msg NAME TEXT")
   anna:ask("/msg", "! to whom, and what? /msg NAME TEXT")
end

function tests.who_comes_later_reads_the_last_twenty_lines()
   local t = test.start("chat.lua")
   local anna = arrive(t, "Anna")
   for i = 1, 25 do
      anna:send("line " .. i)
   end
   anna:ask("/join tea", "* you are in tea, 1 here")
   anna:send("tea?")
   t:reload()
   local bert = t:connect()
   bert:expect("your name?")
   bert:send("Bert")
   for i = 6, 25 do
      bert:expect("  Anna: line " .. i)
   end
   bert:expect("* you are in lobby, 1 here")
   bert:ask("/join tea", "  Anna: tea?", "* you are in tea, 2 here")
   anna:expect("* Bert has come")
end

function tests.two_hundred_rooms_have_a_history()
   local t = test.start("chat.lua")
   local anna = arrive(t, "Anna")
   anna:send("in the lobby")
   for i = 1, 200 do
      anna:send("/join r" .. i)
      anna:send("in room " .. i)
   end
   anna:skip()
   anna:ask("/join lobby", "* you are in lobby, 1 here") -- the first to be forgotten
   anna:ask("/join r1", "  Anna: in room 1", "* you are in r1, 1 here")
   anna:ask("/join r200", "  Anna: in room 200", "* you are in r200, 1 here")
end

function tests.names_and_rooms_survive_a_reload()
   local t = test.start("chat.lua")
   local anna, bert = arrive(t, "Anna"), arrive(t, "Bert")
   anna:skip()
   bert:ask("/name Berta", "* you are called Berta")
   anna:expect("* Bert is called Berta")
   t:reload()
   t:reload()
   anna:ask("still here")
   bert:expect("Anna: still here")
   bert:ask("/who", "* here: Anna, Berta")
   bert:eof()
   bert:expect_closed("eof")
   anna:expect("* Berta has left")
end

function tests.who_has_no_name_yet_is_nowhere()
   local t = test.start("chat.lua")
   local anna, nobody = arrive(t, "Anna"), t:connect()
   nobody:skip()
   anna:ask("hello")
   nobody:expect_nothing()
   anna:ask("/rooms", "* rooms: lobby (1)")
   nobody:eof()
   anna:expect_nothing("who never came does not leave")
end

function tests.odd_lines_are_answered_or_ignored()
   local t = test.start("chat.lua")
   local anna, bert = arrive(t, "Anna"), arrive(t, "Bert")
   anna:skip()
   for _, line in ipairs({ "/", "//", "/ who", "/dance", "/__index", "/1" }) do
      anna:ask(line, "! there is no such command; /help lists them")
   end
   anna:ask("")
   anna:ask("\27[2J\0bell\7")
   bert:expect("Anna: ?[2J?bell?", "nothing reaches the terminals of others")
   anna:expect_nothing()
   anna:send("/help")
   anna:expect_match("^/join ROOM ")
   anna:send(("x"):rep(1001))
   anna:expect_closed("message too long")
   bert:expect("* Anna has left")
end

return tests
