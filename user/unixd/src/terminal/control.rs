//! ioctl(2) on terminals: ioctl_tty(2).

use alloc::sync::Arc;
use alloc::vec::Vec;

use libos::errno::Errno;
use libos::file::Access;
use libos::signal::{SIGTTOU, SIGWINCH};
use linux_raw_sys::{general as linux, ioctl};
use unix::{Request, TerminalFlags};

use super::end::{End, Side};
use super::pair::Happened;
use super::termios::{TERMIO_BYTES, TERMIOS_BYTES, TERMIOS2_BYTES, Termios};
use super::{State, Terminal, console};
use crate::server::{Answer, Server, value};

/// The most bytes that a request takes or gives.
const MOST: usize = 64;
/// `TIOCSERGETLSR`'s bit: everything has been sent.
const SENT: u32 = 1;

/// What a request answers: a value, and bytes.
type Told = Result<Vec<u8>, Errno>;

fn number(number: u32) -> Told {
    Ok(number.to_ne_bytes().to_vec())
}

/// How long a set of modes is that a request sets, and whether input is dropped first.
fn modes(request: u32) -> Option<(usize, bool)> {
    Some(match request {
        ioctl::TCSETS | ioctl::TCSETSW => (TERMIOS_BYTES, false),
        ioctl::TCSETSF => (TERMIOS_BYTES, true),
        ioctl::TCSETS2 | ioctl::TCSETSW2 => (TERMIOS2_BYTES, false),
        ioctl::TCSETSF2 => (TERMIOS2_BYTES, true),
        ioctl::TCSETA | ioctl::TCSETAW => (TERMIO_BYTES, false),
        ioctl::TCSETAF => (TERMIO_BYTES, true),
        _ => return None,
    })
}

impl Server {
    /// Serve a request of ioctl(2).
    pub(super) fn control_terminal(&mut self, id: u32, request: &Request) -> Answer {
        let [number, argument, sizes] = request.words;
        let (incoming, outgoing) = (sizes as u32 as usize, (sizes >> 32) as usize);
        if incoming.max(outgoing) > MOST {
            return Err(Errno::EINVAL);
        }
        let bytes = self.process(id)?.channel.letter(incoming).ok_or(Errno::EINVAL)?;
        let opened = self.handles(id)?.opened(request.large)?;
        let end: Arc<End> = opened.file.of_type().ok_or(Errno::EBADF)?;
        if end.is_dead() {
            return Err(if number as u32 == ioctl::TIOCSPGRP { Errno::ENOTTY } else { Errno::EIO });
        }
        let is_readable = opened.access.contains(Access::READ);
        let asked = Asked { id, request: number as u32, argument: argument as usize, bytes: &bytes, is_readable };
        if is_change(asked.request) {
            let is_ignored = TerminalFlags::from_bits_truncate(request.small).contains(TerminalFlags::IGNORES_WRITE);
            let allowed = self.check_foreground(id, &end.terminal, SIGTTOU, is_ignored);
            allowed.map_err(|errno| if errno == Errno::EIO && asked.request == ioctl::TIOCSPGRP { Errno::ENOTTY } else { errno })?;
        }
        let mut told = self.control_end(&end, &asked)?;
        told.resize(outgoing, 0);
        self.process(id)?.channel.answer(0, &told);
        value(0)
    }

    fn control_end(&mut self, end: &End, asked: &Asked) -> Told {
        let terminal = &end.terminal;
        if let Some((length, flush)) = modes(asked.request) {
            return self.set_modes(terminal, asked.bytes.get(..length).ok_or(Errno::EINVAL)?, flush);
        }
        match asked.request {
            ioctl::TCGETS => Ok(modes_of(terminal).to_bytes().to_vec()),
            ioctl::TCGETS2 => Ok(modes_of(terminal).to_bytes2().to_vec()),
            ioctl::TCGETA => Ok(modes_of(terminal).to_old_bytes().to_vec()),
            ioctl::TIOCGWINSZ => Ok(terminal.with(|state| state.window).iter().flat_map(|size| size.to_ne_bytes()).collect()),
            ioctl::TIOCSWINSZ => self.set_window(terminal, asked.bytes),
            ioctl::TIOCGPGRP | ioctl::TIOCGSID | ioctl::TIOCSPGRP | ioctl::TIOCSCTTY | ioctl::TIOCNOTTY => self.control_jobs(end, asked),
            ioctl::FIONREAD => number(terminal.with(|state| match (&state.pair, end.side) {
                (Some(pair), Side::Master) => pair.waiting(),
                _ => state.line.available(),
            }) as u32),
            ioctl::TIOCOUTQ => number(0),
            ioctl::TCFLSH => self.drop_bytes(end, asked.argument),
            ioctl::TCXONC => control_flow(terminal, asked.argument),
            ioctl::TCSBRK | ioctl::TCSBRKP | ioctl::TIOCSBRK | ioctl::TIOCCBRK => Ok(Vec::new()),
            ioctl::TIOCEXCL | ioctl::TIOCNXCL => {
                terminal.with(|state| state.is_exclusive = asked.request == ioctl::TIOCEXCL);
                Ok(Vec::new())
            }
            ioctl::TIOCGEXCL => number(u32::from(terminal.with(|state| state.is_exclusive))),
            // The line discipline is the only one there is, `N_TTY`.
            ioctl::TIOCGETD => number(0),
            ioctl::TIOCSETD if asked.number() == 0 => Ok(Vec::new()),
            ioctl::TIOCSETD => Err(Errno::EINVAL),
            ioctl::TIOCSERGETLSR if terminal.with(|state| state.pair.is_none()) => number(SENT),
            // As a kernel without `dev.tty.legacy_tiocsti`.
            ioctl::TIOCSTI => Err(Errno::EIO),
            _ => control_pair(end, asked),
        }
    }

    fn set_modes(&mut self, terminal: &Terminal, bytes: &[u8], flush: bool) -> Told {
        let signals = terminal.change(|state| {
            if flush {
                state.flush_input();
            }
            let mut new = state.line.termios().changed_by(bytes);
            if state.pair.is_some() {
                // A line of bytes is all that a pair is.
                new.control = new.control & !(linux::CSIZE | linux::PARENB) | linux::CS8 | linux::CREAD;
            }
            let mut echo = Vec::new();
            let (was_stopped, was_ready) = (state.line.is_stopped(), state.line.is_readable());
            let old = state.line.termios();
            state.with_flow(|state| state.line.set_termios(new, &mut echo));
            if let Some(pair) = state.pair.as_mut().filter(|_| flows_as_usual(&old) != flows_as_usual(&new)) {
                let both = [Happened::FLOW_IS_OFF, Happened::FLOW_IS_ON];
                pair.note(both[usize::from(flows_as_usual(&new))], Happened::FLOW_IS_OFF | Happened::FLOW_IS_ON);
            }
            state.put_out(&echo);
            if was_stopped && !state.line.is_stopped() {
                state.edges.note_output();
            }
            if !was_ready && state.line.is_readable() {
                state.edges.note_input();
            }
            state.pump()
        });
        self.send_to_foreground(terminal, &signals);
        Ok(Vec::new())
    }

    fn set_window(&mut self, terminal: &Terminal, bytes: &[u8]) -> Told {
        let size = |index: usize| bytes.get(index * 2..index * 2 + 2).map_or(0, |bytes| u16::from_ne_bytes([bytes[0], bytes[1]]));
        let window = core::array::from_fn(size);
        if terminal.with(|state| core::mem::replace(&mut state.window, window)) != window {
            self.send_to_foreground(terminal, &[SIGWINCH]);
        }
        Ok(Vec::new())
    }

    fn control_jobs(&mut self, end: &End, asked: &Asked) -> Told {
        let terminal = &end.terminal;
        // A master tells of its slave whoever asks.
        let is_told = end.side == Side::Master || self.controls(terminal, asked.id);
        let (session, group) = terminal.with(|state| (state.session, state.group));
        match asked.request {
            ioctl::TIOCGPGRP if is_told => number(group),
            ioctl::TIOCGSID if is_told && session != 0 => number(session),
            ioctl::TIOCSPGRP => self.set_foreground(asked.id, terminal, asked.number()).map(|()| Vec::new()),
            // By a master it is its slave that is claimed, but not given up.
            ioctl::TIOCSCTTY => self.set_terminal(asked.id, terminal, asked.argument == 1, asked.is_readable).map(|()| Vec::new()),
            ioctl::TIOCNOTTY if end.side == Side::Terminal => self.leave_terminal(asked.id, terminal).map(|()| Vec::new()),
            _ => Err(Errno::ENOTTY),
        }
    }

    /// `TCFLSH`. A master's input is what the slave wrote.
    fn drop_bytes(&mut self, end: &End, which: usize) -> Told {
        let (input, output) = match u32::try_from(which) {
            Ok(linux::TCIFLUSH) => (true, false),
            Ok(linux::TCOFLUSH) => (false, true),
            Ok(linux::TCIOFLUSH) => (true, true),
            _ => return Err(Errno::EINVAL),
        };
        let (typed, written) = if end.side == Side::Master { (output, input) } else { (input, output) };
        if typed && end.terminal.with(|state| state.pair.is_none()) {
            self.terminals.typed.clear();
        }
        end.terminal.change(|state| {
            if typed {
                state.flush_input();
            }
            if let Some(pair) = state.pair.as_mut().filter(|_| written) {
                pair.flush_output();
                state.edges.note_output();
            }
        });
        Ok(Vec::new())
    }
}

/// A request, and what came with it.
struct Asked<'a> {
    id: u32,
    request: u32,
    argument: usize,
    bytes: &'a [u8],
    is_readable: bool,
}

impl Asked<'_> {
    /// The number that came with it.
    fn number(&self) -> i32 {
        self.bytes.get(..4).and_then(|bytes| bytes.try_into().ok()).map_or(0, i32::from_ne_bytes)
    }
}

/// Whether a request changes what those in the foreground see.
fn is_change(request: u32) -> bool {
    modes(request).is_some()
        || matches!(
            request,
            ioctl::TIOCSPGRP
                | ioctl::TCFLSH
                | ioctl::TCXONC
                | ioctl::TCSBRK
                | ioctl::TCSBRKP
                | ioctl::TIOCSBRK
                | ioctl::TIOCCBRK
                | ioctl::TIOCSETD
        )
}

fn modes_of(terminal: &Terminal) -> Termios {
    terminal.with(|state| state.line.termios())
}

/// Whether `^S` and `^Q` stop and start output.
fn flows_as_usual(termios: &Termios) -> bool {
    const STOP: u8 = 0o23;
    const START: u8 = 0o21;
    termios.input & linux::IXON != 0 && termios.character(linux::VSTOP) == STOP && termios.character(linux::VSTART) == START
}

/// `TCXONC`
fn control_flow(terminal: &Terminal, action: usize) -> Told {
    terminal.change(|state| {
        let character = |index| state.line.termios().character(index);
        let sent = match u32::try_from(action) {
            Ok(linux::TCOOFF) => {
                state.with_flow(|state| state.line.stop());
                return Ok(Vec::new());
            }
            Ok(linux::TCOON) => {
                state.with_flow(State::start_output);
                return Ok(Vec::new());
            }
            Ok(linux::TCIOFF) => character(linux::VSTOP),
            Ok(linux::TCION) => character(linux::VSTART),
            _ => return Err(Errno::EINVAL),
        };
        if sent != 0 {
            match &mut state.pair {
                Some(pair) => pair.put_echo(&[sent]),
                None => console::put(&[sent]),
            }
        }
        Ok(Vec::new())
    })
}

/// What only a pair's master has.
fn control_pair(end: &End, asked: &Asked) -> Told {
    if end.side != Side::Master {
        return Err(Errno::ENOTTY);
    }
    let number_of_device = libos::vfs::attributes::minor(end.terminal.device);
    end.terminal.with(|state| {
        let pair = state.pair.as_mut().ok_or(Errno::ENOTTY)?;
        match asked.request {
            ioctl::TIOCGPTN => number(number_of_device),
            ioctl::TIOCSPTLCK => {
                pair.is_locked = asked.number() != 0;
                Ok(Vec::new())
            }
            ioctl::TIOCGPTLCK => number(u32::from(pair.is_locked)),
            ioctl::TIOCGPKT => number(u32::from(pair.is_in_packets())),
            ioctl::TIOCPKT => {
                pair.set_packets(asked.number() != 0);
                Ok(Vec::new())
            }
            _ => Err(Errno::ENOTTY),
        }
    })
}
