#!/bin/sh
# test_install.sh - installs a release build into a folder, and uses it as strangers do
#
# A CMake project with find_package, one with add_subdirectory, one with FetchContent, and a
# Makefile with pkg-config, all outside of the tree, build the same small programs in C and C++
# against it, shared and static; the installed program serves, its manual pages are there, a plain
# lua5.4 finds the module, and moving the folder breaks nothing.
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
quietly cmake --build "$work/found" -j 2
quietly cmake -S "$work/strangers/cmake" -B "$work/added" -DKELPIE_SOURCE="$source"
quietly cmake --build "$work/added" -j 2
cxx_kinds=
if [ -f "$work/found/consumer_cxx_kelpie" ]; then
    cxx_kinds="cxx_kelpie cxx_shared cxx_static"
else
    echo "not tried: there is no C++ compiler"
fi
for kind in kelpie shared static $cxx_kinds; do
    says_hello "$work/found/consumer_$kind"
    says_hello "$work/added/consumer_$kind"
done
needs_libkelpie() { # PROGRAM
    readelf -d "$1" | grep -q 'NEEDED.*libkelpie'
}
quietly cmake -S "$work/strangers/cmake" -B "$work/fetched" -DKELPIE_SOURCE="$source" \
    -DFETCH=ON -DBUILD_SHARED_LIBS=ON
if command -v readelf >/dev/null 2>&1; then
    quietly cmake --build "$work/fetched" -j 2 --target consumer_kelpie
    needs_libkelpie "$work/fetched/consumer_kelpie" || fail "BUILD_SHARED_LIBS=ON is not heard"
    needs_libkelpie "$work/added/consumer_shared" || fail "kelpie::shared is not shared"
    ! needs_libkelpie "$work/added/consumer_kelpie" || fail "kelpie::kelpie is not static"
fi

if command -v pkg-config >/dev/null 2>&1; then
    PKG_CONFIG_PATH=$lib/pkgconfig
    export PKG_CONFIG_PATH
    quietly make -C "$work/strangers/make"
    [ -z "$cxx_kinds" ] || quietly make -C "$work/strangers/make" consumer_cxx
    for kind in shared static ${cxx_kinds:+cxx}; do
        says_hello "$work/strangers/make/consumer_$kind"
    done
    [ "$(pkg-config --modversion kelpie)" = "$("$prefix/bin/kelpie" --version | cut -d' ' -f2)" ] ||
        fail "pkg-config and the program have different versions"
fi
echo "install: found by find_package, add_subdirectory, FetchContent and pkg-config, shared and" \
    "static, in C and C++"
