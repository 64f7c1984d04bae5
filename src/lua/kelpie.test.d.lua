---@meta kelpie.test
--
-- kelpie.test.d.lua: what tests of handlers can use, for editors (LuaLS)
--
-- This file is never run; what it describes is in test.lua. Everything raises at the line
-- of the test when it is not as expected.

---A server of one test.
---@class kelpie.test.server
local server = {}

---A new client; on_connect has been called when it returns.
---@param listener? string name of the listener whose handlers serve it
---@return kelpie.test.conn
function server:connect(listener) end

---Something that the script can connect to: from now on it listens at that address. What the
---script connects to besides is refused.
---@param address string as the script writes it
---@return kelpie.test.upstream
function server:upstream(address) end

---Lets time pass, timer by timer.
---@param seconds number
function server:advance(seconds) end

---Loads the script again, or another one.
---@param script? string
function server:reload(script) end

---What the script has printed since the last call, a line each.
---@return string
function server:printed() end

---Warnings and errors since the last call. Errors of handlers that nobody takes fail the test
---(`kelpie test`), or are raised by `finish`.
---@return string
function server:errors() end

---A server of one test that the script is a client of.
---@class kelpie.test.upstream
local upstream = {}

---Takes the first connection that the script has made and that was not taken yet.
---@return kelpie.test.conn
function upstream:accept() end

---It listens no more; its connections stay.
function upstream:close() end

---A client of one test; or what an upstream has accepted, which is at the other end as well.
---@class kelpie.test.conn
local conn = {}

---Sends a line.
---@param line string
function conn:send(line) end

---Sends bytes.
---@param bytes string
function conn:write(bytes) end

---The client has nothing more to send.
function conn:eof() end

---The client stops reading: what is sent to it from now on is queued.
function conn:pause() end

---The client reads on.
function conn:resume() end

---Takes the next line, or as many as the text has.
---@param text string
---@param note? string begins the failure
function conn:expect(text, note) end

---Sends a line, and takes the lines that are the answer. Nothing is said of what comes after them.
---@param line string
---@param ... string
function conn:ask(line, ...) end

---Takes the next bytes, whatever the framing.
---@param bytes string
---@param note? string
function conn:expect_bytes(bytes, note) end

---Takes the next line, which matches a Lua pattern.
---@param pattern string
---@param note? string
---@return string ... its captures
function conn:expect_match(pattern, note) end

---Nothing has come.
---@param note? string
function conn:expect_nothing(note) end

---The script sends nothing more.
---@param note? string
function conn:expect_eof(note) end

---The connection has ended.
---@param reason? string
---@param note? string
function conn:expect_closed(reason, note) end

---Drops what has come so far, and returns it.
---@return string
function conn:skip() end

local test = {}

---Serves a script; a path that is not absolute begins at the folder of the test file.
---@param script string
---@return kelpie.test.server
function test.start(script) end

---Ends all servers; raises what their handlers have raised and nobody has taken. `kelpie test`
---does it after each test, elsewhere it is to be called: `after_each(test.finish)`.
function test.finish() end

---Runs test files as `kelpie test` does: prints their results as TAP.
---@param path string a folder, of which all `*_test.lua` are run, or one such file
---@param pattern? string only tests whose printed name matches this pattern
---@return integer failed how many
function test.run(path, pattern) end

return test
