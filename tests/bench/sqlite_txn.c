/*
 * One durable SQLite transaction after the other, with the settings of the
 * broker's store: what an audited, durable change costs at the least.
 * sqlite_txn FILE COUNT BYTES
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>

#include <sqlite3.h>

#include "tests/bench/sample.h"

static sqlite3 *db;

static void
run(const char *sql)
{
	if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
		errx(1, "%s: %s", sql, sqlite3_errmsg(db));
}

static void
insert(sqlite3_stmt *statement, size_t bytes)
{
	unsigned char id[16];

	sqlite3_randomness((int)sizeof(id), id);
	run("BEGIN IMMEDIATE");
	if (sqlite3_bind_blob(
		statement, 1, id, (int)sizeof(id), SQLITE_TRANSIENT) ||
	    sqlite3_bind_zeroblob(statement, 2, (int)bytes) ||
	    sqlite3_step(statement) != SQLITE_DONE || sqlite3_reset(statement))
		errx(1, "insert: %s", sqlite3_errmsg(db));
	run("COMMIT");
}

/*
 * A log that has once grown is written over, which is what a broker's does
 * when it has run for a while; a growing one costs the file system more.
 */
static void
grow_log(sqlite3_stmt *statement)
{
	for (int i = 0; i < 6; i++)
		insert(statement, 1u << 20);
	run("DELETE FROM record WHERE length(value) = 1048576");
	run("PRAGMA wal_checkpoint(RESTART)");
}

int
main(int argc, char **argv)
{
	struct sample sample = { .count = 0 };
	sqlite3_stmt *statement;
	size_t count, bytes;
	uint64_t begun;
	double seconds;

	if (argc != 4)
		errx(2, "usage: sqlite_txn FILE COUNT BYTES");
	count = strtoul(argv[2], NULL, 10);
	bytes = strtoul(argv[3], NULL, 10);
	if (sqlite3_open(argv[1], &db) != SQLITE_OK)
		errx(1, "%s: %s", argv[1], sqlite3_errmsg(db));
	run("PRAGMA journal_mode = WAL");
	run("PRAGMA locking_mode = EXCLUSIVE");
	run("PRAGMA temp_store = MEMORY");
	run("PRAGMA synchronous = FULL");
	run("PRAGMA secure_delete = ON");
	run("CREATE TABLE IF NOT EXISTS record (id BLOB PRIMARY KEY,"
	    " value BLOB NOT NULL) WITHOUT ROWID");
	if (sqlite3_prepare_v2(db,
		"INSERT INTO record (id, value) VALUES (?1, ?2)", -1,
		&statement, NULL) != SQLITE_OK)
		errx(1, "insert: %s", sqlite3_errmsg(db));
	grow_log(statement);
	begun = now_ns();
	for (size_t i = 0; i < count; i++) {
		uint64_t at = now_ns();

		insert(statement, bytes);
		sample_add(&sample, now_ns() - at);
	}
	seconds = (double)(now_ns() - begun) / 1e9;
	printf("{\"seconds\":%.4f,\"rate\":%.2f,", seconds,
	    (double)count / seconds);
	sample_print(&sample);
	printf("}\n");
	(void)sqlite3_finalize(statement);
	(void)sqlite3_close(db);
	return 0;
}
