-- proxy_test.lua: tests of proxy.lua; run them with `kelpie test examples`

local test = require("kelpie.test")
local addresses = require("proxy.upstreams")

local tests = {}

local FAR_MORE = ("x"):rep(64 * 1024) -- many of these are more than one side may wait for

-- A server, and its upstreams.
local function start()
   local server = test.start("proxy.lua")
   local list = {}
   for i, address in ipairs(addresses) do
      list[i] = server:upstream(address)
   end
   return server, list
end

-- Drops what the checks of health have left.
local function skip_probes(upstream)
   while pcall(upstream.accept, upstream) do end
end

function tests.bytes_go_both_ways_as_they_are()
   local server, ups = start()
   local client = server:connect()
   local up = ups[1]:accept()
   client:write("GET / \0\r\n")
   up:expect_bytes("GET / \0\r\n")
   up:write("\255\n\r")
   client:expect_bytes("\255\n\r")
   client:expect_nothing()
end

function tests.upstreams_take_turns()
   local server, ups = start()
   for i = 1, 4 do
      local client = server:connect()
      local up = ups[(i - 1) % 2 + 1]:accept()
      up:write("client " .. i .. "\n")
      client:expect("client " .. i)
   end
end

function tests.who_is_down_is_passed_over_until_a_check_finds_it_up()
   local server, ups = start()
   ups[1]:close()
   for i = 1, 3 do
      server:connect():write("client " .. i)
      ups[2]:accept():expect_bytes("client " .. i)
   end
   assert(server:errors():find("upstream " .. addresses[1] .. ": connection refused", 1, true))
   server:upstream(addresses[1])
   server:advance(2)
   for _, up in ipairs(ups) do
      skip_probes(up)
   end
   server:connect()
   server:connect()
   assert(ups[1]:accept() and ups[2]:accept())
end

function tests.a_check_finds_out_before_any_client_does()
   local server, ups = start()
   ups[2]:close()
   server:advance(2)
   skip_probes(ups[1])
   for _ = 1, 3 do
      server:connect()
      ups[1]:accept()
   end
   assert(server:errors() == "") -- nobody had to try in vain
end

function tests.without_any_upstream_the_client_is_told_by_the_end()
   local server, ups = start()
   ups[1]:close()
   ups[2]:close()
   server:connect():expect_closed("no upstream")
   assert(server:errors():find("refused", 1, true))
   server:upstream(addresses[2])
   local client = server:connect() -- although it is known as down
   ups[2]:accept():write("here\n")
   client:expect("here")
end

function tests.a_client_that_has_sent_everything_gets_its_answer()
   local server, ups = start()
   local client = server:connect()
   local up = ups[1]:accept()
   client:write("question")
   client:eof()
   up:expect_bytes("question")
   up:expect_eof()
   server:advance(60)
   up:write("answer 1\n")
   server:reload()
   up:write("answer 2\n")
   client:expect("answer 1\nanswer 2")
   up:eof()
   client:expect_closed("eof")
   up:expect_closed("eof")
end

function tests.an_upstream_that_has_sent_everything_ends_the_client()
   local server, ups = start()
   local client = server:connect()
   local up = ups[1]:accept()
   up:write("all of it")
   up:eof()
   client:expect_bytes("all of it")
   client:expect_closed("eof")
end

function tests.who_leaves_takes_the_other_along()
   local server, ups = start()
   local client = server:connect()
   local up = ups[1]:accept()
   client:eof()
   up:eof()
   client:expect_closed()
   up:expect_closed()
end

-- The one who sends is not read while the other one does not read, and nothing is lost.
local function expect_back_pressure(server, from, to)
   to:pause()
   local sent = 0
   while sent < 100 and pcall(from.write, from, FAR_MORE) do -- what is not read waits with its sender
      sent = sent + 1
   end
   assert(sent < 40, "it goes on reading")
   server:advance(60)
   server:reload()
   to:resume()
   for i = 1, sent do
      to:expect_bytes(FAR_MORE, "block " .. i)
   end
   from:write("more")
   to:expect_bytes("more")
end

function tests.a_client_that_does_not_read_holds_the_upstream_back()
   local server, ups = start()
   local client = server:connect()
   expect_back_pressure(server, ups[1]:accept(), client)
end

function tests.an_upstream_that_does_not_read_holds_the_client_back()
   local server, ups = start()
   local client = server:connect()
   expect_back_pressure(server, client, ups[1]:accept())
end

-- An echo: both directions are full, and the upstream reads only when it can write.
function tests.full_in_both_directions_is_no_deadlock()
   local server, ups = start()
   local client = server:connect()
   local up = ups[1]:accept()
   client:pause()
   up:pause()
   for _ = 1, 8 do
      client:write(FAR_MORE)
      up:write(FAR_MORE)
   end
   server:advance(20)
   client:resume()
   for i = 1, 8 do
      client:expect_bytes(FAR_MORE, "block " .. i)
   end
   up:resume()
   for i = 1, 8 do
      up:expect_bytes(FAR_MORE, "block " .. i)
   end
end

function tests.a_reload_in_the_middle_is_not_noticed()
   local server, ups = start()
   local client = server:connect()
   local up = ups[1]:accept()
   for i = 1, 3 do
      client:write("question " .. i .. "\n")
      server:reload()
      up:expect("question " .. i)
      up:write("answer " .. i .. "\n")
      client:expect("answer " .. i)
      server:advance(40) -- the old version ends
      skip_probes(ups[2])
   end
end

return tests
