/* SQLite: a handle for each worker.
 *
 * The problem: a handle is for one thread at a time, and one handle behind a lock makes everybody wait for everybody.
 * Here each worker opens its own, on its own thread, and prepares its statements once. Readers go side by side (WAL).
 * SQLite has one writer at a time, so writers queue in their lane, where a waiting one holds no worker; the busy
 * timeout is left for writers in other processes.
 *
 *     sqlite --workers 8 --db notes.db
 */
#include "hoist.h"

#include <errno.h>
#include <sqlite3.h>
#include <string.h>

enum { BUSY_MS = 1000, ROWS_MAX = 100, PATTERN_MAX = 100, NOTE_MAX = 4096, STEPS_BETWEEN_LOOKS = 1000 };

struct notes {
    sqlite3 *db;
    sqlite3_stmt *insert, *select, *search;
    const char *file;
    unsigned users;
};

const char *db_file = "notes.db";

/* ---- the handle ---- */

/* worker_init is called for each route: the first call on a thread opens the handle, the others share it. */
static _Thread_local struct notes own;

static void close_notes(void *worker_data)
{
    struct notes *notes = worker_data;

    if (--notes->users > 0)
        return;
    sqlite3_finalize(notes->search);
    sqlite3_finalize(notes->select);
    sqlite3_finalize(notes->insert);
    sqlite3_close(notes->db);
    *notes = (struct notes){0};
}

static int prepare(sqlite3 *db, const char *sql, sqlite3_stmt **ret_statement)
{
    return sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, ret_statement, NULL);
}

static int set_up(struct notes *notes, const char *file)
{
    /* NOMUTEX: no other thread comes near this handle. synchronous = NORMAL: a power cut may cost the last notes, but
     * never the file. */
    static const char schema[] = "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;"
                                 "CREATE TABLE IF NOT EXISTS notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL)";
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    int err;

    err = sqlite3_open_v2(file, &notes->db, flags, NULL);
    if (err == SQLITE_OK)
        err = sqlite3_busy_timeout(notes->db, BUSY_MS); /* before the first statement, which may find the file locked */
    if (err == SQLITE_OK)
        err = sqlite3_exec(notes->db, schema, NULL, NULL, NULL);
    if (err == SQLITE_OK)
        err = prepare(notes->db, "INSERT INTO notes (text) VALUES (?)", &notes->insert);
    if (err == SQLITE_OK)
        err = prepare(notes->db, "SELECT id, text FROM notes WHERE id = ?", &notes->select);
    if (err == SQLITE_OK)
        err = prepare(notes->db, "SELECT id, text FROM notes WHERE text LIKE ? ORDER BY id LIMIT ?", &notes->search);
    return err;
}

static int open_notes(void *data, void **ret_worker_data)
{
    const char *file = *(const char *const *)data;

    if (own.users > 0 && strcmp(own.file, file) != 0) {
        fprintf(stderr, "%s: a route before has %s, and a worker has one handle\n", file, own.file);
        return -EINVAL;
    }
    own.file = file;
    if (own.users++ == 0 && set_up(&own, file) != SQLITE_OK) {
        fprintf(stderr, "%s: %s\n", file, sqlite3_errmsg(own.db));
        close_notes(&own);
        return -EIO;
    }
    *ret_worker_data = &own;
    return 0;
}

/* ---- the routes ---- */

/* SQLite's words are for the client, too: they may name a table, as "no such table: notes", but no file and nothing of
 * a note. */
static int explain(const struct notes *notes, hoist_res *res)
{
    switch (sqlite3_errcode(notes->db)) {
    case SQLITE_BUSY:
        return -EBUSY;
    case SQLITE_NOMEM:
        return -ENOMEM;
    case SQLITE_INTERRUPT:
        return -ECANCELED; /* is_left() said so */
    default:
        return hoist_reply_error(res, 500, "%s", sqlite3_errmsg(notes->db));
    }
}

static int print_row(hoist_req *req, FILE *out, sqlite3_stmt *row)
{
    const char *text = hoist_json_string(req, (const char *)sqlite3_column_text(row, 1));

    if (text == NULL)
        return -ENOMEM;
    fprintf(out, "{\"id\":%lld,\"text\":%s}", (long long)sqlite3_column_int64(row, 0), text);
    return 0;
}

/* A statement that is not reset keeps its lock on the file, so each handler has one way out. */
static int get_note(hoist_req *req, hoist_res *res)
{
    struct notes *notes = hoist_req_worker_data(req);
    FILE *out;
    long id;
    int err;

    err = hoist_req_long(req, "id", 1, LONG_MAX, &id);
    if (err < 0)
        return err;
    sqlite3_bind_int64(notes->select, 1, id);
    switch (sqlite3_step(notes->select)) {
    case SQLITE_ROW:
        out = hoist_res_file(res);
        err = out == NULL ? -ENOMEM : hoist_res_type(res, 200, "application/json");
        if (err == 0)
            err = print_row(req, out, notes->select);
        break;
    case SQLITE_DONE:
        err = hoist_reply_error(res, 404, "no note %ld", id);
        break;
    default:
        err = explain(notes, res);
    }
    sqlite3_reset(notes->select);
    return err;
}

static int print_rows(hoist_req *req, FILE *out, sqlite3_stmt *rows)
{
    const char *separator = "[";
    int step = SQLITE_DONE, err = 0;

    while (err == 0 && (step = sqlite3_step(rows)) == SQLITE_ROW) {
        fputs(separator, out);
        separator = ",";
        err = print_row(req, out, rows);
    }
    if (err == 0 && step != SQLITE_DONE)
        return -EIO;
    fputs(*separator == '[' ? "[]" : "]", out);
    return err;
}

/* SQLite asks now and then whether to go on: a search for a client that has left is over. */
static int is_left(void *req)
{
    return hoist_req_cancelled(req);
}

static int search_notes(hoist_req *req, hoist_res *res)
{
    struct notes *notes = hoist_req_worker_data(req);
    const char *like = hoist_req_arg(req, "like");
    FILE *out;
    int err;

    if (like == NULL || strlen(like) > PATTERN_MAX)
        return hoist_reply_error(res, 400, "like: a pattern of at most %d bytes is needed", PATTERN_MAX);
    out = hoist_res_file(res);
    err = out == NULL ? -ENOMEM : hoist_res_type(res, 200, "application/json");
    if (err < 0)
        return err;
    sqlite3_bind_text(notes->search, 1, like, -1,
                      SQLITE_STATIC); /* it outlives this call, and so the statement's run */
    sqlite3_bind_int(notes->search, 2, ROWS_MAX);
    sqlite3_progress_handler(notes->db, STEPS_BETWEEN_LOOKS, is_left, req);
    err = print_rows(req, out, notes->search);
    if (err == -EIO)
        err = explain(notes, res);
    sqlite3_progress_handler(notes->db, 0, NULL, NULL);
    sqlite3_reset(notes->search);
    return err;
}

static int add_note(hoist_req *req, hoist_res *res)
{
    struct notes *notes = hoist_req_worker_data(req);
    size_t len;
    const char *text = hoist_req_body(req, &len);
    long long id;
    int step;

    if (len == 0 || strlen(text) != len)
        return hoist_reply_error(res, 400, "a note is some text, without NUL bytes");
    sqlite3_bind_text(notes->insert, 1, text, (int)len, SQLITE_STATIC);
    step = sqlite3_step(notes->insert);
    id = sqlite3_last_insert_rowid(notes->db);
    sqlite3_reset(notes->insert);
    if (step != SQLITE_DONE)
        return explain(notes, res);
    return hoist_reply_printf(res, 201, "application/json", "{\"id\":%lld}", id);
}

const hoist_route get_note_route = {
    .path = "/notes/:id",
    .handler = get_note,
    .data = &db_file,
    .worker_init = open_notes,
    .worker_fini = close_notes,
};

const hoist_route search_notes_route = {
    .path = "/notes",
    .handler = search_notes,
    .data = &db_file,
    .worker_init = open_notes,
    .worker_fini = close_notes,
};

const hoist_route add_note_route = {
    .method = HOIST_POST,
    .path = "/notes",
    .handler = add_note,
    .data = &db_file,
    .max_body = NOTE_MAX,
    .max_concurrency = 1,
    .worker_init = open_notes,
    .worker_fini = close_notes,
};

static const hoist_option db_option = {
    .name = "db",
    .type = HOIST_OPTION_STRING,
    .value = &db_file,
    .arg = "FILE",
    .help = "the database, made if it is not there",
};

int main(int argc, char **argv)
{
    static const hoist_route *const routes[] = {&get_note_route, &search_notes_route, &add_note_route, NULL};
    static const hoist_option *const options[] = {&db_option, NULL};

    return hoist_main(argc, argv,
                      &(hoist_program){.name = "sqlite", .version = "1", .routes = routes, .options = options});
}
