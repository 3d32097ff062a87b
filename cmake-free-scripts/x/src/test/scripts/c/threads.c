/* Threads, a pipe, a child, a signal: what a program asks of the system, through a compiler that nobody else built. */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static long total;
static sigjmp_buf before;

static void *add(void *numbers)
{
	for (int i = 0; i < 1000; i++) {
		pthread_mutex_lock(&lock);
		total += *(int *)numbers;
		pthread_mutex_unlock(&lock);
	}
	return numbers;
}

static void caught(int signal)
{
	siglongjmp(before, signal);
}

int main(void)
{
	int numbers[8], ends[2], status;
	pthread_t threads[8];
	char text[32] = "";
	for (int i = 0; i < 8; i++) {
		numbers[i] = i;
		if (pthread_create(&threads[i], 0, add, &numbers[i])) return 1;
	}
	for (int i = 0; i < 8; i++) pthread_join(threads[i], 0);
	printf("total %ld\n", total);
	fflush(stdout);

	if (pipe(ends)) return 2;
	pid_t child = fork();
	if (!child) {
		dprintf(ends[1], "from child %d", 7);
		_exit(21);
	}
	waitpid(child, &status, 0);
	if (read(ends[0], text, sizeof text - 1) < 0) return 3;
	printf("%s, status %d\n", text, WEXITSTATUS(status));

	char *page = mmap(0, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct sigaction action = {.sa_handler = caught};
	sigaction(SIGSEGV, &action, 0);
	int signal = sigsetjmp(before, 1);
	if (!signal) page[5] = 1;
	printf("signal %d\n", signal);
	return 0;
}
