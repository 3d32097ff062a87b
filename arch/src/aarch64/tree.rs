//! What the device tree says (Devicetree Specification 0.4), for devices that are children of the root.

use dtoolkit::fdt::{Fdt, FdtNode};
use dtoolkit::standard::NodeStandard;
use dtoolkit::{Node, Property, ToCellInt};

/// The device tree.
#[derive(Clone, Copy)]
pub(super) struct Tree<'a>(Fdt<'a>);

/// An address and a size in bytes.
pub(super) type Window = (u64, u64);

impl<'a> Tree<'a> {
    /// The tree at an address.
    ///
    /// # Safety
    /// A device tree is there, and stays as it is for `'a`.
    pub(super) unsafe fn new(address: *const u8) -> Self {
        // SAFETY: the caller's promise.
        let Ok(tree) = (unsafe { Fdt::from_raw(address) }) else { panic!("no device tree") };
        Tree(tree)
    }

    /// Its size in bytes.
    pub(super) fn size(self) -> u64 {
        self.0.data().len() as u64
    }

    /// All RAM.
    pub(super) fn memory(self) -> impl Iterator<Item = Window> {
        let is_memory = |node: &FdtNode<'a>| node.property("device_type").is_some_and(|kind| kind.value() == b"memory\0");
        self.0.root().children().filter(is_memory).flat_map(windows)
    }

    /// RAM that firmware keeps.
    pub(super) fn reserved(self) -> impl Iterator<Item = Window> {
        let nodes = self.0.root().child("reserved-memory").into_iter().flat_map(|node| node.children());
        self.0.memory_reservations().map(|range| (range.address(), range.size())).chain(nodes.flat_map(windows))
    }

    /// The devices that call themselves so.
    pub(super) fn devices(self, compatible: &'static str) -> impl Iterator<Item = FdtNode<'a>> {
        self.0.root().children().filter(move |node| node.is_compatible(compatible))
    }

    /// The first of them.
    pub(super) fn device(self, compatible: &'static str) -> Option<FdtNode<'a>> {
        self.devices(compatible).next()
    }

    /// The initial RAM disk: start and size.
    pub(super) fn initrd(self) -> Option<Window> {
        let chosen = self.0.root().child("chosen")?;
        let address = |name| {
            let property = chosen.property(name)?;
            // One cell or two.
            property.value_as::<u64>().or_else(|_| property.value_as::<u32>().map(u64::from)).ok()
        };
        let start = address("linux,initrd-start")?;
        Some((start, address("linux,initrd-end")?.checked_sub(start)?))
    }

    /// Whether the firmware is called by `smc` rather than `hvc`.
    pub(super) fn firmware_by_smc(self) -> bool {
        let method = self.0.root().child("psci");
        method.is_some_and(|node| node.property("method").is_some_and(|method| method.value() == b"smc\0"))
    }
}

/// The `index`th window of a device's registers.
pub(super) fn window(device: FdtNode<'_>, index: usize) -> Option<Window> {
    windows(device).nth(index)
}

/// The number of a device's first interrupt, as the GIC counts: shared ones from 32, private ones from 16.
pub(super) fn interrupt(device: FdtNode<'_>) -> Option<usize> {
    let property = device.property("interrupts")?;
    let cells = property.as_prop_encoded_array([1, 1, 1]).ok()?.next()?;
    let [kind, number, _flags] = cells.map(|cell| cell.to_int::<u32>().ok());
    Some(number? as usize + if kind? == 0 { 32 } else { 16 })
}

/// The `reg` windows of a node.
fn windows(node: FdtNode<'_>) -> impl Iterator<Item = Window> {
    let windows = node.reg().ok().flatten().into_iter().flatten();
    windows.filter_map(|window| Some((window.address().ok()?, window.size().ok()?)))
}
