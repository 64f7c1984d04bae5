-- test.lua: the module kelpie.test of `kelpie test`, and what runs the test files
--
-- It is given the functions of cmd_test.c, which make a server with detached connections and a
-- clock that moves only when told to. After everything that is done the server runs until it
-- has nothing left to do, so no test waits for anything.

local native, folder = ...

local test = {}
local Server, Conn = {}, {}
Server.__index, Conn.__index = Server, Conn
local started = {} -- servers of the test that runs

local function quote(text)
   local escaped = text:gsub("[%c\\\"\127-\255]", function(char)
      local names = { ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t", ["\\"] = "\\\\", ['"'] = '\\"' }
      return names[char] or ("\\x%02x"):format(char:byte())
   end)
   return '"' .. escaped .. '"'
end

-- Two texts under each other, and a mark where they begin to differ.
local function diff(expected, got)
   if not got then
      return "expected: " .. quote(expected) .. "\n     got: nothing"
   end
   local same = 0
   while same < #expected and expected:byte(same + 1) == got:byte(same + 1) do
      same = same + 1
   end
   local column = #quote(expected:sub(1, same)) - 1
   return "expected: " .. quote(expected) .. "\n     got: " .. quote(got) .. "\n          "
      .. (" "):rep(column) .. "^"
end

-- ---- servers -------------------------------------------------------------------------------

-- Serves a script, as `kelpie SCRIPT` would; a path that is not absolute begins at the folder
-- of the tests.
function test.start(script)
   local path = script:sub(1, 1) == "/" and script or folder .. "/" .. script
   local world, why = native.new(path)
   if not world then
      error(why, 2)
   end
   local server = setmetatable({ world = world, path = path }, Server)
   started[#started + 1] = server
   world:run()
   return server
end

-- A new client, perhaps of a named listener.
function Server:connect(listener)
   local id, why = self.world:connect(listener)
   if not id then
      error(why, 2)
   end
   self.world:run()
   return setmetatable({ world = self.world, id = id, waiting = "" }, Conn)
end

-- Lets time pass, timer by timer.
function Server:advance(seconds)
   self.world:advance(math.floor(seconds * 1000 + 0.5))
end

-- Loads the script again, or another one.
function Server:reload(script)
   if script then
      self.path = script:sub(1, 1) == "/" and script or folder .. "/" .. script
   end
   local ok, why = self.world:reload(self.path)
   if not ok then
      error(why, 2)
   end
   self.world:run()
end

-- What the script has printed since the last call.
function Server:printed()
   return self.world:printed()
end

-- Warnings and errors since the last call; a test that does not take errors of handlers fails.
function Server:errors()
   return self.world:errors()
end

-- ---- connections ---------------------------------------------------------------------------

function Conn:write(bytes)
   local ok, why = self.world:feed(self.id, bytes)
   if not ok then
      error("cannot write " .. quote(bytes) .. ": " .. why, 2)
   end
   self.world:run()
end

-- Sends a line.
function Conn:send(line)
   local ok, why = self.world:feed(self.id, line .. "\n")
   if not ok then
      error("cannot send " .. quote(line) .. ": " .. why, 2)
   end
   self.world:run()
end

-- The client has nothing more to send.
function Conn:eof()
   local ok, why = self.world:eof(self.id)
   if not ok then
      error(why, 2)
   end
   self.world:run()
end

-- All that has come and nobody has expected yet.
local function pending(conn)
   conn.waiting = conn.waiting .. conn.world:take(conn.id)
   return conn.waiting
end

-- Takes a line without its end; nil when there is none.
local function take_line(conn)
   local text = pending(conn)
   if text == "" then
      return nil
   end
   local line, next_at = text:match("^([^\n]*)\n()")
   conn.waiting = line and text:sub(next_at) or ""
   return line and line:gsub("\r$", "") or text
end

local function with(note, text)
   return note and note .. "\n" .. text or text
end

-- The next line, or the next lines when the text has several.
function Conn:expect(text, note)
   local _, more = text:gsub("\n", "")
   local lines = { (take_line(self)) }
   for _ = 1, #lines > 0 and more or 0 do
      lines[#lines + 1] = take_line(self)
   end
   local got = #lines > 0 and table.concat(lines, "\n") or nil
   if got ~= text then
      local reason = self.world:reason(self.id)
      error(with(note, diff(text, got) .. (reason and "\nthe connection is closed: " .. reason or "")), 2)
   end
end

-- The next bytes, whatever the framing.
function Conn:expect_bytes(bytes, note)
   local text = pending(self)
   local got = text:sub(1, #bytes)
   if got ~= bytes then
      error(with(note, diff(bytes, got)), 2)
   end
   self.waiting = text:sub(#bytes + 1)
end

-- The next line matches a Lua pattern; returns its captures.
function Conn:expect_match(pattern, note)
   local line = take_line(self)
   if not line or not line:find(pattern) then
      error(with(note, "expected a match of: " .. quote(pattern) .. "\n                got: "
         .. (line and quote(line) or "nothing")), 2)
   end
   return line:match(pattern)
end

-- Drops what has come so far, and returns it.
function Conn:skip()
   local text = pending(self)
   self.waiting = ""
   return text
end

function Conn:expect_nothing(note)
   local text = pending(self)
   if text ~= "" then
      error(with(note, "expected nothing\n     got: " .. quote(text)), 2)
   end
end

function Conn:expect_closed(reason, note)
   local got = self.world:reason(self.id)
   if not got then
      error(with(note, "expected the connection to be closed, it is open"), 2)
   elseif reason and got ~= reason then
      error(with(note, diff(reason, got)), 2)
   end
end

-- ---- running -------------------------------------------------------------------------------

local count, failed = 0, 0

local function comment(text)
   for line in (text .. "\n"):gmatch("([^\n]*)\n") do
      print("#   " .. line)
   end
end

-- Ends the servers of a test. Returns what their handlers have raised and nobody has taken.
local function finish()
   local raised = {}
   for _, server in ipairs(started) do
      if server.world:failed() then
         raised[#raised + 1] = "a handler failed:\n" .. server.world:errors()
      end
      server.world:free()
   end
   started = {}
   return #raised > 0 and table.concat(raised, "\n") or nil
end

local function run(name, fn, ...)
   local ok, why = xpcall(fn, function(message)
      return type(message) == "string" and message or debug.traceback(tostring(message), 2)
   end, ...)
   local raised = finish()
   count = count + 1
   if ok and not raised then
      print("ok " .. count .. " - " .. name)
      return
   end
   failed = failed + 1
   print("not ok " .. count .. " - " .. name)
   if not ok then
      comment(why)
   end
   if raised then
      comment(raised)
   end
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

local function run_file(file)
   local chunk, why = loadfile(folder .. "/" .. file)
   local tests
   local base = file:gsub("%.lua$", "")
   if chunk then
      local ok, result = pcall(chunk)
      if ok and type(result) == "table" then
         tests = result
      elseif not ok then
         chunk, why = nil, tostring(result)
      end
   end
   if not tests then
      run(base, function()
         if not chunk then
            error(why, 0)
         end
      end)
      return
   end
   finish()
   for _, name in ipairs(in_order(tests)) do
      run(base .. ": " .. tostring(name), tests[name])
   end
end

package.preload["kelpie.test"] = function()
   return test
end
package.path = folder .. "/?.lua;" .. package.path

return function(files)
   for _, file in ipairs(files) do
      run_file(file)
   end
   print("1.." .. count)
   if failed > 0 then
      print("# " .. failed .. " of " .. count .. " failed")
   end
   return failed
end
