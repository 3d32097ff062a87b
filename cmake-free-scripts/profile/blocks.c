/* A plugin for QEMU's translator: how often each translated block ran. At the emulator's end a line for each goes to the file that `out=`
 * names: its address, how often it ran, its instructions, its first bytes. Addresses alone say little, since each process has its own
 * memory; with the bytes the reader finds the image that the block is from.
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
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *tb, void (*callback)(unsigned int vcpu, void *data),
					  enum qemu_plugin_cb_flags flags, void *data);
void qemu_plugin_register_atexit_cb(qemu_plugin_id_t id, void (*callback)(qemu_plugin_id_t id, void *data), void *data);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t index);
size_t qemu_plugin_insn_data(const struct qemu_plugin_insn *insn, void *to, size_t length);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn);

EXPORT int qemu_plugin_version = 4;

enum { BYTES = 32 };

struct block {
	struct block *next;
	uint64_t address, runs;
	size_t instructions, length;
	unsigned char bytes[BYTES];
};

static struct block *blocks;
static char *path;

static void on_run(unsigned int vcpu, void *data)
{
	struct block *block = data;
	(void)vcpu;
	block->runs++;
}

static void on_translation(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	struct block *block = calloc(1, sizeof *block);
	(void)id;
	if (!block) abort();
	block->address = qemu_plugin_tb_vaddr(tb);
	block->instructions = qemu_plugin_tb_n_insns(tb);
	for (size_t i = 0; i < block->instructions; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		size_t size = qemu_plugin_insn_size(insn);
		if (block->length + size > BYTES) break;
		block->length += qemu_plugin_insn_data(insn, block->bytes + block->length, size);
	}
	block->next = blocks;
	blocks = block;
	qemu_plugin_register_vcpu_tb_exec_cb(tb, on_run, QEMU_PLUGIN_CB_NO_REGS, block);
}

static void at_end(qemu_plugin_id_t id, void *data)
{
	FILE *file = fopen(path, "w");
	(void)id, (void)data;
	if (!file) return;
	for (struct block *block = blocks; block; block = block->next) {
		if (!block->runs) continue;
		fprintf(file, "%" PRIx64 " %" PRIu64 " %zu ", block->address, block->runs, block->instructions);
		for (size_t i = 0; i < block->length; i++) fprintf(file, "%02x", block->bytes[i]);
		fputc('\n', file);
	}
	fclose(file);
}

EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info *info, int count, char **arguments)
{
	(void)info;
	for (int i = 0; i < count; i++)
		if (!strncmp(arguments[i], "out=", 4)) path = strdup(arguments[i] + 4);
	if (!path) return -1;
	qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation);
	qemu_plugin_register_atexit_cb(id, at_end, 0);
	return 0;
}
