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

# Relative, so that it is right under any --prefix.
foreach(what LIBDIR INCLUDEDIR)
    file(RELATIVE_PATH pc_${what} ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_FULL_${what}})
endforeach()
configure_file(cmake/hoist.pc.in ${PROJECT_BINARY_DIR}/hoist.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/hoist.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
