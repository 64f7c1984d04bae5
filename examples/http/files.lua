-- http/files.lua: files of the folder `www`, which is looked for where kelpie was started
--
-- Only there when the operator lets scripts read files: kelpie run --allow io.

local files = {}

local ROOT = "www"
local MAX_FILE = 512 * 1024
local TYPES = { html = "text/html", css = "text/css", js = "text/javascript", json = "application/json",
                png = "image/png", svg = "image/svg+xml", txt = "text/plain" }

-- The bytes and the type of a file, or 404. A part of a path begins with a letter, a digit, "_" or
-- "-" and has only these and dots: so there is no way up, nothing hidden, no NUL, no backslash, and
-- nothing else that a file system could take amiss. (Symbolic links in the folder are followed:
-- who puts them there means it.)
function files.read(path)
   for part in (path .. "/"):gmatch("(.-)/") do
      if not part:find("^[%w_-][%w_.-]*$") then
         return 404
      end
   end
   local io = _G.io -- only there with --allow io
   local handle = io and io.open(ROOT .. "/" .. path, "rb")
   if not handle then
      return 404
   end
   local bytes, why = handle:read(MAX_FILE + 1) -- nil for an empty file; a folder also has a why
   handle:close()
   if why or (bytes and #bytes > MAX_FILE) then
      return 404
   end
   return bytes or "", TYPES[path:match("%.(%w+)$") or ""] or "application/octet-stream"
end

return files
