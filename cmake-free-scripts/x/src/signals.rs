//! Signals as the programs find them that this tool starts.
//!
//! Who starts the tool may ignore some: nohup(1) does, and a shell for what it runs in the background. That is inherited over execve(2), and what
//! programs then do on Linux is not what they do otherwise. What is caught is not inherited: it becomes the default.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::{Context, Result};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT};

/// Let programs that are started from now on begin with the default actions. The tool itself goes on to ignore what it ignored.
///
/// # Errors
/// The host's, of proc_pid_status(5) and of sigaction(2).
pub fn begin_anew() -> Result<()> {
    let status = fs::read_to_string("/proc/self/status").context("cannot read /proc/self/status")?;
    let ignored = ignored(&status).context("/proc/self/status does not say what is ignored")?;
    for signal in [SIGHUP, SIGINT, SIGQUIT].into_iter().filter(|signal| ignored & 1 << (signal - 1) != 0) {
        signal_hook::flag::register(signal, Arc::new(AtomicBool::new(false))).with_context(|| format!("cannot catch signal {signal}"))?;
    }
    Ok(())
}

/// The set of signals that are ignored, as proc_pid_status(5) has it.
fn ignored(status: &str) -> Option<u64> {
    let word = status.lines().find_map(|line| line.strip_prefix("SigIgn:"))?;
    u64::from_str_radix(word.trim(), 16).ok()
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_is_ignored_is_read_off_the_status() {
        let status = "Name:\tx\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000001006\nSigCgt:\t0000000000000000\n";
        assert_eq!(super::ignored(status), Some(0x1006));
        assert_eq!(super::ignored("Name:\tx\n"), None);
    }
}
