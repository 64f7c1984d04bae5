# Compiler and linker flags of everything that is ours: the interface target kelpie_flags.
# Hardening flags are probed, never required; those of the linker are in kelpie_link_flags, so
# that a program which links the static library keeps its own.
include(CheckCCompilerFlag)
include(CheckLinkerFlag)

add_library(kelpie_flags INTERFACE)
add_library(kelpie_link_flags INTERFACE)
target_compile_options(kelpie_flags INTERFACE
  -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes
  -Wformat-security -Wimplicit-fallthrough)
if(KELPIE_WERROR)
  target_compile_options(kelpie_flags INTERFACE -Werror)
endif()

function(kelpie_add_flag_if_known flag)
  string(MAKE_C_IDENTIFIER "KELPIE_HAS${flag}" known)
  check_c_compiler_flag("${flag}" ${known})
  if(${known})
    target_compile_options(kelpie_flags INTERFACE "${flag}")
  endif()
endfunction()

function(kelpie_add_link_flag_if_known flag)
  string(MAKE_C_IDENTIFIER "KELPIE_LINKS${flag}" known)
  check_linker_flag(C "${flag}" ${known})
  if(${known})
    target_link_options(kelpie_link_flags INTERFACE "${flag}")
  endif()
endfunction()

if(KELPIE_HARDEN)
  foreach(flag -fstack-protector-strong -fstack-clash-protection -fcf-protection=full
               -fno-delete-null-pointer-checks -fno-strict-overflow)
    kelpie_add_flag_if_known(${flag})
  endforeach()
  foreach(flag -Wl,-z,noexecstack -Wl,-z,relro -Wl,-z,now)
    kelpie_add_link_flag_if_known(${flag})
  endforeach()
  if(CMAKE_BUILD_TYPE MATCHES "Release|RelWithDebInfo|MinSizeRel" AND NOT KELPIE_SANITIZE)
    target_compile_options(kelpie_flags INTERFACE -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
  endif()
endif()

if(KELPIE_SANITIZE)
  set(sanitize -fsanitize=${KELPIE_SANITIZE} -fno-omit-frame-pointer)
  if(KELPIE_SANITIZE MATCHES "undefined")
    list(APPEND sanitize -fno-sanitize-recover=undefined)
  endif()
  target_compile_options(kelpie_flags INTERFACE ${sanitize})
  target_link_options(kelpie_flags INTERFACE ${sanitize})
endif()

if(KELPIE_BUILD_FUZZERS)
  # Without it a fuzzer sees only its own file, and guesses.
  target_compile_options(kelpie_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()

if(KELPIE_COVERAGE)
  target_compile_options(kelpie_flags INTERFACE --coverage -fprofile-abs-path
                         -fprofile-update=atomic)
  target_link_options(kelpie_flags INTERFACE --coverage)
endif()

if(KELPIE_LTO)
  include(CheckIPOSupported)
  check_ipo_supported(RESULT has_ipo OUTPUT why LANGUAGES C)
  if(has_ipo)
    set(CMAKE_INTERPROCEDURAL_OPTIMIZATION ON)
    # With machine code too, so that any linker can use the library that is installed.
    list(TRANSFORM CMAKE_C_COMPILE_OPTIONS_IPO REPLACE "^-fno-fat-lto" "-ffat-lto")
  else()
    message(WARNING "no link-time optimisation: ${why}")
  endif()
endif()
