/* Logarithm, root and powers. Nothing is allocated and nothing fails. Close: nothing is held. */
#include "real.h"

#include <assert.h>

#define LN_2 0.693147180559945309417
#define LN_10 2.30258509299404568402
#define ROOT_HALF 0.70710678118654752440

/* x = m 2^power with m around 1; ln m = 2 artanh z = 2 (z + z^3/3 + z^5/5 + ...) for z = (m - 1) / (m + 1), which is at
 * most 0.172: the terms that are left out are below 1e-17. */
double real_ln(double x)
{
    double z, sum = 0;
    int power = 0;

    assert(x > 0 && x < INFINITY);
    while (x < ROOT_HALF) {
        x *= 2;
        power--;
    }
    while (x > 2 * ROOT_HALF) {
        x /= 2;
        power++;
    }
    z = (x - 1) / (x + 1);
    for (int k = 21; k > 0; k -= 2)
        sum = sum * z * z + 1.0 / k;
    return power * LN_2 + 2 * z * sum;
}

double real_log10(double x)
{
    return real_ln(x) / LN_10;
}

/* Newton's, from above, where it falls until it has arrived. */
double real_sqrt(double x)
{
    double root = x > 1 ? x : 1;

    assert(x >= 0 && x < INFINITY);
    if (x <= 0)
        return 0;
    for (;;) {
        double next = (root + x / root) / 2;

        if (next >= root)
            return root;
        root = next;
    }
}

double real_power_of_ten(int power)
{
    double ten = 1;

    for (int i = 0; i < power || i < -power; i++)
        ten *= 10;
    return power < 0 ? 1 / ten : ten;
}
