/* A shared object with thread-local data, a constructor and a destructor, and data that is read-only after relocation. */
#include <stdio.h>

extern int host_counter;
int second_value(void);

/* Initialised and zeroed thread-local data, larger than what a loader keeps in reserve. */
__thread int first_initialised = 41;
__thread char first_zeroed[5000];
static __thread long first_private = 7;

static int data = 5;
/* Relocated, hence read-only only once the loader is done. */
int *const first_relro = &data;

__attribute__((constructor)) static void construct(void)
{
	printf("first: constructed, counter %d\n", ++host_counter);
}

__attribute__((destructor)) static void destruct(void)
{
	printf("first: destroyed, counter %d\n", ++host_counter);
}

int first_step(void)
{
	first_zeroed[4999]++;
	first_private += first_zeroed[4999];
	return ++first_initialised + (int)first_private + *first_relro + second_value();
}
