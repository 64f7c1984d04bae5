# luamod_lib.sh - what the tests of kelpie.so have in common; read by each of them
#
#   sh test_NAME.sh FOLDER [RUNTIME...]
#
# FOLDER has kelpie.so. RUNTIMEs are the shared libraries of sanitizers that it was built with:
# a program without them has to load them first.

modules=$(cd "${1:?usage: sh $0 FOLDER [RUNTIME...]}" && pwd) || exit 1
shift
runtimes=$*
set -- "$modules"
. "$(dirname "$0")/clients/lib.sh"
need lua5.4
for runtime in $runtimes; do
    [ -f "$runtime" ] || skip "$runtime is not there"
done

with_kelpie() { # COMMAND...
    env LD_PRELOAD="$runtimes" ASAN_OPTIONS=detect_leaks=0 LUA_CPATH="$modules/?.so;;" "$@"
}

# Runs a command that ends by itself: NAME.out, NAME.err, and its status is EXIT-CODE.
run_to_end() { # NAME EXIT-CODE COMMAND...
    name=$1 wanted=$2
    shift 2
    with_kelpie "$@" >"$work/$name.out" 2>"$work/$name.err" </dev/null
    status=$?
    [ "$status" = "$wanted" ] ||
        fail "$name ended with $status, not $wanted: $(cat "$work/$name.out" "$work/$name.err")"
}

said() { # NAME TEXT...
    name=$1
    shift
    for text in "$@"; do
        has_text "$work/$name.out" "$text" ||
            fail "$name has not said '$text': $(cat "$work/$name.out" "$work/$name.err")"
    done
}
