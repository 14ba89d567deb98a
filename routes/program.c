/* The program: its routes (the add_route() lines of CMakeLists.txt), its one option, and hoist_main(). */
#include "heavy.h"
#include "route_table.h"

#define DECLARE(name) extern const hoist_route name##_route;
ROUTES(DECLARE)

int main(int argc, char **argv)
{
#define POINT(name) &name##_route,
    static const hoist_route *const routes[] = {ROUTES(POINT) NULL};
    static const hoist_option *const options[] = {&heavy_ms_option, NULL};
    static const hoist_program program = {
        .name = "hoist",
        .version = HOIST_VERSION,
        .routes = routes,
        .options = options,
    };

    return hoist_main(argc, argv, &program);
}
