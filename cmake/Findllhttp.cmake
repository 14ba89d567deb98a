# Finds llhttp: the system's library, else the sources that Debian 12 and Ubuntu 24.04 ship instead of one, in the package
# node-llhttp; those become a static library of this build. Target: llhttp::llhttp.

# An llhttp that was found as a library, under whichever of its names, becomes llhttp::llhttp.
function(use_llhttp_library)
    find_package(llhttp CONFIG QUIET)
    find_package(PkgConfig QUIET)
    if(NOT llhttp_FOUND AND PkgConfig_FOUND)
        pkg_check_modules(LLHTTP QUIET IMPORTED_TARGET libllhttp)
    endif()
    foreach(target llhttp::llhttp llhttp::llhttp_shared llhttp::llhttp_static PkgConfig::LLHTTP)
        if(TARGET ${target})
            if(NOT TARGET llhttp::llhttp)
                add_library(llhttp::llhttp INTERFACE IMPORTED)
                target_link_libraries(llhttp::llhttp INTERFACE ${target})
            endif()
            break()
        endif()
    endforeach()
endfunction()

function(build_llhttp source_dir include_dir)
    add_library(llhttp STATIC ${source_dir}/api.c ${source_dir}/http.c ${source_dir}/llhttp.c)
    add_library(llhttp::llhttp ALIAS llhttp)
    target_include_directories(llhttp SYSTEM PUBLIC ${include_dir})
    # llhttp 8 holds two parsers; the lenient one takes requests that other servers read differently.
    target_compile_definitions(llhttp PUBLIC LLHTTP_STRICT_MODE=1)
    target_compile_options(llhttp PRIVATE -w -O3)
    set_target_properties(llhttp PROPERTIES
        C_VISIBILITY_PRESET hidden POSITION_INDEPENDENT_CODE ON COMPILE_WARNING_AS_ERROR OFF)
endfunction()

if(NOT TARGET llhttp::llhttp)
    use_llhttp_library()
endif()
find_path(llhttp_INCLUDE_DIR llhttp.h PATH_SUFFIXES llhttp PATHS /usr/share/include)
if(NOT TARGET llhttp::llhttp)
    find_path(llhttp_SOURCE_DIR llhttp.c PATH_SUFFIXES llhttp PATHS /usr/share)
    if(llhttp_SOURCE_DIR AND llhttp_INCLUDE_DIR)
        build_llhttp(${llhttp_SOURCE_DIR} ${llhttp_INCLUDE_DIR})
    endif()
endif()
mark_as_advanced(llhttp_INCLUDE_DIR llhttp_SOURCE_DIR)

# Neither the library's CMake package nor the sources tell their version; the header does.
if(TARGET llhttp::llhttp AND llhttp_INCLUDE_DIR)
    set(llhttp_TARGET llhttp::llhttp)
    file(STRINGS ${llhttp_INCLUDE_DIR}/llhttp.h version REGEX "#define LLHTTP_VERSION_(MAJOR|MINOR|PATCH) [0-9]+")
    string(REGEX REPLACE "[^0-9;]" "" version "${version}")
    list(JOIN version "." llhttp_VERSION)
endif()

set(llhttp_HINT
    "Debian 12, Ubuntu 24.04: node-llhttp. Later ones: libllhttp-dev. Fedora: llhttp-devel.")
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(llhttp
    REQUIRED_VARS llhttp_TARGET
    VERSION_VAR llhttp_VERSION
    REASON_FAILURE_MESSAGE ${llhttp_HINT})
