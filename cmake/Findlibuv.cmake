# Finds libuv, by its pkg-config file or its own CMake package. Target: libuv::uv.

if(NOT TARGET libuv::uv)
    find_package(PkgConfig QUIET)
    if(PkgConfig_FOUND)
        pkg_check_modules(LIBUV QUIET IMPORTED_TARGET libuv)
    endif()
    if(LIBUV_FOUND)
        set(libuv_VERSION ${LIBUV_VERSION})
        add_library(libuv::uv INTERFACE IMPORTED)
        target_link_libraries(libuv::uv INTERFACE PkgConfig::LIBUV)
    else()
        find_package(libuv CONFIG QUIET) # sets libuv_VERSION
    endif()
endif()
if(TARGET libuv::uv)
    set(libuv_TARGET libuv::uv)
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(libuv
    REQUIRED_VARS libuv_TARGET
    VERSION_VAR libuv_VERSION
    REASON_FAILURE_MESSAGE "Debian, Ubuntu: libuv1-dev. Fedora: libuv-devel.")
