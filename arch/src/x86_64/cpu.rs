//! The CPU: what it can do, its tables, and its side of the machine border.

use core::arch::{asm, x86_64::__cpuid, x86_64::__cpuid_count};
use core::cell::{Cell, UnsafeCell};

use abi::InfoPage;
use uart_16550::{Uart16550, backend::PioBackend};
use x86_64::instructions::tables::{lidt, load_tss};
use x86_64::registers::control::{Cr0, Cr0Flags, Cr3, Cr3Flags, Cr4, Cr4Flags};
use x86_64::registers::model_specific::{Efer, EferFlags, FsBase, GsBase, KernelGsBase, LStar, SFMask, Star};
use x86_64::registers::rflags::RFlags;
use x86_64::registers::segmentation::{CS, FS, SS, Segment, Segment64};
use x86_64::registers::xcontrol::{XCr0, XCr0Flags};
use x86_64::structures::DescriptorTablePointer;
use x86_64::structures::gdt::{Descriptor, GlobalDescriptorTable, SegmentSelector};
use x86_64::structures::paging::PhysFrame;
use x86_64::structures::tss::TaskStateSegment;
use x86_64::{PhysAddr, PrivilegeLevel, VirtAddr, instructions::tlb};

use super::context::{FIRST_INTERRUPT, TRAP_TOP, UserContext, VECTOR_BYTES, VectorState};
use super::entry::{self, LAST_WORDS, VECTORS, chitin_gates, chitin_syscall};
use super::{apic, clock::Rates, memory, paging::PageFormat};
use crate::{Cpu, Trap};

const KERNEL_CODE: SegmentSelector = SegmentSelector::new(1, PrivilegeLevel::Ring0);
const KERNEL_DATA: SegmentSelector = SegmentSelector::new(2, PrivilegeLevel::Ring0);
/// `sysret` takes the user's selectors from one base: data at 8 above it, code at 16.
pub(super) const USER_DATA: SegmentSelector = SegmentSelector::new(3, PrivilegeLevel::Ring3);
pub(super) const USER_CODE: SegmentSelector = SegmentSelector::new(4, PrivilegeLevel::Ring3);

/// Bytes of the stack that the vectors of [`LAST_WORDS`] get: enough to print a panic.
const LAST_WORDS_STACK: usize = 8192;

/// What each CPU has of its own. GS points here while the kernel runs.
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
    /// Physical address of the root table in CR3, and its address space: none if it is the kernel's own.
    root: Cell<u64>,
    asid: Cell<Option<u16>>,
    segments: UnsafeCell<GlobalDescriptorTable>,
    task: UnsafeCell<TaskStateSegment>,
}

/// A static that one CPU changes, or all only at boot.
#[repr(transparent)]
struct Own<T>(UnsafeCell<T>);
// SAFETY: the first CPU's block is used by the first CPU only; the gates are written before a second could run.
unsafe impl<T> Sync for Own<T> {}

static FIRST_CPU: Own<PerCpu> = Own(UnsafeCell::new(PerCpu {
    user_sp: Cell::new(0),
    kernel_sp: Cell::new(0),
    context: Cell::new(0),
    upcall: Cell::new(0),
    syscall_entry: Cell::new(0),
    pending: Cell::new(0),
    root: Cell::new(0),
    asid: Cell::new(None),
    segments: UnsafeCell::new(GlobalDescriptorTable::new()),
    task: UnsafeCell::new(TaskStateSegment::new()),
}));
static FIRST_LAST_WORDS: Own<[u8; LAST_WORDS_STACK]> = Own(UnsafeCell::new([0; LAST_WORDS_STACK]));
static GATES: Own<[[u64; 2]; VECTORS]> = Own(UnsafeCell::new([[0; 2]; VECTORS]));

/// The machine that this build is for.
pub struct Native {
    pub(super) cpu: &'static PerCpu,
    features: Features,
    pub(super) rates: Rates,
    pub(super) console: Uart16550<PioBackend>,
}

/// What the CPU has, as far as the kernel does something about it.
#[derive(Clone, Copy)]
struct Features {
    fsgsbase: bool,
    xsave: bool,
}

impl Native {
    /// The first CPU, set up, with the rest of the machine around it.
    pub(super) fn new(rates: Rates, console: Uart16550<PioBackend>) -> Self {
        // SAFETY: only this CPU uses its block; what `set_up` changes in it is in cells.
        let cpu = unsafe { &*FIRST_CPU.0.get() };
        cpu.root.set(Cr3::read().0.start_address().as_u64());
        // SAFETY: this is called once, at boot, before anything else uses the block or the gates.
        unsafe { cpu.load_tables(FIRST_LAST_WORDS.0.get().addr() + LAST_WORDS_STACK) };
        let features = enable_features();
        Native { cpu, features, rates, console }
    }

    /// [`abi::InfoPage::features`].
    pub(super) fn features(&self) -> u64 {
        if self.features.fsgsbase { InfoPage::FSGSBASE } else { 0 }
    }

    /// Load an address space, unless it is.
    fn load_root(&self, root: u64, asid: Option<u16>) {
        self.cpu.asid.set(asid);
        if self.cpu.root.replace(root) != root {
            // SAFETY: `init_root` gave every root table the kernel's half.
            unsafe { Cr3::write(PhysFrame::containing_address(PhysAddr::new_truncate(root)), Cr3Flags::empty()) };
        }
    }

    fn save_vectors(&self, state: &mut VectorState) {
        // SAFETY: the area is 64-byte aligned and has room for every component that XCR0 enables (`enable_vectors`).
        unsafe {
            match self.features.xsave {
                true => asm!("xsave64 [{}]", in(reg) state, in("eax") -1, in("edx") -1, options(nostack)),
                false => asm!("fxsave64 [{}]", in(reg) state, options(nostack)),
            }
        }
    }

    fn load_vectors(&self, state: &VectorState) {
        // SAFETY: as above; what is in the area comes from `Context::init` or `save_vectors`, hence is valid.
        unsafe {
            match self.features.xsave {
                true => asm!("xrstor64 [{}]", in(reg) state, in("eax") -1, in("edx") -1, options(nostack)),
                false => asm!("fxrstor64 [{}]", in(reg) state, options(nostack)),
            }
        }
    }

    /// Set the user's FS base. The kernel uses no FS.
    fn set_tls(&self, base: u64) {
        let base = VirtAddr::new_truncate(base);
        match self.features.fsgsbase {
            // SAFETY: FSGSBASE is on, and the base canonical.
            true => unsafe { FS::write_base(base) },
            false => FsBase::write(base),
        }
    }
}

impl Cpu for Native {
    type Context = UserContext;
    type Paging = PageFormat;

    unsafe fn switch(&mut self, previous: Option<&mut UserContext>, next: &mut UserContext) {
        if let Some(previous) = previous {
            self.save_vectors(&mut previous.vectors);
            if self.features.fsgsbase && !previous.tls_changed.get() {
                previous.general.tls = FS::read_base().as_u64();
            }
        }
        self.load_vectors(&next.vectors);
        self.load_root(next.root, Some(next.asid));
        let address = core::ptr::from_mut(next).expose_provenance() as u64;
        self.cpu.context.set(address);
        // SAFETY: nothing else refers to the task state, which the CPU reads when a trap leaves user mode.
        unsafe { (*self.cpu.task.get()).privilege_stack_table[0] = VirtAddr::new_truncate(address + TRAP_TOP as u64) };
        next.tls_changed.set(true);
        self.reload(next);
    }

    fn reload(&mut self, context: &UserContext) {
        if context.tls_changed.take() {
            self.set_tls(context.general.tls);
        }
        self.cpu.upcall.set(context.upcall);
        self.cpu.syscall_entry.set(context.syscall_entry);
        KernelGsBase::write(VirtAddr::new_truncate(context.upcall_address));
    }

    #[inline]
    fn run(&mut self, context: &mut UserContext) -> Trap {
        debug_assert_eq!(self.cpu.context.get(), core::ptr::from_mut(context).addr() as u64, "only the loaded context runs");
        entry::enter(context);
        let trap = context.trap();
        if trap == Trap::Interrupt {
            self.cpu.pending.set(context.vector);
        }
        trap
    }

    fn unload(&mut self) {
        self.cpu.upcall.set(0);
        self.load_root(memory::kernel_root(), None);
    }

    fn init_root(&mut self, root: u64) {
        memory::init_root(root);
    }

    /// Translations carry no address space (PCIDs are off: TCG has none), so those of spaces that are not loaded are gone already.
    fn flush_page(&mut self, _asid: u16, address: u64) {
        tlb::flush(VirtAddr::new_truncate(address));
    }

    fn flush_space(&mut self, asid: u16) {
        if self.cpu.asid.get() == Some(asid) {
            tlb::flush_all();
        }
    }

    /// Instruction fetch is coherent with stores on x86_64 (Intel SDM volume 3, section 13.6); the way back to user mode serialises.
    fn sync_icache(&mut self, _frame: u64) {}

    #[inline]
    fn clock(&self) -> u64 {
        // SAFETY: every 64-bit CPU has a TSC, and the kernel may always read it.
        unsafe { core::arch::x86_64::_rdtsc() }
    }

    /// The timer may come early: a deadline further away than its 32-bit count can say is cut short.
    fn set_timer(&mut self, deadline: u64) {
        let count = match deadline {
            u64::MAX => 0,
            deadline => self.rates.timer_count(deadline.saturating_sub(self.clock())),
        };
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
    unsafe fn load_tables(&'static self, last_words: usize) {
        // SAFETY: no one else has a reference to these yet (the caller's promise), and they stay for good.
        unsafe {
            (*self.task.get()).interrupt_stack_table[0] = VirtAddr::new_truncate(last_words as u64);
            let segments = &mut *self.segments.get();
            segments.append(Descriptor::kernel_code_segment());
            segments.append(Descriptor::kernel_data_segment());
            segments.append(Descriptor::user_data_segment());
            segments.append(Descriptor::user_code_segment());
            let task = segments.append(Descriptor::tss_segment_unchecked(self.task.get()));
            segments.load_unsafe();
            CS::set_reg(KERNEL_CODE);
            SS::set_reg(KERNEL_DATA);
            // What is left in these is the firmware's, and user mode would see it.
            asm!("mov ds, {0:e}; mov es, {0:e}; mov fs, {0:e}; mov gs, {0:e}", in(reg) 0, options(nostack));
            load_tss(task);
            for (vector, &address) in chitin_gates.iter().enumerate() {
                (*GATES.0.get())[vector] = gate(vector, address);
            }
            lidt(&DescriptorTablePointer { limit: (size_of_val(&GATES) - 1) as u16, base: VirtAddr::from_ptr(GATES.0.get()) });
        }
        GsBase::write(VirtAddr::from_ptr(self));
        Star::write(USER_CODE, USER_DATA, KERNEL_CODE, KERNEL_DATA).expect("the selectors are laid out for sysret");
        LStar::write(VirtAddr::new_truncate(chitin_syscall as *const () as u64));
        SFMask::write(RFlags::TRAP_FLAG | RFlags::INTERRUPT_FLAG | RFlags::DIRECTION_FLAG | RFlags::NESTED_TASK | RFlags::ALIGNMENT_CHECK);
    }
}

/// An interrupt gate (Intel SDM volume 3, figure 7-8). User mode may raise `int3` itself and no other.
fn gate(vector: usize, address: u64) -> [u64; 2] {
    const PRESENT_INTERRUPT_GATE: u64 = 0x8e << 40;
    const FROM_USER: u64 = 3 << 45;
    let stack = u64::from(vector < FIRST_INTERRUPT as usize && LAST_WORDS >> vector & 1 != 0) << 32;
    let from = if vector == 3 { FROM_USER } else { 0 };
    let low = address & 0xffff | u64::from(KERNEL_CODE.0) << 16 | stack | PRESENT_INTERRUPT_GATE | from | (address >> 16 & 0xffff) << 48;
    [low, address >> 32]
}

/// Turn on what the CPU has.
fn enable_features() -> Features {
    let basic = __cpuid(1).ecx;
    let structured = (__cpuid(0).eax >= 7).then(|| __cpuid_count(7, 0));
    let (ebx, ecx) = structured.map_or((0, 0), |leaf| (leaf.ebx, leaf.ecx));
    let has = |register: u32, bit: u32| register >> bit & 1 != 0;
    let features = Features { fsgsbase: has(ebx, 0), xsave: has(basic, 26) };
    let mut control = Cr4Flags::PHYSICAL_ADDRESS_EXTENSION | Cr4Flags::PAGE_GLOBAL | Cr4Flags::OSFXSR | Cr4Flags::OSXMMEXCPT_ENABLE;
    control.set(Cr4Flags::FSGSBASE, features.fsgsbase);
    control.set(Cr4Flags::SUPERVISOR_MODE_EXECUTION_PROTECTION, has(ebx, 7));
    control.set(Cr4Flags::SUPERVISOR_MODE_ACCESS_PREVENTION, has(ebx, 20));
    control.set(Cr4Flags::USER_MODE_INSTRUCTION_PREVENTION, has(ecx, 2));
    control.set(Cr4Flags::OSXSAVE, features.xsave);
    // SAFETY: each flag is set only where CPUID has it (the first four are part of every 64-bit CPU), and none changes what the kernel,
    // which touches no user page through user addresses, does.
    unsafe {
        Cr0::write(
            Cr0Flags::PROTECTED_MODE_ENABLE
                | Cr0Flags::MONITOR_COPROCESSOR
                | Cr0Flags::NUMERIC_ERROR
                | Cr0Flags::WRITE_PROTECT
                | Cr0Flags::EXTENSION_TYPE
                | Cr0Flags::PAGING,
        );
        Cr4::write(control);
        Efer::update(|efer| efer.insert(EferFlags::SYSTEM_CALL_EXTENSIONS));
    }
    if features.xsave {
        enable_vectors();
    }
    features
}

/// Enable x87, SSE, and of AVX and AVX-512 what there is and the context has room for.
fn enable_vectors() {
    const AVX512: XCr0Flags = XCr0Flags::OPMASK.union(XCr0Flags::ZMM_HI256).union(XCr0Flags::HI16_ZMM);
    let supported = XCr0Flags::from_bits_truncate(__cpuid_count(0xd, 0).eax.into());
    let mut wanted = supported & (XCr0Flags::X87 | XCr0Flags::SSE | XCr0Flags::AVX);
    if wanted.contains(XCr0Flags::AVX) && supported.contains(AVX512) {
        wanted |= AVX512;
    }
    // SAFETY: CPUID has these components, and those that belong together are together.
    unsafe { XCr0::write(wanted) };
    if __cpuid_count(0xd, 0).ebx as usize > VECTOR_BYTES {
        // SAFETY: as above.
        unsafe { XCr0::write(wanted - AVX512) };
    }
    assert!(__cpuid_count(0xd, 0).ebx as usize <= VECTOR_BYTES, "vector state larger than a context has room for");
}
