//! The machine's console: the serial port's bytes and its interrupt.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicU32, Ordering};

use super::Terminal;
use crate::machine;
use crate::server::Server;

/// Bytes read at a time: what a serial port holds.
const CHUNK: usize = 64;

/// Write bytes.
pub fn put(bytes: &[u8]) {
    #[cfg(target_os = "none")]
    let _ = exo::debug_put(bytes);
    #[cfg(not(target_os = "none"))]
    let _ = bytes;
}

/// The word that counts the console's interrupts.
#[must_use]
pub fn word() -> *const u32 {
    let irqs = machine::INFO + core::mem::offset_of!(abi::InfoPage, irqs);
    (irqs as *const u32).wrapping_add(machine::info().console_irq as usize)
}

/// As [`seen`] tells: what the second context waits on.
static SEEN: AtomicU32 = AtomicU32::new(0);

/// How often the console's interrupt came when it was last looked at.
#[must_use]
pub fn seen() -> u32 {
    SEEN.load(Ordering::Relaxed)
}

impl Server {
    /// Take in what was typed at the console, as far as there is room.
    ///
    /// The port's interrupt comes masked. It is opened after the port was emptied, and the port is looked at again: what came in between made
    /// no edge that anybody saw.
    pub(crate) fn look_at_console(&mut self) {
        if !self.terminals.is_console_open {
            return;
        }
        // SAFETY: the page is mapped for ever; the kernel changes the word.
        SEEN.store(unsafe { word().read_volatile() }, Ordering::Relaxed);
        let console = self.terminals.console.clone();
        if self.empty_console(&console) {
            let _ = exo::irq_ack(machine::info().console_irq as usize);
            self.empty_console(&console);
        }
    }

    /// Take in what the port has; whether that was all. What there is no room for stays in the port, and its other end waits.
    fn empty_console(&mut self, console: &Arc<Terminal>) -> bool {
        loop {
            let typed = core::mem::take(&mut self.terminals.typed);
            if !typed.is_empty() {
                let (count, signals) = console.change(|state| state.type_in(&typed));
                self.send_to_foreground(console, &signals);
                if count < typed.len() {
                    self.terminals.typed = typed[count..].to_vec();
                    return false;
                }
            }
            let mut bytes = [0; CHUNK];
            let count = exo::debug_get(&mut bytes).unwrap_or(0);
            if count == 0 {
                return true;
            }
            self.terminals.typed.extend_from_slice(&bytes[..count]);
        }
    }
}
