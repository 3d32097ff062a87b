/* Words of standard input by how often they come: structures, pointers to functions, varargs, heap, the C library's sort. */
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct word {
	struct word *next;
	unsigned count;
	char text[];
};

enum { BUCKETS = 257 };
static struct word *table[BUCKETS];
static unsigned long words;

static struct word *find(const char *text)
{
	unsigned hash = 5381;
	for (const char *at = text; *at; at++) hash = hash * 33 ^ (unsigned char)*at;
	struct word **place = &table[hash % BUCKETS];
	for (struct word *word = *place; word; word = word->next)
		if (!strcmp(word->text, text)) return word;
	struct word *word = malloc(sizeof *word + strlen(text) + 1);
	if (!word) abort();
	*word = (struct word){.next = *place, .count = 0};
	strcpy(word->text, text);
	words++;
	return *place = word;
}

static int more(const void *one, const void *other)
{
	const struct word *a = *(struct word *const *)one, *b = *(struct word *const *)other;
	return a->count != b->count ? (a->count < b->count) - (a->count > b->count) : strcmp(a->text, b->text);
}

static double mean(int count, ...)
{
	va_list list;
	double sum = 0;
	va_start(list, count);
	for (int i = 0; i < count; i++) sum += va_arg(list, double);
	va_end(list);
	return sum / count;
}

int main(void)
{
	char text[100];
	int length = 0, byte;
	while ((byte = getchar()) != EOF)
		if (isalpha(byte) && length < 99) {
			text[length++] = tolower(byte);
		} else if (length) {
			text[length] = 0;
			find(text)->count++;
			length = 0;
		}
	struct word **all = calloc(words, sizeof *all);
	unsigned long count = 0;
	for (int bucket = 0; bucket < BUCKETS; bucket++)
		for (struct word *word = table[bucket]; word; word = word->next) all[count++] = word;
	qsort(all, count, sizeof *all, more);
	for (unsigned long i = 0; i < count && i < 8; i++) printf("%6u %s\n", all[i]->count, all[i]->text);
	printf("%lu words, %.3f %.2Lf %llx\n", words, mean(3, 1.5, 2.25, (double)words), 1.0L / 3, 0x0123456789abcdefULL << 4 | words % 2);
	return (int)(words & 0x7f);
}
