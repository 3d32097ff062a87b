//! The CPU: switching, TLB and cache upkeep, the virtual timer.

use core::arch::asm;

use aarch64_cpu::asm::{barrier, wfi};
use aarch64_cpu::registers::{
    CNTFRQ_EL0, CNTKCTL_EL1, CNTV_CTL_EL0, CNTV_CVAL_EL0, CNTVCT_EL0, CPACR_EL1, FAR_EL1, ID_AA64MMFR0_EL1, ID_AA64MMFR1_EL1, MDSCR_EL1,
    Readable, SCTLR_EL1, TPIDR_EL0, TPIDRRO_EL0, TTBR0_EL1, Writeable,
};

use super::context::Context;
use super::{Native, entry, memory, paging, trap};
use crate::{Cpu, Trap};

/// What each CPU has for itself: TPIDR_EL1 points at it.
#[repr(C)]
pub(super) struct PerCpu {
    /// The top of its kernel stack.
    pub(super) stack_top: *const u8,
}
// SAFETY: the pointer is an address to load into sp, never dereferenced by another CPU.
unsafe impl Sync for PerCpu {}

unsafe extern "C" {
    static __stack_top: u8;
}

/// The CPU that boots.
pub(super) static FIRST_CPU: PerCpu = PerCpu { stack_top: &raw const __stack_top };

/// Set up what user mode may do on this CPU, and its timer; whether ASIDs have 16 bits.
pub(super) fn init() -> bool {
    CPACR_EL1.write(CPACR_EL1::FPEN::TrapNothing);
    CNTKCTL_EL1.write(CNTKCTL_EL1::EL0VCTEN::SET);
    MDSCR_EL1.set(0);
    CNTV_CVAL_EL0.set(u64::MAX);
    CNTV_CTL_EL0.write(CNTV_CTL_EL0::ENABLE::SET);
    if ID_AA64MMFR1_EL1.read(ID_AA64MMFR1_EL1::PAN) != 0 {
        // PAN on now, and again with each exception: SPAN is "leave it", and 1 where there is no PAN.
        SCTLR_EL1.set(SCTLR_EL1.get() & !(1 << 23));
        // SAFETY: `msr pan, #1` by its encoding, since the target's baseline lacks the name: the kernel has no pointers to user addresses.
        unsafe { asm!("msr s0_0_c4_c1_4, xzr", options(nomem, nostack)) };
    }
    barrier::isb(barrier::SY);
    ID_AA64MMFR0_EL1.read(ID_AA64MMFR0_EL1::ASIDBits) == 2
}

/// Forget every translation of user mode's on all CPUs.
pub(super) fn flush_all() {
    // SAFETY: to forget translations is always sound.
    unsafe { asm!("dsb ishst", "tlbi vmalle1is", "dsb ish", "isb", options(nostack)) };
}

impl Native {
    fn load(&self, context: &Context) {
        TPIDR_EL0.set(context.registers.tls);
        TPIDRRO_EL0.set(context.upcall_address);
    }
}

impl Cpu for Native {
    type Context = Context;
    type Paging = paging::Format;

    unsafe fn switch(&mut self, previous: Option<&mut Context>, next: &mut Context) {
        if let Some(previous) = previous {
            previous.registers.tls = TPIDR_EL0.get();
            // SAFETY: the context is ours to write, and it is the one whose vector state is in the registers.
            unsafe { entry::save_vectors(previous) };
        }
        // SAFETY: the kernel is compiled without vector registers, so only user mode sees these.
        unsafe { entry::load_vectors(next) };
        self.load(next);
        TTBR0_EL1.set(next.translation);
        if !self.wide_asids {
            flush_all();
        }
    }

    fn reload(&mut self, context: &Context) {
        self.load(context);
    }

    #[inline(always)]
    fn run(&mut self, context: &mut Context) -> Trap {
        // SAFETY: `switch` loaded this context, and its caller promised that the address space is sound.
        let syndrome = unsafe { entry::enter_user(context) };
        trap::decode(syndrome, || FAR_EL1.get())
    }

    fn unload(&mut self) {
        memory::load_empty_root();
    }

    fn init_root(&mut self, _root: u64) {}

    fn flush_page(&mut self, asid: u16, address: u64) {
        let page = u64::from(asid) << 48 | address << 8 >> 20;
        // SAFETY: to forget a translation is always sound; the store that changed it is complete before, the forgetting is after.
        unsafe { asm!("dsb ishst", "tlbi vae1is, {0}", "dsb ish", in(reg) page, options(nostack)) };
    }

    fn flush_space(&mut self, asid: u16) {
        // SAFETY: as for `flush_page`.
        unsafe { asm!("dsb ishst", "tlbi aside1is, {0}", "dsb ish", in(reg) u64::from(asid) << 48, options(nostack)) };
    }

    fn sync_icache(&mut self, frame: u64) {
        let start = memory::direct(frame << 12) as u64;
        // SAFETY: cleaning a frame of the direct map changes no memory.
        // 1. Clean each line (CTR_EL0.DminLine: its words, as a power of two) to where instruction fetch sees it. 2. Forget what was fetched before.
        unsafe {
            asm!(
                "mrs {line}, ctr_el0",
                "ubfx {line}, {line}, #16, #4",
                "lsl {line}, {word}, {line}",
                "2: dc cvau, {at}",
                "add {at}, {at}, {line}",
                "cmp {at}, {end}",
                "b.lo 2b",
                "dsb ish",
                "ic ialluis",
                "dsb ish",
                "isb",
                line = out(reg) _,
                word = in(reg) 4u64,
                at = inout(reg) start => _,
                end = in(reg) start + abi::PAGE_SIZE as u64,
                options(nostack),
            );
        }
    }

    #[inline(always)]
    fn clock(&self) -> u64 {
        CNTVCT_EL0.get()
    }

    #[inline(always)]
    fn set_timer(&mut self, deadline: u64) {
        CNTV_CVAL_EL0.set(deadline);
    }

    fn idle(&mut self) {
        barrier::dsb(barrier::SY);
        wfi();
    }
}

/// Ticks of the counter per second.
pub(super) fn clock_hz() -> u64 {
    CNTFRQ_EL0.get()
}
