# How every target of this directory and below is compiled: C11, many warnings, asserts always, the chosen sanitizers.

set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

if(PROJECT_IS_TOP_LEVEL AND NOT CMAKE_BUILD_TYPE)
    set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "Debug, RelWithDebInfo or Release" FORCE)
endif()

# Files that are compiled as one share their static names; a host may have that for its own.
set(CMAKE_UNITY_BUILD OFF)

# An assert states what must hold for the next line to be safe: it stays in every build, whichever flags have an NDEBUG.
# This stands behind all of them.
add_compile_options(-UNDEBUG)

if(HOIST_LTO)
    include(CheckCCompilerFlag)
    # Fat: an ar that does not know the compiler finds the names in ordinary code.
    check_c_compiler_flag("-flto=auto -ffat-lto-objects" has_fat_lto)
    if(has_fat_lto)
        add_compile_options(-flto=auto -ffat-lto-objects)
        add_link_options(-flto=auto)
    endif()
endif()

# What makes one object of several, of ordinary code alone, whoever asked for optimising across files. Of the objects that
# a host's CMAKE_INTERPROCEDURAL_OPTIMIZATION makes, only gcc can.
set(HOIST_PARTIAL_LINK)
if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
    set(HOIST_PARTIAL_LINK "-O3 -flinker-output=nolto-rel")
    if(HOIST_LTO AND has_fat_lto)
        string(APPEND HOIST_PARTIAL_LINK " -flto=auto")
    endif()
else()
    set(CMAKE_INTERPROCEDURAL_OPTIMIZATION OFF)
endif()
# What several objects may have, as gcc's __x86.get_pc_thunk.bx on i386, is in a group, and of groups of one name a
# program keeps one: what becomes local must not be in one. Not every linker can do that, as gold and lld 14; clang
# makes no such functions.
include(CheckLinkerFlag)
check_linker_flag(C LINKER:--force-group-allocation can_ungroup)
if(can_ungroup)
    string(APPEND HOIST_PARTIAL_LINK " -Wl,--force-group-allocation")
endif()
if(CMAKE_C_COMPILER_TARGET)
    string(APPEND HOIST_PARTIAL_LINK " ${CMAKE_C_COMPILE_OPTIONS_TARGET}${CMAKE_C_COMPILER_TARGET}")
endif()
if(CMAKE_SYSROOT)
    string(APPEND HOIST_PARTIAL_LINK " ${CMAKE_C_COMPILE_OPTIONS_SYSROOT}${CMAKE_SYSROOT}")
endif()

# Logs over 2 GiB and years after 2038, on 32-bit systems too. hoist's headers have no off_t and no time_t; of libuv's
# types only uv_fs_t has, which they do not use, and which libuv itself compiles like this.
add_compile_definitions(_GNU_SOURCE _FILE_OFFSET_BITS=64 _TIME_BITS=64)
add_compile_options(
    -Wall
    -Wextra
    -Wpedantic
    -Wshadow
    -Wconversion
    -Wsign-conversion
    $<$<COMPILE_LANGUAGE:C>:-Wstrict-prototypes>
    $<$<COMPILE_LANGUAGE:C>:-Wmissing-prototypes>
    -Wvla
    -Wundef
    -Wpointer-arith
    -Wcast-qual
    -Wwrite-strings
    -Wformat=2
    $<$<C_COMPILER_ID:Clang>:-Wno-enum-float-conversion>) # constants are enumerators, which in C are of type int

if(HOIST_SANITIZE)
    add_compile_options(-fsanitize=${HOIST_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
    add_link_options(-fsanitize=${HOIST_SANITIZE})
endif()
