/* A generational collector over two spaces, whose write barrier is the pages' protection (Appel and Li, "Virtual memory primitives for user
 * programs", 1991): `collector direct` or `collector signal`; direct where there is __chitin_barrier, else by signals too. With a second argument,
 * `fork`, a child is made in between; or, `figures`, what a cycle takes is printed, and what the first store to a page does.
 *
 * Objects are born in a nursery. A minor collection copies those into the old space that the roots or *old objects that were stored to* reach,
 * and the barrier says on which pages those are. What the program prints depends on neither way nor system: how much was live, and that a
 * heap without a barrier, which is traced as a whole, has the same in it. */
#include "barrier.h"
#include "counter.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { OLD_PAGES = 2048, NURSERY_PAGES = 64, FIELDS = 3, ROOTS = 64, CYCLES = 60, STORES = 400 };

/* `number` never changes; an object of the nursery that was copied says where to. */
struct object {
	struct object *fields[FIELDS], *copy;
	uint64_t number;
};

enum { PER_PAGE = BARRIER_PAGE / sizeof(struct object) };

static struct object *old, *nursery;
static size_t old_count, young_count;
static unsigned char cards[OLD_PAGES] __attribute__((aligned(BARRIER_PAGE)));
static struct object *roots[ROOTS];
static uint64_t next_number = 1, seed = 88172645463325252u;

static void fail(const char *what)
{
	printf("wrong: %s\n", what);
	exit(1);
}

static uint64_t random_number(void)
{
	seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
	return seed;
}

static void *memory(size_t pages)
{
	void *place = mmap(0, pages * BARRIER_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (place == MAP_FAILED) fail("mmap");
	return place;
}

/* The object of a number in a space: none lies across a page's end. */
static struct object *at(struct object *space, size_t index)
{
	return (struct object *)((char *)space + index / PER_PAGE * BARRIER_PAGE) + index % PER_PAGE;
}

static int is_young(const struct object *object)
{
	return (const char *)object >= (char *)nursery && (const char *)object < (char *)nursery + NURSERY_PAGES * BARRIER_PAGE;
}

static struct object *born(void)
{
	if (young_count == (size_t)NURSERY_PAGES * PER_PAGE) return 0;
	struct object *object = at(nursery, young_count++);
	memset(object, 0, sizeof *object);
	object->number = next_number++;
	return object;
}

static struct object *grown(struct object *object)
{
	if (!object || !is_young(object)) return object;
	if (!object->copy) {
		if (old_count == (size_t)OLD_PAGES * PER_PAGE) fail("the old space is full");
		object->copy = at(old, old_count++);
		*object->copy = (struct object){.number = object->number};
		memcpy(object->copy->fields, object->fields, sizeof object->fields);
	}
	return object->copy;
}

static void scan(struct object *object)
{
	for (int i = 0; i < FIELDS; i++)
		if (object->fields[i] && is_young(object->fields[i])) object->fields[i] = grown(object->fields[i]);
}

/* Gives how many old pages had to be looked at. */
static size_t collect(void)
{
	size_t before = old_count, dirty = 0;
	for (int i = 0; i < ROOTS; i++) roots[i] = grown(roots[i]);
	for (size_t page = 0; page * PER_PAGE < before; page++) {
		if (!cards[page]) continue;
		dirty++;
		for (size_t i = page * PER_PAGE; i < (page + 1) * PER_PAGE && i < before; i++) scan(at(old, i));
	}
	for (size_t i = before; i < old_count; i++) scan(at(old, i));
	young_count = 0;
	return dirty;
}

/* Nothing old may point into the nursery, and every pointer leads to an object of the number that it had. */
static void check(const uint64_t *shadow)
{
	for (size_t i = 0; i < old_count; i++) {
		struct object *object = at(old, i);
		for (int field = 0; field < FIELDS; field++) {
			struct object *to = object->fields[field];
			if (to && is_young(to)) fail("an old object points into the nursery");
			if (shadow[object->number * FIELDS + field] != (to ? to->number : 0)) fail("a pointer leads elsewhere");
		}
	}
}

/* The mutator: makes objects, and stores pointers into old and young ones. `shadow` is what was stored, by numbers. */
static void mutate(uint64_t *shadow)
{
	for (int i = 0; i < STORES; i++) {
		struct object *fresh = born();
		if (!fresh) fail("the nursery is full");
		struct object *holder = old_count && random_number() % 4 ? at(old, random_number() % old_count) : 0;
		int field = random_number() % FIELDS;
		if (!holder) holder = roots[random_number() % ROOTS];
		if (holder) {
			holder->fields[field] = fresh;
			shadow[holder->number * FIELDS + field] = fresh->number;
		}
		if (random_number() % 8 == 0) roots[random_number() % ROOTS] = fresh;
	}
}

/* What the first store to a page takes, the page's part of setting the barrier included: all old pages, one after the other. */
static uint64_t first_store(barrier_function *barrier)
{
	size_t pages = old_count / PER_PAGE;
	memset(cards, 0, sizeof cards);
	uint64_t start = counter();
	if (barrier(old, (size_t)OLD_PAGES * BARRIER_PAGE, cards)) fail("no barrier");
	for (size_t page = 0; page < pages; page++) *(struct object *volatile *)&at(old, page * PER_PAGE)->copy = 0;
	return (counter() - start) / pages;
}

/* Cycles are measured as a program has them: the barrier, the mutator and the collection. */
static void run(barrier_function *barrier, int to_fork, int figures)
{
	uint64_t *shadow = memory((size_t)(CYCLES + 1) * STORES * FIELDS * sizeof *shadow / BARRIER_PAGE + 1);
	size_t dirty = 0, all = 0;
	uint64_t ticks = 0;
	for (int cycle = 0; cycle < CYCLES; cycle++) {
		uint64_t start = counter();
		memset(cards, 0, sizeof cards);
		if (barrier(old, (size_t)OLD_PAGES * BARRIER_PAGE, cards)) fail("no barrier");
		/* A child has the same cards, and its own from then on. */
		if (cycle == to_fork && !fork()) to_fork = -2;
		mutate(shadow);
		dirty += collect();
		ticks += counter() - start;
		all += old_count / PER_PAGE + 1;
		check(shadow);
	}
	uint64_t store = figures ? first_store(barrier) : 0;
	if (barrier(old, 0, 0)) fail("the barrier stays");
	memset(cards, 0, sizeof cards);
	at(old, 0)->fields[0] = 0;
	if (cards[0]) fail("a card without a barrier");
	if (to_fork == -2) _exit(7);
	int status = 7 << 8;
	if (to_fork >= 0) wait(&status);
	if (status != 7 << 8) fail("the child");
	if (figures) printf("cycle %llu\nfirst_store %llu\n", (unsigned long long)(ticks / CYCLES), (unsigned long long)store);
	printf("%zu objects grew old, %zu of %zu old pages were looked at\n", old_count, dirty, all);
}

/* Stores of the system are seen too, where a signal could not be: a read(2) into a page with a card. By signals it is EFAULT. */
static void read_into(barrier_function *barrier)
{
	int ends[2];
	char byte = 9;
	memset(cards, 0, sizeof cards);
	if (pipe(ends) || write(ends[1], &byte, 1) != 1) fail("a pipe");
	if (barrier(old, (size_t)OLD_PAGES * BARRIER_PAGE, cards)) fail("no barrier");
	ssize_t got = read(ends[0], (char *)old + 5 * BARRIER_PAGE, 1);
	int right = barrier == signal_barrier ? got == -1 && errno == EFAULT : got == 1 && cards[5] == 1 && !cards[4] && !cards[6];
	printf("a page that the system stores to: %s\n", right ? "as it is to be" : "wrong");
	if (barrier(old, 0, 0)) fail("the barrier stays");
}

/* What cannot be is refused; where there is nobody to refuse it, that is told. */
static void refusals(barrier_function *barrier)
{
	int right = 1;
	if (barrier != signal_barrier) {
		char *both = memory(4);
		munmap(both + 2 * BARRIER_PAGE, BARRIER_PAGE);
		right = barrier(both + 1, BARRIER_PAGE, cards) == -EINVAL && barrier(both, 4 * BARRIER_PAGE, cards) == -ENOMEM &&
			barrier(both, BARRIER_PAGE, (void *)16) == -EFAULT && barrier(both, BARRIER_PAGE, (void *)both) == -EFAULT &&
			barrier(both, 0, 0) == -EINVAL && barrier(both, 2 * BARRIER_PAGE, cards) == 0 &&
			barrier(both + BARRIER_PAGE, BARRIER_PAGE, cards) == -EINVAL && barrier(both, 0, 0) == 0;
	}
	printf("refusals: %s\n", right ? "right" : "wrong");
}

int main(int count, char **arguments)
{
	barrier_function *barrier = count > 1 && !strcmp(arguments[1], "signal") ? signal_barrier : best_barrier();
	old = memory(OLD_PAGES), nursery = memory(NURSERY_PAGES);
	read_into(barrier);
	refusals(barrier);
	const char *more = count > 2 ? arguments[2] : "";
	run(barrier, !strcmp(more, "fork") ? CYCLES / 2 : -1, !strcmp(more, "figures"));
	return 0;
}
