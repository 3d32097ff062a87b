//! Rewritten text comes with a mapping, and goes with it.

use super::*;
use crate::fake::FakeKernel;
use crate::memory::fault::Access;
use crate::user::UserMemory;

/// Bytes of the program: a page of headers, a page of text.
const SIZE: usize = 2 * PAGE_SIZE + 128;
const CODE: &[u8] = if cfg!(target_arch = "x86_64") {
    // mov eax, 39; syscall; ret
    &[0xb8, 39, 0, 0, 0, 0x0f, 0x05, 0xc3]
} else {
    // mov x8, #172; svc #0
    &[0x88, 0x15, 0x80, 0xd2, 0x01, 0, 0, 0xd4]
};
/// Where the system call instruction is in it.
const SITE: usize = if cfg!(target_arch = "x86_64") { 5 } else { 4 };

struct Bytes(Vec<u8>);

impl Backing for Bytes {
    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<usize> {
        let rest = self.0.get(offset as usize..).unwrap_or(&[]);
        let count = rest.len().min(into.len());
        into[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    fn size(&self) -> u64 {
        self.0.len() as u64
    }

    fn identity(&self) -> (u64, u64) {
        (1, 7)
    }
}

/// A program with one executable segment and section.
fn program() -> Arc<dyn Backing> {
    let mut file = vec![0; SIZE];
    let mut put = |at: usize, bytes: &[u8]| file[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, &[0x7f, b'E', b'L', b'F', 2, 1, 1]);
    for (at, half) in [(16, 3), (18, MACHINE), (52, 64), (54, 56), (56, 1), (58, 64), (60, 2)] {
        put(at, &half.to_le_bytes());
    }
    let (page, size) = (PAGE_SIZE as u64, CODE.len() as u64);
    for (at, word) in [(32, 64u64), (40, 2 * page)] {
        put(at, &word.to_le_bytes());
    }
    for (index, word) in [1 | 5 << 32, page, page, page, size, size, page].into_iter().enumerate() {
        put(64 + index * 8, &word.to_le_bytes());
    }
    for (index, word) in [1 << 32, 6, page, page, size, 0, 1, 0].into_iter().enumerate() {
        put(2 * PAGE_SIZE + 64 + index * 8, &word.to_le_bytes());
    }
    put(PAGE_SIZE, CODE);
    Arc::new(Bytes(file))
}

struct Scene {
    kernel: FakeKernel,
    memory: Memory,
    file: Arc<dyn Backing>,
}

impl Scene {
    fn new() -> Scene {
        let mut memory = Memory::new();
        memory.rewrites = true;
        Scene { kernel: FakeKernel::new(100), memory, file: program() }
    }

    /// Map the program's text as mmap(2) does.
    fn map(&mut self, mut placement: Placement, protection: Protection, shared: bool) -> usize {
        let path: Arc<[u8]> = Arc::from(&b"/program"[..]);
        let contents =
            Contents::File(Box::new(FileMapping { backing: self.file.clone(), offset: PAGE_SIZE as u64, path, may_write: false }));
        let mut region = Region { end: 0, protection, shared, locked: false, contents, label: Label::None };
        self.memory.rewrite_mapping(&self.kernel, &mut placement, PAGE_SIZE, &mut region);
        self.memory.map(&self.kernel, placement, PAGE_SIZE, region).expect("there is room")
    }

    fn map_text(&mut self) -> usize {
        self.map(Placement::Hint(0), Protection::READ | Protection::EXECUTE, false)
    }

    /// The first bytes of what is mapped at an address.
    fn bytes(&mut self, address: usize) -> [u8; 8] {
        self.memory.resolve(&self.kernel, address, Access::Read).expect("it is mapped");
        let mut bytes = [0; 8];
        self.kernel.read(address, &mut bytes).expect("it is resident");
        bytes
    }

    fn regions(&self) -> usize {
        self.memory.regions.iter().count()
    }
}

#[test]
fn text_is_rewritten_and_goes_with_its_trampolines() {
    let mut scene = Scene::new();
    let start = scene.map_text();
    assert_ne!(scene.bytes(start), CODE);
    assert_eq!(scene.regions(), 2, "the text and its trampolines");
    let mut own = [0; 8];
    scene.file.read_at(PAGE_SIZE as u64, &mut own).expect("it is in memory");
    assert_eq!(own, CODE, "the file stays what it is");
    if cfg!(target_arch = "x86_64") {
        let resume = scene.memory.resume_rewritten(start + SITE).expect("a fault at the site has an answer");
        assert_eq!(scene.bytes(resume)[..2], [0x0f, 0x05]);
        assert_eq!(scene.memory.original_of(resume), Some(start + SITE));
        assert_eq!(scene.memory.resume_rewritten(start), None);
    }
    scene.memory.unmap(&scene.kernel, start..start + PAGE_SIZE);
    assert_eq!((scene.regions(), scene.kernel.used()), (0, 0), "nothing stays");
    assert!(scene.memory.placed.is_empty());
}

#[test]
fn only_private_executable_mappings_of_a_process_that_asks_are_rewritten() {
    let readable = Protection::READ;
    for (protection, shared) in
        [(readable, false), (readable | Protection::EXECUTE, true), (readable | Protection::WRITE | Protection::EXECUTE, false)]
    {
        let mut scene = Scene::new();
        let start = scene.map(Placement::Hint(0), protection, shared);
        assert_eq!(scene.regions(), 1);
        if !shared {
            assert_eq!(scene.bytes(start), CODE);
        }
    }
    let mut scene = Scene::new();
    scene.memory.rewrites = false;
    let start = scene.map_text();
    assert_eq!((scene.bytes(start).as_slice(), scene.regions()), (CODE, 1));
}

#[test]
fn without_room_for_trampolines_a_file_is_mapped_as_it_is() {
    let mut scene = Scene::new();
    let start = 0x10_0000;
    let above = Region::anonymous(start + (8 << 20), Protection::READ, Label::None);
    scene.memory.regions.insert(start + PAGE_SIZE, above);
    let found = scene.map(Placement::Fixed(start), Protection::READ | Protection::EXECUTE, false);
    assert_eq!(found, start);
    assert_eq!(scene.bytes(start), CODE);
}

#[test]
fn who_takes_the_trampolines_or_moves_the_text_gets_the_file() {
    let mut scene = Scene::new();
    let start = scene.map_text();
    assert_ne!(scene.bytes(start), CODE);
    let trampolines = scene.memory.regions.iter().map(|(at, _)| at).find(|&at| at != start).expect("trampolines");
    let region = Region::anonymous(0, Protection::READ, Label::None);
    scene.memory.map(&scene.kernel, Placement::Fixed(trampolines), PAGE_SIZE, region).expect("it is replaced");
    assert_eq!(scene.bytes(start), CODE);
    assert_eq!(scene.bytes(trampolines), [0; 8]);

    let mut scene = Scene::new();
    let start = scene.map_text();
    assert_ne!(scene.bytes(start), CODE);
    let to = scene.memory.remap(&scene.kernel, start..start + PAGE_SIZE, PAGE_SIZE, true, Some(0x20_0000)).expect("it moves");
    assert_eq!(scene.bytes(to), CODE);
    assert_eq!(scene.regions(), 1);
}

#[test]
fn the_same_text_is_mapped_again_with_new_trampolines() {
    let mut scene = Scene::new();
    let start = scene.map_text();
    let again = scene.map(Placement::Fixed(start), Protection::READ | Protection::EXECUTE, false);
    assert_eq!(again, start);
    assert_ne!(scene.bytes(start), CODE);
    assert_eq!((scene.regions(), scene.memory.placed.len()), (2, 1));
    let other = scene.map_text();
    assert_ne!(other, start);
    assert_eq!((scene.regions(), scene.memory.placed.len()), (4, 2), "each place has its own");
}
