/* Whole programs, as a user has them: from fork to the end, their output thrown away. */
#include "children.h"

#include <fcntl.h>
#include <unistd.h>

char *const *own_program;

static void silence(char *const *words)
{
	int null = open("/dev/null", O_RDWR);
	dup2(null, 0);
	/* What a user's own program prints may be figures. */
	if (words != own_program) dup2(null, 1);
}

static void run_program(char *const *words)
{
	fork_and_execute(words, silence);
}

#define PROGRAM(name, ...)                                                     \
	static void name(long rounds)                                          \
	{                                                                      \
		static char *const words[] = {__VA_ARGS__, 0};                 \
		for (long i = 0; i < rounds; i++) run_program(words);          \
	}

PROGRAM(compress, "/bin/busybox", "gzip", "-c", "/data/text")
PROGRAM(sort, "/bin/busybox", "sort", "/data/text")
PROGRAM(digest, "/bin/busybox", "sha256sum", "/data/text")
PROGRAM(pipelines, "/bin/sh", "/data/pipelines.sh")
PROGRAM(interpret, "/bin/lua", "/data/benchmark.lua")
PROGRAM(compile, "/usr/bin/tcc", "-c", "-o", "/tmp/tcc.o", "/usr/src/tcc/tcc.c")
PROGRAM(query, "/bin/sqlite3", ":memory:", ".read /data/queries.sql")

static void begin_database(long rounds)
{
	(void)rounds;
	unlink("/tmp/database");
}

PROGRAM(query_file, "/bin/sqlite3", "/tmp/database", ".read /data/queries.sql")

void run_own_program(long rounds)
{
	for (long i = 0; i < rounds; i++) run_program(own_program);
}

const struct operation programs[] = {
	{"shell_pipelines", "a shell script of pipelines", 0, 1, pipelines, 0, 0, 0},
	{"gzip", "gzip of 128 KiB of text", 0, 1, compress, 0, 0, 0},
	{"sort", "sort of 128 KiB of text", 0, 1, sort, 0, 0, 0},
	{"sha256sum", "sha256sum of 128 KiB of text", 0, 1, digest, 0, 0, 0},
	{"lua", "Lua: tables, strings, closures", 0, 1, interpret, 0, 0, 0},
	{"tcc", "tcc compiles itself to an object file", 0, 1, compile, 0, 0, 0},
	{"sqlite_memory", "SQLite in memory: 500 rows, an index, queries", 0, 1, query, 0, 0, 0},
	{"sqlite_file", "SQLite in a file: the same", 0, 1, query_file, begin_database, 0, 0},
	{0},
};
