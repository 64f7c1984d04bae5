-- mud_test.lua: tests of mud.lua; run them with `kelpie test examples`

local test = require("kelpie.test")

local tests = {}

local IAC, DONT, DO, WONT, WILL, SB, SE = "\255", "\254", "\253", "\252", "\251", "\250", "\240"
local AYT, EC, EL, NOP = "\246", "\247", "\248", "\241"
local ECHO, NAWS, TTYPE, SGA = "\1", "\31", "\24", "\3"

local function arrive(t, name, password)
   local c = t:connect()
   c:send(name)
   c:send(password or "secret")
   local said = c:skip()
   assert(said:find("The market square", 1, true), said)
   return c
end

-- ---- coming and going ----------------------------------------------------------------------

function tests.a_new_player_chooses_a_password_that_is_not_shown()
   local t = test.start("mud.lua")
   local c = t:connect()
   c:expect("Your name?")
   c:ask("Anna", IAC .. WILL .. ECHO .. "You are new. Choose a password:")
   c:ask("tulip", IAC .. WONT .. ECHO, "The market square")
   c:expect("Stalls stand around a dry well. It smells of bread.")
   c:expect("Exits: east, north")
   c:expect("There is a loaf.")
   c:expect_nothing()
end

function tests.who_has_a_password_needs_it_after_a_reload_too()
   local t = test.start("mud.lua")
   arrive(t, "Anna", "tulip"):send("quit")
   t:reload()
   local c = t:connect()
   c:skip()
   c:ask("Anna", IAC .. WILL .. ECHO .. "Password?")
   c:ask("rose", IAC .. WONT .. ECHO, "That is not the password. Your name?")
   c:ask("Anna", IAC .. WILL .. ECHO .. "Password?")
   c:ask("tulip", IAC .. WONT .. ECHO, "The market square")
end

function tests.three_wrong_passwords_are_enough()
   local t = test.start("mud.lua")
   arrive(t, "Anna", "tulip"):send("quit")
   local c = t:connect()
   for i = 1, 3 do
      c:send("Anna")
      c:send("guess " .. i)
   end
   c:expect_closed("password")
end

function tests.a_name_is_letters_and_plays_once()
   local t = test.start("mud.lua")
   local c = t:connect()
   c:skip()
   for _, name in ipairs({ "", "An na", "Anna1", ("x"):rep(21), "%a" }) do
      c:ask(name, "A name has up to 20 letters. Your name?")
   end
   arrive(t, "Anna", "tulip")
   c:send("Anna")
   c:skip()
   c:ask("tulip", IAC .. WONT .. ECHO, "Anna is playing already. Your name?")
   c:send("Bert")
   c:skip()
   c:ask("", IAC .. WONT .. ECHO, "That is not the password. Your name?")
end

function tests.who_does_nothing_for_half_an_hour_fades_away()
   local t = test.start("mud.lua")
   local anna, bert = arrive(t, "Anna"), arrive(t, "Bert")
   anna:skip()
   bert:send("take loaf")
   t:advance(1000)
   anna:send("look")
   anna:skip()
   t:advance(900)
   bert:expect_closed("idle timeout")
   anna:expect("Bert fades away.")
   anna:send("look")
   assert(anna:skip():find("There is a loaf.", 1, true), "what he carried stays behind")
end

-- ---- the world -----------------------------------------------------------------------------

function tests.players_see_each_other_come_talk_and_go()
   local t = test.start("mud.lua")
   local anna = arrive(t, "Anna")
   local bert = arrive(t, "Bert")
   anna:expect("Bert comes in.")
   bert:ask("say hello", "You say: hello")
   anna:expect("Bert says: hello")
   bert:ask("n", "The inn")
   anna:expect("Bert goes north.")
   assert(bert:skip():find('The innkeeper nods: "Sit down, Bert."', 1, true))
   t:reload()
   bert:ask("say alone", "You say: alone")
   anna:expect_nothing("she is in another room, also after a reload")
   bert:ask("go south", "The market square")
   assert(bert:skip():find("Anna is here.", 1, true))
   anna:expect("Bert comes in.")
   bert:ask("quit", "Farewell.")
   bert:expect_closed("quit")
   anna:expect("Bert fades away.")
end

function tests.there_is_one_of_each_thing()
   local t = test.start("mud.lua")
   local anna, bert = arrive(t, "Anna"), arrive(t, "Bert")
   anna:skip()
   anna:ask("take loaf", "You take the loaf.")
   bert:expect("Anna takes the loaf.")
   bert:ask("take loaf", "There is no such thing.")
   bert:ask("drop loaf", "You have no such thing.")
   t:reload()
   anna:ask("bag", "You carry: loaf")
   anna:ask("drop loaf", "You drop the loaf.")
   anna:ask("bag", "You carry: nothing")
   bert:expect("Anna drops the loaf.")
   bert:ask("take loaf", "You take the loaf.")
end

function tests.what_makes_no_sense_is_said_so()
   local t = test.start("mud.lua")
   local c = arrive(t, "Anna")
   for _, line in ipairs({ "", "  " }) do
      c:ask(line)
   end
   c:expect_nothing()
   for _, line in ipairs({ "dance", "on_enter", "__index", "looks", "123", "..." }) do
      c:ask(line, "You cannot do that. Try: help")
   end
   for _, line in ipairs({ "go", "go up", "s", "go __index" }) do
      c:ask(line, "There is no way.")
   end
   c:ask("say", "Say what?")
   c:ask("take", "There is no such thing.")
end

-- ---- telnet --------------------------------------------------------------------------------

function tests.every_offer_and_demand_is_refused_once()
   local t = test.start("mud.lua")
   local c = t:connect()
   c:skip()
   c:write(IAC .. WILL .. NAWS .. IAC .. DO .. SGA .. IAC .. WILL .. TTYPE .. IAC .. DO .. ECHO)
   c:expect_bytes(IAC .. DONT .. NAWS .. IAC .. WONT .. SGA .. IAC .. DONT .. TTYPE .. IAC .. WONT .. ECHO)
   c:write(IAC .. WONT .. NAWS .. IAC .. DONT .. SGA .. IAC .. DONT .. ECHO)
   c:expect_nothing("a refusal is not answered, or both would talk for ever")
   c:write("Anna\n")
   c:skip()
   c:write(IAC .. DO .. ECHO)
   c:expect_nothing("we asked for that one")
end

function tests.the_protocol_may_be_cut_anywhere()
   local t = test.start("mud.lua")
   local c = arrive(t, "Anna")
   local size = IAC .. SB .. NAWS .. "\0\80" .. IAC .. IAC .. "\24" .. IAC .. SE
   local bytes = "sa" .. IAC .. WILL .. NAWS .. "y" .. size .. " hx" .. IAC .. EC .. IAC .. NOP .. "i "
      .. IAC .. IAC .. "\r\0"
   for i = 1, #bytes do
      c:write(bytes:sub(i, i))
      if i == #bytes // 2 then
         t:reload()
      end
   end
   c:expect_bytes(IAC .. DONT .. NAWS)
   c:expect("You say: hi " .. IAC .. IAC)
end

function tests.a_line_is_edited_as_on_a_terminal()
   local t = test.start("mud.lua")
   local c = arrive(t, "Anna")
   c:write("nonsense" .. IAC .. EL .. "bak\8g\127\127ag\r\n")
   c:expect("You carry: nothing")
   c:write(IAC .. AYT)
   c:expect("[yes]")
   c:write("\8\8\127bag\r\n")
   c:expect("You carry: nothing")
   c:send("say \27[2J\7bell")
   c:expect("You say: [2Jbell", "control characters reach nobody's terminal")
end

function tests.a_line_has_a_limit_and_an_option_none()
   local t = test.start("mud.lua")
   local c = arrive(t, "Anna")
   c:write(("x"):rep(5000))
   c:write("\n")
   c:expect("You cannot do that. Try: help")
   c:write(IAC .. SB .. TTYPE)
   for _ = 1, 20 do
      c:write(("\n"):rep(1000))
   end
   c:write(IAC .. SE .. "bag\n")
   c:expect("You carry: nothing")
end

return tests
