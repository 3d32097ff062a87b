//! Resource limits: getrlimit(2).
#![forbid(unsafe_code)]

use alloc::format;
use alloc::string::String;

use crate::errno::{Errno, Result};

/// "No limit".
pub const UNLIMITED: u64 = u64::MAX;

/// A soft and a hard limit, as `struct rlimit64` has them.
pub type Limit = [u64; 2];

/// `RLIMIT_CPU`
pub const CPU: usize = 0;
/// `RLIMIT_FSIZE`
pub const FILE_SIZE: usize = 1;
/// `RLIMIT_DATA`
pub const DATA: usize = 2;
/// `RLIMIT_STACK`
pub const STACK: usize = 3;
/// `RLIMIT_NPROC`
pub const PROCESSES: usize = 6;
/// `RLIMIT_NOFILE`
pub const FILES: usize = 7;
/// `RLIMIT_AS`
pub const ADDRESS_SPACE: usize = 9;
/// `RLIMIT_SIGPENDING`
pub const SIGNALS: usize = 11;
/// How many resources there are.
pub const RESOURCES: usize = 16;
/// The most open files that a limit may allow (`fs.nr_open`).
pub const FILES_MOST: u64 = 1 << 20;

/// A process's limits, by `RLIMIT_*` number.
#[derive(Clone, Debug)]
pub struct Limits([Limit; RESOURCES]);

impl Default for Limits {
    fn default() -> Self {
        Self::new()
    }
}

impl Limits {
    /// What Linux's first process starts with.
    #[must_use]
    pub const fn new() -> Limits {
        const NONE: Limit = [UNLIMITED, UNLIMITED];
        let mut limits = [NONE; RESOURCES];
        limits[STACK] = [8 << 20, UNLIMITED];
        // CORE, NPROC, NOFILE, MEMLOCK, SIGPENDING, MSGQUEUE, NICE, RTPRIO.
        limits[4] = [0, UNLIMITED];
        limits[6] = [1024, 1024];
        limits[FILES] = [1024, 4096];
        limits[8] = [8 << 20, 8 << 20];
        limits[11] = [1024, 1024];
        limits[12] = [819_200, 819_200];
        limits[13] = [0, 0];
        limits[14] = [0, 0];
        Limits(limits)
    }

    /// A resource's limits.
    ///
    /// # Errors
    /// `EINVAL`: no such resource.
    pub fn get(&self, resource: usize) -> Result<Limit> {
        self.0.get(resource).copied().ok_or(Errno::EINVAL)
    }

    /// Set a resource's limits. Only who is `privileged` may raise a hard one.
    ///
    /// # Errors
    /// `EINVAL`: no such resource, or a soft limit above the hard one. `EPERM`: more files than there may be, or a hard limit that goes up.
    pub fn set(&mut self, resource: usize, limit: Limit, is_privileged: bool) -> Result<()> {
        let [soft, hard] = limit;
        let place = self.0.get_mut(resource).ok_or(Errno::EINVAL)?;
        if soft > hard {
            return Err(Errno::EINVAL);
        }
        if resource == FILES && hard > FILES_MOST || hard > place[1] && !is_privileged {
            return Err(Errno::EPERM);
        }
        *place = limit;
        Ok(())
    }

    /// As `/proc/self/limits` has them.
    #[must_use]
    pub fn text(&self) -> String {
        const NAMES: [(&str, &str); 16] = [
            ("Max cpu time", "seconds"),
            ("Max file size", "bytes"),
            ("Max data size", "bytes"),
            ("Max stack size", "bytes"),
            ("Max core file size", "bytes"),
            ("Max resident set", "bytes"),
            ("Max processes", "processes"),
            ("Max open files", "files"),
            ("Max locked memory", "bytes"),
            ("Max address space", "bytes"),
            ("Max file locks", "locks"),
            ("Max pending signals", "signals"),
            ("Max msgqueue size", "bytes"),
            ("Max nice priority", ""),
            ("Max realtime priority", ""),
            ("Max realtime timeout", "us"),
        ];
        let show = |limit: u64| if limit == UNLIMITED { String::from("unlimited") } else { format!("{limit}") };
        let mut text = format!("{:<25} {:<20} {:<20} {:<10}\n", "Limit", "Soft Limit", "Hard Limit", "Units");
        for (resource, (name, unit)) in NAMES.iter().enumerate() {
            if let Ok([soft, hard]) = self.get(resource) {
                text += &format!("{name:<25} {:<20} {:<20} {unit:<10}\n", show(soft), show(hard));
            }
        }
        text
    }
}
