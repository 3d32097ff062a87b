//! A machine for host tests: memory in a `Vec`, user mode off a script, everything that the kernel asks of it on record.
//!
//! It is generic over the page-table format, so that the kernel's logic is driven over both ISAs' tables on any host. User mode is a
//! list of [`Step`]s: each gets the loaded context, may change its registers as a program would, and says why it stopped.

use std::cell::{Cell, UnsafeCell};
use std::collections::VecDeque;
use std::marker::PhantomData;

use abi::{PAGE_SIZE, Registers, USER_TOP, UpcallEntries, UpcallPage};
use arrayvec::ArrayVec;

use crate::{Board, Boot, Context, Cpu, FrameRange, Handlers, Interrupt, Paging, Trap};

/// A piece of a scripted user program.
pub type Step = Box<dyn FnOnce(&mut FakeContext) -> Trap>;

/// A frame, aligned as frames are.
#[repr(align(4096))]
struct Frame(UnsafeCell<[u8; PAGE_SIZE]>);

/// The panic payload of [`Board::exit`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stopped(pub u8);

/// A context as plain fields.
#[derive(Clone, Debug)]
pub struct FakeContext {
    /// Root table that it was made with.
    pub root: u64,
    /// Address space that it was made with.
    pub asid: u16,
    /// Number of its next call.
    pub call: usize,
    /// Arguments of its next call.
    pub arguments: [u64; 6],
    /// Status and value of its last call.
    pub result: (i64, u64),
    /// Words that a transfer brought.
    pub message: [u64; 4],
    /// Its registers.
    pub registers: Registers,
    /// Upcall page in the direct map, its user address, and the entry for foreign syscalls.
    pub upcall: (usize, u64, u64),
    /// A stand-in for vector state: a test's to set and to read.
    pub vector: u64,
}

impl Context for FakeContext {
    fn init(&mut self, root: u64, asid: u16) {
        (self.root, self.asid) = (root, asid);
    }

    fn set_result(&mut self, status: i64, value: u64) {
        self.result = (status, value);
    }

    fn set_message(&mut self, words: [u64; 4]) {
        self.message = words;
    }

    fn registers(&self) -> Registers {
        self.registers
    }

    fn set_registers(&mut self, registers: &Registers) {
        self.registers = *registers;
        self.registers.pc = registers.pc.min(USER_TOP - 1);
    }

    fn set_upcall(&mut self, page: *mut UpcallPage, address: u64, entries: UpcallEntries) {
        self.upcall = (page as usize, address, entries.syscall);
    }

    fn enter_fault(&mut self, page: &mut UpcallPage, entry: u64) {
        (page.fault.pc, page.fault.sp) = (self.registers.pc, self.registers.sp);
        self.registers.pc = entry;
    }
}

/// The machine.
pub struct Fake<P> {
    memory: Vec<Frame>,
    first: u64,
    /// What user mode does next. An empty script is a test's mistake.
    pub script: VecDeque<Step>,
    /// Single pages that were flushed: address space and address.
    pub flushed_pages: Vec<(u16, u64)>,
    /// Address spaces that were flushed whole.
    pub flushed_spaces: Vec<u16>,
    /// Frames made visible to instruction fetch.
    pub synced: Vec<u64>,
    /// The counter; each look at it adds one.
    pub clock: Cell<u64>,
    /// What the timer is set to.
    pub timer: u64,
    /// Interrupts that are waiting.
    pub interrupts: VecDeque<Interrupt>,
    /// Device interrupts that may come.
    pub unmasked: Vec<usize>,
    /// What was written to the console.
    pub output: Vec<u8>,
    /// What is still to be read from it.
    pub input: VecDeque<u8>,
    /// Times that `switch` was called.
    pub switches: usize,
    paging: PhantomData<P>,
}

impl<P: Paging> Fake<P> {
    /// A machine with `frames` frames of RAM from number `first` on, and the boot record for it: an image of `image` frames at the end of RAM, one
    /// device frame below RAM.
    #[must_use]
    pub fn new(first: u64, frames: u64, image: u64) -> (Self, Boot) {
        let memory = (0..frames).map(|_| Frame(UnsafeCell::new([0xa5; PAGE_SIZE]))).collect();
        let fake = Fake {
            memory,
            first,
            script: VecDeque::new(),
            flushed_pages: Vec::new(),
            flushed_spaces: Vec::new(),
            synced: Vec::new(),
            clock: Cell::new(0),
            timer: u64::MAX,
            interrupts: VecDeque::new(),
            unmasked: Vec::new(),
            output: Vec::new(),
            input: VecDeque::new(),
            switches: 0,
            paging: PhantomData,
        };
        let range = |first, count| FrameRange { first, count };
        let boot = Boot {
            memory: ArrayVec::from_iter([range(first, frames)]),
            devices: ArrayVec::from_iter([range(first - 1, 1)]),
            image: range(first + frames - image, image),
            clock_hz: 1_000_000_000,
            ..Boot::default()
        };
        (fake, boot)
    }

    /// Let the timer go off: the clock stands at its deadline and its interrupt waits.
    pub fn fire_timer(&mut self) {
        self.clock.set(self.clock.get().max(self.timer));
        self.timer = u64::MAX;
        self.interrupts.push_back(Interrupt::Timer);
    }
}

impl<P: Paging> Cpu for Fake<P> {
    type Context = FakeContext;
    type Paging = P;

    unsafe fn switch(&mut self, _previous: &mut FakeContext, _next: &mut FakeContext) {
        self.switches += 1;
    }

    fn reload(&mut self, _context: &FakeContext, _registers: bool) {}

    fn run<K>(kernel: &mut K, own: fn(&mut K) -> &mut Self, context: &UnsafeCell<FakeContext>, calls: &Handlers<K>) -> Trap {
        let step = own(kernel).script.pop_front().expect("the script says what user mode does");
        // SAFETY: here and below, nobody else has a reference to the context while this one is used.
        let state = unsafe { &mut *context.get() };
        let trap = step(state);
        if trap == Trap::Call {
            let [a, b, c, d, e, f] = state.arguments;
            let answer = calls[state.call](a, b, c, d, e, f, kernel);
            if answer.status <= 0 {
                // SAFETY: likewise.
                unsafe { (*context.get()).result = (answer.status, answer.value) };
            }
        }
        trap
    }

    fn init_root(&mut self, _root: u64) {}

    fn flush_page(&mut self, asid: u16, address: u64) {
        self.flushed_pages.push((asid, address));
    }

    fn flush_space(&mut self, asid: u16) {
        self.flushed_spaces.push(asid);
    }

    fn sync_icache(&mut self, frame: u64) {
        self.synced.push(frame);
    }

    fn clock(&self) -> u64 {
        self.clock.set(self.clock.get() + 1);
        self.clock.get()
    }

    fn set_timer(&mut self, deadline: u64) {
        self.timer = deadline;
    }

    /// Time passes to the timer's deadline, unless an interrupt waits.
    fn idle(&mut self) {
        if self.interrupts.is_empty() {
            assert!(self.timer != u64::MAX, "nothing will ever happen again");
            self.fire_timer();
        }
    }
}

impl<P: Paging> Board for Fake<P> {
    fn frame(&self, frame: u64) -> *mut u8 {
        let index = frame.checked_sub(self.first).filter(|&index| index < self.memory.len() as u64).expect("a frame of RAM");
        self.memory[index as usize].0.get().cast()
    }

    unsafe fn zero_frame(&self, frame: u64) {
        // SAFETY: the caller's promise.
        unsafe { self.frame(frame).write_bytes(0, abi::PAGE_SIZE) };
    }

    unsafe fn copy_frame(&self, from: u64, to: u64) {
        // SAFETY: the caller's promise; what is nobody else's is not `from`.
        unsafe { self.frame(to).copy_from_nonoverlapping(self.frame(from), abi::PAGE_SIZE) };
    }

    fn interrupt(&mut self) -> Option<Interrupt> {
        let interrupt = self.interrupts.pop_front()?;
        if let Interrupt::Device(irq) = interrupt {
            self.open(irq, false);
        }
        Some(interrupt)
    }

    fn open(&mut self, irq: usize, open: bool) {
        self.unmasked.retain(|&other| other != irq);
        self.unmasked.extend(open.then_some(irq));
    }

    fn put(&mut self, byte: u8) {
        self.output.push(byte);
    }

    fn get(&mut self) -> Option<u8> {
        self.input.pop_front()
    }

    fn exit(&mut self, code: u8) -> ! {
        std::panic::panic_any(Stopped(code))
    }
}
