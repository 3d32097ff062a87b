//! Capabilities: capabilities(7). Root has all of them, others none.

use crate::errno::{Errno, Result};
use crate::identity::Word;
use crate::kernel::Kernel;
use crate::process::Process;
use crate::syscall::Arguments;
use crate::user::UserMemory;

/// The versions of the structures that there are, the oldest first; from the second on they have two parts of 32 bits each.
const VERSIONS: [u32; 3] = [0x1998_0330, 0x2007_1026, 0x2008_0522];
/// The capabilities that Linux 6.1 knows: up to `CAP_CHECKPOINT_RESTORE`.
const ALL: u64 = (1 << 41) - 1;

/// Effective, permitted and inheritable capabilities, as sets of bits.
type Sets = [u64; 3];

/// How many parts the structures have of a header's version; what is known is written there if it is none.
fn parts<K: Kernel>(process: &Process<K>, header: usize) -> Result<usize> {
    match VERSIONS.iter().position(|&version| Ok(version) == process.read_value(header)) {
        Some(0) => Ok(1),
        Some(_) => Ok(2),
        None => {
            process.read_value::<u32>(header)?;
            process.write_value(header, &VERSIONS[2])?;
            Err(Errno::EINVAL)
        }
    }
}

fn own<K: Kernel>(process: &Process<K>) -> Sets {
    let permitted = if process.kernel.identity().get(Word::EffectiveUser) == 0 { ALL } else { 0 };
    [permitted, permitted, 0]
}

/// Whether a header means the process itself.
fn is_own<K: Kernel>(process: &Process<K>, header: usize) -> Result<bool> {
    let id: i32 = process.read_value(header.wrapping_add(4))?;
    if id < 0 {
        return Err(Errno::EINVAL);
    }
    let id = id as u32;
    Ok(id == 0 || process.threads.with(|table| table.find(id)).is_some())
}

/// capget(2)
pub fn capget<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let (header, data) = (arguments.word(0), arguments.word(1));
    let parts = match parts(process, header) {
        Err(Errno::EINVAL) if data == 0 => return Ok(0),
        parts => parts?,
    };
    if data == 0 {
        return Ok(0);
    }
    if !is_own(process, header)? {
        return Err(Errno::ESRCH);
    }
    let sets = own(process);
    for part in 0..parts {
        let words = sets.map(|set| (set >> (32 * part)) as u32);
        process.write_value(data.wrapping_add(part * size_of_val(&words)), &words)?;
    }
    Ok(0)
}

/// capset(2). What a process gives up it has all the same.
pub fn capset<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let (header, data) = (arguments.word(0), arguments.word(1));
    let parts = parts(process, header)?;
    if !is_own(process, header)? {
        return Err(Errno::EPERM);
    }
    let mut sets: Sets = [0; 3];
    for part in 0..parts {
        let words: [u32; 3] = process.read_value(data.wrapping_add(part * size_of::<[u32; 3]>()))?;
        for (set, word) in sets.iter_mut().zip(words) {
            *set |= u64::from(word) << (32 * part);
        }
    }
    let [effective, permitted, inheritable] = sets.map(|set| set & ALL);
    let has = own(process)[1];
    if permitted & !has != 0 || effective & !permitted != 0 || inheritable & !has != 0 {
        return Err(Errno::EPERM);
    }
    Ok(0)
}
