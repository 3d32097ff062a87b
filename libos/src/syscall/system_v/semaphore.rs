//! Sets of semaphores: semget(2), semop(2), semctl(2).

use alloc::vec::Vec;

use unix::Operation;
use unix::system_v::{Command, OBJECTS_MOST, OPERATION_BYTES, OPERATIONS_MOST, ObjectKind, SEMAPHORES_MOST, VALUE_MOST, word};

use super::{IPC_INFO, IPC_RMID, IPC_SET, IPC_STAT, control, get, id, ownership, set, state, wait_for};
use crate::errno::{Errno, Result};
use crate::kernel::Kernel;
use crate::process::Process;
use crate::syscall::Arguments;
use crate::time::Timespec;
use crate::user::UserMemory;

const KIND: ObjectKind = ObjectKind::Semaphores;
const GETPID: i32 = 11;
const GETVAL: i32 = 12;
const GETALL: i32 = 13;
const GETNCNT: i32 = 14;
const GETZCNT: i32 = 15;
const SETVAL: i32 = 16;
const SETALL: i32 = 17;
const SEM_STAT: i32 = 18;
const SEM_INFO: i32 = 19;
const SEM_STAT_ANY: i32 = 20;

/// semget(2)
pub fn semget<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let count = u64::try_from(arguments.int(1)).map_err(|_| Errno::EINVAL)?;
    get(process, KIND, arguments.int(0), count, arguments.unsigned(2))
}

/// semop(2)
pub fn semop<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    operate(process, arguments, None)
}

/// semtimedop(2)
pub fn semtimedop<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let within_ns = match arguments.word(3) {
        0 => None,
        address => Some(Timespec(process.read_value(address)?).ns()?),
    };
    operate(process, arguments, within_ns)
}

fn operate<K: Kernel>(process: &Process<K>, arguments: &Arguments, within_ns: Option<u64>) -> Result<usize> {
    let (set, count) = (id(arguments.int(0))?, arguments.unsigned(2) as usize);
    if count == 0 {
        return Err(Errno::EINVAL);
    }
    if count > OPERATIONS_MOST {
        return Err(Errno::E2BIG);
    }
    let mut changes = alloc::vec![0; count * OPERATION_BYTES];
    process.read(arguments.word(1), &mut changes)?;
    let deadline_ns = within_ns.map(|within| process.now_ns().saturating_add(within));
    let thread = process.threads.with(|table| table.current().id);
    let outcome = wait_for(process, deadline_ns, || {
        process.kernel.post(0, &changes);
        let [is_done, ..] = process.ask(Operation::SemaphoresOperate, count as u16, set, [u64::from(thread), 0, 0])?;
        Ok((is_done != 0).then_some(0))
    });
    if matches!(outcome, Err(Errno::ETIMEDOUT | Errno::EINTR)) {
        // That it gave up is of no interest to a set that is gone.
        let _ = process.ask(Operation::SemaphoresLeave, 0, set, [u64::from(thread), 0, 0]);
    }
    outcome.map_err(|errno| if errno == Errno::ETIMEDOUT { Errno::EAGAIN } else { errno })
}

/// semctl(2)
pub fn semctl<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let (object, semaphore, command) = (id(arguments.int(0))?, arguments.int(1), arguments.int(2));
    let (argument, address) = (arguments.int(3), arguments.word(3));
    let semaphore = u64::from(semaphore as u32);
    let command = match command {
        IPC_RMID => return control(process, KIND, Command::Remove, object, [0; 2]).map(|_| 0),
        IPC_SET => return set(process, KIND, object, address, 0),
        IPC_INFO | SEM_INFO => return usage(process, command == SEM_INFO, address),
        GETALL => return values(process, object, address),
        SETALL => return set_values(process, object, address),
        SETVAL if argument < 0 => return Err(Errno::ERANGE),
        SETVAL => return control(process, KIND, Command::SetValue, object, [semaphore, argument as u64]).map(|_| 0),
        GETPID => return ask(process, Command::LastProcess, object, semaphore),
        GETVAL => return ask(process, Command::Value, object, semaphore),
        GETNCNT => return ask(process, Command::AwaitMore, object, semaphore),
        GETZCNT => return ask(process, Command::AwaitZero, object, semaphore),
        IPC_STAT => Command::State,
        SEM_STAT => Command::StateAt,
        SEM_STAT_ANY => Command::StateAtAny,
        _ => return Err(Errno::EINVAL),
    };
    let (found, state) = state(process, KIND, command, object)?;
    let [operated_s, changed_s, count] = *state[word::FIRST_OF_KIND..word::FIRST_OF_KIND + 3].as_array().ok_or(Errno::EIO)?;
    // x86_64 kept room behind each time, as of 32 bits.
    let padding: &[u64] = if cfg!(target_arch = "x86_64") { &[0] } else { &[] };
    let mut told = ownership(&state).to_vec();
    for part in [&[operated_s], padding, &[changed_s], padding, &[count, 0, 0]] {
        told.extend_from_slice(part);
    }
    let bytes: Vec<u8> = told.into_iter().flat_map(u64::to_ne_bytes).collect();
    process.write(address, &bytes).map(|()| found)
}

fn ask<K: Kernel>(process: &Process<K>, command: Command, set: u32, semaphore: u64) -> Result<usize> {
    control(process, KIND, command, set, [semaphore, 0]).map(|[value, ..]| value as usize)
}

fn values<K: Kernel>(process: &Process<K>, set: u32, address: usize) -> Result<usize> {
    let [count, ..] = control(process, KIND, Command::Values, set, [0; 2])?;
    let mut values = alloc::vec![0; 2 * count.min(SEMAPHORES_MOST) as usize];
    process.kernel.fetch(0, &mut values);
    process.write(address, &values).map(|()| 0)
}

fn set_values<K: Kernel>(process: &Process<K>, set: u32, address: usize) -> Result<usize> {
    let (_, state) = state(process, KIND, Command::State, set)?;
    let count = state[word::FIRST_OF_KIND + 2].min(SEMAPHORES_MOST) as usize;
    let mut values = alloc::vec![0; 2 * count];
    process.read(address, &mut values)?;
    process.kernel.post(0, &values);
    control(process, KIND, Command::SetValues, set, [0; 2]).map(|_| 0)
}

/// `struct seminfo`: limits, or what there is now.
fn usage<K: Kernel>(process: &Process<K>, is_now: bool, address: usize) -> Result<usize> {
    /// Bytes of what is to be undone of a process (`SEMUSZ`), as Linux tells them.
    const UNDO_BYTES: u32 = 20;
    const SEMAPHORES: u32 = OBJECTS_MOST as u32 * SEMAPHORES_MOST as u32;
    let [highest, sets, semaphores, _] = control(process, KIND, Command::Usage, 0, [0; 2])?;
    let (undo, adjust) = if is_now { (sets as u32, semaphores as u32) } else { (UNDO_BYTES, VALUE_MOST as u32) };
    let told = [
        SEMAPHORES,
        OBJECTS_MOST as u32,
        SEMAPHORES,
        SEMAPHORES,
        SEMAPHORES_MOST as u32,
        OPERATIONS_MOST as u32,
        OPERATIONS_MOST as u32,
        undo,
        VALUE_MOST as u32,
        adjust,
    ];
    process.write_value(address, &told).map(|()| highest as usize)
}
