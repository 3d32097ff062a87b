//! Timers through the calls that programs make, on a clock that a sleep moves.

use core::sync::atomic::Ordering;

use crate::errno::Errno;
use crate::fake::calls::{Caller, cpio};
use crate::kernel::Kernel;
use crate::signal::{Action, SIGALRM, SIGUSR1, bit};
use crate::user::UserMemory;

/// Where structs go: in the memory that a `Caller` has.
const PLACE: usize = 0x10_0000;
const OTHER: usize = PLACE + 256;
const MONOTONIC: u64 = 1;
const MS: i64 = 1_000_000;
const NONBLOCK: u64 = linux_raw_sys::general::O_NONBLOCK as u64;

fn caller() -> Caller {
    let caller = Caller::new(cpio(&[]));
    let action = Action { handler: 0x5000, ..Action::default() };
    for signal in [SIGALRM, SIGUSR1] {
        caller.process.signals.with(|state| state.set_action(signal, Some(action))).expect("a signal");
    }
    caller
}

impl Caller {
    fn put_times(&self, times: [[i64; 2]; 2]) -> u64 {
        self.process.write_value(PLACE, &times).expect("room");
        PLACE as u64
    }

    fn sleep_ms(&self, ms: i64) -> Result<usize, Errno> {
        self.process.write_value(OTHER, &[ms / 1000, ms % 1000 * MS]).expect("room");
        self.call("nanosleep", [OTHER as u64, 0, 0, 0, 0, 0])
    }

    /// A timer that sends SIGUSR1, armed.
    fn timer(&self, period: i64, value: i64) -> u64 {
        self.process.write_value(PLACE, &[77, u64::from(SIGUSR1), 0, 0, 0, 0, 0, 0]).expect("room");
        self.call("timer_create", [MONOTONIC, PLACE as u64, OTHER as u64, 0, 0, 0]).expect("a timer");
        let id: i32 = self.process.read_value(OTHER).expect("just written");
        self.call("timer_settime", [id as u64, 0, self.put_times([[0, period], [0, value]]), 0, 0, 0]).expect("set");
        id as u64
    }

    /// The deadline in milliseconds: the fake clock ticks at each look at it.
    fn deadline(&self) -> u64 {
        self.process.kernel.deadline.load(Ordering::Relaxed) / MS as u64
    }

    fn now_ms(&self) -> u64 {
        self.process.now_ns() / MS as u64
    }

    fn set_real(&self, value: [i64; 2]) {
        self.call("setitimer", [0, self.put_times([[0, 0], value]), 0, 0, 0, 0]).expect("set");
    }
}

#[test]
fn the_kernel_is_asked_to_tell_of_the_first_timer() {
    let caller = caller();
    caller.set_real([5, 0]);
    assert_eq!(caller.deadline(), 5000);
    let timer = caller.timer(0, 20 * MS);
    assert_eq!(caller.deadline(), 20);
    caller.call("timer_delete", [timer, 0, 0, 0, 0, 0]).expect("deleted");
    assert_eq!(caller.deadline(), 5000);
    caller.set_real([0, 0]);
    assert_eq!(caller.deadline(), 0);
}

#[test]
fn a_timer_ends_a_sleep_in_time() {
    let caller = caller();
    caller.set_real([1, 0]);
    assert_eq!(caller.sleep_ms(5000), Err(Errno::EINTR));
    assert_eq!(caller.now_ms(), 1000);
    let information = caller.process.take_signal(!0).expect("a signal");
    assert_eq!((information.signal as u32, information.code), (SIGALRM, 128));
}

#[test]
fn what_is_missed_is_counted_when_the_signal_is_taken() {
    let caller = caller();
    caller.process.signals.with(|state| state.set_blocked(bit(SIGUSR1)));
    let timer = caller.timer(10 * MS, 10 * MS);
    assert_eq!(caller.sleep_ms(105), Ok(0));
    let information = caller.process.take_signal(!0).expect("a signal");
    assert_eq!((information.payload[0] >> 32, information.payload[1]), (9, 77));
    assert_eq!(caller.call("timer_getoverrun", [timer, 0, 0, 0, 0, 0]), Ok(9));
    assert!(caller.process.take_signal(!0).is_none());
    assert_eq!(caller.deadline(), 110);
}

#[test]
fn a_deleted_timers_signal_is_not_taken() {
    let caller = caller();
    caller.process.signals.with(|state| state.set_blocked(bit(SIGUSR1)));
    let timer = caller.timer(0, MS);
    assert_eq!(caller.sleep_ms(5), Ok(0));
    caller.call("timer_delete", [timer, 0, 0, 0, 0, 0]).expect("deleted");
    assert!(caller.process.take_signal(!0).is_none());
}

#[test]
fn a_child_has_no_timers_and_a_new_program_keeps_the_classic_ones() {
    let caller = caller();
    caller.set_real([5, 0]);
    let timer = caller.timer(0, 20 * MS);
    caller.process.timers_after_exec();
    assert_eq!(caller.deadline(), 5000);
    assert_eq!(caller.call("timer_getoverrun", [timer, 0, 0, 0, 0, 0]), Err(Errno::EINVAL));
    caller.process.timers_after_fork();
    assert_eq!(caller.deadline(), 0);
}

#[test]
fn setting_the_time_of_day_is_told_to_those_who_asked() {
    const CANCEL: u64 = 3;
    let caller = caller();
    let fd = caller.call("timerfd_create", [0, NONBLOCK, 0, 0, 0, 0]).expect("a descriptor") as u64;
    let far = caller.put_times([[0, 0], [3_000_000_000, 0]]);
    caller.call("timerfd_settime", [fd, CANCEL, far, 0, 0, 0]).expect("set");
    assert_eq!(caller.read(fd, 8), Err(Errno::EAGAIN));
    caller.process.write_value(OTHER, &[2_000_000_000i64, 0]).expect("room");
    caller.call("clock_settime", [0, OTHER as u64, 0, 0, 0, 0]).expect("root may");
    assert_eq!(caller.read(fd, 8), Err(Errno::ECANCELED));
    assert_eq!(caller.read(fd, 8), Err(Errno::EAGAIN));
    caller.process.write_value(OTHER, &[3_000_000_001i64, 0]).expect("room");
    caller.call("timerfd_settime", [fd, 1, far, 0, 0, 0]).expect("set");
    caller.call("clock_settime", [0, OTHER as u64, 0, 0, 0, 0]).expect("root may");
    assert_eq!(caller.read(fd, 8), Ok(1u64.to_ne_bytes().to_vec()));
}

#[test]
fn a_read_sleeps_until_its_timer_expires() {
    let caller = caller();
    let fd = caller.call("timerfd_create", [MONOTONIC, 0, 0, 0, 0, 0]).expect("a descriptor") as u64;
    caller.call("timerfd_settime", [fd, 0, caller.put_times([[0, 10 * MS], [0, 30 * MS]]), 0, 0, 0]).expect("set");
    assert_eq!(caller.read(fd, 8), Ok(1u64.to_ne_bytes().to_vec()));
    assert_eq!(caller.now_ms(), 30);
    assert_eq!(caller.read(fd, 8), Ok(1u64.to_ne_bytes().to_vec()));
    assert_eq!(caller.now_ms(), 40);
}

#[test]
fn a_process_that_has_turns_lets_others_run_when_one_is_over_and_not_when_it_wakes() {
    let caller = caller();
    let yields = || caller.process.kernel.yields.load(Ordering::Relaxed);
    caller.process.timers.follow(true, 5 * MS as u64);
    caller.process.run_timers();
    assert_eq!((caller.deadline(), yields()), (5, 0));
    let _ = caller.process.kernel.wait(&[], Some(4 * MS as u64));
    caller.process.run_timers();
    assert_eq!((caller.deadline(), yields()), (5, 0));
    let _ = caller.process.kernel.wait(&[], Some(6 * MS as u64));
    caller.process.run_timers();
    assert_eq!((caller.deadline(), yields()), (11, 1));
    caller.sleep_ms(20).expect("it sleeps");
    caller.process.run_timers();
    assert_eq!((caller.deadline(), yields()), (31, 1));
    caller.process.timers.follow(false, 0);
    caller.process.arm_timers();
    assert_eq!(caller.deadline(), 0);
}

#[test]
fn of_ones_own_turns_and_those_that_others_ask_for_the_shorter_count() {
    let caller = caller();
    let timers = &caller.process.timers;
    let turn = |own: u64, asked: u64| {
        timers.follow(false, own * MS as u64);
        timers.follow_others(asked * MS as u64);
        caller.process.arm_timers();
        caller.deadline()
    };
    assert_eq!([turn(0, 3), turn(5, 3), turn(2, 3), turn(5, 0), turn(0, 0)], [3, 3, 2, 5, 0]);
}
