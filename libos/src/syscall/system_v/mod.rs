//! System V's message queues, semaphores and shared memory: sysvipc(7). They are in `unixd`; what waits asks again after each change.

mod message;
mod segment;
mod semaphore;

use unix::Operation;
use unix::system_v::{Command, ObjectKind, word};

use crate::errno::{Errno, Result};
use crate::kernel::Kernel;
use crate::process::Process;
use crate::thread::Waits;
use crate::user::UserMemory;

pub use message::{msgctl, msgget, msgrcv, msgsnd};
pub use segment::{settle_attachments, shmat, shmctl, shmdt, shmget};
pub use semaphore::{semctl, semget, semop, semtimedop};

/// Commands that all three kinds have by the same number.
const IPC_RMID: i32 = 0;
const IPC_SET: i32 = 1;
const IPC_STAT: i32 = 2;
const IPC_INFO: i32 = 3;

/// Words of a `struct ipc64_perm`.
const OWNERSHIP_WORDS: usize = 6;

/// An object's state, as `unixd` tells it.
type State = [u64; word::COUNT];

/// A word of two halves.
fn pair(low: u64, high: u64) -> u64 {
    low & 0xffff_ffff | high << 32
}

/// The `struct ipc64_perm` of a state.
fn ownership(state: &State) -> [u64; OWNERSHIP_WORDS] {
    [
        pair(state[word::KEY], state[word::USER]),
        pair(state[word::GROUP], state[word::CREATOR]),
        pair(state[word::CREATOR_GROUP], state[word::MODE]),
        state[word::SEQUENCE],
        0,
        0,
    ]
}

/// An id that a program gave.
///
/// # Errors
/// `EINVAL`: it is negative.
fn id(argument: i32) -> Result<u32> {
    u32::try_from(argument).map_err(|_| Errno::EINVAL)
}

/// msgget(2), semget(2), shmget(2)
fn get<K: Kernel>(process: &Process<K>, kind: ObjectKind, key: i32, size: u64, flags: u32) -> Result<usize> {
    let answer = process.ask(Operation::ObjectGet, kind as u16, flags, [u64::from(key as u32), size, 0])?;
    Ok(answer[0] as usize)
}

/// Carry out a command on an object.
fn control<K: Kernel>(process: &Process<K>, kind: ObjectKind, command: Command, object: u32, words: [u64; 2]) -> Result<[u64; 4]> {
    let small = kind as u16 | (command as u16) << 8;
    process.ask(Operation::ObjectControl, small, object, [words[0], words[1], 0])
}

/// Let an object have the owner, the permissions and, if it is a queue, the limit of a structure that a program gave.
fn set<K: Kernel>(process: &Process<K>, kind: ObjectKind, object: u32, address: usize, limit: usize) -> Result<usize> {
    let given: [u64; OWNERSHIP_WORDS] = process.read_value(address)?;
    let limit = if kind == ObjectKind::Queue { process.read_value(address.wrapping_add(8 * limit))? } else { 0 };
    let words: [u64; 4] = [given[0] >> 32, given[1] & 0xffff_ffff, given[2] >> 32, limit];
    for (at, word) in words.iter().enumerate() {
        process.kernel.post(8 * at, &word.to_ne_bytes());
    }
    control(process, kind, Command::Set, object, [0; 2]).map(|_| 0)
}

/// An object's state, with what the command gives.
fn state<K: Kernel>(process: &Process<K>, kind: ObjectKind, command: Command, object: u32) -> Result<(usize, State)> {
    let [value, ..] = control(process, kind, command, object, [0; 2])?;
    let mut bytes = [0; 8 * word::COUNT];
    process.kernel.fetch(0, &mut bytes);
    let mut state: State = [0; word::COUNT];
    for (word, bytes) in state.iter_mut().zip(bytes.as_chunks().0) {
        *word = u64::from_ne_bytes(*bytes);
    }
    Ok((value as usize, state))
}

/// Ask until something comes of it, up to a deadline on the monotonic clock. `ask` gives nothing while it is to be waited.
fn wait_for<K: Kernel, T>(process: &Process<K>, deadline_ns: Option<u64>, mut ask: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let mut waited = false;
    loop {
        match ask() {
            Ok(Some(found)) => return Ok(found),
            Ok(None) => process.block(Waits::Change, deadline_ns)?,
            // There was an object of this id when the wait began.
            Err(Errno::EINVAL) if waited => return Err(Errno::EIDRM),
            Err(errno) => return Err(errno),
        }
        waited = true;
    }
}
