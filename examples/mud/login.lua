-- login.lua: a name, then a password; for mud.lua
--
-- Who comes with a new name chooses its password. Passwords are kept across reloads, and are gone
-- when the server ends.

local kelpie = require("kelpie")
local telnet = require("mud.telnet")
local world = require("mud.world")

local MAX_NAME = 20
local MAX_ACCOUNTS = 1000
local MAX_ATTEMPTS = 3

local accounts = kelpie.keep("mud accounts", { passwords = {}, n = 0 })

local function is_playing(name)
   for other in kelpie.conns() do
      if other.data.room and other.data.name == name then
         return true
      end
   end
   return false
end

local function take_name(conn, line)
   local name = kelpie.trim(line)
   if #name > MAX_NAME or not name:find("^%a+$") then
      world.tell(conn, "A name has up to " .. MAX_NAME .. " letters. Your name?")
      return
   end
   conn.data.name = name
   conn:write(telnet.hide(conn.data.telnet, true))
   world.tell(conn, accounts.passwords[name] and "Password?" or "You are new. Choose a password:")
end

-- Why somebody may not come in; nil when all is well.
local function objection(name, password)
   local right = accounts.passwords[name]
   if password == "" or right and right ~= password then
      return "That is not the password."
   elseif is_playing(name) then
      return name .. " is playing already."
   elseif not right and accounts.n == MAX_ACCOUNTS then
      return "The world is full."
   end
   return nil
end

local function take_password(conn, password)
   local data = conn.data
   conn:write(telnet.hide(data.telnet, false), "\r\n") -- the newline that was not shown
   local why = objection(data.name, password)
   if why then
      data.attempts = (data.attempts or 0) + 1
      data.name = nil
      world.tell(conn, why .. " Your name?")
      if data.attempts == MAX_ATTEMPTS then
         conn:close("password")
      end
      return
   elseif not accounts.passwords[data.name] then
      accounts.passwords[data.name] = password
      accounts.n = accounts.n + 1
   end
   data.bag = {}
   world.enter(conn, world.START)
end

-- Takes a line of somebody who is not in the world yet.
return function(conn, line)
   if conn.data.name then
      take_password(conn, line)
   else
      take_name(conn, line)
   end
end
