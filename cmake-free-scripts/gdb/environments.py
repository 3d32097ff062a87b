"""`info environments`: what the kernel shows of its environments, for gdb on QEMU's stub.

The table is in the kernel's info pages, which every environment may map but few do: it is read by physical address, wherever the machine is
stopped. `cargo x gdb` sets CHITIN: where the search begins, and the layout (exokernel/abi/src/info.rs).
"""

import struct

import gdb

ENTRY = struct.Struct("<IIIIQQQQIIq")
HEAD = struct.Struct("<13Q")
STATES = {0: "free", 1: "alive", 2: "dead"}
PAGE = 4096


class Physical:
    """While it is entered, addresses are physical ones."""

    def __enter__(self):
        gdb.execute("maint packet Qqemu.PhyMemMode:1", to_string=True)
        gdb.execute("maint flush dcache", to_string=True)
        return gdb.selected_inferior()

    def __exit__(self, *_):
        gdb.execute("maint packet Qqemu.PhyMemMode:0", to_string=True)
        gdb.execute("maint flush dcache", to_string=True)


def is_info_page(head):
    """Whether the first words of a page are those of the first info page."""
    hz, _, _, _, slice_ticks, free, first, count, frames_page, pages, usable, cpus, _ = head
    table = (count * 16 + PAGE - 1) // PAGE
    return (
        frames_page == CHITIN["frames_page"]
        and pages == frames_page + table
        and 0 < cpus <= 64
        and free <= count
        and usable <= count
        and slice_ticks <= hz
        and first < 1 << 40
    )


class Environments(gdb.Command):
    """List environments: slot, generation, parent, state, frames used and granted, time of the CPU, what it is; * runs."""

    def __init__(self):
        super().__init__("info environments", gdb.COMMAND_STATUS)
        self.found = None

    def find(self, memory):
        """The physical address of the first info page."""
        if self.found is None:
            for start, end in CHITIN["ram"]:
                for address in range(start, end, PAGE):
                    try:
                        head = HEAD.unpack(bytes(memory.read_memory(address, HEAD.size)))
                    except gdb.MemoryError:
                        break
                    if is_info_page(head):
                        self.found = address
                        return address
            raise gdb.GdbError("there is no environment table in memory: the kernel has not made it yet")
        return self.found

    def invoke(self, _argument, _from_tty):
        with Physical() as memory:
            info = self.find(memory)
            hz = HEAD.unpack(bytes(memory.read_memory(info, HEAD.size)))[0]
            table = info + CHITIN["envs_page"] * PAGE
            raw = bytes(memory.read_memory(table, CHITIN["max_envs"] * ENTRY.size))
        entries = [ENTRY.unpack_from(raw, slot * ENTRY.size) for slot in range(CHITIN["max_envs"])]
        print(f"  {'slot':>4} {'gen':>5} {'parent':>6} {'state':<6} {'used':>8} {'quota':>8} {'ran ms':>10}  program")
        for slot, entry in enumerate(entries):
            state, generation, parent, reason, status, quota, used, _pc, _privileges, _deaths, ran = entry
            if state == 0:
                continue
            mark = "*" if ran < 0 else " "
            # While it runs the word has the counter subtracted, which only the machine knows.
            time = "running" if ran < 0 else f"{1000 * ran / hz:.1f}"
            what = self.program(slot, parent, ran < 0)
            if state == 2:
                what += f", died (reason {reason:#x}, status {status:#x})"
            name = STATES.get(state, str(state))
            print(f"{mark} {slot:>4} {generation:>5} {parent:>6} {name:<6} {used:>8} {quota:>8} {time:>10}  {what}")

    def program(self, slot, parent, runs):
        """What an environment is, by its place in the tree; of a process that runs also its id."""
        if slot == 0:
            return "init"
        if parent == 0:
            return "unixd"
        if runs:
            try:
                identity = gdb.selected_inferior().read_memory(CHITIN["identity"], 4)
                return f"process {struct.unpack('<I', bytes(identity))[0]}"
            except gdb.MemoryError:
                pass
        return "process"


Environments()
