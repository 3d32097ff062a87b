//! The line discipline: what stands between a terminal's bytes and the program, as termios(3) describes it.
//!
//! Pure: bytes in, lines, echo and signals out.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use linux_raw_sys::general as linux;

/// Bytes of the kernel's `struct termios`.
pub const TERMIOS_BYTES: usize = 36;
/// Control characters in it.
const CHARACTERS: usize = 19;
/// The longest line that can be edited, as on Linux; more is dropped.
const LINE_MOST: usize = 4095;

/// A terminal's modes: the kernel's `struct termios`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Termios {
    /// `c_iflag`
    pub input: u32,
    /// `c_oflag`
    pub output: u32,
    /// `c_cflag`
    pub control: u32,
    /// `c_lflag`
    pub local: u32,
    /// `c_line`
    pub discipline: u8,
    /// `c_cc`
    pub characters: [u8; CHARACTERS],
}

impl Default for Termios {
    /// What a Linux console starts with.
    fn default() -> Self {
        let mut characters = [0; CHARACTERS];
        let settings = [
            (linux::VINTR, 3),
            (linux::VQUIT, 28),
            (linux::VERASE, 127),
            (linux::VKILL, 21),
            (linux::VEOF, 4),
            (linux::VMIN, 1),
            (linux::VSTART, 17),
            (linux::VSTOP, 19),
            (linux::VSUSP, 26),
            (linux::VREPRINT, 18),
            (linux::VDISCARD, 15),
            (linux::VWERASE, 23),
            (linux::VLNEXT, 22),
        ];
        for (index, value) in settings {
            characters[index as usize] = value;
        }
        Termios {
            input: linux::ICRNL | linux::IXON | linux::IUTF8,
            output: linux::OPOST | linux::ONLCR,
            control: linux::B38400 | linux::CS8 | linux::CREAD | linux::HUPCL,
            local: linux::ISIG | linux::ICANON | linux::ECHO | linux::ECHOE | linux::ECHOK | linux::ECHOCTL | linux::ECHOKE | linux::IEXTEN,
            discipline: 0,
            characters,
        }
    }
}

impl Termios {
    /// As the kernel lays it out.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; TERMIOS_BYTES] {
        let mut bytes = [0; TERMIOS_BYTES];
        for (index, word) in [self.input, self.output, self.control, self.local].into_iter().enumerate() {
            bytes[index * 4..index * 4 + 4].copy_from_slice(&word.to_ne_bytes());
        }
        bytes[16] = self.discipline;
        bytes[17..].copy_from_slice(&self.characters);
        bytes
    }

    /// From the kernel's layout.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; TERMIOS_BYTES]) -> Self {
        let word = |index: usize| u32::from_ne_bytes([bytes[index * 4], bytes[index * 4 + 1], bytes[index * 4 + 2], bytes[index * 4 + 3]]);
        let mut characters = [0; CHARACTERS];
        characters.copy_from_slice(&bytes[17..]);
        Termios { input: word(0), output: word(1), control: word(2), local: word(3), discipline: bytes[16], characters }
    }

    fn has(&self, flag: u32) -> bool {
        self.local & flag != 0
    }

    /// Whether `byte` is the control character at an index; a NUL there turns it off.
    fn is(&self, index: u32, byte: u8) -> bool {
        byte != 0 && self.characters[index as usize] == byte
    }
}

/// A signal that a control character sends.
const SIGNALS: [(u32, u32); 3] = [(linux::VINTR, linux::SIGINT), (linux::VQUIT, linux::SIGQUIT), (linux::VSUSP, linux::SIGTSTP)];

/// A terminal's input on its way to the program.
#[derive(Default)]
pub struct Line {
    /// The modes.
    pub termios: Termios,
    /// The line that is being edited.
    editing: Vec<u8>,
    /// What is ready: lines (an empty one is an end of file) or, without editing, bytes as they came.
    ready: VecDeque<Vec<u8>>,
    /// The next byte stands for itself.
    literal: bool,
}

impl Line {
    /// Take in a byte. What is to be shown goes to `echo`; gives a signal to be sent.
    pub fn receive(&mut self, byte: u8, echo: &mut Vec<u8>) -> Option<u32> {
        let termios = self.termios;
        if core::mem::take(&mut self.literal) {
            self.add(byte, echo);
            return None;
        }
        let byte = match byte {
            b'\r' if termios.input & linux::IGNCR != 0 => return None,
            b'\r' if termios.input & linux::ICRNL != 0 => b'\n',
            b'\n' if termios.input & linux::INLCR != 0 => b'\r',
            _ => byte,
        };
        if termios.input & linux::IXON != 0 && (termios.is(linux::VSTART, byte) || termios.is(linux::VSTOP, byte)) {
            return None;
        }
        if termios.has(linux::ISIG)
            && let Some((_, signal)) = SIGNALS.into_iter().find(|&(index, _)| termios.is(index, byte))
        {
            if !termios.has(linux::NOFLSH) {
                self.flush();
            }
            self.show(byte, echo);
            return Some(signal);
        }
        if termios.has(linux::ICANON) {
            self.edit(byte, echo)
        } else {
            self.add(byte, echo)
        }
        None
    }

    fn edit(&mut self, byte: u8, echo: &mut Vec<u8>) {
        let termios = self.termios;
        let extended = termios.has(linux::IEXTEN);
        if termios.is(linux::VERASE, byte) {
            self.erase(echo);
        } else if termios.is(linux::VKILL, byte) {
            while !self.editing.is_empty() {
                self.erase(echo);
            }
        } else if extended && termios.is(linux::VWERASE, byte) {
            while self.editing.last() == Some(&b' ') {
                self.erase(echo);
            }
            while self.editing.last().is_some_and(|&last| last != b' ') {
                self.erase(echo);
            }
        } else if extended && termios.is(linux::VLNEXT, byte) {
            self.literal = true;
        } else if extended && termios.is(linux::VREPRINT, byte) {
            self.show(byte, echo);
            echo.push(b'\n');
            echo.extend_from_slice(&self.editing);
        } else if termios.is(linux::VEOF, byte) {
            self.ready.push_back(core::mem::take(&mut self.editing));
        } else if byte == b'\n' || termios.is(linux::VEOL, byte) || termios.is(linux::VEOL2, byte) {
            if termios.has(linux::ECHO) || termios.has(linux::ECHONL) && byte == b'\n' {
                echo.push(byte);
            }
            self.editing.push(byte);
            self.ready.push_back(core::mem::take(&mut self.editing));
        } else {
            self.add(byte, echo);
        }
    }

    fn add(&mut self, byte: u8, echo: &mut Vec<u8>) {
        if !self.termios.has(linux::ICANON) {
            self.show(byte, echo);
            self.ready.push_back(alloc::vec![byte]);
        } else if self.editing.len() < LINE_MOST {
            self.show(byte, echo);
            self.editing.push(byte);
        }
    }

    /// Echo a byte: a control character as `^` and a letter.
    fn show(&self, byte: u8, echo: &mut Vec<u8>) {
        if !self.termios.has(linux::ECHO) {
            return;
        }
        if self.termios.has(linux::ECHOCTL) && byte.is_ascii_control() && !matches!(byte, b'\n' | b'\t') {
            echo.extend_from_slice(&[b'^', byte ^ 0x40]);
        } else {
            echo.push(byte);
        }
    }

    /// Take the last character back, and wipe it from the screen.
    fn erase(&mut self, echo: &mut Vec<u8>) {
        let Some(mut last) = self.editing.pop() else { return };
        let is_wide = self.termios.input & linux::IUTF8 != 0;
        while is_wide && last & 0xc0 == 0x80 {
            match self.editing.pop() {
                Some(before) => last = before,
                None => break,
            }
        }
        if self.termios.has(linux::ECHO) && self.termios.has(linux::ECHOE) {
            let columns = if self.termios.has(linux::ECHOCTL) && last.is_ascii_control() { 2 } else { 1 };
            for _ in 0..columns {
                echo.extend_from_slice(b"\x08 \x08");
            }
        }
    }

    /// Drop all input.
    pub fn flush(&mut self) {
        self.editing.clear();
        self.ready.clear();
    }

    /// Set the modes. Without line editing what was being edited is ready as it is.
    pub fn set_termios(&mut self, termios: Termios) {
        self.termios = termios;
        if !termios.has(linux::ICANON) {
            if !self.editing.is_empty() {
                self.ready.push_back(core::mem::take(&mut self.editing));
            }
            self.ready.retain(|piece| !piece.is_empty());
        }
    }

    /// Whether lines are edited.
    #[must_use]
    pub fn is_canonical(&self) -> bool {
        self.termios.has(linux::ICANON)
    }

    /// Whether a read has something to give, an end of file included.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Bytes that are ready.
    #[must_use]
    pub fn available(&self) -> usize {
        self.ready.iter().map(Vec::len).sum()
    }

    /// Take at most `most` bytes: of one line, or all that came.
    pub fn take(&mut self, most: usize) -> Vec<u8> {
        let mut taken = Vec::new();
        while let Some(piece) = self.ready.front_mut() {
            let count = piece.len().min(most - taken.len());
            taken.extend(piece.drain(..count));
            if !piece.is_empty() {
                break;
            }
            self.ready.pop_front();
            if self.is_canonical() || taken.len() == most {
                break;
            }
        }
        taken
    }

    /// Write output bytes as the terminal wants them.
    pub fn process_output(&self, bytes: &[u8], out: &mut Vec<u8>) {
        if self.termios.output & linux::OPOST == 0 || self.termios.output & linux::ONLCR == 0 {
            out.extend_from_slice(bytes);
            return;
        }
        for &byte in bytes {
            if byte == b'\n' {
                out.push(b'\r');
            }
            out.push(byte);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Type keys; gives what is shown, and the signals.
    fn keys(line: &mut Line, keys: &[u8]) -> (Vec<u8>, Vec<u32>) {
        let mut echo = Vec::new();
        let signals = keys.iter().filter_map(|&key| line.receive(key, &mut echo)).collect();
        (echo, signals)
    }

    fn raw() -> Line {
        let mut line = Line::default();
        let termios = line.termios;
        line.set_termios(Termios { local: termios.local & !(linux::ICANON | linux::ECHO | linux::ISIG), ..termios });
        line
    }

    #[test]
    fn a_line_is_read_when_it_is_ended_and_not_before() {
        let mut line = Line::default();
        keys(&mut line, b"ab");
        assert!(!line.is_ready());
        keys(&mut line, b"c\rnext");
        assert_eq!(line.take(100), b"abc\n");
        assert!(!line.is_ready());
    }

    #[test]
    fn a_short_read_leaves_the_rest_of_the_line() {
        let mut line = Line::default();
        keys(&mut line, b"abc\nd\n");
        assert_eq!(line.take(2), b"ab");
        assert_eq!(line.take(100), b"c\n");
        assert_eq!(line.take(100), b"d\n");
    }

    #[test]
    fn editing_takes_characters_words_and_lines_back() {
        let mut line = Line::default();
        assert_eq!(keys(&mut line, b"ax\x7f").0, b"ax\x08 \x08");
        keys(&mut line, b"b one two\x17three\n");
        assert_eq!(line.take(100), b"ab one three\n");
        keys(&mut line, b"wrong\x15right\n");
        assert_eq!(line.take(100), b"right\n");
        assert_eq!(keys(&mut line, "é\x7f".as_bytes()).0, "é\x08 \x08".as_bytes());
        assert_eq!(keys(&mut line, b"\x7f").0, b"");
    }

    #[test]
    fn control_d_ends_the_file_or_the_line() {
        let mut line = Line::default();
        keys(&mut line, b"part\x04");
        assert_eq!(line.take(100), b"part");
        keys(&mut line, b"\x04");
        assert!(line.is_ready());
        assert_eq!(line.take(100), b"");
        assert!(!line.is_ready());
    }

    #[test]
    fn control_c_sends_a_signal_and_drops_the_line() {
        let mut line = Line::default();
        let (echo, signals) = keys(&mut line, b"half\x03");
        assert_eq!((echo.as_slice(), signals.as_slice()), (b"half^C".as_slice(), [2].as_slice()));
        keys(&mut line, b"\n");
        assert_eq!(line.take(100), b"\n");
    }

    #[test]
    fn a_quoted_control_character_is_itself() {
        let mut line = Line::default();
        assert_eq!(keys(&mut line, b"\x16\x03\n").1, []);
        assert_eq!(line.take(100), b"\x03\n");
    }

    #[test]
    fn without_editing_every_byte_is_there_at_once() {
        let mut line = raw();
        assert_eq!(keys(&mut line, b"a\x03\x7f").0, b"");
        assert_eq!((line.available(), line.take(2), line.take(2)), (3, b"a\x03".to_vec(), b"\x7f".to_vec()));
    }

    #[test]
    fn newlines_are_told_apart_on_the_way_out_only_if_asked() {
        let mut out = Vec::new();
        Line::default().process_output(b"a\nb", &mut out);
        assert_eq!(out, b"a\r\nb");
        let mut line = Line::default();
        line.termios.output = 0;
        out.clear();
        line.process_output(b"a\nb", &mut out);
        assert_eq!(out, b"a\nb");
    }

    #[test]
    fn the_modes_survive_their_layout() {
        let termios = Termios::default();
        assert_eq!(Termios::from_bytes(&termios.to_bytes()), termios);
    }
}
