//! The line discipline: what stands between a terminal's bytes and the program, as termios(3) describes it and Linux does it.
//!
//! Pure: bytes in, lines, echo and signals out. Bytes that are not read yet are one queue. In canonical mode its front is whole lines, and
//! [`Line::ends`] tells where they end; behind them is the line that is edited.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use linux_raw_sys::general as linux;

use unix::TerminalFlags;

use super::screen::{Screen, is_continuation};
use super::serve::Wait;
use super::termios::Termios;

/// The most bytes that wait to be read; the end of a line may be one more.
const MOST: usize = 4095;
/// The most bytes of echo that are kept while output is stopped.
const HELD_MOST: usize = 4096;

/// Where a line ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct End {
    /// How many bytes were taken or are ahead of the one that ends it.
    at: u64,
    /// That one is an end of file, which nobody reads.
    is_file: bool,
}

/// A signal that a control character sends.
const SIGNALS: [(u32, u32); 3] = [(linux::VINTR, linux::SIGINT), (linux::VQUIT, linux::SIGQUIT), (linux::VSUSP, linux::SIGTSTP)];

/// A terminal's input on its way to the program, and its output.
#[derive(Debug, Default)]
pub struct Line {
    termios: Termios,
    buffer: VecDeque<u8>,
    /// How many bytes of the buffer are whole lines.
    whole: usize,
    ends: VecDeque<End>,
    /// How many bytes were taken out of the buffer.
    taken: u64,
    /// The next byte stands for itself.
    is_literal: bool,
    /// Characters are being taken back that are shown as they go (`ECHOPRT`).
    is_erasing: bool,
    screen: Screen,
    /// Output is stopped.
    is_stopped: bool,
    /// Echo that waits for it to go on.
    held: Vec<u8>,
}

/// What one control character takes back.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Erasing {
    Character,
    Word,
    Line,
}

impl Line {
    /// With other modes than a terminal starts with.
    #[must_use]
    pub fn new(termios: Termios) -> Line {
        Line { termios, ..Line::default() }
    }

    /// The modes.
    #[must_use]
    pub fn termios(&self) -> Termios {
        self.termios
    }

    /// Take in a byte. What is to be shown goes to `out`; gives a signal to be sent.
    pub fn receive(&mut self, byte: u8, out: &mut Vec<u8>) -> Option<u32> {
        let termios = self.termios;
        let byte = if termios.input & linux::ISTRIP != 0 { byte & 0x7f } else { byte };
        let byte = if termios.input & linux::IUCLC != 0 && termios.has(linux::IEXTEN) { byte.to_ascii_lowercase() } else { byte };
        if core::mem::take(&mut self.is_literal) {
            self.add(byte, out);
            return None;
        }
        if termios.input & linux::IXON != 0 {
            if termios.is(linux::VSTART, byte) {
                self.start(out);
                return None;
            }
            if termios.is(linux::VSTOP, byte) {
                self.is_stopped = true;
                return None;
            }
        }
        if termios.has(linux::ISIG)
            && let Some((_, signal)) = SIGNALS.into_iter().find(|&(index, _)| termios.is(index, byte))
        {
            if !termios.has(linux::NOFLSH) {
                self.flush();
                self.held.clear();
            }
            if termios.input & linux::IXON != 0 {
                self.start(out);
            }
            if termios.has(linux::ECHO) {
                self.show(byte, out);
            }
            return Some(signal);
        }
        if self.is_stopped && termios.input & (linux::IXON | linux::IXANY) == linux::IXON | linux::IXANY {
            self.start(out);
        }
        let byte = match byte {
            b'\r' if termios.input & linux::IGNCR != 0 => return None,
            b'\r' if termios.input & linux::ICRNL != 0 => b'\n',
            b'\n' if termios.input & linux::INLCR != 0 => b'\r',
            _ => byte,
        };
        if !termios.has(linux::ICANON) || !self.edit(byte, out) {
            self.add(byte, out);
        }
        None
    }

    /// Do what a byte means to who edits a line; false: it means itself.
    fn edit(&mut self, byte: u8, out: &mut Vec<u8>) -> bool {
        let termios = self.termios;
        let extended = termios.has(linux::IEXTEN);
        if termios.is(linux::VERASE, byte) {
            self.erase(Erasing::Character, out);
        } else if termios.is(linux::VKILL, byte) {
            self.erase(Erasing::Line, out);
        } else if extended && termios.is(linux::VWERASE, byte) {
            self.erase(Erasing::Word, out);
        } else if extended && termios.is(linux::VLNEXT, byte) {
            self.is_literal = true;
            if termios.has(linux::ECHO) {
                self.finish_erasing(out);
                if termios.has(linux::ECHOCTL) {
                    self.echo(b'^', out);
                    self.echo(8, out);
                }
            }
        } else if extended && termios.has(linux::ECHO) && termios.is(linux::VREPRINT, byte) {
            self.finish_erasing(out);
            self.show(byte, out);
            self.echo(b'\n', out);
            for index in self.whole..self.buffer.len() {
                self.show(self.buffer[index], out);
            }
        } else if termios.is(linux::VEOF, byte) {
            self.end_line(0, true);
        } else if byte == b'\n' {
            if termios.has(linux::ECHO) || termios.has(linux::ECHONL) {
                self.echo(byte, out);
            }
            self.end_line(byte, false);
        } else if termios.is(linux::VEOL, byte) || extended && termios.is(linux::VEOL2, byte) {
            if termios.has(linux::ECHO) {
                self.note_begin();
                self.show(byte, out);
            }
            self.end_line(byte, false);
        } else {
            return false;
        }
        true
    }

    /// The line is whole.
    fn end_line(&mut self, byte: u8, is_file: bool) {
        self.ends.push_back(End { at: self.taken + self.buffer.len() as u64, is_file });
        self.buffer.push_back(byte);
        self.whole = self.buffer.len();
    }

    /// Take in a byte that means itself.
    fn add(&mut self, byte: u8, out: &mut Vec<u8>) {
        if self.termios.has(linux::ECHO) {
            self.finish_erasing(out);
            if byte == b'\n' {
                self.echo(byte, out);
            } else {
                self.note_begin();
                self.show(byte, out);
            }
        }
        if self.buffer.len() < MOST {
            self.buffer.push_back(byte);
        }
    }

    /// A line that begins now begins where the cursor is.
    fn note_begin(&mut self) {
        if self.whole == self.buffer.len() {
            self.screen.line_column = self.screen.column;
        }
    }

    /// Echo a byte: a control character as `^` and a letter.
    fn show(&mut self, byte: u8, out: &mut Vec<u8>) {
        if self.termios.has(linux::ECHOCTL) && byte.is_ascii_control() && byte != b'\t' {
            self.echo(b'^', out);
            self.echo(byte ^ 0x40, out);
        } else {
            self.echo(byte, out);
        }
    }

    /// Echo a byte as it is.
    fn echo(&mut self, byte: u8, out: &mut Vec<u8>) {
        if !self.is_stopped {
            self.screen.put(&self.termios, byte, out);
        } else if self.held.len() < HELD_MOST {
            self.held.push(byte);
        }
    }

    fn finish_erasing(&mut self, out: &mut Vec<u8>) {
        if core::mem::take(&mut self.is_erasing) {
            self.echo(b'/', out);
        }
    }

    /// Take characters back, and wipe them from the screen.
    fn erase(&mut self, what: Erasing, out: &mut Vec<u8>) {
        let termios = self.termios;
        if self.whole == self.buffer.len() {
            return;
        }
        if what == Erasing::Line
            && !(termios.has(linux::ECHO) && termios.has(linux::ECHOK) && termios.has(linux::ECHOKE) && termios.has(linux::ECHOE))
        {
            self.buffer.truncate(self.whole);
            if termios.has(linux::ECHO) {
                self.finish_erasing(out);
                self.show(termios.character(linux::VKILL), out);
                if termios.has(linux::ECHOK) {
                    self.echo(b'\n', out);
                }
            }
            return;
        }
        let mut has_word = false;
        while self.buffer.len() > self.whole {
            let (begin, first) = self.last_character();
            // Half a character at the line's begin stays.
            if is_continuation(&termios, first) {
                break;
            }
            let is_of_word = first.is_ascii_alphanumeric() || first == b'_' || first >= 0x80;
            if what == Erasing::Word && !is_of_word && has_word {
                break;
            }
            has_word |= is_of_word;
            let removed: Vec<u8> = self.buffer.drain(begin..).collect();
            if termios.has(linux::ECHO) {
                self.wipe(&removed, what, out);
            }
            if what == Erasing::Character {
                break;
            }
        }
        if self.whole == self.buffer.len() && termios.has(linux::ECHO) {
            self.finish_erasing(out);
        }
    }

    /// Where the last character of the edited line begins, and its first byte.
    fn last_character(&self) -> (usize, u8) {
        let mut at = self.buffer.len() - 1;
        while at > self.whole && is_continuation(&self.termios, self.buffer[at]) {
            at -= 1;
        }
        (at, self.buffer[at])
    }

    /// Show that a character was taken back.
    fn wipe(&mut self, removed: &[u8], what: Erasing, out: &mut Vec<u8>) {
        let termios = self.termios;
        let first = removed[0];
        if termios.has(linux::ECHOPRT) {
            if !core::mem::replace(&mut self.is_erasing, true) {
                self.echo(b'\\', out);
            }
            self.show(first, out);
            for &byte in &removed[1..] {
                self.echo(byte, out);
            }
        } else if what == Erasing::Character && !termios.has(linux::ECHOE) {
            self.show(termios.character(linux::VERASE), out);
        } else if first == b'\t' {
            let (columns, is_after_tab) = self.columns_of_last_piece();
            self.screen.wipe_tab(columns, is_after_tab, out);
        } else {
            let is_control = first.is_ascii_control();
            let columns = usize::from(is_control && termios.has(linux::ECHOCTL)) + usize::from(!is_control || termios.has(linux::ECHOCTL));
            for _ in 0..columns {
                for byte in *b"\x08 \x08" {
                    self.echo(byte, out);
                }
            }
        }
    }

    /// Columns of the edited line since its last tabulator or its begin, and which of the two.
    fn columns_of_last_piece(&self) -> (usize, bool) {
        let mut columns = 0;
        for &byte in self.buffer.range(self.whole..).rev() {
            if byte == b'\t' {
                return (columns, true);
            }
            if byte.is_ascii_control() {
                columns += if self.termios.has(linux::ECHOCTL) { 2 } else { 0 };
            } else if !is_continuation(&self.termios, byte) {
                columns += 1;
            }
        }
        (columns, false)
    }

    /// Drop all input.
    pub fn flush(&mut self) {
        self.taken += self.buffer.len() as u64;
        self.buffer.clear();
        self.ends.clear();
        self.whole = 0;
        self.is_literal = false;
        self.is_erasing = false;
    }

    /// Set the modes. Where canonical mode begins, what is there is a line; where it ends, what was edited is ready as it is.
    pub fn set_termios(&mut self, termios: Termios, out: &mut Vec<u8>) {
        let old = core::mem::replace(&mut self.termios, termios);
        if (old.local ^ termios.local) & linux::ICANON != 0 {
            self.ends.clear();
            self.whole = 0;
            if termios.has(linux::ICANON) && !self.buffer.is_empty() {
                self.whole = self.buffer.len();
                self.ends.push_back(End { at: self.taken + self.whole as u64 - 1, is_file: false });
            }
        }
        if old.input & linux::IXON != 0 && termios.input & linux::IXON == 0 {
            self.start(out);
        }
    }

    /// Whether lines are edited.
    #[must_use]
    pub fn is_canonical(&self) -> bool {
        self.termios.has(linux::ICANON)
    }

    /// Whether there is room for a byte more. An edited line that is too long takes bytes, and drops them.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.buffer.len() < MOST || self.is_canonical() && self.whole == 0
    }

    /// Bytes that a read would give; with lines edited, of all whole lines.
    #[must_use]
    pub fn available(&self) -> usize {
        if self.is_canonical() { self.whole - self.ends.iter().filter(|end| end.is_file).count() } else { self.buffer.len() }
    }

    /// Whether a whole line, be it an empty one that ends the file, can be read.
    #[must_use]
    pub fn has_line(&self) -> bool {
        !self.ends.is_empty()
    }

    /// What poll(2) tells: whether a read does not wait.
    #[must_use]
    pub fn is_readable(&self) -> bool {
        if self.is_canonical() {
            return self.has_line();
        }
        let (least, time) = self.patience();
        self.buffer.len() >= if time == 0 { usize::from(least).max(1) } else { 1 }
    }

    /// `VMIN` and `VTIME`.
    #[must_use]
    pub fn patience(&self) -> (u8, u8) {
        (self.termios.character(linux::VMIN), self.termios.character(linux::VTIME))
    }

    /// Whether a read of so many bytes has to wait.
    #[must_use]
    pub fn wait_for(&self, room: usize, flags: TerminalFlags) -> Wait {
        let may_not = flags.contains(TerminalFlags::NO_WAIT);
        if self.is_canonical() {
            return match () {
                () if self.has_line() => Wait::Over,
                () if may_not => Wait::Refused,
                () => Wait::For { time: 0, least: 1, available: 0 },
            };
        }
        let ((least, time), available) = (self.patience(), self.buffer.len());
        let is_enough = available >= usize::from(least).min(room).max(1) || least == 0 && time == 0;
        match () {
            () if is_enough || flags.contains(TerminalFlags::TIME_IS_OVER) || may_not && available > 0 => Wait::Over,
            () if may_not => Wait::Refused,
            () => Wait::For { time, least, available },
        }
    }

    /// Take at most `most` bytes: of one line, or all that came.
    pub fn take(&mut self, most: usize) -> Vec<u8> {
        let mut count = self.buffer.len().min(most);
        let mut dropped = 0;
        if self.is_canonical() {
            let Some(&end) = self.ends.front() else { return Vec::new() };
            let length = (end.at - self.taken) as usize + usize::from(!end.is_file);
            count = length.min(most);
            if length <= most {
                self.ends.pop_front();
                dropped = usize::from(end.is_file);
            }
            self.whole -= count + dropped;
        }
        let bytes = self.buffer.drain(..count).collect();
        self.buffer.drain(..dropped);
        self.taken += (count + dropped) as u64;
        bytes
    }

    /// Stop output.
    pub fn stop(&mut self) {
        self.is_stopped = true;
    }

    /// Let output go on, with the echo that was held back.
    pub fn start(&mut self, out: &mut Vec<u8>) {
        if core::mem::take(&mut self.is_stopped) {
            for byte in core::mem::take(&mut self.held) {
                self.screen.put(&self.termios, byte, out);
            }
        }
    }

    /// Whether output is stopped.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.is_stopped
    }

    /// What a program writes, as the terminal wants it.
    pub fn write(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        if self.termios.output & linux::OPOST == 0 {
            out.extend_from_slice(bytes);
            return;
        }
        bytes.iter().for_each(|&byte| self.screen.put(&self.termios, byte, out));
    }
}
