/* A plugin for QEMU's translator: how many instructions of each translated block ran. At the emulator's end a line for each goes to the file
 * that `out=` names: its address, that number, its first bytes. Addresses alone say little, since each process has its own memory; with the
 * bytes the reader finds the image that the block is from.
 *
 * Each instruction counts itself, since a block that faults in its middle is not run to its end: an instruction that faults is counted again
 * when it is run again, and nothing else differs from the emulator's own count.
 *
 * A program may mark sections of its run by instructions that do nothing (user/c/bench/mark.h): what ran in a section goes, behind a line
 * `section`, to the file of the same name with `.sections` behind it. A third mark is a line `operation` there: what the next sections are of.
 *
 * The declarations are those of QEMU's qemu-plugin.h, interface version 4 (QEMU 9.2 and later), which distributions do not package. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))

typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
struct qemu_info;
enum qemu_plugin_cb_flags { QEMU_PLUGIN_CB_NO_REGS };

void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id, void (*callback)(qemu_plugin_id_t id, struct qemu_plugin_tb *tb));
struct qemu_plugin_scoreboard;
typedef struct {
	struct qemu_plugin_scoreboard *score;
	size_t offset;
} qemu_plugin_u64;
enum qemu_plugin_op { QEMU_PLUGIN_INLINE_ADD_U64 };
struct qemu_plugin_scoreboard *qemu_plugin_scoreboard_new(size_t element_size);
uint64_t qemu_plugin_u64_get(qemu_plugin_u64 entry, unsigned int vcpu);
void qemu_plugin_register_vcpu_insn_exec_inline_per_vcpu(struct qemu_plugin_insn *insn, enum qemu_plugin_op op, qemu_plugin_u64 entry,
							 uint64_t add);
void qemu_plugin_register_atexit_cb(qemu_plugin_id_t id, void (*callback)(qemu_plugin_id_t id, void *data), void *data);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t index);
size_t qemu_plugin_insn_data(const struct qemu_plugin_insn *insn, void *to, size_t length);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn, void (*callback)(unsigned int vcpu, void *data),
					    enum qemu_plugin_cb_flags flags, void *data);

EXPORT int qemu_plugin_version = 4;

enum { BYTES = 32, BLOCKS_MOST = 1 << 21 };

struct block {
	struct block *next;
	/* `before`: what `ran` was at a section's beginning. */
	uint64_t address, before;
	/* Instructions that ran. */
	qemu_plugin_u64 ran;
	size_t length;
	unsigned char bytes[BYTES];
};

static struct block *blocks;
static size_t number_of_blocks;
static struct qemu_plugin_scoreboard *score;
static char *path;
static FILE *sections;

/* The marks on x86_64 (nopl with a far displacement) and on aarch64 (movz xzr), as they stand in memory: operation, beginning, end. */
enum { MARKS = 3 };
static const unsigned char marks[2][MARKS][8] = {
	{{7, 0x0f, 0x1f, 0x80, 'n', 'e', 'x', 't'}, {7, 0x0f, 0x1f, 0x80, 'o', 'p', 'e', 'n'}, {7, 0x0f, 0x1f, 0x80, 's', 'h', 'u', 't'}},
	{{4, 0xdf, 0x82, 0x98, 0xd2}, {4, 0xff, 0x82, 0x98, 0xd2}, {4, 0x1f, 0x83, 0x98, 0xd2}},
};

/* There is one processor. */
static uint64_t ran(const struct block *block)
{
	return qemu_plugin_u64_get(block->ran, 0);
}

static void print(FILE *file, const struct block *block, uint64_t instructions)
{
	if (!instructions) return;
	fprintf(file, "%" PRIx64 " %" PRIu64 " ", block->address, instructions);
	for (size_t i = 0; i < block->length; i++) fprintf(file, "%02x", block->bytes[i]);
	fputc('\n', file);
}

/* A line of the sections' file. */
static void head(const char *line)
{
	char name[4096];
	snprintf(name, sizeof name, "%s.sections", path);
	if (!sections && !(sections = fopen(name, "w"))) abort();
	fputs(line, sections);
}

static void on_operation(unsigned int vcpu, void *data)
{
	(void)vcpu, (void)data;
	head("operation\n");
}

static void on_beginning(unsigned int vcpu, void *data)
{
	(void)vcpu, (void)data;
	for (struct block *block = blocks; block; block = block->next) block->before = ran(block);
}

static void on_end(unsigned int vcpu, void *data)
{
	(void)vcpu, (void)data;
	head("section\n");
	for (struct block *block = blocks; block; block = block->next) print(sections, block, ran(block) - block->before);
	fflush(sections);
}

static void look_for_marks(struct qemu_plugin_insn *insn, const unsigned char *bytes, size_t size)
{
	static void (*const callbacks[MARKS])(unsigned int, void *) = {on_operation, on_beginning, on_end};
	for (int isa = 0; isa < 2; isa++)
		for (int mark = 0; mark < MARKS; mark++)
			if (size == marks[isa][mark][0] && !memcmp(bytes, marks[isa][mark] + 1, size))
				qemu_plugin_register_vcpu_insn_exec_cb(insn, callbacks[mark], QEMU_PLUGIN_CB_NO_REGS, 0);
}

static void on_translation(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	struct block *block = calloc(1, sizeof *block);
	(void)id;
	int is_full = 0;
	if (!block || number_of_blocks == BLOCKS_MOST) abort();
	block->address = qemu_plugin_tb_vaddr(tb);
	block->ran = (qemu_plugin_u64){score, number_of_blocks++ * sizeof(uint64_t)};
	for (size_t i = 0; i < qemu_plugin_tb_n_insns(tb); i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		size_t size = qemu_plugin_insn_size(insn);
		unsigned char bytes[16];
		qemu_plugin_register_vcpu_insn_exec_inline_per_vcpu(insn, QEMU_PLUGIN_INLINE_ADD_U64, block->ran, 1);
		if (size > sizeof bytes) abort();
		qemu_plugin_insn_data(insn, bytes, size);
		look_for_marks(insn, bytes, size);
		if (is_full || (is_full = block->length + size > BYTES)) continue;
		memcpy(block->bytes + block->length, bytes, size);
		block->length += size;
	}
	block->next = blocks;
	blocks = block;
}

static void at_end(qemu_plugin_id_t id, void *data)
{
	FILE *file = fopen(path, "w");
	(void)id, (void)data;
	if (!file) return;
	for (struct block *block = blocks; block; block = block->next) print(file, block, ran(block));
	fclose(file);
}

EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info *info, int count, char **arguments)
{
	(void)info;
	for (int i = 0; i < count; i++)
		if (!strncmp(arguments[i], "out=", 4)) path = strdup(arguments[i] + 4);
	if (!path || !(score = qemu_plugin_scoreboard_new(BLOCKS_MOST * sizeof(uint64_t)))) return -1;
	qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation);
	qemu_plugin_register_atexit_cb(id, at_end, 0);
	return 0;
}
