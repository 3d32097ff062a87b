//! The calls and their errors.

use num_enum::TryFromPrimitive;

/// A kernel call. Arguments stand in order; `env` is an [`crate::EnvId`] word, 0 for the caller itself; addresses of pages are
/// multiples of the page size; `→` gives the value word. The kernel's own page for each (`exokernel/src/calls`) lists every
/// error.
///
/// Authority is position: "over" an environment means being it or one of its ancestors.
#[derive(Clone, Copy, PartialEq, Eq, Debug, TryFromPrimitive)]
#[repr(u16)]
pub enum Call {
    /// `() → own EnvId`. The null call.
    Identify = 1,

    /// `(address, pages, rights, frame) → pages done`. Take free frames, zeroed, and map them here. `frame`: the first
    /// frame's number, for that frame and those after it (device frames too, with [`crate::Privileges::DEVICES`]), or
    /// [`crate::ANY_FRAME`].
    PageAlloc = 2,
    /// `(env, target, source, pages, rights) → pages done`. Map pages held here at `source` into `env` at `target`, with rights
    /// within their maximum. `env`: one that the caller is over, or a peer whose window covers the target.
    PageMap = 3,
    /// `(env, address, pages) → pages done`. Give up mappings; pages not mapped are passed over. What is taken from another
    /// environment is written into the ledger ([`crate::LedgerEntry`]).
    PageUnmap = 4,
    /// `(env, address, pages, rights) → pages done`. Set current rights inside the maximum and lower the maximum to the
    /// `MAY_*` bits given; pages not mapped are passed over. A copy-on-write page stays unwritable until broken.
    PageProtect = 5,
    /// `(env, list, count, cursor) → cursor`. Clone the [`crate::CloneRange`]s in `list` into `env`, which the caller is over.
    /// `cursor` is 0 at first, then the last answer; done when the answer is `u64::MAX`.
    PageClone = 6,
    /// `(address) → 1 if copied, 0 if taken over`. Give the caller a frame of its own, writable, at a copy-on-write page.
    PageBreak = 7,
    /// `(env, address) → frame number << 12 | rights`. [`crate::Rights`], with `COW`, `LARGE` and `DEVICE`.
    PageQuery = 8,

    /// `()`. Only for an upcall's end, and only on aarch64: continue with `pc`, `sp`, `flags` and the scratch registers of
    /// [`crate::UpcallPage::syscall`], all other registers as they are; while `fault_active` is set: of [`crate::UpcallPage::fault`],
    /// and the flag is cleared. `NotMapped` without an upcall page. (x86_64 code needs no kernel for this: `iretq` is for user mode
    /// too. There the answer is always `NotMapped`.)
    Return = 9,

    /// `(quota, privileges) → EnvId`. A child with an empty address space, `quota` frames out of the caller's.
    EnvCreate = 10,
    /// `(env, status)`. End an environment the caller is over. Its contexts stop and its slices go to its parent at once, its
    /// children become its parent's; its frames stay its own until reaped.
    EnvDestroy = 11,
    /// `(env) → 1 when all is done, 0 to be called again`. Give a dead environment's frames back, free its slot, and return its
    /// quota to its parent.
    EnvReap = 12,
    /// `(env, parent)`. Hand a child of the caller to another parent, which the caller is over or whose child the caller is. The
    /// quota moves with it: out of the caller's own quota, if the child goes to the caller's parent.
    EnvHand = 13,
    /// `(env, quota)`. Change a child's quota, to or from the caller's.
    EnvQuota = 14,
    /// `(peer, address, pages)`. Let `peer` map pages into this window of the caller, in place of any window before.
    EnvWindow = 15,

    /// `(env) → index`. A new context, stopped.
    ContextCreate = 16,
    /// `(env, index, registers, state)`. Load registers (0: leave them) and set the [`crate::RunState`]. On
    /// oneself, it makes a change of [`crate::UpcallPage::deadline`] known.
    ContextSet = 17,
    /// `(env, index, registers)`. Store the registers of a context that is not the caller.
    ContextGet = 18,
    /// `(registers)`. Continue with a full register frame, at once. `registers` is 16-byte aligned and inside one page. Returns only
    /// with an error.
    Resume = 19,
    /// `(env, index)`. Give the rest of the slice to that context; `env` 0: to whoever is next.
    Yield = 20,
    /// `(words, count, deadline) → index of a word that differs, or that was woken`. Sleep on [`crate::WaitWord`]s until one is woken, or the clock passes
    /// `deadline` (in ticks).
    Wait = 21,
    /// `(address, most) → how many were woken`. Wake contexts that sleep on the word, longest sleeper first.
    Wake = 22,
    /// `(cpu, slot, env, index)`. Give a slice slot that the caller's environment owns (or one below it) to a context. `env` must be
    /// alive.
    SliceSet = 23,

    /// `(env, index, page, entries)`. Set a context's upcall page, which must be mapped writable and not copy-on-write in `env`, and its
    /// [`crate::UpcallEntries`] (an address in the caller). The page is pinned as long as it is used so.
    UpcallSet = 24,
    /// `(irq, env)`. Take an interrupt no one has, or hand one on that the caller has.
    IrqBind = 25,
    /// `(irq)`. Let the next one come. An interrupt comes masked, counted in [`crate::InfoPage::irqs`].
    IrqAck = 26,
    /// `(env, index, w0, w1, w2, w3)`. Protected control transfer: a context that accepts calls continues in the caller's slice; the
    /// answer's words come back. On arrival, at either side, the words are in x2–x5 or rdi, r10, r8, r9 and the value word is the
    /// sender's EnvId with its context's index in bits 56 and up.
    TransferCall = 27,
    /// `(env, index, w0, w1, w2, w3)` with [`crate::TransferFlags`] above bit 32 of `index`. Answer a call and accept the next.
    TransferReply = 28,

    /// `(env, address, first, pages) → pages done`. Map info pages read-only.
    InfoMap = 29,
    /// `(address, length) → bytes`. Write to the debug console.
    DebugPut = 30,
    /// `(address, length) → bytes`. Read what the console has; never sleeps. With [`crate::Privileges::CONSOLE`].
    DebugGet = 31,
    /// `(code)`. Stop the machine. With [`crate::Privileges::MACHINE`].
    MachineExit = 32,
    /// `(env, address, pages) → pages passed`. Pass over pages that are not mapped, up to the first that is or as far as one call goes;
    /// 0: `address` is mapped.
    PageSkip = 33,
}

/// Why a call was refused. Nothing was changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, TryFromPrimitive)]
#[repr(i64)]
pub enum Error {
    /// No such call.
    NoCall = -1,
    /// An address is misaligned, outside user space, or a range overflows.
    BadAddress = -2,
    /// A page that the call names is not mapped here, or does not allow what the call needs.
    NotMapped = -3,
    /// A page is already mapped at the target (or a 2 MiB mapping covers a part of the range).
    Occupied = -4,
    /// Rights that exceed the maximum held, are inconsistent, or break W^X.
    BadRights = -5,
    /// More than the environment's quota.
    Quota = -6,
    /// The frame asked for is not free, or there is none such.
    NoFrame = -7,
    /// No such environment or context: never was, or is gone.
    NoEnv = -8,
    /// The caller is not over the environment, lacks the privilege, or does not own the slot.
    Denied = -9,
    /// An argument has no meaning: a number out of range, an unknown flag.
    BadArgument = -10,
    /// The other side is not ready: it does not accept calls, or still runs.
    Busy = -11,
    /// The other side died before it answered.
    Dead = -12,
    /// The deadline passed.
    TimedOut = -13,
    /// The wait or call was given up because the context was set runnable.
    Interrupted = -14,
    /// The table is full.
    Full = -15,
}
