//! From a machine that has started to the first environment.
//!
//! The kernel takes its own pages (the info pages, which hold the frame table) out of RAM once, here. Everything else is free, and the first
//! environment may have all of it.

use abi::{EnvId, FrameEntry, FrameKind, IMAGE_BASE, IMAGE_MAGIC, INFO_ENVS_PAGE, INFO_SLICES_PAGE, ImageHeader, InfoPage};
use abi::{MAX_SLICES, PAGE_SIZE, Privileges, Registers, Rights};
use arch::{Boot, Context, FrameRange, Leaf, Machine};

use crate::{Kernel, Schedule, context::Run, frame::Frames, queue};

/// Length of a slice.
const SLICES_PER_SECOND: u64 = 100;

impl<M: Machine> Kernel<M> {
    /// A kernel on `machine`, its first environment ready to run.
    ///
    /// # Panics
    /// If the boot image is missing or is none, or there is no room for it.
    #[inline(never)]
    pub fn new(machine: M, boot: &Boot) -> Self {
        let first = boot.memory.iter().map(|range| range.first).min().expect("a machine has memory");
        let end = boot.memory.iter().map(|range| range.first + range.count).max().expect("a machine has memory");
        let frames_page = (INFO_SLICES_PAGE + abi::INFO_SLICES_PAGES) as u64;
        let pages = frames_page + ((end - first) * size_of::<FrameEntry>() as u64).div_ceil(PAGE_SIZE as u64);
        let info = carve(boot, pages);
        // SAFETY: `carve` found the pages in RAM, and apart from all that is taken.
        (info..info + pages).for_each(|frame| unsafe { machine.zero_frame(frame) });
        let table = machine.frame(info + frames_page).cast();
        let frames = Frames::new(table, machine.frame(info).cast(), first, end - first, boot);
        let (records, irqs) = ([0; abi::MAX_ENVS], [EnvId::SELF; abi::MAX_IRQS]);
        let entries = machine.frame(info + INFO_ENVS_PAGE as u64).cast();
        let (queues, near, top) = (queue::EMPTY, Default::default(), 0);
        let mut kernel = Kernel { machine, frames, queues, near, top, schedule: Schedule::new(), info, entries, records, irqs };
        kernel.sort_frames(boot, FrameRange { first: info, count: pages });
        let usable_frames = kernel.info_page().free_frames + boot.image.count;
        *kernel.info_page() = InfoPage {
            clock_hz: boot.clock_hz,
            clock_mult: ((1_000_000_000u128 << 32) / u128::from(boot.clock_hz)) as u64,
            boot_ticks: kernel.machine.clock(),
            boot_unix_ns: boot.unix_ns,
            slice_ticks: boot.clock_hz / SLICES_PER_SECOND,
            first_frame: first,
            frame_count: end - first,
            frames_page,
            pages,
            usable_frames,
            cpus: 1,
            features: boot.features,
            console_irq: boot.console_irq as u64,
            ..*kernel.info_page()
        };
        kernel.start(boot.image, usable_frames);
        kernel
    }

    /// Say what each frame is: all memory is free, but for what is taken.
    fn sort_frames(&mut self, boot: &Boot, info: FrameRange) {
        // From the top down, so that the lowest frames are taken first.
        let frames = |range: &FrameRange| (range.first..range.first + range.count).rev();
        boot.memory.iter().flat_map(frames).for_each(|frame| self.frames.free(frame, false));
        let kernel = boot.reserved.iter().chain([&info]).flat_map(frames).map(|frame| (frame, FrameKind::Kernel));
        for (frame, kind) in kernel.chain(frames(&boot.image).map(|frame| (frame, FrameKind::User))) {
            self.frames.take_at(frame, kind);
        }
    }

    /// The first environment: the image's pages, all quota, every privilege, all time.
    fn start(&mut self, image: FrameRange, quota: u64) {
        assert!(image.count > 0, "no boot image");
        // SAFETY: the image's first frame is RAM; any bytes make an ImageHeader.
        let header: ImageHeader = unsafe { self.machine.frame(image.first).cast::<ImageHeader>().read() };
        assert!(header.magic == IMAGE_MAGIC && header.pages <= image.count, "not a boot image");
        let id = self.new_env(None, quota, Privileges::all()).expect("the table is empty");
        for page in 0..image.count {
            let covers = |segment: &&abi::Segment| page.wrapping_sub(segment.page) < segment.pages;
            let segment = header.segments.iter().find(covers);
            let rights = segment.map_or(Rights::READ_WRITE, |segment| Rights::from_bits_truncate(segment.rights));
            assert!(rights.is_consistent(), "a segment of the boot image breaks W^X");
            let (address, frame) = (IMAGE_BASE + page * PAGE_SIZE as u64, image.first + page);
            self.insert(id, address, 0, Leaf { frame, rights }).expect("the image fits into memory");
            self.becomes_executable(frame, 1, Rights::empty(), rights);
        }
        let index = self.new_context(id).expect("the first of its contexts");
        let context = self.context_of(id, index as u64).expect("it was just made");
        let registers = Registers { pc: header.entry, sp: header.stack, ..Registers::default() };
        self.context(context).machine().set_registers(&registers);
        self.context(context).run.set(Run::Runnable);
        // SAFETY: what the machine has on the CPU before is nobody's, and any bytes make a context to put it in.
        unsafe { self.machine.switch(&mut core::mem::zeroed(), self.context(context).machine()) };
        self.account(context, self.machine.clock().wrapping_neg());
        self.schedule.loaded = context;
        for slot in 0..MAX_SLICES {
            self.set_slice(slot, id, (slot == 0).then_some(context));
        }
    }
}

/// Where `pages` frames in a row are that nothing in `boot` has taken: after the taken stretch that leaves room.
fn carve(boot: &Boot, pages: u64) -> u64 {
    let taken = || boot.reserved.iter().chain(core::iter::once(&boot.image));
    let starts = boot.memory.iter().chain(taken()).flat_map(|range| [range.first, range.first + range.count]);
    let fits = |&first: &u64| {
        let end = first + pages;
        let apart = |range: &FrameRange| end <= range.first || first >= range.first + range.count || range.count == 0;
        boot.memory.iter().any(|range| first >= range.first && end <= range.first + range.count) && taken().all(apart)
    };
    starts.filter(fits).max().expect("memory for the frame table")
}
