-- A script that does nothing wrong: what is loaded after an attack, and before one at load.
local kelpie = require("kelpie")

return {
   on_message = function(conn)
      conn:send("pong ", kelpie.generation)
   end,
}
