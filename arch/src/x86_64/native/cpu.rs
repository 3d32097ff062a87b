//! The CPU: what it can do, its tables, and its side of the machine border.

use core::arch::{asm, x86_64::__cpuid, x86_64::__cpuid_count};
use core::cell::{Cell, UnsafeCell};

use spin::Once;
use uart_16550::{Uart16550, backend::PioBackend};
use x86_64::instructions::tables::{lidt, load_tss};
use x86_64::registers::control::{Cr3, Cr4, Cr4Flags};
use x86_64::registers::model_specific::{FsBase, GsBase, KernelGsBase, LStar, SFMask, Star};
use x86_64::registers::rflags::RFlags;
use x86_64::registers::segmentation::{CS, FS, SS, Segment, Segment64};
use x86_64::registers::xcontrol::{XCr0, XCr0Flags};
use x86_64::structures::gdt::{Descriptor, GlobalDescriptorTable, SegmentSelector};
use x86_64::structures::idt::{Entry, HandlerFunc};
use x86_64::structures::{DescriptorTablePointer, tss::TaskStateSegment};
use x86_64::{PrivilegeLevel, VirtAddr, instructions::tlb};

use super::context::{FIRST_INTERRUPT, SET, SYSCALL, TRAP_TOP, UserContext, VECTOR_BYTES, fault};
use super::entry::{self, GATE_BYTES, LAST_WORDS, VECTORS, chitin_gates, chitin_syscall};
use super::{apic, clock, memory};
use crate::x86_64::paging::PageFormat;
use crate::{Cpu, Handlers, Trap};

const KERNEL_CODE: SegmentSelector = SegmentSelector::new(1, PrivilegeLevel::Ring0);
const KERNEL_DATA: SegmentSelector = SegmentSelector::new(2, PrivilegeLevel::Ring0);
/// `sysret` takes the user's selectors from one base: data at 8 above it, code at 16.
pub(super) const USER_DATA: SegmentSelector = SegmentSelector::new(3, PrivilegeLevel::Ring3);
pub(super) const USER_CODE: SegmentSelector = SegmentSelector::new(4, PrivilegeLevel::Ring3);

const TASK: SegmentSelector = SegmentSelector::new(5, PrivilegeLevel::Ring0);

unsafe extern "C" {
    /// From the linker script: end of the stack that the vectors of [`LAST_WORDS`] get. It is the far end of the kernel's stack, for which
    /// nobody has a use any more.
    static chitin_last_words_top: u8;
}

/// What each CPU has of its own. GS points here while the kernel runs.
#[derive(Default)]
#[repr(C, align(64))]
pub(super) struct PerCpu {
    /// Scratch of the `syscall` entry.
    pub(super) user_sp: Cell<u64>,
    /// Where a trap from user mode finds the kernel.
    pub(super) kernel_sp: Cell<u64>,
    /// The loaded context, and what the reflection needs of it.
    pub(super) context: Cell<u64>,
    pub(super) upcall: Cell<u64>,
    pub(super) syscall_entry: Cell<u64>,
    /// Vector of an interrupt that was taken and not yet asked for; 0: none.
    pub(super) pending: Cell<u64>,
    segments: Once<GlobalDescriptorTable>,
    task: UnsafeCell<TaskStateSegment>,
}
// SAFETY: a CPU uses its own block only.
unsafe impl Sync for PerCpu {}

static FIRST_CPU: Once<PerCpu> = Once::new();
static GATES: Once<[Entry<HandlerFunc>; VECTORS]> = Once::new();

/// The machine that this build is for.
pub struct Native {
    pub(super) cpu: &'static PerCpu,
    /// What the CPU has, as far as the kernel turned it on.
    pub(super) features: Cr4Flags,
    /// Whether user mode, and so the kernel, may use AVX.
    pub(super) has_avx: bool,
    /// Physical address of the root table that has the kernel's half and nothing else.
    kernel_root: u64,
    pub(super) rates: clock::Rates,
    pub(super) console: Uart16550<PioBackend>,
}

impl Native {
    /// The first CPU, set up, with the rest of the machine around it.
    pub(super) fn new(rates: clock::Rates, console: Uart16550<PioBackend>) -> Self {
        let cpu = FIRST_CPU.call_once(PerCpu::default);
        let kernel_root = Cr3::read().0.start_address().as_u64();
        // SAFETY: this is called once, at boot.
        unsafe { cpu.load_tables() };
        let features = enable_features();
        let has_avx = features.contains(Cr4Flags::OSXSAVE) && XCr0::read().contains(XCr0Flags::AVX);
        Native { cpu, features, has_avx, kernel_root, rates, console }
    }
}

impl Cpu for Native {
    type Context = UserContext;
    type Paging = PageFormat;

    unsafe fn switch(&mut self, previous: &mut UserContext, next: &mut UserContext) {
        const AREA: usize = core::mem::offset_of!(UserContext, vectors);
        let (cpu, from, to) = (self.cpu, &raw mut *previous, &raw const *next);
        // SAFETY: 1. The areas are 64-byte aligned and have room for every component that XCR0 enables (`enable_features`); what is loaded
        // comes from `Context::init` or from saving, hence is valid. 2. The base is as in `reload`, and FSGSBASE is on where OSXSAVE is.
        unsafe {
            if self.features.contains(Cr4Flags::OSXSAVE) {
                asm!("xsave64 [{}+{A}]; xrstor64 [{}+{A}]", in(reg) from, in(reg) to, in("eax") -1, in("edx") -1, A = const AREA, options(nostack));
                previous.general.tls = FS::read_base().as_u64();
                FS::write_base(VirtAddr::new_unsafe(next.general.tls));
            } else {
                asm!("fxsave64 [{}+{A}]; fxrstor64 [{}+{A}]", in(reg) from, in(reg) to, A = const AREA, options(nostack));
                FsBase::write(VirtAddr::new_unsafe(next.general.tls));
            }
        }
        memory::load_root(next.root);
        let address = core::ptr::from_mut(next).expose_provenance() as u64;
        cpu.context.set(address);
        // SAFETY: nothing else refers to the task state, which the CPU reads when a trap leaves user mode; the direct map's addresses are
        // canonical.
        unsafe { (*cpu.task.get()).privilege_stack_table[0] = VirtAddr::new_unsafe(address + TRAP_TOP as u64) };
        self.reload(next, false);
    }

    fn reload(&mut self, context: &UserContext, registers: bool) {
        if registers {
            // SAFETY: `set_registers` made it an address of the lower half, or user mode loaded it, which the CPU lets only canonical ones be.
            let base = unsafe { VirtAddr::new_unsafe(context.general.tls) };
            match self.features.contains(Cr4Flags::FSGSBASE) {
                // SAFETY: FSGSBASE is on, and the base canonical. The kernel uses no FS.
                true => unsafe { FS::write_base(base) },
                false => FsBase::write(base),
            }
        }
        self.cpu.upcall.set(context.upcall);
        self.cpu.syscall_entry.set(context.syscall_entry);
        // SAFETY: `set_upcall` made it an address of the lower half.
        KernelGsBase::write(unsafe { VirtAddr::new_unsafe(context.upcall_address) });
    }

    fn run<K>(kernel: &mut K, own: fn(&mut K) -> &mut Self, context: &UnsafeCell<UserContext>, calls: &Handlers<K>) -> Trap {
        let context = entry::enter(context, kernel, calls);
        match context.vector {
            SYSCALL | SET => Trap::Call,
            vector @ FIRST_INTERRUPT.. => {
                own(kernel).cpu.pending.set(vector);
                Trap::Interrupt
            }
            vector => Trap::Fault(fault(vector, context.error)),
        }
    }

    fn init_root(&mut self, root: u64) {
        memory::share(self.kernel_root >> 12, root);
    }

    /// Translations carry no address space (PCIDs are off: TCG has none), so those of spaces that are not loaded are gone already.
    fn flush_page(&mut self, _asid: u16, address: u64) {
        tlb::flush(VirtAddr::new_truncate(address));
    }

    fn flush_space(&mut self, _asid: u16) {
        tlb::flush_all();
    }

    /// Instruction fetch is coherent with stores on x86_64 (Intel SDM volume 3, section 13.6); the way back to user mode serialises.
    fn sync_icache(&mut self, _frame: u64) {}

    fn clock(&self) -> u64 {
        clock::counter()
    }

    /// The timer may come early: a deadline further away than its 32-bit count can say is cut short.
    fn set_timer(&mut self, deadline: u64) {
        let count = if deadline == u64::MAX { 0 } else { self.rates.timer_count(deadline.saturating_sub(self.clock())) };
        apic::set_timer(count);
    }

    fn idle(&mut self) {
        if self.cpu.pending.get() == 0 {
            // SAFETY: an interrupt that comes here, and only here, notes its vector and turns interrupts off (see `entry`). `sti` takes
            // effect after `hlt` has begun, so that none is slept through.
            unsafe { asm!("sti", "hlt", "cli") };
        }
    }
}

impl PerCpu {
    /// Load descriptor tables, task state, gates and the `syscall` registers; GS is this block from here on.
    ///
    /// # Safety
    /// Called once per CPU, before it runs user code.
    unsafe fn load_tables(&'static self) {
        // SAFETY: 1. No one else has a reference to the task state yet (the caller's promise), and it stays for good. 2. The selectors are
        // those of the table. 3. What is left in the other segment registers is the firmware's, and user mode would see it.
        unsafe {
            (*self.task.get()).interrupt_stack_table[0] = VirtAddr::from_ptr(&raw const chitin_last_words_top);
            let task = Descriptor::tss_segment_unchecked(self.task.get());
            let (code, data) = (Descriptor::kernel_code_segment(), Descriptor::kernel_data_segment());
            let mut segments = GlobalDescriptorTable::new();
            for segment in [code, data, Descriptor::user_data_segment(), Descriptor::user_code_segment(), task] {
                segments.append(segment);
            }
            self.segments.call_once(|| segments).load();
            CS::set_reg(KERNEL_CODE);
            SS::set_reg(KERNEL_DATA);
            asm!("mov ds, {0:e}; mov es, {0:e}; mov fs, {0:e}; mov gs, {0:e}", in(reg) 0, options(nostack));
            load_tss(TASK);
            let gates = GATES.call_once(|| core::array::from_fn(gate));
            lidt(&DescriptorTablePointer { limit: (size_of_val(gates) - 1) as u16, base: VirtAddr::from_ptr(gates) });
        }
        GsBase::write(VirtAddr::from_ptr(self));
        Star::write(USER_CODE, USER_DATA, KERNEL_CODE, KERNEL_DATA).expect("the selectors are laid out for sysret");
        LStar::write(VirtAddr::from_ptr(chitin_syscall as *const ()));
        SFMask::write(RFlags::TRAP_FLAG | RFlags::INTERRUPT_FLAG | RFlags::DIRECTION_FLAG | RFlags::NESTED_TASK | RFlags::ALIGNMENT_CHECK);
    }
}

/// The interrupt gate of a vector. User mode may raise `int3` itself and no other.
fn gate(vector: usize) -> Entry<HandlerFunc> {
    let mut gate = Entry::missing();
    // SAFETY: `chitin_gates` has an entry for every vector, and the task state a stack for those of `LAST_WORDS`.
    unsafe {
        let options = gate.set_handler_addr(VirtAddr::from_ptr(chitin_gates as *const ()) + (vector * GATE_BYTES) as u64);
        if vector < FIRST_INTERRUPT as usize && LAST_WORDS >> vector & 1 != 0 {
            options.set_stack_index(0);
        }
        if vector == 3 {
            options.set_privilege_level(PrivilegeLevel::Ring3);
        }
    }
    gate
}

/// Turn on what the CPU has, x87, SSE, AVX and AVX-512 among it.
fn enable_features() -> Cr4Flags {
    let vectors = XCr0Flags::X87 | XCr0Flags::SSE | XCr0Flags::AVX | XCr0Flags::OPMASK | XCr0Flags::ZMM_HI256 | XCr0Flags::HI16_ZMM;
    let structured = (__cpuid(0).eax >= 7).then(|| __cpuid_count(7, 0));
    let (ebx, ecx) = structured.map_or((0, 0), |leaf| (leaf.ebx, leaf.ecx));
    let optional = [
        // Both or neither: a switch of contexts asks once, and knows two kinds of CPUs instead of four.
        (Cr4Flags::OSXSAVE | Cr4Flags::FSGSBASE, __cpuid(1).ecx >> 26 & ebx, 0),
        (Cr4Flags::SUPERVISOR_MODE_EXECUTION_PROTECTION, ebx, 7),
        (Cr4Flags::SUPERVISOR_MODE_ACCESS_PREVENTION, ebx, 20),
        (Cr4Flags::USER_MODE_INSTRUCTION_PREVENTION, ecx, 2),
    ];
    let mut control = Cr4Flags::PHYSICAL_ADDRESS_EXTENSION | Cr4Flags::PAGE_GLOBAL | Cr4Flags::OSFXSR | Cr4Flags::OSXMMEXCPT_ENABLE;
    for (flag, register, bit) in optional {
        control.set(flag, register >> bit & 1 != 0);
    }
    // SAFETY: each flag is set only where CPUID has it (the first four are part of every 64-bit CPU), and none changes what the kernel,
    // which touches no user page through user addresses, does.
    unsafe { Cr4::write(control) };
    if control.contains(Cr4Flags::OSXSAVE) {
        // SAFETY: CPUID has these components, and a CPU has those of AVX-512 together.
        unsafe { XCr0::write(XCr0Flags::from_bits_truncate(__cpuid_count(0xd, 0).eax.into()) & vectors) };
        assert!(__cpuid_count(0xd, 0).ebx as usize <= VECTOR_BYTES, "vector state larger than a context has room for");
    }
    control
}
