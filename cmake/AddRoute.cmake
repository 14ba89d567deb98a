# add_route(<name>): the route in routes/<name>.c, which defines `const hoist_route <name>_route`, joins the program.
# No route without a unit test: tests/routes/test_<name>.c must exist, and tests/CMakeLists.txt builds and runs it.
function(add_route name)
    set(source ${PROJECT_SOURCE_DIR}/routes/${name}.c)
    set(test ${PROJECT_SOURCE_DIR}/tests/routes/test_${name}.c)
    get_property(is_too_late GLOBAL PROPERTY HOIST_ROUTE_TABLE_IS_MADE)
    if(is_too_late)
        message(FATAL_ERROR
            "add_route(${name}): this line is too late, the table of routes is made and the route would not be in it. "
            "Move it up to the other add_route() lines, above target_route_table().")
    endif()
    get_property(routes GLOBAL PROPERTY HOIST_ROUTES)
    if(name IN_LIST routes)
        message(FATAL_ERROR "add_route(${name}): this line is there twice. Take one of the two out.")
    endif()
    if(NOT name MATCHES "^[A-Za-z_][A-Za-z0-9_]*$")
        message(FATAL_ERROR
            "add_route(${name}): this name cannot stand in C, where the route is `${name}_route`. "
            "Letters, digits and _ can; its path may be any other.")
    endif()
    if(NOT EXISTS ${source})
        message(FATAL_ERROR
            "add_route(${name}): routes/${name}.c is missing. It holds the route, `const hoist_route ${name}_route` "
            "(docs/ADDING_A_ROUTE.md shows how).")
    endif()
    if(NOT EXISTS ${test})
        message(FATAL_ERROR
            "add_route(${name}): tests/routes/test_${name}.c is missing. Every route has a unit test: write one "
            "(docs/ADDING_A_ROUTE.md shows how, tests/routes/test_dummy.c is the shortest), or take the line out.")
    endif()
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${test})
    set_property(GLOBAL APPEND PROPERTY HOIST_ROUTES ${name})
    target_sources(hoist_routes PRIVATE ${source})
endfunction()

# target_route_table(<target>): the target may include "route_table.h", which lists the routes added so far, in order. There
# is no add_route() after it: this table, and the tests, would not have its route. And no test without a route.
function(target_route_table target)
    set_property(GLOBAL PROPERTY HOIST_ROUTE_TABLE_IS_MADE TRUE)
    get_property(routes GLOBAL PROPERTY HOIST_ROUTES)
    file(GLOB tests CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/routes/test_*.c)
    foreach(test IN LISTS tests)
        cmake_path(GET test STEM name)
        string(REGEX REPLACE "^test_" "" name ${name})
        if(NOT name IN_LIST routes)
            message(FATAL_ERROR
                "tests/routes/test_${name}.c: there is no route of this name, so it would not run. Add the line "
                "add_route(${name}) above target_route_table(), or take the file out.")
        endif()
    endforeach()
    list(TRANSFORM routes REPLACE "(.+)" "    X(\\1)")
    list(JOIN routes " \\\n" rows)
    file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/generated/route_table.h @ONLY CONTENT
"/* Made by CMake from the add_route() lines of CMakeLists.txt: X(name) for each, defined as name_route. */
#ifndef ROUTE_TABLE_H
#define ROUTE_TABLE_H

#define ROUTES(X) \\
@rows@

#endif
")
    target_include_directories(${target} PRIVATE ${PROJECT_BINARY_DIR}/generated)
endfunction()
