//! The region map against a naive model, and the address space on a fake kernel.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Range;

use abi::{PAGE_SIZE, Rights};
use proptest::prelude::*;

use super::fault::{Access, Refusal};
use super::*;
use crate::fake::FakeKernel;
use crate::kernel::Kernel;
use crate::memory::backing::Backing;
use crate::memory::ordered::Ordered;
use crate::user::UserMemory;

const PAGES: usize = 24;
const BASE: usize = 0x10_0000;

fn address(page: usize) -> usize {
    BASE + page * PAGE_SIZE
}

fn span(pages: Range<usize>) -> Range<usize> {
    address(pages.start)..address(pages.end)
}

/// What the model knows of a page.
type Model = [Option<Protection>; PAGES];

#[derive(Clone, Debug)]
enum Step {
    Insert(Range<usize>, u32),
    Remove(Range<usize>),
    Protect(Range<usize>, u32),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let pages = (0..PAGES, 1..=PAGES).prop_map(|(start, length)| start..(start + length).min(PAGES));
    let step = prop_oneof![
        (pages.clone(), 0..8u32).prop_map(|(pages, bits)| Step::Insert(pages, bits)),
        pages.clone().prop_map(Step::Remove),
        (pages, 0..8u32).prop_map(|(pages, bits)| Step::Protect(pages, bits)),
    ];
    prop::collection::vec(step, 1..40)
}

fn protect(regions: &mut Regions, range: Range<usize>, protection: Protection) -> Result<()> {
    let mut at = range.start;
    while at < range.end {
        at = regions.protect_first(at..range.end, protection)?.0;
    }
    Ok(())
}

fn check(regions: &Regions, model: &Model) {
    for (page, expected) in model.iter().enumerate() {
        assert_eq!(regions.find(address(page) + 7).map(|(_, region)| region.protection), *expected, "page {page}");
    }
    let all: Vec<(usize, usize)> = regions.iter().map(|(start, region)| (start, region.end)).collect();
    assert!(all.iter().all(|(start, end)| start < end), "no region is empty");
    assert!(all.windows(2).all(|pair| pair[0].1 <= pair[1].0), "no two regions overlap");
}

proptest! {
    #[test]
    fn regions_are_what_a_table_of_pages_would_be(steps in steps()) {
        let mut regions = Regions::new();
        let mut model: Model = [None; PAGES];
        for step in steps {
            match step {
                Step::Insert(pages, bits) => {
                    let protection = Protection::from_bits_truncate(bits);
                    regions.insert(address(pages.start), Region::anonymous(address(pages.end), protection, Label::None));
                    model[pages].fill(Some(protection));
                }
                Step::Remove(pages) => {
                    regions.remove(span(pages.clone()));
                    model[pages].fill(None);
                }
                Step::Protect(pages, bits) => {
                    let protection = Protection::from_bits_truncate(bits);
                    let outcome = protect(&mut regions, span(pages.clone()), protection);
                    let hole = pages.clone().find(|&page| model[page].is_none());
                    prop_assert_eq!(outcome.is_err(), hole.is_some());
                    model[pages.start..hole.unwrap_or(pages.end)].fill(Some(protection));
                }
            }
            check(&regions, &model);
        }
    }

    #[test]
    fn a_gap_is_free_and_the_highest(steps in steps(), lengths in prop::collection::vec(1..6usize, 40)) {
        let mut regions = Regions::new();
        for (step, length) in steps.into_iter().zip(lengths) {
            match step {
                Step::Insert(pages, bits) => {
                    let protection = Protection::from_bits_truncate(bits);
                    regions.insert(address(pages.start), Region::anonymous(address(pages.end), protection, Label::None));
                }
                Step::Remove(pages) => regions.remove(span(pages)),
                Step::Protect(pages, bits) => drop(protect(&mut regions, span(pages), Protection::from_bits_truncate(bits))),
            }
            // What a search leaves behind must not mislead the next one.
            let expected = (0..=PAGES - length).rev().map(address).find(|&start| regions.is_free(start..start + length * PAGE_SIZE));
            prop_assert_eq!(regions.gap(length * PAGE_SIZE, PAGE_SIZE, span(0..PAGES)), expected);
        }
    }

    #[test]
    fn an_ordered_map_is_a_map_whose_entries_know_their_neighbours(steps in prop::collection::vec((any::<bool>(), 0..1000usize), 1..600)) {
        let mut ordered = Ordered::new();
        let mut model = alloc::collections::BTreeMap::new();
        for (number, (insert, key)) in steps.into_iter().enumerate() {
            let place = ordered.at_or_below(key);
            let found = place.map(|place| ordered.get(place)).map(|(key, &value)| (key, value));
            prop_assert_eq!(found, model.range(..=key).next_back().map(|(&key, &value)| (key, value)));
            let next = ordered.above(place);
            prop_assert_eq!(next.map(|next| ordered.get(next).0), model.range(key + 1..).next().map(|(&key, _)| key));
            prop_assert!(next.is_none_or(|next| ordered.below(next) == place));
            if let Some(place) = place {
                prop_assert!(ordered.iter_from(place).map(|(key, _)| key).eq(model.range(found.unwrap().0..).map(|(&key, _)| key)));
            }
            match place {
                Some(place) if found.unwrap().0 == key => {
                    if !insert {
                        prop_assert_eq!(Some(ordered.remove(place)), model.remove(&key));
                    }
                }
                // Three of four are put in, so that there come to be several chunks.
                _ if insert || number % 2 == 0 => {
                    ordered.insert_above(place, key, number);
                    model.insert(key, number);
                }
                _ => {}
            }
            prop_assert_eq!(ordered.count(), model.len());
            prop_assert!(ordered.iter().map(|(key, &value)| (key, value)).eq(model.iter().map(|(&key, &value)| (key, value))));
        }
    }

    #[test]
    fn the_resident_set_is_a_set_of_pages(ranges in prop::collection::vec((any::<bool>(), 0..1500usize, 1..700usize), 1..20)) {
        let mut resident = Resident::new();
        let mut model = alloc::collections::BTreeSet::new();
        for (insert, first, length) in ranges {
            let range = address(first)..address(first + length);
            if insert {
                resident.insert(range);
                model.extend(first..first + length);
            } else {
                let mut removed = Vec::new();
                resident.remove(range, |run| removed.push(run));
                prop_assert_eq!(removed.iter().map(|run| run.len() / PAGE_SIZE).sum::<usize>(), model.range(first..first + length).count());
                model.retain(|page| !(first..first + length).contains(page));
            }
            prop_assert_eq!(resident.pages(), model.len());
            prop_assert!((0..2200).all(|page| resident.contains(address(page)) == model.contains(&page)));
        }
    }
}

#[test]
fn many_regions_split_and_join_where_they_are() {
    const MANY: usize = 700;
    let mut regions = Regions::new();
    regions.insert(address(0), Region::anonymous(address(MANY), READ_WRITE, Label::None));
    let mut expected = [READ_WRITE; MANY];
    // Pages in an order that reaches them all, and no two neighbours after each other: first for one protection, then for another.
    for protection in [Protection::READ, Protection::EXECUTE, READ_WRITE] {
        for page in (0..MANY).map(|number| number * 303 % MANY) {
            protect(&mut regions, span(page..page + 1), protection).unwrap();
            expected[page] = protection;
            let found = |page: usize| regions.find(address(page)).map(|(_, region)| region.protection);
            assert!((0..MANY).all(|page| found(page) == Some(expected[page])), "page {page}");
            let changes = expected.windows(2).filter(|pair| pair[0] != pair[1]).count();
            assert_eq!(regions.count(), changes + 1, "page {page}");
        }
    }
    for page in (0..MANY).map(|number| number * 303 % MANY).take(MANY / 2) {
        regions.remove(span(page..page + 1));
        assert!(regions.find(address(page)).is_none() && regions.is_free(span(page..page + 1)), "page {page}");
    }
    let left = MANY - MANY / 2;
    assert_eq!(regions.bytes(), left * PAGE_SIZE);
}

fn data(protection: Protection) -> Region {
    Region::anonymous(0, protection, Label::None)
}

const READ_WRITE: Protection = Protection::READ.union(Protection::WRITE);

#[test]
fn memory_is_lazy_and_comes_back() {
    let kernel = FakeKernel::new(64);
    let mut memory = Memory::new();
    let at = memory.map(&kernel, Placement::Hint(0), 1 << 16, data(READ_WRITE)).unwrap();
    assert_eq!(kernel.used(), 0);
    memory.resolve(&kernel, at + 0x3123, Access::Write).unwrap();
    assert_eq!(kernel.used(), 1);
    memory.unmap(&kernel, at..at + (1 << 16));
    assert_eq!(kernel.used(), 0);
    assert_eq!(memory.resolve(&kernel, at, Access::Read), Err(Refusal::Unmapped));
}

#[test]
fn a_walk_through_memory_brings_pages_in_by_runs() {
    let kernel = FakeKernel::new(256);
    let mut memory = Memory::new();
    let at = memory.map(&kernel, Placement::Hint(0), 100 * PAGE_SIZE, data(READ_WRITE)).unwrap();
    for page in 0..100 {
        if !memory.resident.contains(at + page * PAGE_SIZE) {
            memory.resolve(&kernel, at + page * PAGE_SIZE, Access::Write).unwrap();
        }
    }
    assert_eq!(kernel.used(), 100);
    assert!(memory.faults < 12, "{} faults", memory.faults);
}

#[test]
fn a_page_is_never_writable_and_executable_at_once() {
    let kernel = FakeKernel::new(8);
    let mut memory = Memory::new();
    let at = memory.map(&kernel, Placement::Hint(0), PAGE_SIZE, data(Protection::all())).unwrap();
    memory.resolve(&kernel, at, Access::Write).unwrap();
    assert_eq!(kernel.rights(at).unwrap().current(), Rights::READ | Rights::WRITE);
    memory.resolve(&kernel, at, Access::Execute).unwrap();
    assert_eq!(kernel.rights(at).unwrap().current(), Rights::READ | Rights::EXECUTE);
    memory.resolve(&kernel, at, Access::Write).unwrap();
    assert_eq!(kernel.rights(at).unwrap().current(), Rights::READ | Rights::WRITE);
}

#[test]
fn what_a_region_does_not_allow_is_denied() {
    let kernel = FakeKernel::new(8);
    let mut memory = Memory::new();
    let at = memory.map(&kernel, Placement::Hint(0), PAGE_SIZE, data(Protection::READ)).unwrap();
    assert_eq!(memory.resolve(&kernel, at, Access::Write), Err(Refusal::Denied));
    assert_eq!(memory.resolve(&kernel, at, Access::Execute), Err(Refusal::Denied));
    memory.protect(&kernel, at..at + PAGE_SIZE, Protection::empty()).unwrap();
    assert_eq!(memory.resolve(&kernel, at, Access::Read), Err(Refusal::Denied));
}

#[test]
fn the_quota_is_the_end() {
    let kernel = FakeKernel::new(2);
    let mut memory = Memory::new();
    assert!(may_reserve(&kernel, 2 * PAGE_SIZE) && !may_reserve(&kernel, 3 * PAGE_SIZE));
    let at = memory.map(&kernel, Placement::Hint(0), 2 * PAGE_SIZE, data(READ_WRITE)).unwrap();
    let other = memory.map(&kernel, Placement::Hint(0), PAGE_SIZE, data(READ_WRITE)).unwrap();
    memory.resolve(&kernel, at, Access::Write).unwrap();
    memory.resolve(&kernel, at + PAGE_SIZE, Access::Write).unwrap();
    assert_eq!(memory.resolve(&kernel, other, Access::Write), Err(Refusal::NoMemory));
}

/// A file of given bytes.
struct Bytes(Vec<u8>);

impl Backing for Bytes {
    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<usize> {
        let rest = self.0.get(offset as usize..).unwrap_or_default();
        let count = rest.len().min(into.len());
        into[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    fn size(&self) -> u64 {
        self.0.len() as u64
    }

    fn identity(&self) -> (u64, u64) {
        (1, 1)
    }
}

#[test]
fn a_mapped_file_is_read_zeros_follow_and_past_its_pages_is_a_bus_error() {
    let kernel = FakeKernel::new(64);
    let mut memory = Memory::new();
    let file = FileMapping {
        backing: Arc::new(Bytes(alloc::vec![7; PAGE_SIZE + 10])),
        offset: 0,
        path: Arc::from(&b"/file"[..]),
        may_write: false,
    };
    let region = Region { contents: Contents::File(Box::new(file)), ..data(Protection::READ) };
    let at = memory.map(&kernel, Placement::Hint(0), 3 * PAGE_SIZE, region).unwrap();
    memory.resolve(&kernel, at, Access::Read).unwrap();
    let mut bytes = [0; PAGE_SIZE];
    kernel.read(at + PAGE_SIZE, &mut bytes).unwrap();
    assert!(bytes[..10].iter().all(|&byte| byte == 7) && bytes[10..].iter().all(|&byte| byte == 0));
    assert_eq!(memory.resolve(&kernel, at + 2 * PAGE_SIZE, Access::Read), Err(Refusal::PastEnd));
    assert!(!kernel.rights(at).unwrap().contains(Rights::WRITE));
}

#[test]
fn remap_keeps_contents_wherever_it_goes() {
    let kernel = FakeKernel::new(64);
    let mut memory = Memory::new();
    let at = memory.map(&kernel, Placement::Fixed(0x100_0000), 2 * PAGE_SIZE, data(READ_WRITE)).unwrap();
    memory.resolve(&kernel, at + PAGE_SIZE, Access::Write).unwrap();
    kernel.write(at + PAGE_SIZE, b"kept").unwrap();
    // In place.
    assert_eq!(memory.remap(&kernel, at..at + 2 * PAGE_SIZE, 4 * PAGE_SIZE, false, None), Ok(at));
    // Something is above now: it has to move.
    memory.map(&kernel, Placement::Fixed(at + 4 * PAGE_SIZE), PAGE_SIZE, data(Protection::READ)).unwrap();
    assert_eq!(memory.remap(&kernel, at..at + 4 * PAGE_SIZE, 5 * PAGE_SIZE, false, None), Err(Errno::ENOMEM));
    let to = memory.remap(&kernel, at..at + 4 * PAGE_SIZE, 5 * PAGE_SIZE, true, None).unwrap();
    assert_ne!(to, at);
    let mut bytes = [0; 4];
    kernel.read(to + PAGE_SIZE, &mut bytes).unwrap();
    assert_eq!(&bytes, b"kept");
    assert!(memory.regions.is_free(at..at + 4 * PAGE_SIZE));
    assert_eq!(kernel.used(), 1);
    assert_eq!(memory.remap(&kernel, at..at + PAGE_SIZE, PAGE_SIZE, true, None), Err(Errno::EFAULT));
}

#[test]
fn the_stack_grows_to_its_limit_and_no_further() {
    let kernel = FakeKernel::new(64);
    let mut memory = Memory::new();
    memory.regions.insert(STACK_TOP - STACK_FIRST, Region::anonymous(STACK_TOP, READ_WRITE, Label::Stack));
    memory.resolve(&kernel, STACK_TOP - (1 << 20), Access::Write).unwrap();
    assert!(memory.regions.covers(STACK_TOP - (1 << 20)..STACK_TOP));
    assert_eq!(memory.resolve(&kernel, STACK_TOP - STACK_LIMIT - 1, Access::Write), Err(Refusal::Unmapped));
}

#[test]
fn the_break_moves_both_ways_and_stops_at_a_mapping() {
    let kernel = FakeKernel::new(64);
    let mut memory = Memory::new();
    memory.heap = 0x40_0000..0x40_0000;
    assert_eq!(memory.set_break(&kernel, 0x40_1234), 0x40_1234);
    memory.resolve(&kernel, 0x40_1000, Access::Write).unwrap();
    assert_eq!(memory.set_break(&kernel, 0x40_0800), 0x40_0800);
    assert_eq!(kernel.used(), 0);
    memory.map(&kernel, Placement::Fixed(0x40_4000), PAGE_SIZE, data(READ_WRITE)).unwrap();
    assert_eq!(memory.set_break(&kernel, 0x40_5000), 0x40_0800);
    assert_eq!(memory.set_break(&kernel, 0x3f_0000), 0x40_0800);
}

#[test]
fn fixed_places_are_checked_as_linux_checks_them() {
    let kernel = FakeKernel::new(64);
    let mut memory = Memory::new();
    let mut map = |placement, length| memory.map(&kernel, placement, length, data(Protection::READ));
    assert_eq!(map(Placement::Fixed(0), PAGE_SIZE), Err(Errno::EPERM));
    assert_eq!(map(Placement::Fixed(0x1001), PAGE_SIZE), Err(Errno::EINVAL));
    assert_eq!(map(Placement::Fixed(PROGRAM_TOP), PAGE_SIZE), Err(Errno::ENOMEM));
    assert_eq!(map(Placement::Fixed(0x1000), PAGE_SIZE), Ok(0x1000));
    assert_eq!(map(Placement::FixedFree(0x1000), PAGE_SIZE), Err(Errno::EEXIST));
    assert_eq!(map(Placement::Fixed(0x1000), PAGE_SIZE), Ok(0x1000));
    assert_eq!(map(Placement::Hint(0x1000), PROGRAM_TOP + PAGE_SIZE), Err(Errno::ENOMEM));
}

#[test]
fn maps_reads_as_procs() {
    let kernel = FakeKernel::new(64);
    let mut memory = Memory::new();
    let file = FileMapping { backing: Arc::new(Bytes(alloc::vec![1])), offset: 0x1000, path: Arc::from(&b"/bin/it"[..]), may_write: false };
    let text = Region { contents: Contents::File(Box::new(file)), ..data(Protection::READ | Protection::EXECUTE) };
    memory.map(&kernel, Placement::Fixed(0x40_0000), PAGE_SIZE, text).unwrap();
    memory.regions.insert(STACK_TOP - STACK_FIRST, Region::anonymous(STACK_TOP, READ_WRITE, Label::Stack));
    let text = alloc::string::String::from_utf8(memory.maps()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "00400000-00401000 r-xp 00001000 00:01 1                                  /bin/it");
    assert_eq!(
        lines[1],
        "7bffffffd000-7bffffffe000 rw-p 00000000 00:00 0                          [stack]".replace("7bffffffd000", "7bfffffdd000")
    );
    assert!(kernel.info().clock_hz > 0);
}

#[test]
fn a_page_that_was_taken_is_a_bus_error_until_it_is_mapped_anew() {
    let kernel = FakeKernel::new(64);
    let mut memory = Memory::new();
    let at = memory.map(&kernel, Placement::Hint(0), 4 * PAGE_SIZE, data(READ_WRITE)).unwrap();
    for page in 0..4 {
        memory.resolve(&kernel, at + page * PAGE_SIZE, Access::Write).unwrap();
        kernel.write(at + page * PAGE_SIZE, b"kept").unwrap();
    }
    kernel.take(at + PAGE_SIZE);
    kernel.take(at + 2 * PAGE_SIZE);
    for access in [Access::Read, Access::Write] {
        assert_eq!(memory.resolve(&kernel, at + PAGE_SIZE, access), Err(Refusal::Taken));
        assert_eq!(memory.resolve(&kernel, at, access), Ok(()), "the others are there");
    }
    memory.map(&kernel, Placement::Fixed(at + PAGE_SIZE), PAGE_SIZE, data(READ_WRITE)).unwrap();
    memory.discard(&kernel, at + 2 * PAGE_SIZE..at + 3 * PAGE_SIZE);
    let mut bytes = [0; 4];
    for (page, expected) in [(0, b"kept"), (1, b"\0\0\0\0"), (2, b"\0\0\0\0"), (3, b"kept")] {
        memory.resolve(&kernel, at + page * PAGE_SIZE, Access::Read).unwrap();
        kernel.read(at + page * PAGE_SIZE, &mut bytes).unwrap();
        assert_eq!(&bytes, expected, "page {page}");
    }
    memory.unmap(&kernel, at..at + 4 * PAGE_SIZE);
    assert_eq!(kernel.used(), 0);
}

/// A region with a barrier over pages 1 to 8, and the address of its cards.
fn with_barrier(kernel: &FakeKernel, memory: &mut Memory) -> (usize, usize) {
    let at = memory.map(kernel, Placement::Fixed(0x100_0000), 9 * PAGE_SIZE, data(READ_WRITE)).unwrap();
    let cards = memory.map(kernel, Placement::Fixed(0x200_0000), PAGE_SIZE, data(READ_WRITE)).unwrap();
    memory.resolve(kernel, at + 2 * PAGE_SIZE, Access::Write).unwrap();
    memory.set_barrier(kernel, at + PAGE_SIZE..at + 9 * PAGE_SIZE, cards).unwrap();
    (at, cards)
}

#[test]
fn the_first_store_to_each_page_sets_its_card_and_no_other() {
    let kernel = FakeKernel::new(64);
    let mut memory = Memory::new();
    let (at, cards) = with_barrier(&kernel, &mut memory);
    let marked = || {
        let mut bytes = [0; 8];
        kernel.read(cards, &mut bytes).unwrap();
        bytes
    };
    assert!(!kernel.rights(at + 2 * PAGE_SIZE).unwrap().contains(Rights::WRITE), "what was there is to be seen too");
    memory.resolve(&kernel, at + 3 * PAGE_SIZE, Access::Read).unwrap();
    assert!(!kernel.rights(at + 3 * PAGE_SIZE).unwrap().contains(Rights::WRITE));
    assert_eq!(marked(), [0; 8]);
    for page in [3, 2, 7, 0] {
        memory.resolve(&kernel, at + page * PAGE_SIZE, Access::Write).unwrap();
        assert!(kernel.rights(at + page * PAGE_SIZE).unwrap().contains(Rights::WRITE));
    }
    assert_eq!(marked(), [0, 1, 1, 0, 0, 0, 1, 0], "pages 2, 3 and 7, and page 0 has none");
    kernel.write(cards, &[0; 8]).unwrap();
    memory.set_barrier(&kernel, at + PAGE_SIZE..at + 9 * PAGE_SIZE, cards).unwrap();
    memory.resolve(&kernel, at + 7 * PAGE_SIZE, Access::Write).unwrap();
    assert_eq!(marked(), [0, 0, 0, 0, 0, 0, 1, 0], "all begins anew");
    memory.lift_barrier(at + PAGE_SIZE).unwrap();
    memory.resolve(&kernel, at + 2 * PAGE_SIZE, Access::Write).unwrap();
    assert_eq!(marked(), [0, 0, 0, 0, 0, 0, 1, 0]);
    assert_eq!(memory.lift_barrier(at + PAGE_SIZE), Err(Errno::EINVAL));
}

#[test]
fn a_walk_through_pages_with_cards_sets_each_of_them() {
    let kernel = FakeKernel::new(64);
    let mut memory = Memory::new();
    let (at, cards) = with_barrier(&kernel, &mut memory);
    for page in 1..9 {
        memory.resolve(&kernel, at + page * PAGE_SIZE, Access::Write).unwrap();
    }
    let mut bytes = [0; 8];
    kernel.read(cards, &mut bytes).unwrap();
    assert_eq!(bytes, [1; 8]);
}

#[test]
fn a_store_whose_card_cannot_be_set_is_refused() {
    let kernel = FakeKernel::new(64);
    let mut memory = Memory::new();
    let (at, cards) = with_barrier(&kernel, &mut memory);
    memory.protect(&kernel, cards..cards + PAGE_SIZE, Protection::READ).unwrap();
    assert_eq!(memory.resolve(&kernel, at + PAGE_SIZE, Access::Write), Err(Refusal::Denied));
    let other = memory.map(&kernel, Placement::Hint(0), 2 * PAGE_SIZE, data(Protection::READ)).unwrap();
    let pages = |first: usize, last: usize| at + first * PAGE_SIZE..at + last * PAGE_SIZE;
    assert_eq!(memory.set_barrier(&kernel, pages(0, 1), cards), Err(Errno::EFAULT));
    assert_eq!(memory.set_barrier(&kernel, other..other + PAGE_SIZE, at), Err(Errno::ENOMEM));
    assert_eq!(memory.set_barrier(&kernel, pages(0, 2), at + 8 * PAGE_SIZE), Err(Errno::EINVAL));
    assert_eq!(memory.set_barrier(&kernel, pages(0, 1), at), Err(Errno::EFAULT), "cards apart from what they are of");
}

#[test]
fn a_policy_may_open_and_mark_neighbours_that_are_there() {
    let kernel = FakeKernel::new(64);
    let mut memory = Memory::new();
    let (at, cards) = with_barrier(&kernel, &mut memory);
    memory.set_paging(policy::Set::parse(["paging=barrier,pages=4"].into_iter()).expect("a policy").paging, None);
    for page in [4, 5, 6, 8] {
        memory.resolve(&kernel, at + page * PAGE_SIZE, Access::Read).unwrap();
    }
    memory.resolve(&kernel, at + 5 * PAGE_SIZE, Access::Write).unwrap();
    let mut bytes = [0; 8];
    kernel.read(cards, &mut bytes).unwrap();
    assert_eq!(bytes, [0, 0, 0, 1, 1, 1, 0, 0], "pages 4 to 6: 7 is not there, 8 is of the next four");
    assert!(kernel.rights(at + 6 * PAGE_SIZE).unwrap().contains(Rights::WRITE));
    assert!(!kernel.rights(at + 8 * PAGE_SIZE).unwrap().contains(Rights::WRITE));
}

#[test]
fn what_is_spare_is_the_policy_s_to_say() {
    use policy::paging::Spare;
    let mut memory = Memory::new();
    assert_eq!(memory.spare(10), [Spare::Cache, Spare::Shown, Spare::Zeros]);
    memory.set_paging(policy::Set::parse(["paging=keep"].into_iter()).expect("a policy").paging, None);
    assert_eq!(memory.spare(10), []);
}

#[test]
fn pages_of_zeros_are_given_back_and_are_zeros_again() {
    let kernel = FakeKernel::new(64);
    let mut memory = Memory::new();
    let at = memory.map(&kernel, Placement::Hint(0), 8 * PAGE_SIZE, data(READ_WRITE)).unwrap();
    let locked = memory.map(&kernel, Placement::Hint(0), PAGE_SIZE, data(READ_WRITE)).unwrap();
    memory.regions.lock(locked..locked + PAGE_SIZE, true).unwrap();
    (0..8).map(|page| at + page * PAGE_SIZE).chain([locked]).for_each(|page| {
        if !memory.resident.contains(page) {
            memory.resolve(&kernel, page, Access::Write).unwrap();
        }
    });
    kernel.write(at + 3 * PAGE_SIZE + 4095, &[1]).unwrap();
    memory.give_back_zeros(&kernel, 2);
    assert_eq!(kernel.used(), 7, "no more than is wanted");
    memory.give_back_zeros(&kernel, 100);
    assert_eq!(kernel.used(), 2, "what is something, and what is locked, stays");
    let mut byte = [9];
    for (page, expected) in [(3, 1), (4, 0)] {
        memory.resolve(&kernel, at + page * PAGE_SIZE, Access::Read).unwrap();
        kernel.read(at + page * PAGE_SIZE + 4095, &mut byte).unwrap();
        assert_eq!(byte, [expected]);
    }
}

#[test]
fn frames_are_those_that_a_policy_names_and_any_where_they_are_taken() {
    let kernel = FakeKernel::new(4096);
    let mut memory = Memory::new();
    let set = policy::Set::parse(["placement=large", "paging=prefault,pages=512"].into_iter()).expect("policies");
    memory.set_paging(set.paging, set.own_paging);
    memory.set_placement(set.placement);
    let at = memory.map(&kernel, Placement::Hint(0), 5 << 20, data(READ_WRITE)).unwrap();
    assert!(at.is_multiple_of(2 << 20));
    for page in [700, 3, 1030] {
        memory.resolve(&kernel, at + page * PAGE_SIZE, Access::Write).unwrap();
    }
    let named = core::mem::take(&mut *kernel.named.lock());
    assert_eq!(named, [(at + (2 << 20), 512, true, 0), (at, 512, true, 512)], "what is not whole is no large page");
    assert_eq!(kernel.used(), 512 + 512 + 256);
    memory.set_placement(policy::Set::parse(["placement=coloured,colours=4"].into_iter()).expect("a policy").placement);
    memory.set_paging(None, None);
    let other = memory.map(&kernel, Placement::Hint(0), 8 * PAGE_SIZE, data(READ_WRITE)).unwrap();
    (0..4).for_each(|page| memory.resolve(&kernel, other + page * PAGE_SIZE, Access::Write).unwrap());
    let colours = |&(at, _, is_large, frame): &(usize, usize, bool, u64)| !is_large && (at / PAGE_SIZE) as u64 % 4 == frame % 4;
    let named = kernel.named.lock();
    assert!(!named.is_empty() && named.iter().all(colours), "{named:?}");
}
