/* dlopen, dlsym, dlclose and dlerror; thread-local data in shared objects, with threads if the argument `threads` is given; data that is
 * read-only after relocation. The shared objects are beside the program, or in the folder that the first argument names. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <link.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

/* The shared objects count in it. */
int host_counter;

static sigjmp_buf back;

static void on_fault(int number, siginfo_t *information, void *context)
{
	(void)context;
	siglongjmp(back, information->si_code == SEGV_ACCERR ? number : -number);
}

static void *load(const char *folder, const char *name, int flags)
{
	char path[256];
	snprintf(path, sizeof path, "%s/%s", folder, name);
	void *object = dlopen(path, flags);
	if (!object) printf("cannot load %s: %s\n", name, dlerror());
	return object;
}

/* Write where nothing may be written. */
static void probe(volatile int *address)
{
	struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
	sigaction(SIGSEGV, &action, 0);
	int fault = sigsetjmp(back, 1);
	if (!fault) {
		*address = 0;
		printf("relro: written\n");
	} else {
		printf("relro: %s\n", fault == SIGSEGV ? "a fault for want of rights" : "another fault");
	}
	signal(SIGSEGV, SIG_DFL);
}

static void *in_a_thread(void *step)
{
	int (*function)(void) = (int (*)(void))step;
	printf("thread: %d\n", function());
	printf("thread: %d\n", function());
	return 0;
}

static int count_objects(struct dl_phdr_info *information, size_t size, void *count)
{
	(void)size;
	if (information->dlpi_phnum) ++*(int *)count;
	return 0;
}

int main(int count, char **arguments)
{
	setvbuf(stdout, 0, _IOLBF, 0);
	const char *folder = count > 1 ? arguments[1] : ".";
	int threads = count > 2 && !strcmp(arguments[2], "threads");

	printf("missing object: %s\n", dlopen("/nowhere/none.so", RTLD_NOW) ? "loaded" : dlerror());
	if (!load(folder, "second.so", RTLD_NOW | RTLD_GLOBAL)) return 1;
	void *first = load(folder, "first.so", RTLD_NOW);
	if (!first) return 1;
	printf("again: %d\n", load(folder, "first.so", RTLD_LAZY) == first);

	int (*step)(void) = (int (*)(void))dlsym(first, "first_step");
	printf("missing symbol: %s\n", dlsym(first, "first_nothing") ? "found" : dlerror());
	printf("no error is left: %d\n", dlerror() == 0);
	for (int i = 0; i < 3; i++) printf("step: %d\n", step());
	int *data = dlsym(first, "first_initialised");
	printf("thread-local by dlsym: %d\n", *data);

	Dl_info information;
	printf("name of the function: %s\n", dladdr((void *)step, &information) ? information.dli_sname : "none");
	int objects = 0;
	dl_iterate_phdr(count_objects, &objects);
	printf("objects: %d\n", objects);

	probe(dlsym(first, "first_relro"));
	if (threads) {
		pthread_t thread;
		pthread_create(&thread, 0, in_a_thread, (void *)step);
		pthread_join(thread, 0);
		printf("step: %d\n", step());
	}
	printf("closed: %d\n", dlclose(first));
	printf("closed a wrong one: %d\n", dlclose((void *)16));
	printf("%s\n", dlerror());
	return 0;
}
