-- test.lua: the module kelpie.test, and what runs files of tests
--
-- It is given the functions of module.c, which make worlds: servers with detached connections
-- and a clock that moves only when told to. After everything that is done the server runs until
-- it has nothing left to do, so no test waits for anything.
--
-- What is wrong raises at the line of the test: a string, as error() does, or under busted what
-- busted counts as a failure. So the same functions serve in files that run() runs, in specs of
-- busted, and in any Lua program.

local native = ...

local test = {}
local Server, Upstream, Conn = {}, {}, {}
Server.__index, Upstream.__index, Conn.__index = Server, Upstream, Conn
local started = {} -- servers that finish() will end
local folder -- of the tests that run() is running

-- ---- failures --------------------------------------------------------------------------------

-- The stack level, seen from the caller, of the first function that is not of this file.
local function outside()
   local level = 2
   local info = debug.getinfo(level, "S")
   while info and info.source == "=kelpie.test" do
      level = level + 1
      info = debug.getinfo(level, "S")
   end
   return level - 1, info
end

local function raise(message)
   local level = outside()
   error(message, level)
end

-- As raise, for what is not as expected: busted tells failures from errors.
local function fail(message, note)
   local busted = package.loaded.busted
   local throw = busted and busted.fail or error
   local level = outside()
   throw(note and tostring(note) .. "\n" .. message or message, level)
end

local function quote(text)
   local escaped = text:gsub("[%c\\\"\127-\255]", function(char)
      local names = { ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t", ["\\"] = "\\\\", ['"'] = '\\"' }
      return names[char] or ("\\x%02x"):format(char:byte())
   end)
   return '"' .. escaped .. '"'
end

-- A text of which only what is around a place is of interest.
local function around(text, place)
   local from = place > 200 and place - 60 or 1
   local to = math.max(from + 300, place + 60)
   return (from > 1 and "..." or "") .. text:sub(from, to) .. (to < #text and "..." or ""), place - from
      + (from > 1 and 4 or 1)
end

-- Two texts under each other, and a mark where they begin to differ.
local function diff(expected, got)
   if not got then
      return "expected: " .. quote((around(expected, 1))) .. "\n     got: nothing"
   end
   local same = 0
   while same < #expected and expected:byte(same + 1) == got:byte(same + 1) do
      same = same + 1
   end
   local column
   expected, column = around(expected, same + 1)
   got = around(got, same + 1)
   return "expected: " .. quote(expected) .. "\n     got: " .. quote(got) .. "\n          "
      .. (" "):rep(#quote(expected:sub(1, column - 1)) - 1) .. "^"
end

local function check(self, class)
   if getmetatable(self) ~= class then
      raise("methods are called with a colon, object:method()")
   end
end

-- Returns the argument of that name as a string.
local function text_of(name, value)
   if type(value) ~= "string" and type(value) ~= "number" then
      raise(name .. ": a string is wanted, not " .. type(value))
   end
   return tostring(value)
end

-- ---- worlds ----------------------------------------------------------------------------------

-- Asks the world for something. Returns what it returns, perhaps nil and why.
local function ask(self, name, ...)
   local ok, result, why = pcall(self.world[name], self.world, ...)
   if not ok then
      raise(result)
   end
   return result, why
end

-- Tells the world what happens, then lets the server come to rest.
local function act(self, name, ...)
   local result, why = ask(self, name, ...)
   if not result then
      raise(why)
   end
   ask(self, "run")
   return result
end

-- ---- servers ---------------------------------------------------------------------------------

-- A path that is not absolute begins at the folder of the tests; without run() at that of the
-- file that calls.
local function absolute(script)
   script = text_of("script", script)
   if script:sub(1, 1) == "/" then
      return script
   end
   local _, caller = outside()
   local file = caller and caller.source:match("^@(.*)")
   return (folder or file and file:match("^(.*)/") or ".") .. "/" .. script
end

-- Serves a script, as `kelpie SCRIPT` would.
function test.start(script)
   local server = setmetatable({ path = absolute(script) }, Server)
   local why
   server.world, why = native.new(server.path)
   if not server.world then
      raise(why)
   end
   started[#started + 1] = server
   ask(server, "run")
   return server
end

-- Ends all servers. Raises what their handlers have raised and nobody has taken. To be called
-- after each test; run() does it.
function test.finish()
   local raised = {}
   for _, server in ipairs(started) do
      if server.world:failed() then
         raised[#raised + 1] = "a handler failed: " .. server.world:errors()
      end
      server.world:free()
   end
   started = {}
   if #raised > 0 then
      error((table.concat(raised):gsub("\n$", "")), 0)
   end
end

-- A new client, perhaps of a named listener.
function Server:connect(listener)
   check(self, Server)
   local name = listener and text_of("listener", listener)
   return setmetatable({ world = self.world, id = act(self, "connect", name), waiting = "" }, Conn)
end

-- Something that the script can connect to: it listens at that address from now on. All other
-- connections of the script are refused.
function Server:upstream(address)
   check(self, Server)
   local index = ask(self, "upstream", text_of("address", address), true)
   return setmetatable({ world = self.world, address = address, index = index }, Upstream)
end

-- The connection that the script has made and nobody has accepted yet, the first of them.
function Upstream:accept()
   check(self, Upstream)
   local id = ask(self, "accept", self.index)
   if not id then
      raise("nobody has connected to " .. self.address)
   end
   return setmetatable({ world = self.world, id = id, waiting = "" }, Conn)
end

-- It listens no more; connections stay.
function Upstream:close()
   check(self, Upstream)
   ask(self, "upstream", self.address, false)
end

-- Lets time pass, timer by timer.
function Server:advance(seconds)
   check(self, Server)
   if type(seconds) ~= "number" or not (seconds >= 0 and seconds < 1e9) then
      raise("seconds: a number from 0 on is wanted, not " .. tostring(seconds))
   end
   ask(self, "advance", math.floor(seconds * 1000 + 0.5))
end

-- Loads the script again, or another one.
function Server:reload(script)
   check(self, Server)
   self.path = script and absolute(script) or self.path
   act(self, "reload", self.path)
end

-- What the script has printed since the last call.
function Server:printed()
   check(self, Server)
   return (ask(self, "printed"))
end

-- Warnings and errors since the last call; a test that does not take errors of handlers fails.
function Server:errors()
   check(self, Server)
   return (ask(self, "errors"))
end

-- ---- connections -----------------------------------------------------------------------------

function Conn:write(bytes)
   check(self, Conn)
   act(self, "feed", self.id, text_of("bytes", bytes))
end

-- Sends a line.
function Conn:send(line)
   check(self, Conn)
   act(self, "feed", self.id, text_of("line", line) .. "\n")
end

-- The client has nothing more to send.
function Conn:eof()
   check(self, Conn)
   act(self, "eof", self.id)
end

-- The client stops reading: what is sent to it is queued.
function Conn:pause()
   check(self, Conn)
   ask(self, "pause", self.id, true)
end

-- The client reads on.
function Conn:resume()
   check(self, Conn)
   ask(self, "pause", self.id, false)
   ask(self, "run")
end

-- All that has come and nobody has expected yet.
local function pending(self)
   self.waiting = self.waiting .. ask(self, "take", self.id)
   return self.waiting
end

-- Takes a line without its end; nil when there is none.
local function take_line(self)
   local text = pending(self)
   if text == "" then
      return nil
   end
   local line, next_at = text:match("^([^\n]*)\n()")
   self.waiting = line and text:sub(next_at) or ""
   return line and line:gsub("\r$", "") or text
end

-- The next line, or the next lines when the text has several.
function Conn:expect(text, note)
   check(self, Conn)
   text = text_of("text", text)
   local _, more = text:gsub("\n", "")
   local lines = { (take_line(self)) }
   for _ = 1, #lines > 0 and more or 0 do
      lines[#lines + 1] = take_line(self)
   end
   local got = #lines > 0 and table.concat(lines, "\n") or nil
   if got ~= text then
      local reason = ask(self, "reason", self.id)
      fail(diff(text, got) .. (reason and "\nthe connection is closed: " .. reason or ""), note)
   end
end

-- Sends a line, and takes the lines that are the answer.
function Conn:ask(line, ...)
   check(self, Conn)
   self:send(line)
   for _, wanted in ipairs({ ... }) do
      self:expect(wanted, "after " .. quote(line))
   end
end

-- The next bytes, whatever the framing.
function Conn:expect_bytes(bytes, note)
   check(self, Conn)
   bytes = text_of("bytes", bytes)
   local text = pending(self)
   local got = text:sub(1, #bytes)
   if got ~= bytes then
      fail(diff(bytes, got), note)
   end
   self.waiting = text:sub(#bytes + 1)
end

-- The next line matches a Lua pattern; returns its captures.
function Conn:expect_match(pattern, note)
   check(self, Conn)
   pattern = text_of("pattern", pattern)
   local line = take_line(self)
   if not line or not line:find(pattern) then
      fail("expected a match of: " .. quote(pattern) .. "\n                got: "
         .. (line and quote(line) or "nothing"), note)
   end
   return line:match(pattern)
end

-- Drops what has come so far, and returns it.
function Conn:skip()
   check(self, Conn)
   local text = pending(self)
   self.waiting = ""
   return text
end

function Conn:expect_nothing(note)
   check(self, Conn)
   local text = pending(self)
   if text ~= "" then
      fail("expected nothing\n     got: " .. quote((around(text, 1))), note)
   end
end

-- The script sends nothing more: it has finished or closed.
function Conn:expect_eof(note)
   check(self, Conn)
   if not ask(self, "finished", self.id) then
      fail("expected the end of what is sent, it may go on", note)
   end
end

function Conn:expect_closed(reason, note)
   check(self, Conn)
   local got = ask(self, "reason", self.id)
   if not got then
      fail("expected the connection to be closed, it is open", note)
   elseif reason and got ~= reason then
      fail(diff(reason, got), note)
   end
end

-- ---- running ---------------------------------------------------------------------------------

-- What was wrong, and the line of the test fn where that began, when it is another one: a helper of
-- several tests has failed.
local function explain(message, fn)
   if type(message) ~= "string" then
      return debug.traceback(tostring(message), 3)
   end
   local level, info = 3, debug.getinfo(3, "fSl")
   while info and info.func ~= fn do
      level = level + 1
      info = debug.getinfo(level, "fSl")
   end
   local place = info and info.short_src .. ":" .. info.currentline .. ":"
   if not place or message:sub(1, #place) == place then
      return message
   end
   return message .. "\ncalled from " .. place:sub(1, -2)
end

-- Prints a result: `why` is what was wrong, nil for nothing.
local function report(tap, name, why)
   tap.count = tap.count + 1
   print((why and "not ok " or "ok ") .. tap.count .. " - " .. name)
   if why then
      tap.failed = tap.failed + 1
      for line in (why .. "\n"):gmatch("([^\n]*)\n") do
         print("#   " .. line)
      end
   end
end

-- Calls a function of a test file, and ends its servers. Returns true and what it returns; or
-- false and all that was wrong.
local function try(fn, ...)
   local ok, result = xpcall(fn, function(message)
      return explain(message, fn)
   end, ...)
   local clean, raised = pcall(test.finish)
   if not clean then
      result = ok and raised or result .. "\n" .. raised
   end
   return ok and clean, result
end

local function in_order(tests)
   local names = {}
   for name, fn in pairs(tests) do
      if type(fn) == "function" then
         names[#names + 1] = name
      end
   end
   table.sort(names, function(a, b)
      local left = debug.getinfo(tests[a], "S").linedefined
      local right = debug.getinfo(tests[b], "S").linedefined
      return left ~= right and left < right or left == right and tostring(a) < tostring(b)
   end)
   return names
end

local function run_file(tap, file)
   local base = file:gsub("%.lua$", "")
   local chunk, why = loadfile(folder .. "/" .. file)
   if not chunk then
      return report(tap, base, why)
   end
   local ok, tests = try(chunk)
   if not ok then
      return report(tap, base, tests)
   end
   local names = type(tests) == "table" and in_order(tests) or {}
   if #names == 0 then
      return report(tap, base, folder .. "/" .. file .. ": it returns no table of tests")
   end
   for _, name in ipairs(names) do
      local shown = base .. ": " .. tostring(name)
      if not tap.pattern or shown:find(tap.pattern) then
         ok, why = try(tests[name])
         report(tap, shown, not ok and why or nil)
      end
   end
end

-- Returns the folder of a path, and the names of its test files; the path of one such file
-- means that one.
local function find_files(path)
   local dir, file = (path:find("/") and path or "./" .. path):match("^(.*)/([^/]*_test%.lua)$")
   if file then
      return dir, { file }
   end
   local files, why = native.list(path)
   if not files then
      raise(path .. ": " .. why)
   elseif #files == 0 then
      raise(path .. ": no file there is called *_test.lua")
   end
   return path, files
end

-- Runs the test files of a folder, or one file; of their tests those whose names match the
-- pattern. Prints the results as TAP. Returns how many have failed.
function test.run(path, pattern)
   local valid, why = pcall(string.find, "", pattern or "")
   if not valid then
      raise(pattern .. ": " .. why)
   end
   local tap = { count = 0, failed = 0, pattern = pattern }
   local dir, files = find_files(text_of("path", path))
   local path_before = package.path
   folder, package.path = dir, dir .. "/?.lua;" .. path_before
   for _, file in ipairs(files) do
      run_file(tap, file)
   end
   folder, package.path = nil, path_before
   if tap.count == 0 then
      raise(path .. ": no test there has a name that matches " .. pattern)
   end
   print("1.." .. tap.count)
   if tap.failed > 0 then
      print("# " .. tap.failed .. " of " .. tap.count .. " failed")
   end
   return tap.failed
end

return test
