//! One function per call. Errors are those of the kernel's own documentation.

use abi::{Call, CloneRange, EnvId, Error, Privileges, Registers, Rights, RunState, TransferFlags, UpcallEntries, WaitWord};

use crate::raw_call;

/// What a call gives.
pub type Result<T> = core::result::Result<T, Error>;

/// A message that a transfer brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message {
    /// The environment that sent it.
    pub sender: EnvId,
    /// Which of the sender's contexts.
    pub context: usize,
    /// The message's words.
    pub words: [u64; 4],
}

fn result(status: i64, value: u64) -> Result<u64> {
    if status < 0 { Err(Error::try_from(status).unwrap_or(Error::NoCall)) } else { Ok(value) }
}

/// A call whose only effects are those that its safe wrapper documents.
macro_rules! call {
    ($call:ident $(, $argument:expr)*) => {{
        let given: &[u64] = &[$($argument),*];
        let mut arguments = [0u64; 6];
        arguments[..given.len()].copy_from_slice(given);
        let mut message = [0; 4];
        // SAFETY: the wrapper is unsafe itself where the call can take memory away that Rust still uses.
        let (status, value) = unsafe { raw_call::<{ Call::$call as u16 }>(arguments, &mut message) };
        result(status, value)
    }};
}

/// Repeat a batch call until all `pages` are done: `step` gets how many are, and answers how many more.
fn batch(pages: usize, mut step: impl FnMut(usize) -> Result<u64>) -> Result<()> {
    let mut done = 0;
    while done < pages {
        done += step(done)? as usize;
    }
    Ok(())
}

fn page(address: usize, index: usize) -> u64 {
    (address + index * abi::PAGE_SIZE) as u64
}

/// The caller's own name: the null call.
#[inline(always)]
pub fn identify() -> EnvId {
    EnvId(call!(Identify).unwrap_or(0))
}

/// Map `pages` zeroed free frames at `address`: any, or from number `frame` on. On an error some may have been mapped.
pub fn page_alloc(address: usize, pages: usize, rights: Rights, frame: Option<u64>) -> Result<()> {
    batch(pages, |done| {
        let frame = frame.map_or(abi::ANY_FRAME, |first| first + done as u64);
        call!(PageAlloc, page(address, done), (pages - done) as u64, rights.bits(), frame)
    })
}

/// Map `pages` held here at `source` into `env` at `target`. On an error some may have been mapped.
pub fn page_map(env: EnvId, target: usize, source: usize, pages: usize, rights: Rights) -> Result<()> {
    batch(pages, |done| call!(PageMap, env.0, page(target, done), page(source, done), (pages - done) as u64, rights.bits()))
}

/// Give up mappings.
///
/// # Safety
/// Nothing in the range is used afterwards.
pub unsafe fn page_unmap(env: EnvId, address: usize, pages: usize) -> Result<()> {
    batch(pages, |done| call!(PageUnmap, env.0, page(address, done), (pages - done) as u64))
}

/// Set current rights and lower the maximum.
///
/// # Safety
/// Nothing in the range is used against its new rights.
pub unsafe fn page_protect(env: EnvId, address: usize, pages: usize, rights: Rights) -> Result<()> {
    batch(pages, |done| call!(PageProtect, env.0, page(address, done), (pages - done) as u64, rights.bits()))
}

/// Clone ranges into `env`.
pub fn page_clone(env: EnvId, ranges: &[CloneRange]) -> Result<()> {
    let mut cursor = 0;
    while cursor != u64::MAX {
        cursor = call!(PageClone, env.0, ranges.as_ptr() as u64, ranges.len() as u64, cursor)?;
    }
    Ok(())
}

/// Make a copy-on-write page the caller's own. True if that took a copy.
pub fn page_break(address: usize) -> Result<bool> {
    call!(PageBreak, address as u64).map(|copied| copied != 0)
}

/// The answer of [`page_query`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PageInfo {
    /// The frame's number (its physical address in pages).
    pub frame: u64,
    /// Current and maximum rights, `COW`, `LARGE` and `DEVICE`.
    pub rights: Rights,
}

/// What is mapped at an address.
pub fn page_query(env: EnvId, address: usize) -> Result<PageInfo> {
    call!(PageQuery, env.0, address as u64).map(|word| PageInfo { frame: word >> 12, rights: Rights::from_bits_truncate(word & 0xfff) })
}

/// How many of `pages` pages from `address` on are not mapped, up to the first that is.
pub fn page_skip(env: EnvId, address: usize, pages: usize) -> Result<usize> {
    let mut passed = 0;
    while passed < pages {
        match call!(PageSkip, env.0, page(address, passed), (pages - passed) as u64)? {
            0 => break,
            more => passed += more as usize,
        }
    }
    Ok(passed)
}

/// A new child with `quota` frames.
pub fn env_create(quota: usize, privileges: Privileges) -> Result<EnvId> {
    call!(EnvCreate, quota as u64, privileges.bits()).map(EnvId)
}

/// End an environment. With [`EnvId::SELF`] this does not return.
pub fn env_destroy(env: EnvId, status: u64) -> Result<()> {
    call!(EnvDestroy, env.0, status).map(drop)
}

/// Give back all that a dead environment holds.
pub fn env_reap(env: EnvId) -> Result<()> {
    while call!(EnvReap, env.0)? == 0 {}
    Ok(())
}

/// Hand a child to another parent.
pub fn env_hand(env: EnvId, parent: EnvId) -> Result<()> {
    call!(EnvHand, env.0, parent.0).map(drop)
}

/// Change a child's quota.
pub fn env_quota(env: EnvId, quota: usize) -> Result<()> {
    call!(EnvQuota, env.0, quota as u64).map(drop)
}

/// Let a peer map pages into a window here; no pages: nobody.
pub fn env_window(peer: EnvId, address: usize, pages: usize) -> Result<()> {
    call!(EnvWindow, peer.0, address as u64, pages as u64).map(drop)
}

/// A new context, stopped.
pub fn context_create(env: EnvId) -> Result<usize> {
    call!(ContextCreate, env.0).map(|index| index as usize)
}

/// Load a context's registers and set how it runs.
pub fn context_set(env: EnvId, index: usize, registers: Option<&Registers>, state: RunState) -> Result<()> {
    let registers = registers.map_or(0, |registers| core::ptr::from_ref(registers) as u64);
    call!(ContextSet, env.0, index as u64, registers, state as u64).map(drop)
}

/// Read a context's registers.
pub fn context_get(env: EnvId, index: usize) -> Result<Registers> {
    let mut registers = core::mem::MaybeUninit::<Registers>::uninit();
    call!(ContextGet, env.0, index as u64, registers.as_mut_ptr() as u64)?;
    // SAFETY: the call succeeded, so the kernel wrote every word.
    Ok(unsafe { registers.assume_init() })
}

/// Continue with a full register frame. Returns only with an error.
///
/// # Safety
/// The frame describes a program state that may run here.
pub unsafe fn resume(registers: &Registers) -> Error {
    match call!(Resume, core::ptr::from_ref(registers) as u64) {
        Err(error) => error,
        Ok(_) => Error::NoCall,
    }
}

/// Give the rest of the slice to a context.
#[inline(always)]
pub fn yield_to(env: EnvId, index: usize) -> Result<()> {
    call!(Yield, env.0, index as u64).map(drop)
}

/// Give the rest of the slice to whoever is next.
pub fn yield_now() {
    let _ = call!(Yield, 0, 0);
}

/// Sleep until a word differs or is woken, or the clock passes `deadline`.
pub fn wait(words: &[WaitWord], deadline: Option<u64>) -> Result<usize> {
    call!(Wait, words.as_ptr() as u64, words.len() as u64, deadline.unwrap_or(abi::NO_DEADLINE)).map(|index| index as usize)
}

/// Wake contexts that sleep on a word.
pub fn wake(word: *const u32, most: usize) -> Result<usize> {
    call!(Wake, word as u64, most as u64).map(|count| count as usize)
}

/// Give a slice slot to a context.
pub fn slice_set(cpu: usize, slot: usize, env: EnvId, index: usize) -> Result<()> {
    call!(SliceSet, cpu as u64, slot as u64, env.0, index as u64).map(drop)
}

/// Set where a context's traps go.
pub fn upcall_set(env: EnvId, index: usize, page: usize, entries: &UpcallEntries) -> Result<()> {
    call!(UpcallSet, env.0, index as u64, page as u64, core::ptr::from_ref(entries) as u64).map(drop)
}

/// Take or hand on an interrupt.
pub fn irq_bind(irq: usize, env: EnvId) -> Result<()> {
    call!(IrqBind, irq as u64, env.0).map(drop)
}

/// Let the next interrupt come.
pub fn irq_ack(irq: usize) -> Result<()> {
    call!(IrqAck, irq as u64).map(drop)
}

/// Continue a context that accepts calls, in the caller's slice, and sleep until it answers.
#[inline(always)]
pub fn transfer_call(env: EnvId, index: usize, words: [u64; 4]) -> Result<Message> {
    let mut message = [0; 4];
    // SAFETY: the call changes nothing but the registers that `raw_call` declares.
    let (status, value) =
        unsafe { raw_call::<{ Call::TransferCall as u16 }>([env.0, index as u64, words[0], words[1], words[2], words[3]], &mut message) };
    result(status, value).map(|sender| received(sender, message))
}

/// Answer `to` (the context that called) and, with `ACCEPT`, sleep until the next call comes.
#[inline(always)]
pub fn transfer_reply(to: EnvId, index: usize, words: [u64; 4], flags: TransferFlags) -> Result<Message> {
    let mut message = [0; 4];
    let index = index as u64 | flags.bits() << 32;
    // SAFETY: the call changes nothing but the registers that `raw_call` declares.
    let (status, value) =
        unsafe { raw_call::<{ Call::TransferReply as u16 }>([to.0, index, words[0], words[1], words[2], words[3]], &mut message) };
    result(status, value).map(|sender| received(sender, message))
}

fn received(sender: u64, words: [u64; 4]) -> Message {
    Message { sender: EnvId(sender & 0x00ff_ffff_ffff_ffff), context: (sender >> 56) as usize, words }
}

/// Map info pages read-only.
pub fn info_map(env: EnvId, address: usize, first: usize, pages: usize) -> Result<()> {
    batch(pages, |done| call!(InfoMap, env.0, page(address, done), (first + done) as u64, (pages - done) as u64))
}

/// Write to the debug console.
pub fn debug_put(bytes: &[u8]) -> Result<usize> {
    let mut done = 0;
    while done < bytes.len() {
        let rest = &bytes[done..];
        done += call!(DebugPut, rest.as_ptr() as u64, rest.len() as u64)? as usize;
    }
    Ok(done)
}

/// Read what the console has.
pub fn debug_get(buffer: &mut [u8]) -> Result<usize> {
    call!(DebugGet, buffer.as_mut_ptr() as u64, buffer.len() as u64).map(|count| count as usize)
}

/// Stop the machine.
pub fn machine_exit(code: u8) -> Result<()> {
    call!(MachineExit, u64::from(code)).map(drop)
}
