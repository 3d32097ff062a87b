//! `/proc/self/smaps` and its sum, as proc_pid_smaps(5) lays them out.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use abi::PAGE_SIZE;

use crate::kernel::Kernel;
use crate::memory::maps::line;
use crate::memory::{Contents, Label, Memory, Protection, Region};

/// What is there of a region, in bytes.
#[derive(Clone, Copy, Default)]
struct Residents {
    size: usize,
    resident: usize,
    proportional: usize,
    /// Shared and private, each clean and dirty.
    kinds: [[usize; 2]; 2],
    anonymous: usize,
    locked: usize,
}

impl Residents {
    fn of<K: Kernel>(memory: &Memory, kernel: &K, start: usize, region: &Region) -> Residents {
        let mut found = Residents { size: region.end - start, ..Residents::default() };
        memory.resident.for_runs(start..region.end, |run| {
            for address in run.step_by(PAGE_SIZE) {
                let uses = kernel.page_query(address).ok().and_then(|page| kernel.frame_uses(page.frame)).unwrap_or(1).max(1);
                let is_own = !memory.shown.contains(address);
                found.resident += PAGE_SIZE;
                found.proportional += PAGE_SIZE / uses as usize;
                found.kinds[usize::from(uses == 1)][usize::from(is_own)] += PAGE_SIZE;
                found.anonymous += if is_own { PAGE_SIZE } else { 0 };
            }
        });
        found.locked = if region.locked { found.proportional } else { 0 };
        found
    }

    fn add(&mut self, other: &Residents) {
        self.size += other.size;
        self.resident += other.resident;
        self.proportional += other.proportional;
        for (row, other) in self.kinds.iter_mut().flatten().zip(other.kinds.iter().flatten()) {
            *row += other;
        }
        self.anonymous += other.anonymous;
        self.locked += other.locked;
    }

    fn text(&self, is_sum: bool) -> String {
        let Residents { size, resident, proportional, kinds: [[shared_clean, shared_dirty], [clean, dirty]], anonymous, locked } = *self;
        let head: &[(&str, usize)] = &[("Size", size), ("KernelPageSize", PAGE_SIZE), ("MMUPageSize", PAGE_SIZE)];
        let parts: &[(&str, usize)] =
            &[("Pss_Anon", proportional.min(anonymous)), ("Pss_File", proportional - proportional.min(anonymous)), ("Pss_Shmem", 0)];
        let rows = [
            ("Shared_Clean", shared_clean),
            ("Shared_Dirty", shared_dirty),
            ("Private_Clean", clean),
            ("Private_Dirty", dirty),
            ("Referenced", resident),
            ("Anonymous", anonymous),
            ("LazyFree", 0),
            ("AnonHugePages", 0),
            ("ShmemPmdMapped", 0),
            ("FilePmdMapped", 0),
            ("Shared_Hugetlb", 0),
            ("Private_Hugetlb", 0),
            ("Swap", 0),
            ("SwapPss", 0),
            ("Locked", locked),
        ];
        let of_one = if is_sum { &[] } else { head };
        let of_sum = if is_sum { parts } else { &[] };
        let used = [("Rss", resident), ("Pss", proportional), ("Pss_Dirty", anonymous.min(proportional))];
        of_one
            .iter()
            .chain(&used)
            .chain(of_sum)
            .chain(&rows)
            .map(|(name, bytes)| format!("{:<15} {:8} kB\n", format!("{name}:"), bytes / 1024))
            .collect()
    }
}

/// What the region allows and is, by the two-letter words of `VmFlags`.
fn flags(region: &Region) -> String {
    let mut words = Vec::new();
    let rights = [(Protection::READ, "rd"), (Protection::WRITE, "wr"), (Protection::EXECUTE, "ex")];
    words.extend(rights.iter().filter(|(right, _)| region.protection.contains(*right)).map(|(_, word)| *word));
    if region.shared {
        words.push("sh");
    }
    let may = [(Protection::READ, "mr"), (Protection::WRITE, "mw"), (Protection::EXECUTE, "me")];
    words.extend(may.iter().filter(|(right, _)| region.may_become(*right)).map(|(_, word)| *word));
    if region.label == Label::Stack {
        words.push("gd");
    }
    if region.locked {
        words.push("lo");
    }
    if matches!(region.contents, Contents::Anonymous) && !region.shared {
        words.push("ac");
    }
    words.join(" ")
}

impl Memory {
    /// The text of `/proc/self/smaps`.
    #[must_use]
    pub fn detailed_maps<K: Kernel>(&self, kernel: &K) -> Vec<u8> {
        let mut text = Vec::new();
        for (start, region) in self.regions.iter() {
            text.extend(line(start, region));
            text.extend(Residents::of(self, kernel, start, region).text(false).into_bytes());
            text.extend(format!("THPeligible:    0\nVmFlags: {} \n", flags(region)).into_bytes());
        }
        text
    }

    /// The text of `/proc/self/smaps_rollup`.
    #[must_use]
    pub fn summed_maps<K: Kernel>(&self, kernel: &K) -> Vec<u8> {
        let mut sum = Residents::default();
        let (mut first, mut last) = (usize::MAX, 0);
        for (start, region) in self.regions.iter() {
            sum.add(&Residents::of(self, kernel, start, region));
            (first, last) = (first.min(start), last.max(region.end));
        }
        let head = format!("{:<73}[rollup]\n", format!("{:08x}-{last:08x} ---p 00000000 00:00 0 ", first.min(last)));
        (head + &sum.text(true)).into_bytes()
    }
}
