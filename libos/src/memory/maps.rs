//! `/proc/self/maps`, as proc_pid_maps(5) lays it out.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::memory::{Contents, Label, Memory, Protection, Region};

impl Memory {
    /// The text of `/proc/self/maps`.
    #[must_use]
    pub fn maps(&self) -> Vec<u8> {
        self.regions.iter().flat_map(|(start, region)| line(start, region)).collect()
    }
}

/// The line of a region.
pub(super) fn line(start: usize, region: &Region) -> Vec<u8> {
    let flag = |protection, letter| if region.protection.contains(protection) { letter } else { '-' };
    let (offset, (device, inode)) = match &region.contents {
        Contents::Anonymous => (0, (0, 0)),
        Contents::File(file) => (file.offset, file.backing.identity()),
    };
    let mut line: String = format!(
        "{start:08x}-{:08x} {}{}{}{} {offset:08x} {:02x}:{:02x} {inode} ",
        region.end,
        flag(Protection::READ, 'r'),
        flag(Protection::WRITE, 'w'),
        flag(Protection::EXECUTE, 'x'),
        if region.shared { 's' } else { 'p' },
        device >> 8,
        device & 0xff,
    );
    let name: &[u8] = match (&region.contents, region.label) {
        (Contents::File(file), _) => &file.path,
        (_, Label::Heap) => b"[heap]",
        (_, Label::Stack) => b"[stack]",
        (_, Label::None) => b"",
    };
    if !name.is_empty() {
        while line.len() < 73 {
            line.push(' ');
        }
    }
    let mut line = line.into_bytes();
    line.extend_from_slice(name);
    line.push(b'\n');
    line
}
