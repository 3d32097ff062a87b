//! futex(2), for the one thread that there is: nobody else can wake or be woken.

use crate::errno::{Errno, Result};
use crate::kernel::Kernel;
use crate::process::Process;
use crate::syscall::Arguments;
use crate::time::{Clock, Timespec};
use crate::user::UserMemory;

const WAIT: u32 = 0;
const WAKE: u32 = 1;
const REQUEUE: u32 = 3;
const CMP_REQUEUE: u32 = 4;
const WAIT_BITSET: u32 = 9;
const WAKE_BITSET: u32 = 10;
const PRIVATE: u32 = 128;
const CLOCK_REALTIME: u32 = 256;

/// futex(2)
pub fn futex<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let (address, operation, value) = (arguments.word(0), arguments.unsigned(1), arguments.unsigned(2));
    if !address.is_multiple_of(4) {
        return Err(Errno::EINVAL);
    }
    let command = operation & !(PRIVATE | CLOCK_REALTIME);
    match command {
        WAIT | WAIT_BITSET => {
            if command == WAIT_BITSET && arguments.unsigned(5) == 0 {
                return Err(Errno::EINVAL);
            }
            let deadline = deadline(process, arguments.word(3), operation)?;
            if process.read_value::<u32>(address)? != value {
                return Err(Errno::EAGAIN);
            }
            process.sleep_until(deadline).map(|()| 0)
        }
        WAKE_BITSET if arguments.unsigned(5) == 0 => Err(Errno::EINVAL),
        WAKE | WAKE_BITSET | REQUEUE => process.read_value::<u32>(address).map(|_| 0),
        CMP_REQUEUE => {
            let found = process.read_value::<u32>(address)?;
            if found == arguments.unsigned(5) { Ok(0) } else { Err(Errno::EAGAIN) }
        }
        _ => Err(Errno::ENOSYS),
    }
}

/// The point of the monotonic clock that a timeout names: relative for `WAIT`, absolute for `WAIT_BITSET`.
fn deadline<K: Kernel>(process: &Process<K>, address: usize, operation: u32) -> Result<Option<u64>> {
    if address == 0 {
        return Ok(None);
    }
    let ns = Timespec(process.read_value(address)?).ns()?;
    let left = if operation & !(PRIVATE | CLOCK_REALTIME) == WAIT {
        ns
    } else {
        let clock = if operation & CLOCK_REALTIME != 0 { Clock::Realtime } else { Clock::Monotonic };
        ns.saturating_sub(process.clock_ns(clock))
    };
    Ok(Some(process.now_ns().saturating_add(left)))
}
