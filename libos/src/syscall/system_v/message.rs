//! Message queues: msgget(2), msgop(2), msgctl(2).

use alloc::vec::Vec;

use unix::Operation;
use unix::system_v::{Command, MESSAGE_MOST, NO_WAIT, OBJECTS_MOST, ObjectKind, QUEUE_BYTES, word};

use super::{IPC_INFO, IPC_RMID, IPC_SET, IPC_STAT, OWNERSHIP_WORDS, control, get, id, ownership, pair, set, state, wait_for};
use crate::errno::{Errno, Result};
use crate::kernel::Kernel;
use crate::process::Process;
use crate::syscall::Arguments;
use crate::user::UserMemory;

const KIND: ObjectKind = ObjectKind::Queue;
const MSG_STAT: i32 = 11;
const MSG_INFO: i32 = 12;
const MSG_STAT_ANY: i32 = 13;
/// Which word of a `struct msqid64_ds` is the most bytes that the queue may hold.
const LIMIT_WORD: usize = OWNERSHIP_WORDS + 5;
/// Bytes of a message's type, before its text.
const TYPE_BYTES: usize = 8;

/// msgget(2)
pub fn msgget<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    get(process, KIND, arguments.int(0), 0, arguments.unsigned(1))
}

/// msgsnd(2)
pub fn msgsnd<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let (address, bytes, flags) = (arguments.word(1), arguments.word(2), arguments.unsigned(3));
    let kind: i64 = process.read_value(address)?;
    let queue = id(arguments.int(0))?;
    if bytes > MESSAGE_MOST || kind < 1 {
        return Err(Errno::EINVAL);
    }
    let mut text = alloc::vec![0; bytes];
    process.read(address.wrapping_add(TYPE_BYTES), &mut text)?;
    wait_for(process, None, || {
        process.kernel.post(0, &text);
        match process.ask(Operation::MessageSend, 0, queue, [kind as u64, bytes as u64, 0]) {
            Ok(_) => Ok(Some(0)),
            Err(Errno::EAGAIN) if flags & NO_WAIT == 0 => Ok(None),
            Err(errno) => Err(errno),
        }
    })
}

/// msgrcv(2)
pub fn msgrcv<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let (address, room, kind, flags) = (arguments.word(1), arguments.word(2), arguments.0[3], arguments.unsigned(4));
    let queue = id(arguments.int(0))?;
    if isize::try_from(room).is_err() {
        return Err(Errno::EINVAL);
    }
    let (text, kind): (Vec<u8>, i64) =
        wait_for(process, None, || match process.ask(Operation::MessageReceive, 0, queue, [kind, room as u64, u64::from(flags)]) {
            Ok([bytes, kind, ..]) => {
                let mut text = alloc::vec![0; (bytes as usize).min(MESSAGE_MOST)];
                process.kernel.fetch(0, &mut text);
                Ok(Some((text, kind as i64)))
            }
            Err(Errno::EAGAIN) if flags & NO_WAIT == 0 => Ok(None),
            Err(Errno::EAGAIN) => Err(Errno::ENOMSG),
            Err(errno) => Err(errno),
        })?;
    process.write_value(address, &kind)?;
    process.write(address.wrapping_add(TYPE_BYTES), &text)?;
    Ok(text.len())
}

/// msgctl(2)
pub fn msgctl<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let (queue, command, address) = (id(arguments.int(0))?, arguments.int(1), arguments.word(2));
    let command = match command {
        IPC_RMID => return control(process, KIND, Command::Remove, queue, [0; 2]).map(|_| 0),
        IPC_SET => return set(process, KIND, queue, address, LIMIT_WORD),
        IPC_INFO | MSG_INFO => return usage(process, command == MSG_INFO, address),
        IPC_STAT => Command::State,
        MSG_STAT => Command::StateAt,
        MSG_STAT_ANY => Command::StateAtAny,
        _ => return Err(Errno::EINVAL),
    };
    let (found, state) = state(process, KIND, command, queue)?;
    let [sent_s, received_s, changed_s, bytes, messages, limit, sender, receiver] =
        *state[word::FIRST_OF_KIND..].as_array().ok_or(Errno::EIO)?;
    let [a, b, c, d, e, f] = ownership(&state);
    let told = [a, b, c, d, e, f, sent_s, received_s, changed_s, bytes, messages, limit, pair(sender, receiver), 0, 0];
    process.write_value(address, &told).map(|()| found)
}

/// `struct msginfo`: limits, or what there is now.
fn usage<K: Kernel>(process: &Process<K>, is_now: bool, address: usize) -> Result<usize> {
    /// `MSGPOOL`, in KiB; `MSGSSZ`, the bytes of a segment; `MSGSEG`, their number. Linux does not use them either.
    const POOL: u32 = (OBJECTS_MOST as u64 * QUEUE_BYTES / 1024) as u32;
    const SEGMENT_BYTES: u32 = 16;
    const SEGMENTS: u32 = 0xffff;
    let [highest, queues, messages, bytes] = control(process, KIND, Command::Usage, 0, [0; 2])?;
    let [pool, map, headers] =
        if is_now { [queues as u32, messages as u32, bytes as u32] } else { [POOL, QUEUE_BYTES as u32, QUEUE_BYTES as u32] };
    let told = [pool, map, MESSAGE_MOST as u32, QUEUE_BYTES as u32, OBJECTS_MOST as u32, SEGMENT_BYTES, headers, SEGMENTS];
    process.write_value(address, &told).map(|()| highest as usize)
}
