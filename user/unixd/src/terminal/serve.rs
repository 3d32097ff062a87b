//! Requests about terminals: opening, reading, writing.

use alloc::sync::Arc;
use alloc::vec::Vec;

use libos::errno::Errno;
use libos::file::Access;
use libos::signal::{SIGTTIN, SIGTTOU};
use libos::vfs::attributes::{major, minor};
use libos::vfs::permission::Wanted;
use linux_raw_sys::general as linux;
use unix::{Object, Operation, Request, TerminalFlags};

use super::devpts::OpenNode;
use super::end::{End, Side};
use super::{CONSOLE, PTMX, PTS_MAJOR, Pairs, SERIAL, TTY, Terminal};
use crate::handles::Opened;
use crate::machine;
use crate::server::{Answer, Server, value};

/// All terminals.
pub struct Terminals {
    /// The machine's.
    pub console: Arc<Terminal>,
    /// Whether it was ever opened: before that its input is left alone.
    pub is_console_open: bool,
    /// What was typed at the console for which there was no room yet.
    pub typed: Vec<u8>,
    /// The others.
    pub pairs: Pairs,
}

impl Terminals {
    /// With the console's window.
    #[must_use]
    pub fn new(window: [u16; 4], pairs: Pairs) -> Terminals {
        Terminals { console: Terminal::console(window), is_console_open: false, typed: Vec::new(), pairs }
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = Arc<Terminal>> {
        core::iter::once(self.console.clone()).chain(self.pairs.all())
    }
}

/// An opening that a request is about.
pub(super) type Opening = Arc<End>;

impl Server {
    /// The foreground group of the terminal that an open file is; 0: none.
    pub(crate) fn foreground_of(opened: &Opened) -> u32 {
        opened.file.of_type::<End>().map_or(0, |end| end.terminal.foreground())
    }

    /// Serve an operation on terminals.
    ///
    /// # Errors
    /// `EBADF`: no such handle, not a terminal's, or not opened for that. `EAGAIN`: it would block; the process is told when that changes.
    /// `EINTR`: its group was sent a signal. `EIO`: the terminal was hung up, or the other end is closed. Others are ioctl_tty(2)'s.
    pub(crate) fn serve_terminal(&mut self, id: u32, request: &Request) -> Answer {
        match request.operation {
            Operation::TerminalOpen => self.open_terminal(id, request),
            Operation::TerminalClaim => {
                let opened = self.handles(id)?.opened(request.large)?;
                let end: Opening = opened.file.of_type().ok_or(Errno::EBADF)?;
                if end.side == Side::Terminal && opened.access.contains(Access::READ) {
                    self.claim(id, &end.terminal)?;
                }
                value(0)
            }
            Operation::TerminalRead => self.read_terminal(id, request),
            Operation::TerminalWrite => self.write_terminal(id, request),
            Operation::TerminalControl => self.control_terminal(id, request),
            _ => Err(Errno::ENOSYS),
        }
    }

    /// The terminal behind a handle.
    pub(super) fn end(&mut self, id: u32, handle: u32, access: Access) -> Result<Opening, Errno> {
        self.handles(id)?.opened_for(handle, access)?.file.of_type().ok_or(Errno::EBADF)
    }

    fn open_terminal(&mut self, id: u32, request: &Request) -> Answer {
        let [device, access, _] = request.words;
        let access = Access::from_bits(access as u32).ok_or(Errno::EINVAL)?;
        let end = match device {
            PTMX => {
                let credentials = &self.family.member(id)?.credentials;
                let now = machine::tick().time;
                End::of_master(self.terminals.pairs.make(credentials.user.file, credentials.group.file, now)?)
            }
            TTY => self.open_end(id, self.controlling(id).ok_or(Errno::ENXIO)?)?,
            CONSOLE | SERIAL => {
                // By whatever name: it is root's, and its session's.
                let console = self.terminals.console.clone();
                if !self.family.member(id)?.credentials.is_privileged() && !self.controls(&console, id) {
                    return Err(Errno::EACCES);
                }
                self.open_end(id, console)?
            }
            _ if major(device) == PTS_MAJOR => {
                let terminal = self.terminals.pairs.find(minor(device)).ok_or(Errno::EIO)?;
                let attributes = self.terminals.pairs.attributes(minor(device)).ok_or(Errno::EIO)?;
                self.family.member(id)?.credentials.for_files().may(&attributes, Wanted::from(access))?;
                if terminal.with(|state| state.pair.as_ref().is_none_or(|pair| pair.is_locked || !pair.is_open)) {
                    return Err(Errno::EIO);
                }
                self.open_end(id, terminal)?
            }
            _ => return Err(Errno::ENXIO),
        };
        let device = end.terminal.device;
        let opened = Opened::new(OpenNode::entry(device), Arc::new(end), access, Object::Terminal);
        let handle = self.hold(id, opened)?;
        Ok([u64::from(handle), device, 0, 0])
    }

    fn open_end(&mut self, id: u32, terminal: Arc<Terminal>) -> Result<End, Errno> {
        if terminal.with(|state| state.is_exclusive) && !self.family.member(id)?.credentials.is_privileged() {
            return Err(Errno::EBUSY);
        }
        let end = End::of_terminal(terminal);
        if end.terminal.device == SERIAL && !core::mem::replace(&mut self.terminals.is_console_open, true) {
            self.look_at_console();
        }
        Ok(end)
    }

    fn read_terminal(&mut self, id: u32, request: &Request) -> Answer {
        let flags = TerminalFlags::from_bits_truncate(request.small);
        let room = (request.words[0] as usize).min(unix::MAILBOX_BYTES);
        let end = self.end(id, request.large, Access::READ)?;
        if end.side == Side::Master {
            return self.read_master(id, &end, room);
        }
        if end.is_dead() {
            return value(0);
        }
        self.check_foreground(id, &end.terminal, SIGTTIN, flags.contains(TerminalFlags::IGNORES_READ))?;
        let terminal = &end.terminal;
        let (bytes, signals) = match terminal.with(|state| state.line.wait_for(room, flags)) {
            Wait::Over => terminal.with(|state| {
                let bytes = state.line.take(room);
                (bytes, state.pump())
            }),
            Wait::Refused => return Err(Errno::EAGAIN),
            Wait::For { time, least, available } => {
                terminal.watchers.subscribe(id);
                return Ok([0, 1, u64::from(time) | u64::from(least) << 32, available as u64]);
            }
        };
        self.send_to_foreground(terminal, &signals);
        // There may be room again for what waits at the other end.
        terminal.master_watchers.tell();
        if terminal.device == SERIAL && !self.terminals.typed.is_empty() {
            self.look_at_console();
        }
        self.process(id)?.channel.answer(0, &bytes);
        value(bytes.len() as u64)
    }

    fn read_master(&mut self, id: u32, end: &End, room: usize) -> Answer {
        let (bytes, is_closed) = end.terminal.with(|state| match &mut state.pair {
            Some(pair) => {
                let was_full = pair.room() == 0;
                let bytes = pair.read(room);
                let is_closed = pair.is_closed;
                if was_full {
                    state.edges.note_output();
                }
                (bytes, is_closed)
            }
            None => (Vec::new(), true),
        });
        if bytes.is_empty() {
            if is_closed {
                return Err(Errno::EIO);
            }
            end.terminal.master_watchers.subscribe(id);
            return Err(Errno::EAGAIN);
        }
        end.terminal.watchers.tell();
        self.process(id)?.channel.answer(0, &bytes);
        value(bytes.len() as u64)
    }

    fn write_terminal(&mut self, id: u32, request: &Request) -> Answer {
        let flags = TerminalFlags::from_bits_truncate(request.small);
        let end = self.end(id, request.large, Access::WRITE)?;
        let bytes = self.process(id)?.channel.letter(request.words[0] as usize).ok_or(Errno::EINVAL)?;
        if end.is_dead() {
            return Err(Errno::EIO);
        }
        let terminal = &end.terminal;
        let (count, signals) = if end.side == Side::Master {
            terminal.with(|state| (state.feed(&bytes), state.pump()))
        } else {
            if terminal.with(|state| state.line.termios().has(linux::TOSTOP)) {
                self.check_foreground(id, terminal, SIGTTOU, flags.contains(TerminalFlags::IGNORES_WRITE))?;
            }
            if terminal.with(|state| state.pair.as_ref().is_some_and(|pair| !pair.is_open)) {
                return Err(Errno::EIO);
            }
            (terminal.with(|state| state.write(&bytes)), Vec::new())
        };
        if count == 0 && !bytes.is_empty() {
            if end.side == Side::Master { &terminal.master_watchers } else { &terminal.watchers }.subscribe(id);
            return Err(Errno::EAGAIN);
        }
        // Whoever writes and is woken by what comes back finds nothing new.
        terminal.watchers.tell();
        terminal.master_watchers.tell();
        self.send_to_foreground(terminal, &signals);
        value(count as u64)
    }
}

/// Whether a read has to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// It takes what there is.
    Over,
    /// It may not: `EAGAIN`.
    Refused,
    /// For more than `available` bytes, at least `least`, and for so many tenths of a second; 0: for ever.
    For {
        /// `VTIME`
        time: u8,
        /// `VMIN`
        least: u8,
        /// Bytes that there are.
        available: usize,
    },
}
