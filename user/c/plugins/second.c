/* What the first shared object needs of another; it has a constructor of a lower priority number, too. */
#include <stdio.h>

extern int host_counter;
static __thread int calls;

__attribute__((constructor(101))) static void early(void)
{
	printf("second: constructed, counter %d\n", ++host_counter);
}

int second_value(void)
{
	return 100 * ++calls;
}
