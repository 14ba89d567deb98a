/* Password hashing: pure CPU, slow on purpose, and as slow as the client asks.
 *
 * The problem: one hash takes 20 ms and 16 MiB, and the settings inside a hash that somebody sends to be verified may
 * ask for hours and gigabytes. On the loop it would stop everybody; on workers as many run as there are workers, at a
 * lower priority than the loop, and the rest queue. Both routes bound what they are asked for. crypt_rn(3) keeps its
 * state where it is told, unlike crypt(3), so threads need no lock.
 */
#include "hoist.h"

#include <crypt.h>
#include <errno.h>
#include <string.h>

/* yescrypt, as in this system's /etc/shadow. Each step of cost doubles time and memory: 80 ms and 64 MiB at the most.
 */
enum { COST_MIN = 1, COST_DEFAULT = 5, COST_MAX = 7, PASSWORD_MAX = CRYPT_MAX_PASSPHRASE_SIZE - 1 };

static const char method[] = "$y$";

/* Wipes what it worked with. Untouched on failure: hash, which has room for CRYPT_OUTPUT_SIZE bytes. */
static int crypt_password(const char *password, const char *setting, char *hash)
{
    struct crypt_data data = {0};
    const char *result = crypt_rn(password, setting, &data, (int)sizeof(data));
    int err = result != NULL ? 0 : -errno;

    if (result != NULL)
        memcpy(hash, result, strlen(result) + 1);
    explicit_bzero(&data, sizeof(data));
    return err;
}

static int hash_password(hoist_req *req, hoist_res *res)
{
    char setting[CRYPT_GENSALT_OUTPUT_SIZE], hash[CRYPT_OUTPUT_SIZE];
    long cost = COST_DEFAULT;
    size_t len;
    const char *password = hoist_req_body(req, &len);
    int err = 0;

    if (hoist_req_arg(req, "cost") != NULL)
        err = hoist_req_long(req, "cost", COST_MIN, COST_MAX, &cost);
    if (err < 0)
        return err;
    if (len == 0 || strlen(password) != len)
        return hoist_reply_error(res, 400, "the body is the password, without NUL bytes");
    if (crypt_gensalt_rn(method, (unsigned long)cost, NULL, 0, setting, (int)sizeof(setting)) == NULL)
        return -errno;
    err = crypt_password(password, setting, hash);
    return err < 0 ? err : hoist_reply_printf(res, 200, "application/json", "{\"hash\":\"%s\"}", hash);
}

/* "$y$j9T$", all that comes before the salt, must be what hash_password() would have made of one of its costs. */
static bool is_affordable(const char *hash)
{
    static const char no_salt[16];
    char setting[CRYPT_GENSALT_OUTPUT_SIZE];

    for (unsigned long cost = COST_MIN; cost <= COST_MAX; cost++) {
        if (crypt_gensalt_rn(method, cost, no_salt, (int)sizeof(no_salt), setting, (int)sizeof(setting)) == NULL)
            return false;
        if (strncmp(hash, setting, (size_t)(strrchr(setting, '$') + 1 - setting)) == 0)
            return true;
    }
    return false;
}

/* Takes the same time wherever they differ. */
static bool is_same(const char *a, const char *b)
{
    size_t len = strlen(a);
    unsigned char differ = 0;

    if (strlen(b) != len)
        return false;
    for (size_t i = 0; i < len; i++)
        differ |= (unsigned char)(a[i] ^ b[i]);
    return differ == 0;
}

static int verify_password(hoist_req *req, hoist_res *res)
{
    char given[CRYPT_OUTPUT_SIZE] = "", hash[CRYPT_OUTPUT_SIZE] = "";
    size_t len;
    const char *body = hoist_req_body(req, &len);
    const char *end = strchr(body, '\n');
    int err;

    if (end == NULL || end - body >= (ptrdiff_t)sizeof(given) || strlen(body) != len)
        return hoist_reply_error(res, 400, "the body is a line with the hash, then the password, without NUL bytes");
    if (strlen(end + 1) > PASSWORD_MAX) /* max_body allows for it behind a short hash */
        return hoist_reply_error(res, 400, "a password has at most %d bytes", PASSWORD_MAX);
    memcpy(given, body, (size_t)(end - body));
    if (!is_affordable(given))
        return hoist_reply_error(res, 400, "this hash is not one of POST /hash");
    err = crypt_password(end + 1, given, hash);
    if (err < 0)
        return err;
    return hoist_reply_json(res, 200, is_same(given, hash) ? "{\"match\":true}" : "{\"match\":false}");
}

const hoist_route hash_route = {
    .method = HOIST_POST,
    .path = "/hash",
    .handler = hash_password,
    .lane = "crypt",
    .max_body = PASSWORD_MAX,
};

const hoist_route verify_route = {
    .method = HOIST_POST,
    .path = "/verify",
    .handler = verify_password,
    .lane = "crypt",
    .max_body = CRYPT_OUTPUT_SIZE + PASSWORD_MAX,
};

int main(int argc, char **argv)
{
    static const hoist_route *const routes[] = {&hash_route, &verify_route, NULL};

    return hoist_main(argc, argv, &(hoist_program){.name = "password", .version = "1", .routes = routes});
}
