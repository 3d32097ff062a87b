/* Measures: `bench [--list] [--cycles] [--divide BY] [NAME]...`, all operations where none is named; `bench --program PATH [ARGUMENT]...`, a program
 * of the user's, whose lines of two words, a name and a number, are figures of its own. Lines of output:
 *
 *   operation GROUP NAME "TITLE" "KIN" ROUNDS   what there is, with --list
 *   begin NAME                             it is about to run: where the machine ends, this is what ended it
 *   NAME MEDIAN LEAST MOST                 ticks a round, of three passes
 *   NAME - REASON                          it cannot be measured here
 *   end                                    nothing is left
 *
 * With `--cycles 1` the clock is the other one, of cycles.h: `clock NAME`, then lines of a name, cycles hot, cold, and the spread of the hot ones.
 *
 * As process 1 of a Linux it makes the file systems that it needs first, and powers the machine off at the end. Its words are then in
 * /etc/bench, as a kernel's command line has no room for them. */
#include "bench.h"
#include "cycles.h"
#include "mark.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

enum { PASSES = 3 };

long at;

static const struct table tables[] = {
	{"calls", calls},     {"files", files},		{"memory", memory}, {"signals", signals},
	{"threads", threads}, {"processes", processes}, {"events", events}, {"programs", programs},
	{"growth", growth},
};
enum { TABLES = sizeof tables / sizeof *tables };

static jmp_buf given_up;
static const char *reason;
static int error;

void require(int holds, const char *what)
{
	if (holds) return;
	error = errno;
	reason = what;
	longjmp(given_up, 1);
}

pid_t child(void (*work)(void))
{
	pid_t pid = fork();
	require(pid >= 0, "fork");
	if (pid) return pid;
	work();
	_exit(0);
}

void reap(pid_t pid)
{
	int status;
	require(waitpid(pid, &status, 0) == pid, "waitpid");
	errno = 0;
	require(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the child fails");
}

void handle(int number, void (*handler)(int))
{
	struct sigaction action = {.sa_handler = handler};
	require(!sigaction(number, &action, 0), "sigaction");
}

/* What is printed has left the machine before the next thing is measured. */
static void say(void)
{
	fflush(stdout);
	tcdrain(1);
}

static double pass(const struct operation *operation, long rounds)
{
	if (operation->begin) operation->begin(rounds);
	mark_beginning();
	uint64_t start = counter();
	operation->run(rounds);
	uint64_t ticks = counter() - start;
	mark_end();
	if (operation->end) operation->end(rounds);
	return (double)ticks / rounds;
}

static int ascending(const void *left, const void *right)
{
	double a = *(const double *)left, b = *(const double *)right;
	return (a > b) - (a < b);
}

void sort_ascending(double *figures, long count)
{
	qsort(figures, count, sizeof *figures, ascending);
}

static void run_passes(const struct operation *operation, long rounds)
{
	double figures[PASSES];
	pass(operation, rounds);
	for (int i = 0; i < PASSES; i++) figures[i] = pass(operation, rounds);
	sort_ascending(figures, PASSES);
	printf("%s %.2f %.2f %.2f\n", operation->name, figures[PASSES / 2], figures[0], figures[PASSES - 1]);
}

/* Whether the clock is that of cycles. */
static int in_cycles;

static long rounds_of(const struct operation *operation, long divisor)
{
	long least = operation->rounds < 2 ? operation->rounds : 2, rounds = operation->rounds / divisor;
	return rounds < least ? least : rounds;
}

static void measure(const struct operation *operation, long divisor)
{
	at = operation->at;
	printf("begin %s\n", operation->name);
	say();
	mark_operation();
	errno = 0;
	if (!setjmp(given_up)) {
		if (in_cycles) measure_cycles(operation);
		else run_passes(operation, rounds_of(operation, divisor));
	} else printf("%s - %s%s%s\n", operation->name, reason, error ? ": " : "", error ? strerror(error) : "");
	say();
}

/* The clock is proved in each run. */
static int is_wanted(const char *name, int count, char **wanted)
{
	for (int i = 0; i < count; i++)
		if (!strcmp(wanted[i], name)) return 1;
	return count == 0 || !strcmp(name, "loop");
}

static void measure_all(long divisor, int count, char **names)
{
	if (in_cycles) {
		const char *clock = cycle_clock();
		printf("clock %s\n", clock ? clock : "-");
		if (!clock) {
			printf("end\n");
			say();
			return;
		}
	}
	for (int i = 0; i < TABLES; i++)
		for (const struct operation *operation = tables[i].operations; operation->name; operation++)
			if (operation->run && is_wanted(operation->name, count, names)) measure(operation, divisor);
	printf("end\n");
	say();
}

/* A program of the user's, by its file's name. */
static void measure_own(char **words)
{
	const char *slash = strrchr(words[0], '/');
	struct operation own = {slash ? slash + 1 : words[0], 0, 0, 1, run_own_program, 0, 0, 0};
	own_program = words;
	measure(&calls[0], 1);
	measure(&own, 1);
	printf("end\n");
	say();
}

static void list(void)
{
	for (int i = 0; i < TABLES; i++)
		for (const struct operation *operation = tables[i].operations; operation->name; operation++)
			printf("operation %s %s \"%s\" \"%s\" %ld\n", tables[i].group, operation->name, operation->title,
			       operation->kin ? operation->kin : "", operation->rounds);
}

static void become_init(void)
{
	clearenv();
	setenv("PATH", "/bin:/usr/bin", 1);
	setenv("HOME", "/root", 1);
	mkdir("/dev", 0755);
	mkdir("/proc", 0555);
	mkdir("/tmp", 01777);
	mount("devtmpfs", "/dev", "devtmpfs", 0, 0);
	mount("proc", "/proc", "proc", 0, 0);
	mount("tmpfs", "/tmp", "tmpfs", 0, 0);
}

/* Go on in a process that is the first of a session, as those that people use are: Linux schedules each session as a group. */
static void run_in_session(void)
{
	pid_t pid = fork();
	if (!pid) {
		setsid();
		return;
	}
	waitpid(pid, 0, 0);
	reboot(RB_POWER_OFF);
}

/* A mapping that stays, as any program larger than this one has: without a neighbour each mapping brings its own page tables and takes
 * them away again, which no program pays in its life. It does not merge with what is mapped beside it. */
static void keep_a_neighbour(void)
{
	volatile char *page = mmap(0, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	*page = 1;
	mprotect((void *)page, PAGE, PROT_READ);
}

/* The words of a file, the first of which is the program's name. */
static int words_of(const char *path, char **words, int most)
{
	static char text[16384];
	FILE *file = fopen(path, "r");
	int count = 0;
	words[count++] = "bench";
	if (!file) return count;
	text[fread(text, 1, sizeof text - 1, file)] = 0;
	fclose(file);
	for (char *word = strtok(text, " \n"); word && count < most; word = strtok(0, " \n")) words[count++] = word;
	return count;
}

int main(int count, char **arguments)
{
	static char *words[1024];
	uint64_t born = counter();
	long divisor = 1;
	int init = !strcmp(arguments[0], "/init"), i = 1;
	if (init) {
		become_init();
		run_in_session();
		count = words_of("/etc/bench", words, 1024);
		arguments = words;
	}
	if (count > 1 && !strcmp(arguments[1], "--list")) {
		list();
		return 0;
	}
	keep_a_neighbour();
	printf("boot %llu %llu %llu\n", (unsigned long long)born, (unsigned long long)born, (unsigned long long)born);
	for (; i < count && !strncmp(arguments[i], "--", 2); i++) {
		if (i + 1 == count) return 2;
		if (!strcmp(arguments[i], "--program")) {
			measure_own(arguments + i + 1);
			return 0;
		}
		if (!strcmp(arguments[i], "--cycles")) in_cycles = atol(arguments[++i]);
		else if (!strcmp(arguments[i], "--divide")) divisor = atol(arguments[++i]);
		else return 2;
	}
	measure_all(divisor > 0 ? divisor : 1, count - i, arguments + i);
	return 0;
}
