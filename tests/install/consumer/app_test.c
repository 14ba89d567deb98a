#include <criterion/criterion.h>
#include <hoist_test.h>

extern const hoist_route hello_route;

Test(hello, greets_by_name)
{
    hoist_test *t = hoist_test_new(&hello_route);

    cr_assert_str_eq(hoist_test_get(t, "/hello?name=Ada")->body, "hello Ada\n");
    hoist_test_free(t);
}
