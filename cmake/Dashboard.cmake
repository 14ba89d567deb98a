# target_dashboard(<target>): the target may include "dashboard.h", which holds the dashboard as one page: index.html
# with its style and its scripts put in, which is all that a browser needs to show it. The header also has the page's
# Content-Security-Policy, which names these by their hashes, so that the browser runs nothing else.
#
# The same file is the program that makes the header: cmake -D SOURCE=<folder> -D HEADER=<file> -P Dashboard.cmake
function(target_dashboard target)
    set(source ${PROJECT_SOURCE_DIR}/dashboard)
    file(GLOB sources CONFIGURE_DEPENDS ${source}/*)
    set(header ${PROJECT_BINARY_DIR}/generated/dashboard.h)
    set(program ${CMAKE_CURRENT_FUNCTION_LIST_FILE})
    add_custom_command(OUTPUT ${header}
        COMMAND ${CMAKE_COMMAND} -D SOURCE=${source} -D HEADER=${header} -P ${program}
        DEPENDS ${sources} ${program}
        COMMENT "Making dashboard.h")
    target_sources(${target} PRIVATE ${header})
    target_include_directories(${target} PRIVATE ${PROJECT_BINARY_DIR}/generated)
endfunction()

if(NOT CMAKE_SCRIPT_MODE_FILE STREQUAL CMAKE_CURRENT_LIST_FILE)
    return()
endif()

cmake_minimum_required(VERSION 3.25)

# A page that loads at once even over a slow tunnel, and a library that stays small.
set(BYTES_MAX 44032)

# Comments and indentation are for the readers of the sources.
function(read_source name ret_text)
    file(READ ${SOURCE}/${name} text)
    string(REGEX REPLACE "/\\*([^*]|\\*[^/])*\\*/" "" text "${text}")
    string(REGEX REPLACE " +// [^\n]*" "" text "${text}")
    string(REGEX REPLACE "\n[ \n]+" "\n" text "${text}")
    set(${ret_text} "${text}" PARENT_SCOPE)
endfunction()

# Puts text where the page refers to its file. What a browser would take for the end of the element must not be in it.
function(put_in reference element text)
    string(FIND "${page}" "${reference}" at)
    string(FIND "${text}" "</${element}" end)
    if(at EQUAL -1)
        message(FATAL_ERROR "dashboard/index.html lacks ${reference}")
    elseif(NOT end EQUAL -1)
        message(FATAL_ERROR "dashboard: the ${element} must not contain </${element}")
    endif()
    string(REPLACE "${reference}" "<${element}>${text}</${element}>" page "${page}")
    set(page "${page}" PARENT_SCOPE)
endfunction()

# The hash as Content Security Policy (level 3, section 2.3.1) writes it: base64, three bytes at a time.
function(hash_source text ret_source)
    set(digits ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/)
    string(SHA256 hash "${text}")
    string(REGEX MATCHALL "......" groups "${hash}00") # 32 bytes and one of padding
    foreach(group IN LISTS groups)
        foreach(shift 18 12 6 0)
            math(EXPR digit "(0x${group} >> ${shift}) & 63")
            string(SUBSTRING ${digits} ${digit} 1 digit)
            string(APPEND base64 ${digit})
        endforeach()
    endforeach()
    string(REGEX REPLACE ".$" "=" base64 ${base64}) # the padding
    set(${ret_source} "'sha256-${base64}'" PARENT_SCOPE)
endfunction()

read_source(index.html page)
read_source(dashboard.css style)
string(REGEX REPLACE "([{};:,]) +" "\\1" style "${style}") # CSS needs no space behind these
put_in([[<link rel="stylesheet" href="dashboard.css">]] style "${style}")
hash_source("${style}" style_source)
string(REGEX MATCHALL "<script src=\"[a-z]+\\.js\"></script>" references "${page}")
foreach(reference IN LISTS references)
    string(REGEX MATCH "[a-z]+\\.js" name ${reference})
    read_source(${name} script)
    put_in(${reference} script "${script}")
    hash_source("${script}" script_source)
    string(APPEND script_sources " ${script_source}")
endforeach()

string(HEX "${page}" hex)
string(LENGTH "${hex}" bytes)
math(EXPR bytes "${bytes} / 2")
if(bytes GREATER BYTES_MAX)
    message(FATAL_ERROR "dashboard: the page has ${bytes} bytes, more than ${BYTES_MAX}")
endif()
string(REGEX REPLACE "(..)" "0x\\1," array "${hex}")
string(REGEX REPLACE "(0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,)" "    \\1\n"
    array "${array}")

file(WRITE ${HEADER}
"/* Made by CMake from dashboard/: the page, and what a browser may do while it shows it. */
#ifndef DASHBOARD_H
#define DASHBOARD_H

#include <stddef.h>

#define DASHBOARD_POLICY \\
    \"default-src 'none'; style-src ${style_source}; \" \\
    \"script-src${script_sources}; \" \\
    \"connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'\"

static const unsigned char dashboard_page[] = {
${array}
};

static const size_t dashboard_page_len = sizeof(dashboard_page);

#endif
")
