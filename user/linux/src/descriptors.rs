//! Descriptors and child processes as the C library has them, for programs about what these share.

use std::time::Duration;

use crate::error_name;

/// What a call answered: its value, or its error's name.
pub type Outcome = Result<i64, String>;

/// What the C library's functions answer.
pub fn outcome(value: impl Into<i64>) -> Outcome {
    let value = value.into();
    if value == -1 { Err(error_name(std::io::Error::last_os_error().raw_os_error().unwrap_or(0))) } else { Ok(value) }
}

/// The value, or the error's name.
#[must_use]
pub fn show(outcome: Outcome) -> String {
    outcome.map_or_else(|error| error, |value| value.to_string())
}

/// A pipe: the reading end and the writing end.
#[must_use]
pub fn pipe(flags: i32) -> (i32, i32) {
    let mut ends = [0; 2];
    // SAFETY: the array is the call's to fill.
    outcome(unsafe { libc::pipe2(ends.as_mut_ptr(), flags) }).expect("a pipe");
    (ends[0], ends[1])
}

/// close(2)
pub fn close(fd: i32) -> Outcome {
    // SAFETY: the call takes no memory.
    outcome(unsafe { libc::close(fd) })
}

/// write(2)
pub fn write(fd: i32, bytes: &[u8]) -> Outcome {
    // SAFETY: the slice is valid for reads.
    outcome(unsafe { libc::write(fd, bytes.as_ptr().cast(), bytes.len()) } as i64)
}

/// read(2): the bytes.
pub fn read(fd: i32, most: usize) -> Result<Vec<u8>, String> {
    let mut bytes = vec![0; most];
    // SAFETY: the buffer is valid for writes.
    let count = outcome(unsafe { libc::read(fd, bytes.as_mut_ptr().cast(), most) } as i64)?;
    bytes.truncate(count as usize);
    Ok(bytes)
}

/// read(2), shown: text in quotes, or the error's name.
#[must_use]
pub fn text(fd: i32, most: usize) -> String {
    read(fd, most).map_or_else(|error| error, |bytes| format!("{:?}", String::from_utf8_lossy(&bytes)))
}

/// All bytes up to the end.
pub fn drain(fd: i32) -> Vec<u8> {
    let mut all = Vec::new();
    while let Ok(bytes) = read(fd, 1 << 16) {
        if bytes.is_empty() {
            break;
        }
        all.extend(bytes);
    }
    all
}

/// fcntl(2)
pub fn control(fd: i32, command: i32, argument: i64) -> Outcome {
    // SAFETY: commands that take a pointer are not used with this.
    outcome(unsafe { libc::fcntl(fd, command, argument) })
}

/// poll(2) of one descriptor: what is so, or nothing within the time.
#[must_use]
pub fn poll(fd: i32, events: i16, timeout_ms: i32) -> String {
    let mut asked = libc::pollfd { fd, events, revents: 0 };
    // SAFETY: the struct is the call's to read and fill.
    match outcome(unsafe { libc::poll(&raw mut asked, 1, timeout_ms) }) {
        Ok(0) => "nothing".into(),
        Ok(_) => events_named(asked.revents),
        Err(error) => error,
    }
}

/// The names of poll(2)'s bits.
#[must_use]
pub fn events_named(events: i16) -> String {
    let known = [
        (libc::POLLIN, "in"),
        (libc::POLLPRI, "pri"),
        (libc::POLLOUT, "out"),
        (libc::POLLERR, "err"),
        (libc::POLLHUP, "hup"),
        (libc::POLLNVAL, "nval"),
        (libc::POLLRDNORM, "rdnorm"),
        (libc::POLLWRNORM, "wrnorm"),
        (libc::POLLRDHUP, "rdhup"),
    ];
    let named: Vec<&str> = known.iter().filter(|(bit, _)| events & bit != 0).map(|(_, name)| *name).collect();
    named.join("+")
}

/// A child process.
pub struct Child(pub i32);

/// fork(2): a child that does something and ends with what that gives. Only for programs with one thread.
pub fn child(work: impl FnOnce() -> i32) -> Child {
    // SAFETY: the program has one thread.
    let id = unsafe { libc::fork() };
    if id == 0 {
        let status = work();
        // SAFETY: nothing of the parent's is to be done in the child.
        unsafe { libc::_exit(status) };
    }
    Child(outcome(id).expect("a child") as i32)
}

impl Child {
    /// Wait for its end; tells how it ended.
    #[must_use]
    pub fn end(self) -> String {
        let mut status = 0;
        // SAFETY: the word is the call's to fill.
        if let Err(error) = outcome(unsafe { libc::waitpid(self.0, &raw mut status, 0) }) {
            return error;
        }
        if libc::WIFSIGNALED(status) { format!("signal {}", libc::WTERMSIG(status)) } else { format!("exit {}", libc::WEXITSTATUS(status)) }
    }

    /// Send it a signal.
    pub fn kill(&self, signal: i32) -> Outcome {
        // SAFETY: the call takes no memory.
        outcome(unsafe { libc::kill(self.0, signal) })
    }
}

/// Let others run for a while.
pub fn pause(milliseconds: u64) {
    std::thread::sleep(Duration::from_millis(milliseconds));
}

/// Run the cases whose names contain the program's first argument: all of them without one.
pub fn run(cases: &[(&str, fn())]) {
    let wanted = std::env::args().nth(1).unwrap_or_default();
    for (name, case) in cases.iter().filter(|(name, _)| name.contains(&wanted)) {
        println!("[{name}]");
        case();
    }
}
