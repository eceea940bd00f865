# Warnings, sanitizers and hardening, for every target of the project.

add_compile_definitions(_GNU_SOURCE)
include_directories(${PROJECT_SOURCE_DIR})

add_compile_options(
  -Wall -Wextra -Werror
  -Wcast-align -Wcast-qual -Wconversion -Wformat=2 -Wmissing-prototypes
  -Wnull-dereference -Wpointer-arith -Wredundant-decls -Wshadow -Wundef
  -Wsign-conversion -Wstrict-prototypes -Wswitch-enum -Wvla -Wwrite-strings
  -fno-common -fno-strict-overflow)

# A program is linked with what it uses, and not with what its libraries might.
add_link_options(-Wl,--as-needed -Wl,--gc-sections)
add_compile_options(-ffunction-sections -fdata-sections)

if(CRB_SANITIZE)
  add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=all
    -fno-omit-frame-pointer)
  add_link_options(-fsanitize=address,undefined)
endif()

if(CRB_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()

if(CRB_COVERAGE)
  add_compile_options(--coverage -fprofile-update=atomic)
  add_link_options(--coverage)
endif()

if(CRB_HARDEN)
  add_compile_options(-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2
    -fstack-protector-strong -fstack-clash-protection -fPIE)
  add_link_options(-pie -Wl,-z,relro,-z,now,-z,noexecstack)
  foreach(flag -ftrivial-auto-var-init=zero -fcf-protection=full)
    string(MAKE_C_IDENTIFIER "CRB_HAVE${flag}" have)
    check_c_compiler_flag(${flag} ${have})
    if(${have})
      add_compile_options(${flag})
    endif()
  endforeach()
endif()
