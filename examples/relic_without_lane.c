/* The relic as it must not be served: the same two routes, but each call on whichever worker is free. For test_load.c.
 */
#include "hoist.h"

extern const hoist_route words_route, reverse_words_route;

int main(int argc, char **argv)
{
    hoist_route words = words_route, reverse_words = reverse_words_route;
    const hoist_route *const routes[] = {&words, &reverse_words, NULL};

    words.lane = reverse_words.lane = NULL;
    words.max_concurrency = reverse_words.max_concurrency = HOIST_NO_LIMIT;
    return hoist_main(argc, argv, &(hoist_program){.name = "relic", .version = "1", .routes = routes});
}
