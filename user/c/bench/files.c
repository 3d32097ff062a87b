/* Files in memory: /tmp. */
#include "bench.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const char *file_of(const char *name, long length)
{
	static char path[64], block[PAGE];
	snprintf(path, sizeof path, "/tmp/%s", name);
	int descriptor = open(path, O_CREAT | O_RDWR | O_TRUNC, 0644);
	require(descriptor >= 0, "create a file");
	memset(block, 'x', sizeof block);
	for (long done = 0; done < length; done += PAGE)
		require(write(descriptor, block, PAGE) == PAGE, "write a file");
	close(descriptor);
	return path;
}

static int descriptor;
static const char *path;

static void begin(long rounds)
{
	(void)rounds;
	path = file_of("file", 16 * PAGE);
	require((descriptor = open(path, O_RDONLY)) >= 0, "open");
}

static void end(long rounds)
{
	(void)rounds;
	close(descriptor);
	unlink(path);
}

static char page[PAGE] __attribute__((aligned(4096)));

static void read_one(long rounds)
{
	for (long i = 0; i < rounds; i++) pread(descriptor, page, 1, i & 4095);
}

static void read_page(long rounds)
{
	for (long i = 0; i < rounds; i++) pread(descriptor, page, PAGE, (i & 15) * PAGE);
}

static void status_of_descriptor(long rounds)
{
	struct stat status;
	for (long i = 0; i < rounds; i++) fstat(descriptor, &status);
}

static void status_of_path(long rounds)
{
	struct stat status;
	for (long i = 0; i < rounds; i++) require(!stat(path, &status), "stat");
}

static void open_and_close(long rounds)
{
	for (long i = 0; i < rounds; i++) close(open(path, O_RDONLY));
}

static void begin_creations(long rounds)
{
	(void)rounds;
	unlink("/tmp/fresh");
}

static void create_and_unlink(long rounds)
{
	for (long i = 0; i < rounds; i++) {
		int fresh = open("/tmp/fresh", O_CREAT | O_RDWR | O_EXCL, 0644);
		require(fresh >= 0, "create");
		close(fresh);
		unlink("/tmp/fresh");
	}
}

static void write_page(long rounds)
{
	for (long i = 0; i < rounds; i++) require(pwrite(descriptor, page, PAGE, (i & 15) * PAGE) == PAGE, "pwrite");
}

static void begin_writes(long rounds)
{
	(void)rounds;
	path = file_of("file", 16 * PAGE);
	require((descriptor = open(path, O_RDWR)) >= 0, "open");
}

const struct operation files[] = {
	{"pread_1", "pread 1 byte, tmpfs", 0, 5000, read_one, begin, end, 0},
	{"pread_4k", "pread 4 KiB, tmpfs", "bw_file_rd io_only", 3000, read_page, begin, end, 0},
	{"pwrite_4k", "pwrite 4 KiB over what is there, tmpfs", 0, 2000, write_page, begin_writes, end, 0},
	{"fstat", "fstat, tmpfs", "lat_syscall fstat", 5000, status_of_descriptor, begin, end, 0},
	{"stat", "stat, tmpfs", "lat_syscall stat", 3000, status_of_path, begin, end, 0},
	{"open_close", "open + close, tmpfs", "lat_syscall open", 2000, open_and_close, begin, end, 0},
	{"create_unlink", "create + close + unlink, tmpfs", "lat_fs 0k", 1000, create_and_unlink, begin_creations, 0, 0},
	{0},
};
