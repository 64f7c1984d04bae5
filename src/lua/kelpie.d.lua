---@meta kelpie
--
-- kelpie.d.lua: everything that a script of kelpie can use, for editors (LuaLS) and for reading
--
-- This file is never run. Put its folder into `workspace.library` of the editor's .luarc.json.
--
-- Units: seconds are numbers and may be fractions; sizes are bytes; texts and data are Lua
-- strings of any bytes. What can happen in a healthy program is returned as nil, message, code:
-- a sentence for people, and a word to compare with. Wrong arguments raise an error at the
-- line that passed them.
--
-- While the main chunk runs ("while loading") a script must not touch clients, because it may
-- still be rejected: what is marked "not while loading" raises then.

-- ---- a connection ---------------------------------------------------------------------------

---What a client sees as "the other end". There is one handle per connection: `==` works, and it
---can be a table key. It stays harmless when the connection is gone: the fields can be read, and
---the methods answer nil, "connection closed", "closed".
---
---`tostring(conn)` is "client #3 (127.0.0.1:5312)". Reading or setting a field that does not
---exist raises. No method but is_open, queued and has_room may be called while loading.
---@class kelpie.conn
---@field id integer never used again by another connection
---@field number? integer nil for one of kelpie.connect; else the smallest number that was free, from 0; free again when it has gone
---@field peer string address of the client: "127.0.0.1:5312", "[::1]:5312", "unix"
---@field listener string name of the listener that accepted it; "" when that has no name
---@field data table for the script's own values; survives reloads; another table may be assigned
local conn = {}

---Queues one message in the connection's framing. The arguments are joined. It is written at
---the end of the step, after the handler; earlier only when the outbox would be full otherwise,
---or when it is much, some 16 KiB.
---@param ... string|number 1 to 64 values
---@return true? ok
---@return string? message
---@return string? code "closed"; "full": the outbox is at its limit, nothing was queued; "protocol": the message cannot be written in this framing; "memory"
function conn:send(...) end

---Queues bytes as they are, whatever the framing.
---@param ... string|number 1 to 64 values
---@return true? ok
---@return string? message
---@return string? code "closed", "full", "memory"
function conn:write(...) end

---Waits for the next message; this handler is suspended, everybody else goes on. Only one
---handler at a time can wait for a connection's messages: a second one raises.
---@param what? "line"|integer nil: a message in the connection's framing; "line": up to the next newline; or that many bytes (at least 1, at most max_message)
---@param seconds? number how long at most; 0: only what is there already; nil: no limit
---@return string? received
---@return string? message
---@return string? code "closed": no more will come; "timeout"; "retired": the script was replaced and did not end in time
function conn:receive(what, seconds) end

---Says that nothing more will be sent: the peer sees the end of the stream when all that is queued
---is sent. What it sends is delivered as before; conn:send fails with "closed" from now on. It
---stays open until it is closed, or the peer has ended as well.
---@return true? ok
---@return string? message
---@return string? code "closed": it is closing or closed already
function conn:finish() end

---Closes when all that is queued is sent. No more messages are delivered.
---@param reason? string what on_disconnect will see, cut after 63 bytes; default "closed"
---@return true? ok
---@return string? message
---@return string? code "closed": it is closing or closed already
function conn:close(reason) end

---Closes at once, with a reset; what is queued is lost. on_disconnect sees "aborted".
---@return true? ok
---@return string? message
---@return string? code "closed"
function conn:abort() end

---Stops reading: messages wait in the kernel, and the client with them. That the client has left
---is noticed after resume, or when something is sent to it. Its idle time-out runs on.
---@return true? ok
---@return string? message
---@return string? code "closed"
function conn:pause() end

---Goes on reading.
---@return true? ok
---@return string? message
---@return string? code "closed"
function conn:resume() end

---Sets how long nothing may be read or written before it is closed with "idle timeout".
---@param seconds? number 0: no limit; nil: the server's limit
---@return true? ok
---@return string? message
---@return string? code "closed"
function conn:set_timeout(seconds) end

---Cuts messages in another way, from the next byte on that was not delivered yet.
---@param framing kelpie.framing a fixed size above max_message raises
---@return true? ok
---@return string? message
---@return string? code "closed"
function conn:set_framing(framing) end

---Joins a room.
---@param room kelpie.room|string a room or its name
---@return boolean? changed false: it was in it already
---@return string? message
---@return string? code "closed", "memory"
function conn:join(room) end

---Leaves a room.
---@param room kelpie.room|string a room or its name
---@return boolean? changed false: it was not in it
---@return string? message
---@return string? code "closed"
function conn:leave(room) end

---Lists the rooms that it is in, in no particular order; still in its on_disconnect.
---@return kelpie.room[]? rooms
---@return string? message
---@return string? code "closed": it is gone
function conn:rooms() end

---Tells whether messages can still be sent.
---@return boolean open false as soon as it is closing
function conn:is_open() end

---Tells how much is queued and not written yet.
---@return integer bytes 0 for one that is gone
function conn:queued() end

---Tells whether more should be sent now. An outbox that has passed half of its soft limit (so
---128 KiB), or has refused something as "full", has no room until it is empty: then on_drain is
---called. Who has much to send stops when there is no room, and goes on in on_drain; its outbox
---does not pass the soft limit then, above which its messages wait, and it can become a slow reader.
---@return boolean room false too for one that is closing
function conn:has_room() end

-- ---- a room ---------------------------------------------------------------------------------

---A named set of connections. A connection leaves all rooms when it has gone, after its
---on_disconnect. `#room` is the number of its open members; rooms of the same name are equal.
---@class kelpie.room
---@field name string
---@operator len: integer
local room = {}

---Adds a connection. Not while loading.
---@param conn kelpie.conn
---@return boolean? changed false: it was in it already
---@return string? message
---@return string? code "closed", "memory"
function room:join(conn) end

---Takes a connection out. Not while loading.
---@param conn kelpie.conn
---@return boolean? changed false: it was not in it
---@return string? message
---@return string? code "closed"
function room:leave(conn) end

---Tells whether a connection is in the room.
---@param conn kelpie.conn
---@return boolean is_member
function room:has(conn) end

---Sends one message to every member, each in its own framing. It is stored once, however many
---they are. A member whose outbox is full is skipped. Not while loading.
---@param message string|number
---@param except? kelpie.conn one that does not get it
---@return integer? count how many took it
---@return string? message
---@return string? code "memory"
function room:send(message, except) end

---Sends bytes as they are to every member. Not while loading.
---@param bytes string|number
---@param except? kelpie.conn one that does not get it
---@return integer? count how many took it
---@return string? message
---@return string? code "memory"
function room:write(bytes, except) end

---Walks the open members: `for conn in room:members() do`. The walk is over those who were in
---the room when it began, so the loop may join, leave and close. Not while loading.
---@return fun(): kelpie.conn? next
function room:members() end

-- ---- a timer --------------------------------------------------------------------------------

---A call that is still to come; see kelpie.after and kelpie.every.
---@class kelpie.timer
local timer = {}

---Ends the timer. A call of it that is suspended goes on.
---@return boolean was_started false: it had fired for the last time, or was ended before
function timer:cancel() end

-- ---- the handlers table ---------------------------------------------------------------------

---How the bytes of a client are cut into messages, and what is put around a message sent:
---
--- - "line": up to "\n"; one "\r" before it is dropped; written with "\n". The default
--- - "crlf": read as "line", written with "\r\n"
--- - "raw": whatever has come is a message
--- - "netstring": "5:hello,"
--- - { "length", bytes = 4, order = "big" }: 1, 2 or 4 bytes of length in front, "big" (default) or "little"
--- - { "delimiter", "\0" }: up to 1 to 16 bytes of your choice
--- - { "fixed", 16 }: always that many bytes
---@alias kelpie.framing
---| "line"
---| "crlf"
---| "raw"
---| "netstring"
---| { [1]: "length", bytes: 1|2|4|nil, order: "big"|"little"|nil }
---| { [1]: "delimiter", [2]: string }
---| { [1]: "fixed", [2]: integer }

---What the main script returns. Every field may be absent; one that is none of these rejects the
---script. Handlers run in coroutines of their own and may wait; the messages of one connection
---are handled one at a time, in order. A handler that raises is logged; its connection stays
---(in on_connect it is closed with "handler error").
---
---Reasons that on_disconnect sees: "eof", "reset", "idle timeout", "frame timeout",
---"message too long", "protocol error", "slow reader", "script killed", "handler error",
---"aborted", "shutdown", "out of memory", or what the script gave to conn:close.
---@class kelpie.handlers
---@field framing? kelpie.framing of connections accepted from then on; default "line"
---@field max_message? integer longest message in bytes, without its framing; default: the server's, 8192
---@field partial_at_eof? "drop"|"deliver" what becomes of an unfinished last message; default "drop"
---@field on_load? fun(reason: "start"|"reload"|"rollback") this version serves now: the place for timers; if it raises, the version before goes on
---@field on_connect? fun(conn: kelpie.conn)
---@field on_message? fun(conn: kelpie.conn, message: string)
---@field on_disconnect? fun(conn: kelpie.conn, reason: string) exactly once for each on_connect
---@field on_drain? fun(conn: kelpie.conn) an outbox that had no room is empty again: see conn:has_room
---@field on_adopt? fun(conn: kelpie.conn) once for each live connection after a reload or a roll-back
---@field on_input? fun(line: string) a line from the operator's standard input
---@field on_error? fun(conn: kelpie.conn?, message: string, traceback: string) a handler raised; conn is nil outside one; it was logged already
---@field on_shutdown? fun() the server drains: no more clients come, and all are closed soon
---@field schema? integer version of the kept data; when it differs after a reload, migrate is called
---@field migrate? fun(old_schema: integer, keep: table<string, table>) brings kept tables to this schema
---@field migrate_conn? fun(old_schema: integer, data: table) brings the data of one connection to this schema
---@field self_test? fun() raises to reject this version before it serves
---@field listeners? table<string, kelpie.handlers> other handlers for the listener of that name (of those that concern a connection), and for outbound connections that ask for them

-- ---- the counters ---------------------------------------------------------------------------

---Counters since the server has started, except those marked "now".
---@class kelpie.statistics
---@field generation integer number of the version that serves
---@field clients integer connections now
---@field accepted integer
---@field refused integer
---@field closed integer
---@field messages_in integer
---@field bytes_in integer
---@field messages_out integer
---@field bytes_out integer
---@field outbox_bytes integer bytes queued now, all connections together
---@field dropped_bytes integer bytes that were queued when their connection ended
---@field partial_at_eof integer unfinished last messages that were dropped
---@field slow_readers integer connections closed because they did not read
---@field broadcast_skipped integer members skipped because their outbox was full
---@field handler_errors integer
---@field handler_kills integer handlers that were ended because they ran too long
---@field reloads integer
---@field reloads_rejected integer
---@field lua_bytes integer memory of the scripts now, in bytes
---@field timers integer now
---@field rooms integer now
---@field accept_pauses integer times that accepting had to wait for a free descriptor
---@field rollbacks integer times that the version before was made to serve again
---@field refused_clients integer of refused: max_clients was reached
---@field refused_per_ip integer of refused: max_per_ip was reached
---@field idle_timeouts integer connections closed because nothing was read or written
---@field frame_timeouts integer connections closed because a message did not end
---@field too_long integer connections closed because a message passed max_message
---@field protocol_errors integer connections closed because their bytes did not fit the framing
---@field outbox_full integer sends that failed with "full"
---@field script_killed integer connections closed because their handlers were ended too often
---@field spawn_full integer calls of kelpie.spawn that failed with "full"
---@field outbound integer connections that scripts have opened, now
---@field outbound_full integer calls of kelpie.connect that failed with "full"

-- ---- the module -----------------------------------------------------------------------------

---Reading a name that it does not have raises.
---@class kelpie
---@field generation integer number of this version of the script, from 1
---@field version string of kelpie, "MAJOR.MINOR.PATCH"
local kelpie = {}

---Finds or makes the room of that name. Allowed while loading. A name has at most 255 bytes, a
---connection is in at most 1,000 rooms, and all rooms together have a limit of memory: beyond
---that it returns nil, message, "full", as joining does.
---@param name string any bytes
---@return kelpie.room room the same one for the same name
function kelpie.room(name) end

---Sends one message to every open connection, each in its own framing. Not while loading.
---@param message string|number
---@param except? kelpie.conn one that does not get it
---@return integer? count how many took it
---@return string? message
---@return string? code "memory"
function kelpie.broadcast(message, except) end

---Walks all open connections, in order of their numbers: `for conn in kelpie.conns() do`. Not
---while loading.
---@return fun(): kelpie.conn? next
function kelpie.conns() end

---Finds an open connection by its id. Not while loading.
---@param id integer
---@return kelpie.conn? conn nil: there is none
function kelpie.find(id) end

---Finds the open connection that has this client number now. Not while loading.
---@param number integer
---@return kelpie.conn? conn nil: there is none
function kelpie.client(number) end

---Calls fn once, later. fn may wait like a handler. A timer with a name replaces the one of
---that name; when on_load declares it again after a reload, it keeps its deadline. Not while
---loading.
---@param seconds number
---@param fn fun()
---@return kelpie.timer timer
---@overload fun(name: string, seconds: number, fn: fun()): kelpie.timer
function kelpie.after(seconds, fn) end

---Calls fn again and again. One that is late is called once; while a call still waits for
---something the next ones are skipped. Names as in kelpie.after. Not while loading.
---@param seconds number at least 0.001
---@param fn fun()
---@return kelpie.timer timer
---@overload fun(name: string, seconds: number, fn: fun()): kelpie.timer
function kelpie.every(seconds, fn) end

---What an outbound connection shall be.
---@class kelpie.outbound_options
---@field timeout? number seconds until it is given up; default 10
---@field framing? kelpie.framing default: that of the handlers table
---@field max_message? integer in bytes; default: that of the handlers table
---@field handlers? string a name in `listeners` of the handlers table: these are called for the connection, and framing and max_message are theirs

---Connects to another server; this handler is suspended, everybody else goes on. The connection
---has the methods and limits of a client's. `conn.number` is nil, `conn.listener` is "".
---kelpie.broadcast and kelpie.conns do not reach it. It survives reloads, kept in kelpie.keep or
---conn.data. Close it when it is not needed any more. Not while loading.
---
---Without `handlers` no handler is called for it: its messages wait until conn:receive takes
---them, and when enough wait it is not read any more. When the peer has ended and its messages
---are received it closes by itself: what is queued by then is still sent.
---
---With `handlers` it is as a client's: messages that nobody waits for in conn:receive go to
---on_message, and on_drain, on_error, on_adopt and, once, on_disconnect are called; not
---on_connect. The first message comes when this handler waits for something or has ended. A
---version of the script that has no handlers of that name lets messages wait, as without.
---@param address string "127.0.0.1:8080", "[::1]:8080", "unix:/path"; or a host name, "example.org:80", which is looked up meanwhile
---@param options? kelpie.outbound_options
---@return kelpie.conn? conn
---@return string? message
---@return string? code "address": it makes no sense; "refused", "timeout", "unreachable"; "resolve": the name is not known; "full": max_outbound connections (1000), or no free descriptor; "memory"; "retired": the script was replaced and did not end in time; "failed": anything else
function kelpie.connect(address, options) end

---Suspends this handler; everybody else goes on. Returns nothing, unless the script was replaced
---meanwhile and did not end in time. Not while loading.
---@param seconds number math.huge: until then
---@return nil
---@return string? message
---@return string? code "retired"; nothing is returned otherwise
function kelpie.sleep(seconds) end

---Runs a function beside this handler, in this step or the next one. An error of it is logged.
---While 100,000 handlers, timers and functions have not ended, or one for 4 KiB of
---`--lua-memory` (16,384 for 64 MiB), it does nothing but return "full". Not while loading.
---@param fn fun(...)
---@param ... any its arguments
---@return boolean? ok true; nil: it will not run
---@return string? message
---@return string? code "full"
function kelpie.spawn(fn, ...) end

---Calls a function that must not be ended half way, such as one that changes several tables
---together: all that one handler calls so may take as long as loading may (5 s), and does not
---count for the handler. All clients wait meanwhile. It cannot sleep, receive or connect.
---@param fn fun(...): ...
---@param ... any its arguments
---@return any ... what fn returns; an error of it is raised again
function kelpie.critical(fn, ...) end

---Tells the time of a clock that never jumps.
---@return number seconds since some fixed point
function kelpie.now() end

---Writes a record to the server's log, under this version's number. Control characters are
---escaped, and a record is cut at 1,000 bytes.
---@param level "error"|"warn"|"info"|"debug"
---@param format string as string.format
---@param ... any
function kelpie.log(level, format, ...) end

---Reads the counters of the server.
---@return kelpie.statistics counters
function kelpie.stats() end

---Asks for a reload, after this step. Not while loading.
function kelpie.reload() end

---Asks the server to end as for SIGTERM, after this step: it drains. Not while loading.
function kelpie.shutdown() end

---Removes white space at both ends; faster than a pattern.
---@param text string
---@return string trimmed
function kelpie.trim(text) end

---Takes a text to pieces, which may be empty.
---@param text string
---@param separator string at least one byte; no pattern
---@param max? integer at most so many pieces; the last one is the rest
---@return string[] pieces at least one
function kelpie.split(text, separator, max) end

---Makes bytes printable: what is no printable ASCII, and the backslash, becomes \xNN.
---@param bytes string
---@return string escaped
function kelpie.escape(bytes) end

---Shows bytes 16 a line, with their offset, in hex and as text.
---@param bytes string
---@return string lines without a newline at the end; "" for no bytes
function kelpie.hexdump(bytes) end

---Names a table that crosses from one version of the script to the next. Only while loading.
---@param name string
---@param default table what it is the first time
---@return table kept the table as the version before has left it, or default
function kelpie.keep(name, default) end

---Names a metatable: objects with it cross a reload and get the methods of the new version.
---Only while loading.
---@generic T: table
---@param name string
---@param metatable T
---@return T metatable
function kelpie.class(name, metatable) end

return kelpie
