//! A small world: the kernel on a fake machine, with calls made as a program would make them, and the invariants that must hold after
//! every one.

use std::collections::BTreeMap;

use abi::{
    Call, EnvEntry, EnvId, EnvState, Error, FrameEntry, FrameKind, IMAGE_BASE, IMAGE_MAGIC, INFO_ENVS_PAGE, ImageHeader, InfoPage,
    PAGE_SIZE, Rights,
};
use arch::fake::{Fake, FakeContext};
use arch::{Board, Boot, LEVELS, Leaf, Paging, TABLE_ENTRIES, Trap};
use exokernel::Kernel;

/// Make each test one that runs over both ISAs' page-table formats.
#[macro_export]
macro_rules! on_both_formats {
    ($($name:ident)*) => {
        mod aarch64 {
            $( #[test] fn $name() { super::$name::<arch::aarch64::paging::Format>(); } )*
        }
        mod x86_64 {
            $( #[test] fn $name() { super::$name::<arch::x86_64::PageFormat>(); } )*
        }
    };
}

pub const FIRST_FRAME: u64 = 0x100;
pub const FRAMES: u64 = 99;
pub const IMAGE_FRAMES: u64 = 6;

/// The kernel, its machine, and where its info pages are.
pub struct World<P: Paging> {
    pub kernel: Kernel<Fake<P>>,
    info: u64,
}

/// What a page is mapped to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mapping {
    pub slot: usize,
    pub address: u64,
    pub level: usize,
    pub leaf: Leaf,
}

impl<P: Paging> World<P> {
    pub fn new() -> Self {
        Self::with(FRAMES)
    }

    /// A world with `frames` frames of RAM.
    pub fn with(frames: u64) -> Self {
        let (machine, boot) = Fake::<P>::new(FIRST_FRAME, frames, IMAGE_FRAMES);
        Self::boot(machine, &boot)
    }

    fn boot(machine: Fake<P>, boot: &Boot) -> Self {
        let header = ImageHeader {
            magic: IMAGE_MAGIC,
            pages: IMAGE_FRAMES,
            entry: IMAGE_BASE + PAGE_SIZE as u64,
            stack: IMAGE_BASE + 3 * PAGE_SIZE as u64,
            segments: Default::default(),
            modules: Default::default(),
        };
        // SAFETY: the image's first frame is whole, aligned RAM of the fake's.
        unsafe { machine.frame(boot.image.first).cast::<ImageHeader>().write(header) };
        let kernel = Kernel::new(machine, boot);
        // The frame table says where the kernel's pages are: the info pages are the first run of kernel frames.
        let mut world = World { kernel, info: 0 };
        world.info = (FIRST_FRAME..).find(|&frame| world.looks_like_info(frame)).expect("info pages");
        world
    }

    fn looks_like_info(&self, frame: u64) -> bool {
        let page = self.read::<InfoPage>(frame, 0);
        page.first_frame == FIRST_FRAME && page.clock_hz == 1_000_000_000
    }

    /// A value in a frame.
    pub fn read<T: Copy>(&self, frame: u64, offset: usize) -> T {
        assert!(offset + size_of::<T>() <= PAGE_SIZE);
        // SAFETY: inside one frame; used for plain integers only.
        unsafe { self.kernel.machine.frame(frame).add(offset).cast::<T>().read_unaligned() }
    }

    /// The first frame of the info pages.
    pub fn info_frame(&self) -> u64 {
        self.info
    }

    pub fn info(&self) -> InfoPage {
        self.read(self.info_frame(), 0)
    }

    pub fn entry(&self, slot: usize) -> EnvEntry {
        let per_page = PAGE_SIZE / size_of::<EnvEntry>();
        self.read(self.info + (INFO_ENVS_PAGE + slot / per_page) as u64, slot % per_page * size_of::<EnvEntry>())
    }

    pub fn id(&self, slot: usize) -> u64 {
        EnvId::new(slot, self.entry(slot).generation).0
    }

    pub fn frame(&self, frame: u64) -> FrameEntry {
        let per_page = PAGE_SIZE / size_of::<FrameEntry>();
        let index = (frame - FIRST_FRAME) as usize;
        self.read(self.info + self.info().frames_page + (index / per_page) as u64, index % per_page * size_of::<FrameEntry>())
    }

    fn is_zero(&self, frame: u64) -> bool {
        (0..PAGE_SIZE).step_by(size_of::<u64>()).all(|offset| self.read::<u64>(frame, offset) == 0)
    }

    /// Let the environment in `slot` make a call, and give the answer. Whoever else has the CPU yields to it.
    pub fn call(&mut self, slot: usize, call: Call, arguments: &[u64]) -> Result<u64, Error> {
        let context = self.start_call(slot, call, arguments);
        // SAFETY: the record is in a frame of the fake's, which stays allocated.
        let (status, value) = unsafe { (*context).result };
        if status < 0 { Err(Error::try_from(status).expect("a status is an error or 0")) } else { Ok(value) }
    }

    /// The same, but the call need not have ended: gives the context.
    pub fn start_call(&mut self, slot: usize, call: Call, arguments: &[u64]) -> *mut FakeContext {
        let mut given = [0; 6];
        given[..arguments.len()].copy_from_slice(arguments);
        let name = self.id(slot);
        for _ in 0..8 {
            let found = std::rc::Rc::new(std::cell::Cell::new(std::ptr::null_mut()));
            let report = found.clone();
            self.kernel.machine.script.push_back(Box::new(move |context: &mut FakeContext| {
                if usize::from(context.asid) == slot + 1 {
                    report.set(std::ptr::from_mut(context));
                    (context.call, context.arguments) = (call as usize, given);
                } else {
                    (context.call, context.arguments) = (Call::Yield as usize, [name, 0, 0, 0, 0, 0]);
                }
                Trap::Call
            }));
            self.kernel.step();
            if !found.get().is_null() {
                return found.get();
            }
        }
        panic!("environment {slot} cannot be brought to run");
    }

    /// A child of `parent` with a context that can run.
    pub fn child(&mut self, parent: usize, quota: u64) -> usize {
        let id = self.call(parent, Call::EnvCreate, &[quota, 0]).expect("a child");
        self.call(parent, Call::ContextCreate, &[id]).expect("a context");
        self.call(parent, Call::ContextSet, &[id, 0, 0, 0]).expect("it can run");
        EnvId(id).slot()
    }

    fn roots(&self) -> BTreeMap<usize, u64> {
        self.kernel.roots().into_iter().collect()
    }

    /// All mappings of all environments.
    pub fn mappings(&self) -> Vec<Mapping> {
        let mut all = Vec::new();
        for (slot, root) in self.roots() {
            self.walk(slot, root, LEVELS - 1, 0, &mut all, &mut Vec::new());
        }
        all
    }

    fn walk(&self, slot: usize, table: u64, level: usize, base: u64, all: &mut Vec<Mapping>, tables: &mut Vec<(u64, u32)>) {
        let mut live = 0;
        for index in 0..TABLE_ENTRIES {
            let word = self.read::<u64>(table, index * 8);
            let address = base + ((index as u64) << (12 + 9 * level));
            match P::next(word).filter(|_| level > 0) {
                _ if word == 0 => continue,
                Some(next) => self.walk(slot, next, level - 1, address, all, tables),
                None => all.push(Mapping { slot, address, level, leaf: P::leaf(word) }),
            }
            live += 1;
        }
        tables.push((table, live));
    }

    /// Check everything that must always hold.
    pub fn check(&self) {
        let (mut mapped, mut runs) = (BTreeMap::<u64, u32>::new(), BTreeMap::<u64, u32>::new());
        let mut charged = BTreeMap::<usize, u64>::new();
        let mut used = 0;
        for (slot, root) in self.roots() {
            let (mut all, mut tables) = (Vec::new(), Vec::new());
            self.walk(slot, root, LEVELS - 1, 0, &mut all, &mut tables);
            let pages: u64 = all.iter().map(|mapping| if mapping.level == 0 { 1 } else { 512 }).sum();
            let (contexts, pins) = self.kernel.contexts_and_pins(slot);
            // Record, tables (root included), pages, contexts, pins.
            charged.insert(slot, 1 + tables.len() as u64 + pages + contexts + pins.len() as u64);
            used += 1 + tables.len() as u64 + contexts;
            for (table, live) in tables {
                let frame = self.frame(table);
                assert_eq!((frame.kind, frame.count), (FrameKind::Table as u32, live), "table {table:#x} of environment {slot}");
            }
            for pin in pins {
                *mapped.entry(pin).or_default() += 1;
            }
            for mapping in all {
                let rights = mapping.leaf.rights;
                assert!(rights.is_consistent(), "W^X and rights within the maximum: {mapping:?}");
                assert!(!rights.contains(Rights::COW | Rights::WRITE), "a copy-on-write page is not writable: {mapping:?}");
                let count = if mapping.level == 0 { &mut mapped } else { &mut runs };
                *count.entry(mapping.leaf.frame).or_default() += 1;
            }
        }
        for (&first, &mappings) in &runs {
            assert_eq!(self.frame(first).next, mappings, "2 MiB mappings of {first:#x}");
            (first..first + 512).for_each(|frame| *mapped.entry(frame).or_default() += 1);
        }
        self.check_frames(&mapped, used);
        self.check_charges(&charged);
    }

    fn check_frames(&self, mapped: &BTreeMap<u64, u32>, kernel_frames: u64) {
        let info = self.info();
        let (mut free, mut user) = (0, 0);
        for frame in FIRST_FRAME..FIRST_FRAME + info.frame_count {
            let entry = self.frame(frame);
            let mappings = mapped.get(&frame).copied().unwrap_or(0);
            match entry.kind {
                kind if kind == FrameKind::Free as u32 => {
                    free += 1;
                    assert_eq!(mappings, 0, "free frame {frame:#x} is mapped");
                    assert!(entry.count == 0 || self.is_zero(frame), "free frame {frame:#x} is said to hold zeros");
                }
                kind if kind == FrameKind::User as u32 => {
                    user += 1;
                    assert_eq!(entry.count, mappings, "frame {frame:#x} is counted as it is mapped");
                    assert!(mappings > 0, "frame {frame:#x} is nobody's and not free");
                }
                kind if kind == FrameKind::Table as u32 => assert_eq!(mappings, 0, "page table {frame:#x} is mapped"),
                _ => {}
            }
        }
        assert_eq!(free, info.free_frames, "the free count");
        assert_eq!(free + user + kernel_frames, info.usable_frames, "every frame is accounted for");
    }

    fn check_charges(&self, charged: &BTreeMap<usize, u64>) {
        for (&slot, &own) in charged {
            let children: u64 = charged
                .keys()
                .filter(|&&child| child != slot && self.entry(child).parent == slot as u32)
                .map(|&child| self.entry(child).quota)
                .sum();
            let entry = self.entry(slot);
            assert_eq!(entry.used, own + children, "environment {slot} is charged for what it has");
            assert!(entry.used <= entry.quota, "environment {slot} is within its quota");
            assert!(entry.state != EnvState::Free as u32);
        }
    }

    /// What `slot` has at an address.
    pub fn mapping(&self, slot: usize, address: u64) -> Option<Mapping> {
        self.mappings().into_iter().find(|mapping| mapping.slot == slot && mapping.address == address)
    }
}
