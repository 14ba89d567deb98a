/* The server's CSV, as the experiment reads it. */
#include "experiment/job.h"
#include "lib/fail_malloc.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <math.h>
#include <string.h>

#define HEAD "id,method,route,run,seat,status,outcome,received_s,started_s,finished_s,cpu_s\n"

static struct jobs jobs;

Test(job, is_read_with_its_times_from_the_first_one_on)
{
    static const char text[] = HEAD "7,GET,/sleep/:ms,offload,1,200,answered,10.500000,10.750000,11.000000,0.001000\n"
                                    "6,GET,/sleep/:ms,offload,0,200,answered,10.000000,10.250000,10.500000,0.000500\n";

    cr_assert_eq(jobs_read(&jobs, text, "/sleep/200"), 0);
    cr_assert_eq(jobs.n, 2);
    cr_expect_float_eq(jobs.list[0].received_s, 0, 1e-9);
    cr_expect_float_eq(jobs.list[0].started_s, 0.25, 1e-9);
    cr_expect_float_eq(jobs.list[1].finished_s, 1, 1e-9);
    cr_expect_float_eq(jobs.list[1].cpu_s, 0.001, 1e-9);
    cr_expect_eq(jobs.list[1].seat, 1);
    cr_expect_eq(jobs.list[1].status, 200);
    cr_expect_not(jobs.list[1].is_shed);
    jobs_free(&jobs);
}

Test(job, of_other_routes_is_left_out)
{
    static const char text[] = HEAD "1,GET,/dummy,inline,-1,200,answered,1.0,1.0,1.0,0\n"
                                    "2,GET,/,offload,0,200,answered,2.0,2.0,3.0,0\n";

    cr_assert_eq(jobs_read(&jobs, text, "/"), 0);
    cr_assert_eq(jobs.n, 1);
    cr_expect_float_eq(jobs.list[0].finished_s, 1, 1e-9);
    jobs_free(&jobs);
}

Test(job, that_never_ran_is_shed_and_has_no_times)
{
    cr_assert_eq(jobs_read(&jobs, HEAD "1,GET,/,offload,-1,503,shed,1.0,,1.0,\n2,GET,/,offload,-1,0,,2.0,,,\n", "/"),
                 0);
    cr_assert_eq(jobs.n, 2);
    cr_expect(jobs.list[0].is_shed);
    cr_expect(isnan(jobs.list[0].started_s));
    cr_expect_eq(jobs.list[0].cpu_s, 0);
    cr_expect(isnan(jobs.list[1].finished_s));
    jobs_free(&jobs);
}

Test(job, columns_are_found_by_name_and_cells_may_be_quoted)
{
    static const char text[] = "more,cpu_s,finished_s,started_s,received_s,status,seat,run,route\r\n"
                               "x,0.5,3,2,1,200,4,async,\"/a\"\r\n";

    cr_assert_eq(jobs_read(&jobs, text, "/a"), 0);
    cr_assert_eq(jobs.n, 1);
    cr_expect(jobs.list[0].is_async);
    cr_expect_eq(jobs.list[0].seat, 4);
    cr_expect_float_eq(jobs.list[0].finished_s, 2, 1e-9);
    jobs_free(&jobs);
}

Test(job, of_a_comment_there_is_none)
{
    cr_assert_eq(jobs_read(&jobs, HEAD "# dropped 17\n", "/"), 0);
    cr_expect_eq(jobs.n, 0);
    jobs_free(&jobs);
}

Test(job, what_is_no_such_csv_is_refused)
{
    static const char *const texts[] = {"", "id,route\n", "{\"error\":1}", HEAD "1,GET,/\n"};

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        cr_expect_eq(jobs_read(&jobs, texts[i], "/"), -EPROTO, "'%s'", texts[i]);
}

Test(job, memory_that_runs_out_is_an_error)
{
    fail_malloc_at(1);
    cr_expect_eq(jobs_read(&jobs, HEAD "1,GET,/,offload,0,200,answered,1,1,1,0\n", "/"), -ENOMEM);
    cr_expect(fail_malloc_failed());
    fail_malloc_at(0);
}

Test(job, belongs_to_the_route_that_its_path_names)
{
    static const struct {
        const char *route, *target;
        bool matches;
    } rows[] = {
        {"/", "/", true},
        {"/", "/?x=1", true},
        {"/", "/a", false},
        {"/sleep/:ms", "/sleep/200", true},
        {"/sleep/:ms", "/sleep/", false},
        {"/sleep/:ms", "/sleep/1/2", false},
        {"/users/:id/posts", "/users/42/posts?n=1", true},
        {"/users/:id/posts", "/users/42", false},
        {"/files/*", "/files/a/b", true},
        {"/files/*", "/file", false},
        {"/dummy", "/dumm", false},
        {"/dummy", "/dummyx", false},
        {"/caf\xc3\xa9", "/caf%C3%a9", true},
        {"/sleep/:ms", "/sle%65p/%320", true},
        {"/100%", "/100%25", true},
        {"/100%", "/100%", true},
        {"/a/b", "/a%2Fb", false},
        {"/:name", "/a%2Fb", true},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        cr_expect_eq(job_route_matches(rows[i].route, strlen(rows[i].route), rows[i].target), rows[i].matches,
                     "%s of %s", rows[i].target, rows[i].route);
}
