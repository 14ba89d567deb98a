/* The formulas against values from the literature and against each other. */
#include "experiment/theory.h"

#include <criterion/criterion.h>
#include <math.h>

static void expect_near(double value, double wanted, double tolerance, const char *row)
{
    cr_expect(fabs(value - wanted) <= tolerance, "%s: %.6g instead of %.6g", row, value, wanted);
}

enum { JOBS_MAX = 1000, WORKERS_MAX = 16 };

static double free_s[WORKERS_MAX];

Test(theory, equal_jobs_take_as_many_turns_as_the_busiest_worker_has)
{
    static const struct {
        size_t jobs, workers;
        double turns;
    } rows[] = {{8, 1, 8}, {8, 8, 1}, {9, 8, 2}, {16, 8, 2}, {1, 8, 1}, {17, 4, 5}, {0, 1, 0}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        double jobs_s[JOBS_MAX];

        for (size_t k = 0; k < rows[i].jobs; k++)
            jobs_s[k] = 0.2;
        expect_near(theory_schedule(jobs_s, rows[i].jobs, rows[i].workers, free_s), 0.2 * rows[i].turns, 1e-12,
                    "makespan");
    }
}

/* The last row is Graham's: in the best order it would take 9. */
Test(theory, jobs_that_differ_go_to_who_is_free_first)
{
    static struct {
        double jobs_s[8];
        size_t jobs, workers;
        double makespan_s;
        const char *row;
    } rows[] = {
        {{1, 1, 4}, 3, 2, 5, "the longest last"},
        {{4, 1, 1}, 3, 2, 4, "the longest first"},
        {{3, 3, 2, 2, 2}, 5, 2, 7, "of five"},
        {{1, 2, 3}, 3, 8, 3, "more workers than jobs"},
        {{5, 5, 4, 4, 3, 3, 3}, 7, 3, 11, "three workers"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        expect_near(theory_schedule(rows[i].jobs_s, rows[i].jobs, rows[i].workers, free_s), rows[i].makespan_s, 1e-12,
                    rows[i].row);
    expect_near(rows[2].jobs_s[2], 5, 1e-12, "the third of five ends");
    expect_near(rows[2].jobs_s[3], 5, 1e-12, "the fourth of five ends");
}

/* As a search for the first free one would have it. */
Test(theory, many_jobs_on_many_workers_are_dealt_alike)
{
    double run_s[JOBS_MAX], ends_s[WORKERS_MAX] = {0}, last_s = 0;

    for (size_t i = 0; i < JOBS_MAX; i++) {
        size_t first = 0;

        run_s[i] = (double)(i * 7919 % 1009) + 1;
        for (size_t k = 1; k < WORKERS_MAX; k++)
            first = ends_s[k] < ends_s[first] ? k : first;
        ends_s[first] += run_s[i];
        last_s = ends_s[first] > last_s ? ends_s[first] : last_s;
    }
    expect_near(theory_schedule(run_s, JOBS_MAX, WORKERS_MAX, free_s), last_s, 1e-9, "makespan");
}

Test(theory, a_share_of_a_burst_is_answered_after_the_turns_of_that_share)
{
    expect_near(theory_burst_percentile(100, 1, 0.1, 0.99), 9.9, 1e-9, "99 of 100 on one worker");
    expect_near(theory_burst_percentile(100, 10, 0.1, 0.5), 0.5, 1e-9, "half of 100 on ten");
    expect_near(theory_burst_percentile(8, 8, 0.1, 0.99), 0.1, 1e-9, "all at once");
}

/* One server: C(1, a) = a. Two: a^2 / (2 + a). The others are of tables of Erlang's second formula. */
Test(theory, erlang_c_is_that_of_the_tables)
{
    static const struct {
        unsigned workers;
        double load, chance;
        const char *row;
    } rows[] = {
        {1, 0.5, 0.5, "1, 0.5"},        {1, 0.9, 0.9, "1, 0.9"},         {2, 1, 1.0 / 3, "2, 1"},
        {2, 1.5, 2.25 / 3.5, "2, 1.5"}, {3, 2, 4.0 / 9, "3, 2"},         {5, 4, 0.5541, "5, 4"},
        {10, 8, 0.4092, "10, 8"},       {20, 16, 0.2561, "20, 16"},      {100, 90, 0.2169, "100, 90"},
        {4, 0, 0, "no load"},           {4, 4, 1, "as much as it does"}, {4, 9, 1, "more than it does"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        expect_near(theory_erlang_c(rows[i].workers, rows[i].load), rows[i].chance, 1e-4, rows[i].row);
}

Test(theory, the_wait_is_exact_where_a_closed_formula_is_known)
{
    const struct stream random = {.rate = 0.5, .run_s = 1, .arrival_variability = 1, .run_variability = 1};
    const struct stream fixed = {.rate = 0.5, .run_s = 1, .arrival_variability = 1, .run_variability = 0};
    const struct stream two = {.rate = 1, .run_s = 1, .arrival_variability = 1, .run_variability = 1};

    expect_near(theory_wait(&random, 1), 1, 1e-12, "M/M/1: rho / (mu - lambda)");
    expect_near(theory_wait(&fixed, 1), 0.5, 1e-12, "M/D/1: half of it, Pollaczek and Khinchine");
    expect_near(theory_wait(&two, 2), 1.0 / 3, 1e-12, "M/M/2");
}

Test(theory, the_wait_has_no_end_when_more_comes_than_is_done)
{
    const struct stream stream = {.rate = 10, .run_s = 0.2, .arrival_variability = 1, .run_variability = 1};

    cr_expect(isinf(theory_wait(&stream, 2)));
    cr_expect(isinf(theory_wait_percentile(&stream, 2, 0.99)));
    cr_expect(isfinite(theory_wait(&stream, 3)));
}

Test(theory, the_percentile_of_the_wait_is_that_of_an_exponential)
{
    const struct stream stream = {.rate = 0.5, .run_s = 1, .arrival_variability = 1, .run_variability = 1};

    /* M/M/1: P(W > t) = rho exp(-(mu - lambda) t) */
    expect_near(theory_wait_percentile(&stream, 1, 0.99), log(0.5 / 0.01) / 0.5, 1e-9, "p99");
    expect_near(theory_wait_percentile(&stream, 1, 0.4), 0, 0, "who does not wait at all");
}

/* ---- the Universal Scalability Law ---- */

static void fit(double rate, double contention, double coherence, struct usl *usl)
{
    double workers[] = {1, 2, 4, 8, 16, 32}, throughput[6];

    for (size_t i = 0; i < 6; i++)
        throughput[i] =
            rate * workers[i] / (1 + contention * (workers[i] - 1) + coherence * workers[i] * (workers[i] - 1));
    cr_assert(theory_fit_usl(workers, throughput, 6, usl));
    expect_near(usl->rate, rate, rate * 1e-6, "rate");
    expect_near(usl->contention, contention, 1e-6, "contention");
    expect_near(usl->coherence, coherence, 1e-6, "coherence");
}

Test(theory, the_fit_finds_the_law_that_made_the_points)
{
    struct usl usl;

    fit(1000, 0.05, 0.001, &usl);
    expect_near(usl.knee, sqrt(0.95 / 0.001), 0.01, "knee");
    fit(5, 0.02, 0, &usl);
    cr_expect(isinf(usl.knee), "Amdahl's law has no knee");
    fit(5, 0, 0, &usl);
    cr_expect(isinf(usl.knee), "nor has a straight line");
    fit(5, 1.5, 0.07, &usl);
    expect_near(usl.knee, 1, 1e-9, "knee of what falls from the first worker on");
    fit(5, 1.5, 0, &usl);
    expect_near(usl.knee, 1, 1e-9, "knee of what falls by contention alone");
}

/* Gunther's own example: a ray tracer on an Origin 2000 (Guerrilla Capacity Planning, 2007). With all three
 * coefficients free, least squares of relative errors come near to what he found with the first one fixed. */
Test(theory, the_fit_of_the_ray_tracer_comes_near_to_gunthers)
{
    const double workers[] = {1, 4, 8, 12, 16, 20, 24, 28, 32, 48, 64};
    const double rays[] = {20, 78, 130, 170, 190, 200, 210, 230, 260, 280, 310};
    struct usl usl;

    cr_assert(theory_fit_usl(workers, rays, 11, &usl));
    expect_near(usl.rate, 20, 2.5, "rate");
    expect_near(usl.contention, 0.05, 0.02, "contention");
    expect_near(usl.coherence, 0, 1e-4, "coherence");
}

Test(theory, noise_never_makes_a_coefficient_negative)
{
    const double workers[] = {1, 2, 3, 4, 8}, throughput[] = {10, 20.3, 30.6, 41, 83};
    struct usl usl;

    cr_assert(theory_fit_usl(workers, throughput, 5, &usl));
    cr_expect_geq(usl.contention, 0);
    cr_expect_geq(usl.coherence, 0);
    cr_expect_gt(usl.rate, 9);
}

Test(theory, a_straight_line_has_no_negative_zero)
{
    const double workers[] = {1, 2, 4, 8}, throughput[] = {0.5, 1, 2, 4};
    struct usl usl;

    cr_assert(theory_fit_usl(workers, throughput, 4, &usl));
    cr_expect_not(signbit(usl.contention));
    cr_expect_not(signbit(usl.coherence));
}

Test(theory, too_few_points_are_not_fitted)
{
    const double workers[] = {1, 2, 4, 8}, throughput[] = {1, 2, 4, 0};
    struct usl usl = {.rate = 42};

    cr_expect_not(theory_fit_usl(workers, throughput, 3, &usl));
    cr_expect_not(theory_fit_usl(workers, throughput, 4, &usl));
    cr_expect_eq(usl.rate, 42);
}

Test(theory, the_same_number_of_workers_again_is_no_other_point)
{
    const double same[] = {4, 4, 4, 4}, three[] = {1, 2, 4, 4, 2, 1}, four[] = {8, 8, 1, 2, 4};
    const double throughput[] = {8, 8, 1, 2, 4, 1};
    struct usl usl;

    cr_expect_not(theory_fit_usl(same, throughput, 4, &usl));
    cr_expect_not(theory_fit_usl(three, throughput, 6, &usl));
    cr_expect(theory_fit_usl(four, throughput, 5, &usl));
}
