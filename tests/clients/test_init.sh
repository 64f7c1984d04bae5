#!/bin/sh
# test_init.sh - kelpie init: what it writes is good, and it overwrites nothing
. "$(dirname "$0")/lib.sh"

touch "$log" "$out"
new=$work/new

run() { # EXIT-CODE COMMAND...
    wanted=$1
    shift
    rm -f "$work/done.out" "$work/done.err"
    spawn done "$@" </dev/null
    wait_end done
    equal "the exit code of $*" "$(cat "$work/done.status")" "$wanted"
}

run 0 "$kelpie" init "$new"
has_text "$work/done.out" "$kelpie test $new" || fail "it does not say what is next: $(cat "$work/done.out")"
equal "what there is" "$(cd "$new" && echo .lua* *)" ".luacheckrc .luarc.json README.md init.lua init_test.lua"
run 0 "$kelpie" check "$new"
equal "what check says" "$(cat "$work/done.out")" "$new: ok"
run 0 "$kelpie" test "$new"
has_line "$work/done.out" "1..3" || fail "tests: $(cat "$work/done.out")"
[ "$(wc -l <"$new/README.md")" -le 10 ] || fail "its README is long"

# The path of the definitions is true: where it was built, moved, linked to, found by PATH.
has_definitions() { # FOLDER
    path=$(sed -n 's/.*"workspace.library": \["\(.*\)"\].*/\1/p' "$1/.luarc.json")
    [ -s "$path/kelpie.d.lua" ] && [ -s "$path/kelpie.test.d.lua" ]
}
has_definitions "$new" || fail "no definitions: $(cat "$new/.luarc.json")"
mkdir -p "$work/moved/bin" "$work/moved/share/kelpie/lua" "$work/path"
cp "$kelpie" "$work/moved/bin/kelpie"
cp "$top"/src/lua/*.d.lua "$work/moved/share/kelpie/lua"
ln -s ../moved/bin/kelpie "$work/path/kelpie"
moved=$(cd "$work/moved" && pwd -P)/share/kelpie/lua
run 0 "$work/moved/bin/kelpie" init "$work/by_path"
has_definitions "$work/by_path" && equal "where they are" "$path" "$moved"
run 0 env PATH="/nowhere:$work/path:$PATH" kelpie init "$work/by_name"
has_definitions "$work/by_name" && equal "where they are" "$path" "$moved"
rm -r "$work/moved/share"
run 0 "$work/moved/bin/kelpie" init "$work/without"
has_definitions "$work/without" || has_text "$work/done.err" "kelpie.d.lua is not there" ||
    fail "it does not say that the definitions are missing"
if command -v luacheck >/dev/null 2>&1; then
    run 0 sh -c 'cd "$1" && luacheck --no-color .' sh "$new"
    has_text "$work/done.out" "0 warnings / 0 errors in 2 files" || fail "$(cat "$work/done.out")"
fi
if command -v python3 >/dev/null 2>&1; then
    run 0 python3 -m json.tool "$new/.luarc.json"
fi

# What luacheck takes for the names of a script is what a script sees, here and at the top.
mkdir "$work/names"
cp "$top/.luacheckrc" "$work/names/top"
cp "$new/.luacheckrc" "$work/names/new"
cat >"$work/names/names.lua" <<'END'
for name, value in pairs(_G) do
   print(name)
   if type(value) == "table" and name ~= "_G" then
      for field in pairs(value) do
         print(name .. "." .. field)
      end
   end
end
return {}
END
cat >"$work/names/names_test.lua" <<'END'
local test = require("kelpie.test")
local folder = debug.getinfo(1, "S").source:match("^@(.*)/")
local all = { string = string, table = table, math = math, utf8 = utf8, coroutine = coroutine }

-- The names of std "kelpie" in a configuration of luacheck, as lines.
local function names_of(file)
   local env = setmetatable({ stds = {}, files = {} }, { __index = _G })
   assert(loadfile(folder .. "/" .. file, "t", env))()
   local names = {}
   for key, value in pairs(env.stds.kelpie.read_globals) do
      names[#names + 1] = type(value) == "string" and value or key
      for _, field in ipairs(value.fields or {}) do
         names[#names + 1] = key .. "." .. field
      end
   end
   return names, env.stds.kelpie.read_globals
end

local function sorted(names)
   table.sort(names)
   return table.concat(names, "\n")
end

local function check(file)
   local names, globals = names_of(file)
   local seen = {}
   for name in test.start("names.lua"):printed():gmatch("[^\n]+") do
      local library = name:match("^(.*)%.")
      if not (library and globals[library] and globals[library].other_fields) then
         seen[#seen + 1] = name
      end
   end
   assert(sorted(names) == sorted(seen), file .. ":\n" .. sorted(names) .. "\n--- seen\n" .. sorted(seen))
   for library in pairs(all) do
      assert(globals[library].other_fields)
   end
end

return {
   at_the_top = function() check("top") end,
   in_a_new_project = function() check("new") end,
}
END
rm -f "$work"/done.*
spawn done "$kelpie" test "$work/names" </dev/null
wait_end done
has_line "$work/done.out" "ok 2 - names_test: in_a_new_project" && [ "$(cat "$work/done.status")" = 0 ] || fail "the names: $(cat "$work/done.out" "$work/done.err")"

# Nothing is overwritten, and nothing written beside it.
mkdir "$work/used"
echo mine >"$work/used/init.lua"
ln -s nowhere "$work/used/README.md"
run 73 "$kelpie" init "$work/used"
has_text "$work/done.err" "$work/used/init.lua: is there already" || fail "$(cat "$work/done.err")"
has_text "$work/done.err" "$work/used/README.md: is there already" || fail "$(cat "$work/done.err")"
equal "the file" "$(cat "$work/used/init.lua")" mine
equal "the folder" "$(ls -A "$work/used" | sort | tr '\n' ' ')" "README.md init.lua "

run 73 "$kelpie" init "$work/no/such/place"
run 64 "$kelpie" init
has_text "$work/done.err" "which folder" || fail "$(cat "$work/done.err")"
assert_clean
