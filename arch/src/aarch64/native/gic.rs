//! The interrupt controller: GICv2 or GICv3, whichever the device tree has.

use core::ptr::NonNull;

use aarch64_cpu::asm::barrier;
use aarch64_cpu::registers::{CNTV_CVAL_EL0, Writeable};
use arm_gic::gicv2::GicV2;
use arm_gic::gicv3::{GicCpuInterface, GicV3};
use arm_gic::{IntId, InterruptGroup, UniqueMmioPointer};
use dtoolkit::fdt::Fdt;

use super::memory::map_device;
use super::tree::{devices, windows};
use crate::Interrupt;

/// The virtual timer's interrupt (Arm Base System Architecture, "PPI assignments").
const TIMER: IntId = IntId::ppi(11);

/// The controller's driver.
pub(super) enum Gic {
    /// Memory-mapped CPU interface. Without the security extensions its interrupts are in group 0; with them, the non-secure view of these
    /// registers is that of group 1.
    V2(GicV2<'static>),
    /// System-register CPU interface, group 1.
    V3(GicV3<'static>),
}

impl Gic {
    /// Find it and set it up: all masked but the timer.
    pub(super) fn new(tree: Fdt<'_>) -> Self {
        let version_2 = ["arm,cortex-a15-gic", "arm,gic-400"].into_iter().find_map(|name| devices(tree, name).next());
        let device = version_2.or_else(|| devices(tree, "arm,gic-v3").next()).expect("a GIC in the device tree");
        let registers = |index| windows(device).nth(index).map(map_device).and_then(NonNull::new).expect("a GIC has two windows");
        let [distributor, other] = [0, 1].map(registers);
        let mut gic = if version_2.is_some() {
            // SAFETY: the device tree says that these are the GIC's; they are mapped as device memory, and nobody else uses them.
            let mut gic = unsafe { GicV2::new(distributor.as_ptr().cast(), other.as_ptr().cast()) };
            gic.setup();
            gic.enable_all_interrupts(false);
            Gic::V2(gic)
        } else {
            // SAFETY: as above.
            let mut gic = unsafe { GicV3::new(UniqueMmioPointer::new(distributor.cast()), other.cast(), 1) }.expect("a redistributor");
            gic.setup(0);
            gic.enable_all_interrupts(false);
            // Every priority is let through.
            GicCpuInterface::set_priority_mask(0xff);
            Gic::V3(gic)
        };
        gic.set(TIMER, true);
        gic
    }

    /// Let a device's interrupt come, or not. The timer's and those between CPUs are the kernel's own.
    pub(super) fn enable(&mut self, irq: usize, enable: bool) {
        let interrupt = u32::try_from(irq).ok().and_then(|number| IntId::try_from(number).ok());
        if let Some(interrupt) = interrupt.filter(|interrupt| (interrupt.is_ppi() || interrupt.is_spi()) && *interrupt != TIMER) {
            self.set(interrupt, enable);
        }
    }

    /// A line that the controller does not have stays silent, whatever is asked.
    fn set(&mut self, interrupt: IntId, enable: bool) {
        match self {
            Gic::V2(gic) => drop(gic.enable_interrupt(interrupt, enable)),
            Gic::V3(gic) => drop(gic.enable_interrupt(interrupt, Some(0), enable)),
        }
    }

    /// Acknowledge what is waiting and end it: the timer quietened, a device masked, so that neither comes again at once.
    pub(super) fn take(&mut self) -> Option<Interrupt> {
        let interrupt = match self {
            Gic::V2(gic) => gic.get_and_acknowledge_interrupt(InterruptGroup::Group0),
            Gic::V3(_) => GicCpuInterface::get_and_acknowledge_interrupt(InterruptGroup::Group1),
        }?;
        let taken = if interrupt == TIMER {
            CNTV_CVAL_EL0.set(u64::MAX);
            barrier::isb(barrier::SY);
            Interrupt::Timer
        } else {
            self.set(interrupt, false);
            Interrupt::Device(u32::from(interrupt) as usize)
        };
        match self {
            Gic::V2(gic) => gic.end_interrupt(interrupt, InterruptGroup::Group0),
            Gic::V3(_) => GicCpuInterface::end_interrupt(interrupt, InterruptGroup::Group1),
        }
        Some(taken)
    }
}
