//! What the device tree says (Devicetree Specification 0.4), for devices that are children of the root.

use dtoolkit::fdt::{Fdt, FdtNode};
use dtoolkit::standard::NodeStandard;
use dtoolkit::{Node, Property, ToCellInt};

/// An address and a size in bytes.
pub(super) type Window = (u64, u64);

/// All RAM.
pub(super) fn memory(tree: Fdt<'_>) -> impl Iterator<Item = Window> {
    tree.root().children().filter(|node| says(*node, "device_type", "memory")).flat_map(windows)
}

/// RAM that firmware keeps.
pub(super) fn reserved(tree: Fdt<'_>) -> impl Iterator<Item = Window> {
    let nodes = tree.root().child("reserved-memory").into_iter().flat_map(|node| node.children());
    tree.memory_reservations().map(|range| (range.address(), range.size())).chain(nodes.flat_map(windows))
}

/// The devices that call themselves so.
pub(super) fn devices<'a>(tree: Fdt<'a>, compatible: &'static str) -> impl Iterator<Item = FdtNode<'a>> {
    tree.root().children().filter(move |node| node.is_compatible(compatible))
}

/// The initial RAM disk, whose ends have one cell or two.
pub(super) fn initrd(tree: Fdt<'_>) -> Option<Window> {
    let chosen = tree.root().child("chosen")?;
    let [start, end] = ["linux,initrd-start", "linux,initrd-end"].map(|name| {
        let property = chosen.property(name)?;
        property.value_as::<u64>().or_else(|_| property.value_as::<u32>().map(u64::from)).ok()
    });
    Some((start?, end?.checked_sub(start?)?))
}

/// Whether the firmware is called by `smc` rather than `hvc`.
pub(super) fn firmware_by_smc(tree: Fdt<'_>) -> bool {
    tree.root().child("psci").is_some_and(|node| says(node, "method", "smc"))
}

/// The number of a device's first interrupt, as the GIC counts: shared ones from 32, private ones from 16.
pub(super) fn interrupt(device: FdtNode<'_>) -> Option<usize> {
    let cells = device.property("interrupts")?.as_prop_encoded_array([1, 1, 1]).ok()?.next()?;
    let [kind, number, _flags] = cells.map(|cell| cell.to_int::<u32>().ok());
    Some(number? as usize + if kind? == 0 { 32 } else { 16 })
}

/// The `reg` windows of a node.
pub(super) fn windows(node: FdtNode<'_>) -> impl Iterator<Item = Window> {
    let windows = node.reg().ok().flatten().into_iter().flatten();
    windows.filter_map(|window| Some((window.address().ok()?, window.size().ok()?)))
}

/// Whether a property of a node is this text.
fn says(node: FdtNode<'_>, name: &str, text: &str) -> bool {
    node.property(name).is_some_and(|property| property.value().strip_suffix(b"\0") == Some(text.as_bytes()))
}
