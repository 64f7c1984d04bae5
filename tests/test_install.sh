#!/bin/sh
# test_install.sh - installs a release build into a folder, and uses it as strangers do
#
# A CMake project with find_package, one with add_subdirectory, and a Makefile with
# pkg-config, all outside of the tree, build the same small program against it; the installed
# program serves, its manual pages are there, a plain lua5.4 finds the module, and moving the
# folder breaks nothing.
set -eu

. "$(dirname "$0")/install/lib.sh"

says_hello() { # PROGRAM
    "$1" | grep -q "says hello" || fail "$1 does not say hello"
}

unset CFLAGS LDFLAGS CMAKE_PREFIX_PATH PKG_CONFIG_PATH
quietly cmake -S "$source" -B "$work/build" -DCMAKE_BUILD_TYPE=Release \
    -DKELPIE_BUILD_TESTS=OFF -DKELPIE_BUILD_EXAMPLES=OFF -DKELPIE_WERROR=ON \
    -DKELPIE_BUILD_LUA_MODULE=ON -DKELPIE_LUA_MODULE_DIR:STRING=lib/lua/5.4
quietly cmake --build "$work/build" -j 2
quietly cmake --install "$work/build" --prefix "$work/first"
[ ! -e "$work/first/lib/lua" ] || fail "the module for lua5.4 is installed unasked"
quietly cmake --install "$work/build" --prefix "$work/first" --component luamod

# The folder can be moved: nothing has its old name in it.
mv "$work/first" "$work/prefix"
prefix=$work/prefix
lib=$(dirname "$(find "$prefix" -name libkelpie.a)")
for file in include/kelpie.h bin/kelpie share/man/man1/kelpie.1 share/man/man3/kelpie.3 \
    share/man/man7/kelpie-lua.7 share/kelpie/scripts/init.lua share/kelpie/lua/kelpie.d.lua \
    share/kelpie/lua/kelpie.test.d.lua; do
    [ -s "$prefix/$file" ] || fail "$file is not installed"
done
find "$lib" -name 'libkelpie.so.0' | grep -q . || find "$lib" -name 'libkelpie*.dylib' | grep -q . ||
    fail "the shared library is not installed"
sh "$source/tests/symbols.sh" "$(find "$lib" -name 'libkelpie.so.0')" >"$work/log" || [ $? -eq 77 ] ||
    fail "$(cat "$work/log")"
if grep -rl "$work/first" "$lib" --include='*.cmake' --include='*.pc' >"$work/log"; then
    cat "$work/log"
    fail "these know where they were installed first"
fi
"$prefix/bin/kelpie" check "$prefix/share/kelpie/scripts" >/dev/null || fail "the installed program"
"$prefix/bin/kelpie" init "$work/project" >/dev/null || fail "kelpie init"
grep -q "\"$(cd "$prefix" && pwd -P)/share/kelpie/lua\"" "$work/project/.luarc.json" ||
    fail "editors do not find the definitions: $(cat "$work/project/.luarc.json")"

[ -s "$prefix/lib/lua/5.4/kelpie.so" ] || fail "the module for lua5.4 is not installed"
if command -v lua5.4 >/dev/null 2>&1; then
    LUA_CPATH="$prefix/lib/lua/5.4/?.so" quietly lua5.4 -e \
        "os.exit(require('kelpie.test').run('$prefix/share/kelpie/scripts') == 0)"
fi

cp -R "$source/tests/install" "$work/strangers"
LD_LIBRARY_PATH=$lib DYLD_LIBRARY_PATH=$lib
export LD_LIBRARY_PATH DYLD_LIBRARY_PATH

quietly cmake -S "$work/strangers/cmake" -B "$work/found" -DCMAKE_PREFIX_PATH="$prefix"
quietly cmake --build "$work/found"
for kind in kelpie shared static; do
    says_hello "$work/found/consumer_$kind"
done
quietly cmake -S "$work/strangers/cmake" -B "$work/added" -DKELPIE_SOURCE="$source"
quietly cmake --build "$work/added" -j 2 --target consumer_kelpie
says_hello "$work/added/consumer_kelpie"

if command -v pkg-config >/dev/null 2>&1; then
    PKG_CONFIG_PATH=$lib/pkgconfig
    export PKG_CONFIG_PATH
    quietly make -C "$work/strangers/make"
    says_hello "$work/strangers/make/consumer_shared"
    says_hello "$work/strangers/make/consumer_static"
    [ "$(pkg-config --modversion kelpie)" = "$("$prefix/bin/kelpie" --version | cut -d' ' -f2)" ] ||
        fail "pkg-config and the program have different versions"
fi
echo "install: found by find_package, add_subdirectory and pkg-config, shared and static"
