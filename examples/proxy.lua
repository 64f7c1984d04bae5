-- proxy.lua: a TCP proxy in front of two servers, with health checks and back-pressure
--
--    kelpie -p 8080 examples/proxy.lua       # examples/proxy/upstreams.lua says where the servers are
--    curl http://127.0.0.1:8080/
--
-- Each client has a connection of its own to an upstream, and two loops that copy: one from
-- the client, which is its handler, and one from the upstream, beside it. A loop that is ahead
-- of its reader waits, and while it waits its source is not read, so memory stays flat.
-- When the script is reloaded the loops go on in the old version, at most for retire_timeout;
-- then they end with "retired", and on_adopt starts them again in the new one.
local kelpie = require("kelpie")
local upstreams = require("proxy.upstreams")

local HIGH_WATER = 256 * 1024 -- bytes that may wait for a reader
local CHECK_SECONDS = 2

local health = kelpie.keep("health", {}) -- [address] = "down", nothing for a good one
local turn = kelpie.keep("turn", { n = 0 })

local handlers = { framing = "raw", max_message = 65536 }

---Connects to the next upstream in turn that answers; those that are known to be down come last.
---@return kelpie.conn?
local function connect_upstream()
   for _, state in ipairs({ "up", "down" }) do
      for _ = 1, #upstreams do
         turn.n = turn.n % #upstreams + 1
         local address = upstreams[turn.n]
         if (health[address] or "up") == state then
            local upstream, message = kelpie.connect(address, { timeout = 3 })
            if upstream then
               return upstream
            end
            health[address] = "down"
            kelpie.log("warn", "upstream %s: %s", address, message)
         end
      end
   end
   return nil
end

---Waits until a reader has taken most of what is queued for it.
---@return boolean goes_on false: this version of the script is replaced
local function wait_for_reader(to)
   while to:queued() > HIGH_WATER do
      local _, _, code = kelpie.sleep(0.005)
      if code == "retired" then
         return false
      end
   end
   return true
end

---Copies until one side ends, then lets the other one have what is queued.
local function copy(from, to)
   while true do
      local bytes, _, code = from:receive()
      if code == "retired" then
         return
      end
      if not bytes or not to:write(bytes) then
         from:close("proxied to its end")
         to:close("proxied to its end")
         return
      end
      if not wait_for_reader(to) then
         return
      end
   end
end

local function start(conn, upstream)
   kelpie.spawn(copy, upstream, conn)
   copy(conn, upstream)
end

function handlers.on_connect(conn)
   local upstream = connect_upstream()
   if not upstream then
      return conn:close("no upstream")
   end
   if not conn:is_open() then
      return upstream:close("its client has left")
   end
   conn.data.upstream = upstream
   start(conn, upstream)
end

function handlers.on_adopt(conn)
   if conn.data.upstream then
      start(conn, conn.data.upstream)
   end
end

function handlers.on_disconnect(conn)
   if conn.data.upstream then
      conn.data.upstream:close("its client has left")
   end
end

local function check(address)
   local probe, message = kelpie.connect(address, { timeout = 1 })
   local state = not probe and "down" or nil
   if probe then
      probe:close("checked")
   end
   if health[address] ~= state then
      kelpie.log("info", "upstream %s is %s", address, state and "down: " .. message or "up")
      health[address] = state
   end
end

function handlers.on_load()
   kelpie.every("health", CHECK_SECONDS, function()
      for _, address in ipairs(upstreams) do
         kelpie.spawn(check, address)
      end
   end)
end

return handlers
