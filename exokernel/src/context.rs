//! The record of a context: a stopped thread of control, in a frame that its environment pays for.

use core::cell::{Cell, UnsafeCell};
use core::num::NonZeroUsize;

use abi::{EnvId, MAX_WAIT_WORDS, PAGE_SIZE, UpcallEntries};
use arch::{Context, Cpu, Machine};

use crate::{Kernel, Result, queue::Node};

/// A context, by the address of its record in the direct map.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct ContextRef(NonZeroUsize);

/// Who is loaded before the first context is.
pub(crate) const NOBODY: ContextRef = ContextRef(NonZeroUsize::MAX);

/// What a context is doing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Run {
    /// Nothing, until `context_set`.
    Stopped,
    /// It runs when it has time.
    Runnable,
    /// It sleeps on words, or for a time.
    Waiting,
    /// It sleeps until a call comes.
    Accepting,
    /// It sleeps until this context answers its call.
    Calling(ContextRef),
}

/// Queue nodes of a record: one per word that it sleeps on, then these two.
pub(crate) const TIMER_NODE: usize = MAX_WAIT_WORDS;
pub(crate) const NODES: usize = MAX_WAIT_WORDS + 1;

/// Where an index begins in the name of a context.
pub(crate) const INDEX_SHIFT: u32 = 56;

/// A context's record.
pub(crate) struct Record<C> {
    /// Registers and vector state.
    pub(crate) machine: UnsafeCell<C>,
    /// The frame that the record is in.
    pub(crate) frame: u64,
    /// Its environment's root table.
    pub(crate) root: u64,
    /// Its environment's [`abi::EnvEntry::ran`].
    pub(crate) ran: *mut u64,
    pub(crate) env: EnvId,
    /// What receivers of its messages see: its environment, and its index in that from [`INDEX_SHIFT`] on.
    pub(crate) name: u64,
    pub(crate) run: Cell<Run>,
    /// Set when a slice was ended by force, cleared when the library has been told.
    pub(crate) preempted: Cell<bool>,
    /// Frame of the upcall page.
    pub(crate) upcall: Cell<Option<u64>>,
    pub(crate) entries: Cell<UpcallEntries>,
    /// How many word nodes are queued.
    pub(crate) words: Cell<usize>,
    pub(crate) nodes: [Node; NODES],
}

impl<C: Context> Record<C> {
    /// The machine's part.
    #[expect(clippy::mut_from_ref, reason = "the part is in an UnsafeCell: see SAFETY")]
    pub(crate) fn machine(&self) -> &mut C {
        // SAFETY: each use is one short expression in the kernel, which has one thread; `run` holds the only long one, and nothing else
        // executes while it does.
        unsafe { &mut *self.machine.get() }
    }
}

impl<M: Machine> Kernel<M> {
    /// The record of a context.
    pub(crate) fn context<'a>(&self, context: ContextRef) -> &'a Record<<M as Cpu>::Context> {
        const { assert!(size_of::<Record<<M as Cpu>::Context>>() <= PAGE_SIZE) };
        // SAFETY: a ContextRef is made by `new_context` only, and dropped from every table before its frame is freed.
        unsafe { &*core::ptr::with_exposed_provenance(context.0.get()) }
    }

    /// Whose node it is, and which. A record begins where its frame does.
    pub(crate) fn owner(&self, node: &Node) -> (ContextRef, usize) {
        let place = core::ptr::from_ref(node).addr();
        let context = ContextRef(NonZeroUsize::new(place & !(PAGE_SIZE - 1)).expect("the direct map does not begin at 0"));
        (context, (place - self.context(context).nodes.as_ptr().addr()) / size_of::<Node>())
    }

    /// A new, stopped context of the environment in `slot`, charged to it.
    pub(crate) fn new_context(&mut self, id: EnvId) -> Result<usize> {
        let env = self.env(id.slot());
        let index = env.contexts.iter().position(|context| context.get().is_none()).ok_or(abi::Error::Full)?;
        self.charge(id.slot(), 1)?;
        let frame = self.take_charged(abi::FrameKind::Kernel, true);
        let place = self.machine.frame(frame).cast::<Record<<M as Cpu>::Context>>();
        // SAFETY: the frame was just taken; it is large enough (see `context`) and page-aligned. Zeros are values of all other parts, and of the
        // machine's what `Context::init` expects.
        let record = unsafe {
            (&raw mut (*place).run).write(Cell::new(Run::Stopped));
            (&raw mut (*place).upcall).write(Cell::new(None));
            &mut *place
        };
        (record.frame, record.root, record.env) = (frame, env.root.get(), id);
        (record.ran, record.name) = (&raw mut self.entry(id.slot()).ran, id.0 | (index as u64) << INDEX_SHIFT);
        let context = ContextRef(NonZeroUsize::new(place.expose_provenance()).expect("the direct map does not begin at 0"));
        self.context(context).machine().init(env.root.get(), env.asid());
        env.contexts[index].set(Some(context));
        Ok(index)
    }
}
