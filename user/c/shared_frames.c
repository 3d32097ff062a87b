/* Which frames hold the text of this process, and who else maps them: by /proc/self/pagemap and /proc/kpagecount, which on Linux take a
 * privileged user.
 *
 * `shared_frames COUNT` waits until every frame of its text is mapped COUNT times, so that processes started together meet. The one whose
 * CHITIN_COPY is 0, or that has none, then counts the frames in use in the whole machine; the others stay as long as it is there. */

#define _GNU_SOURCE
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { PAGE = 4096, MAPPINGS = 64, STEP = 4096 };

static const uint64_t PRESENT = (uint64_t)1 << 63, EXCLUSIVE = (uint64_t)1 << 56, FRAME = ((uint64_t)1 << 55) - 1;

struct mapping {
    uint64_t first, end;
    char rights[5], path[256];
};

static struct mapping mappings[MAPPINGS];
static uint64_t words[STEP];
static int pagemap, counts;

static int read_mappings(void) {
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[512];
    int count = 0;
    while (maps && count < MAPPINGS && fgets(line, sizeof line, maps)) {
        struct mapping *mapping = &mappings[count];
        mapping->path[0] = 0;
        if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %*s %*s %*s %255s", &mapping->first, &mapping->end, mapping->rights, mapping->path) < 3)
            continue;
        mapping->first /= PAGE;
        mapping->end /= PAGE;
        count++;
    }
    if (maps)
        fclose(maps);
    return count;
}

/* Read words of a table into `words`; gives how many there were. */
static size_t read_words(int table, uint64_t first, size_t count) {
    ssize_t bytes = pread(table, words, count * sizeof *words, (off_t)(first * sizeof *words));
    if (bytes < 0) {
        perror("a table of words");
        exit(1);
    }
    return (size_t)bytes / sizeof *words;
}

static uint64_t count_of(uint64_t frame) {
    return read_words(counts, frame, 1) == 1 ? words[0] : 0;
}

/* Read from a page, so that it is there; gives its frame, 0 if it has none. */
static uint64_t touch(uint64_t page) {
    (void)*(volatile const char *)(page * PAGE);
    return read_words(pagemap, page, 1) == 1 && words[0] & PRESENT ? words[0] & FRAME : 0;
}

/* Write a line by one call, so that lines of processes that run together stay whole. */
__attribute__((format(printf, 1, 2))) static void say(const char *format, ...) {
    char line[512];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    if (write(STDOUT_FILENO, line, (size_t)length) != length)
        exit(1);
}

static void nap(void) {
    nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
}

static unsigned frames_in_use(void) {
    unsigned used = 0;
    for (uint64_t first = 0;; first += STEP) {
        size_t count = read_words(counts, first, STEP);
        for (size_t index = 0; index < count; index++)
            used += words[index] > 0;
        if (count < STEP)
            return used;
    }
}

int main(int argc, char **argv) {
    uint64_t wanted = argc > 1 ? strtoull(argv[1], NULL, 10) : 1, last = 0;
    const char *copy = getenv("CHITIN_COPY") ? getenv("CHITIN_COPY") : "0";
    pagemap = open("/proc/self/pagemap", O_RDONLY);
    counts = open("/proc/kpagecount", O_RDONLY);
    int mapped = read_mappings();
    for (int index = 0; index < mapped; index++) {
        const struct mapping *text = &mappings[index];
        if (strcmp(text->rights, "r-xp") != 0 || text->path[0] != '/')
            continue;
        uint64_t sum = 0;
        unsigned missing = 0;
        for (uint64_t page = text->first; page < text->end; page++) {
            uint64_t frame = touch(page);
            missing += frame == 0;
            sum = sum * 31 + frame;
            while (count_of(frame) < wanted)
                nap();
            last = frame;
        }
        say("copy %s: text %s pages %u missing %u frames %" PRIx64 "\n", copy, text->path, (unsigned)(text->end - text->first), missing, sum);
    }
    unsigned own = 0, shared = 0;
    mapped = read_mappings();
    for (int index = 0; index < mapped; index++) {
        for (uint64_t page = mappings[index].first; mappings[index].path[1] != 'v' && page < mappings[index].end; page += STEP) {
            uint64_t left = mappings[index].end - page;
            size_t count = read_words(pagemap, page, left < STEP ? left : STEP);
            for (size_t word = 0; word < count; word++) {
                own += words[word] & PRESENT && words[word] & EXCLUSIVE;
                shared += words[word] & PRESENT && !(words[word] & EXCLUSIVE);
            }
        }
    }
    say("copy %s: own %u shared %u\n", copy, own, shared);
    int first = strcmp(copy, "0") == 0;
    if (first)
        say("frames in use %u\n", frames_in_use());
    for (uint64_t most = count_of(last); !first && count_of(last) >= most;)
        nap();
    return 0;
}
