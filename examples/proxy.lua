-- proxy.lua: a TCP proxy in front of two servers, with health checks and back-pressure
--
--    kelpie -p 8080 examples/proxy.lua       # examples/proxy/upstreams.lua says where the servers are
--    curl http://127.0.0.1:8080/
--
-- Each client has a connection of its own to an upstream. Whoever is ahead of the other's reading
-- is not read until the other one has room again (on_drain), so memory stays flat.
--
--    client    its handler waits for its bytes in a loop, also when it has ended its side: then
--              the upstream is told so, and what it still answers is passed on
--    upstream  its bytes go to the handlers of the "listener" upstream; when it ends, the client
--              gets what is left, and ends as the upstream did: in order, or with a reset
--
-- When the script is reloaded the loops go on in the old version, at most for retire_timeout;
-- then they end with "retired", and on_adopt starts them again in the new one.

local kelpie = require("kelpie")
local upstreams = require("proxy.upstreams")

local CHECK_SECONDS = 2
local WISHES = { timeout = 3, handlers = "upstream" } -- of a connection to an upstream

local health = kelpie.keep("health", {}) -- [address] = "down", nothing for a good one
local turn = kelpie.keep("turn", { n = 0 })

local from_upstream = { framing = "raw", max_message = 65536 }
local handlers = { framing = "raw", max_message = 65536, listeners = { upstream = from_upstream } }

-- ---- upstreams ----------------------------------------------------------------------------------

-- Connects to the next upstream in turn that answers; those that are known to be down come last.
local function connect_upstream()
   for _, state in ipairs({ "up", "down" }) do
      for _ = 1, #upstreams do
         turn.n = turn.n % #upstreams + 1
         local address = upstreams[turn.n]
         if (health[address] or "up") == state then
            local upstream, message = kelpie.connect(address, WISHES)
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

local function check(address)
   local probe, message = kelpie.connect(address, { timeout = CHECK_SECONDS / 2 })
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

-- ---- bytes --------------------------------------------------------------------------------------

-- Passes bytes on. False: who shall have them is gone.
local function pass(bytes, from, to)
   local ok = to:write(bytes)
   if ok and not to:has_room() then
      from:pause() -- until on_drain
   end
   return ok
end

-- Passes on what comes until it ends, or nobody wants it. Returns why it has ended.
local function pass_all(from, to)
   while true do
      local bytes, _, code = from:receive()
      if not bytes or not pass(bytes, from, to) then
         return code
      end
   end
end

local function serve(conn, upstream)
   if pass_all(conn, upstream) ~= "retired" and conn:is_open() then
      upstream:finish() -- the client has ended its side
      pass_all(upstream, conn)
   end
end

function from_upstream.on_message(upstream, bytes)
   pass(bytes, upstream, upstream.data.client)
end

function from_upstream.on_drain(upstream)
   upstream.data.client:resume()
end

function handlers.on_drain(conn)
   if conn.data.upstream then
      conn.data.upstream:resume()
   end
end

-- ---- coming and going ---------------------------------------------------------------------------

function handlers.on_connect(conn)
   local upstream = connect_upstream()
   if not upstream then
      conn:close("no upstream")
   elseif not conn:is_open() then
      upstream:close("its client has left")
   else
      conn.data.upstream, upstream.data.client = upstream, conn
      serve(conn, upstream)
   end
end

-- Whoever was connecting when the version changed is not known to this one.
function handlers.on_adopt(conn)
   if conn.data.upstream then
      serve(conn, conn.data.upstream)
   else
      conn:abort()
   end
end

function from_upstream.on_adopt(upstream)
   if not upstream.data.client then
      upstream:abort()
   end
end

function handlers.on_disconnect(conn, reason)
   local upstream = conn.data.upstream
   if upstream and reason == "eof" then
      upstream:close("its client has left")
   elseif upstream then
      upstream:abort()
   end
end

function from_upstream.on_disconnect(upstream, reason)
   local client = upstream.data.client
   if client and reason == "eof" then
      client:close("eof")
   elseif client then
      client:abort()
   end
end

return handlers
