/* Opens, measures, reads and closes small files in an order that looks random, as a server of small documents does:
 *
 *     small_files DIRECTORY FILES ROUNDS [figures]
 *
 * It makes the files, in DIRECTORY and its own id, and removes them in the end. Prints a sum of what it read; with a fourth argument what a file
 * takes in the first round and in the others, too. */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "counter.h"

enum { MOST = 4096 };

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static char path[512];

static const char *name(const char *directory, long number)
{
	snprintf(path, sizeof path, "%s/page-%05ld.html", directory, number);
	return path;
}

static void make(const char *directory, long files)
{
	if (mkdir(directory, 0755) < 0)
		fail(directory);
	static char text[MOST];
	for (long number = 0; number < files; number++) {
		int length = snprintf(text, sizeof text, "<h1>Page %ld</h1>\n", number);
		for (long line = 0; line < 4 + number % 7; line++)
			length += snprintf(text + length, sizeof text - length, "<p>Line %ld of page %ld says little.</p>\n", line, number);
		int file = open(name(directory, number), O_WRONLY | O_CREAT | O_EXCL, 0644);
		if (file < 0 || write(file, text, length) != length || close(file) < 0)
			fail(path);
	}
}

static uint64_t look(const char *path, uint64_t sum)
{
	static char text[MOST];
	struct stat state;
	int file = open(path, O_RDONLY | O_CLOEXEC);
	if (file < 0 || fstat(file, &state) < 0)
		fail(path);
	ssize_t length = read(file, text, sizeof text);
	if (length != state.st_size || close(file) < 0)
		fail(path);
	uint64_t word;
	memcpy(&word, text + length - sizeof word, sizeof word);
	return (sum * 31 + length) ^ word;
}

/* Each file once: a step that has no divisor in common with their number. */
static uint64_t round_of(char **paths, long files, long start, uint64_t sum)
{
	long step = 7919;
	while (files % step == 0)
		step += 2;
	for (long count = 0, number = start % files; count < files; count++, number = (number + step) % files)
		sum = look(paths[number], sum);
	return sum;
}

int main(int count, char **words)
{
	if (count < 4) {
		fprintf(stderr, "small_files DIRECTORY FILES ROUNDS [figures]\n");
		return 2;
	}
	static char directory[256];
	snprintf(directory, sizeof directory, "%s-%ld", words[1], (long)getpid());
	long files = atol(words[2]), rounds = atol(words[3]);
	make(directory, files);
	char **paths = malloc(files * sizeof *paths);
	for (long number = 0; number < files; number++)
		paths[number] = strdup(name(directory, number));
	uint64_t begin = counter(), sum = round_of(paths, files, 0, 0), first = counter() - begin;
	begin = counter();
	for (long again = 1; again < rounds; again++)
		sum = round_of(paths, files, again * 17, sum);
	uint64_t others = counter() - begin;
	for (long number = 0; number < files; number++)
		if (unlink(paths[number]) < 0)
			fail(paths[number]);
	if (rmdir(directory) < 0)
		fail(directory);
	printf("sum of files: %016llx\n", (unsigned long long)sum);
	if (count > 4) {
		printf("file_at_first %llu\n", (unsigned long long)(first / files));
		if (rounds > 1)
			printf("file_again %llu\n", (unsigned long long)(others / files / (rounds - 1)));
	}
	return 0;
}
