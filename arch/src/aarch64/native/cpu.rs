//! The CPU: switching, TLB and cache upkeep, the virtual timer.

use core::arch::asm;
use core::cell::UnsafeCell;

use aarch64_cpu::asm::{barrier, wfi};
use aarch64_cpu::registers::*;

use super::context::Context;
use super::{Native, entry, memory};
use crate::aarch64::{paging, trap};
use crate::{Cpu, Handlers, Trap};

/// Set up what user mode may do on this CPU, and its timer.
pub(super) fn init() {
    assert!(ID_AA64MMFR0_EL1.read(ID_AA64MMFR0_EL1::ASIDBits) == 2, "ASIDs of 8 bits are too few");
    CNTKCTL_EL1.write(CNTKCTL_EL1::EL0VCTEN::SET);
    CPACR_EL1.write(CPACR_EL1::FPEN::TrapEl0);
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
}

/// Forget every translation of user mode's on all CPUs.
pub(super) fn flush_all() {
    // SAFETY: to forget translations is always sound.
    unsafe { asm!("dsb ishst", "tlbi vmalle1is", "dsb ish", "isb", options(nostack)) };
}

impl Native {
    /// Have a context's vector state in the registers. One that has not used any, as the library OS and its servers do not, leaves there what is
    /// there and cannot reach it: a call to a server and back moves no vectors.
    #[inline(always)]
    fn give_vectors(&mut self, next: &Context) {
        if next.has_vectors && self.vectors != next {
            // SAFETY: it has been initialised, and the kernel is compiled without vector registers.
            unsafe { entry::load_vectors(next) };
            self.vectors = next;
        }
        CPACR_EL1.write(if next.has_vectors { CPACR_EL1::FPEN::TrapNothing } else { CPACR_EL1::FPEN::TrapEl0 });
    }
}

impl Cpu for Native {
    type Context = Context;
    type Paging = paging::Format;

    unsafe fn switch(&mut self, previous: &mut Context, next: &mut Context) {
        previous.registers.tls = TPIDR_EL0.get();
        if previous.has_vectors {
            // SAFETY: it is ours to write, and the one whose vector state is in the registers.
            unsafe { entry::store_vectors(previous) };
        }
        self.give_vectors(next);
        self.reload(next, true);
        TTBR0_EL1.set(next.translation);
    }

    fn reload(&mut self, context: &Context, registers: bool) {
        if registers {
            TPIDR_EL0.set(context.registers.tls);
        }
        TPIDRRO_EL0.set(context.upcall_address);
    }

    #[inline(always)]
    fn run<K>(kernel: &mut K, own: fn(&mut K) -> &mut Self, context: &UnsafeCell<Context>, calls: &Handlers<K>) -> Trap {
        // SAFETY: `switch` loaded this context, and its caller promised that the address space is sound.
        let (syndrome, stopped) = unsafe { entry::enter_user(context, kernel, calls) };
        if syndrome >> 26 & 0x3f == trap::VECTORS {
            let machine = own(kernel);
            machine.vectors = core::ptr::null();
            // SAFETY: it is the loaded one, to which nobody has a reference now.
            machine.give_vectors(unsafe {
                (*stopped).has_vectors = true;
                &*stopped
            });
            return Trap::Call;
        }
        trap::decode(syndrome, || FAR_EL1.get())
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
        let types: u64;
        // SAFETY: reads a register that is always there.
        unsafe { asm!("mrs {0}, ctr_el0", out(reg) types, options(nomem, nostack)) };
        // CTR_EL0.IDC: nothing needs to be cleaned. DminLine: the words of the smallest line, as a power of two.
        let bytes = if types >> 28 & 1 == 0 { abi::PAGE_SIZE as u64 } else { 0 };
        for line in (start..start + bytes).step_by(4 << (types >> 16 & 0xf)) {
            // SAFETY: cleaning a line of the direct map, to where instruction fetch sees it, changes no memory.
            unsafe { asm!("dc cvau, {0}", in(reg) line, options(nostack)) };
        }
        // SAFETY: to forget what was fetched is always sound.
        unsafe { asm!("dsb ish", "ic ialluis", "dsb ish", "isb", options(nostack)) };
    }

    fn clock(&self) -> u64 {
        CNTVCT_EL0.get()
    }

    fn set_timer(&mut self, deadline: u64) {
        CNTV_CVAL_EL0.set(deadline);
    }

    fn idle(&mut self) {
        barrier::dsb(barrier::SY);
        wfi();
    }
}
