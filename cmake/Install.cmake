# What `cmake --install` puts where: headers, both libraries, the program, and the files by which others find them:
# hoist.pc for pkg-config, hoistConfig.cmake for find_package(hoist).
include(CMakePackageConfigHelpers)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/hoist)

install(FILES include/hoist.h include/hoist_uv.h include/hoist_test.h TYPE INCLUDE)
install(TARGETS hoist_static hoist_shared EXPORT hoistTargets)
install(TARGETS hoist_program)
install(EXPORT hoistTargets NAMESPACE hoist:: DESTINATION ${package_dir})

# An llhttp of the system's is linked, one that was made from source is inside.
if(TARGET llhttp)
    set(llhttp_IS_INSTALLED FALSE)
else()
    set(llhttp_IS_INSTALLED TRUE)
    set(llhttp_LIBS -lllhttp)
endif()

configure_package_config_file(cmake/hoistConfig.cmake.in ${PROJECT_BINARY_DIR}/hoistConfig.cmake
    INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/hoistConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES
    ${PROJECT_BINARY_DIR}/hoistConfig.cmake
    ${PROJECT_BINARY_DIR}/hoistConfigVersion.cmake
    cmake/Findlibuv.cmake
    DESTINATION ${package_dir})
if(llhttp_IS_INSTALLED)
    install(FILES cmake/Findllhttp.cmake DESTINATION ${package_dir})
endif()

# Written by the install, which alone knows the --prefix. A blank of a path has a backslash there.
foreach(what LIBDIR INCLUDEDIR)
    set(pc_${what} "\${prefix}")
    cmake_path(APPEND pc_${what} ${CMAKE_INSTALL_${what}}) # an absolute one replaces the prefix
    string(REPLACE " " "\\ " pc_${what} "${pc_${what}}")
endforeach()
install(CODE "
    set(pc_PREFIX \"\${CMAKE_INSTALL_PREFIX}\")
    if(pc_PREFIX) # it is empty for /
        cmake_path(ABSOLUTE_PATH pc_PREFIX)
    endif()
    string(REPLACE [[ ]] [[\\ ]] pc_PREFIX \"\${pc_PREFIX}\")
    set(pc_LIBDIR [[${pc_LIBDIR}]])
    set(pc_INCLUDEDIR [[${pc_INCLUDEDIR}]])
    set(pc_VERSION ${PROJECT_VERSION})
    set(pc_LLHTTP ${llhttp_LIBS})
    configure_file([[${PROJECT_SOURCE_DIR}/cmake/hoist.pc.in]] [[${PROJECT_BINARY_DIR}/hoist.pc]] @ONLY)")
install(FILES ${PROJECT_BINARY_DIR}/hoist.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
