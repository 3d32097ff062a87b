//! What is written to a terminal, as it goes out: `c_oflag`'s processing, and the column that the cursor is in.

use alloc::vec::Vec;

use linux_raw_sys::general as linux;

use super::termios::Termios;

/// From one tabulator stop to the next.
const TAB: usize = 8;

/// The way out.
#[derive(Clone, Copy, Debug, Default)]
pub struct Screen {
    /// Where the cursor is.
    pub column: usize,
    /// Where the line that is edited begins.
    pub line_column: usize,
}

/// Whether a byte goes on with a character of UTF-8, where that is what comes.
pub fn is_continuation(termios: &Termios, byte: u8) -> bool {
    termios.input & linux::IUTF8 != 0 && byte & 0xc0 == 0x80
}

impl Screen {
    /// Put a byte out.
    pub fn put(&mut self, termios: &Termios, byte: u8, out: &mut Vec<u8>) {
        let flags = termios.output;
        if flags & linux::OPOST == 0 {
            out.push(byte);
            return;
        }
        match byte {
            b'\n' => {
                if flags & linux::ONLCR != 0 {
                    out.push(b'\r');
                }
                if flags & (linux::ONLCR | linux::ONLRET) != 0 {
                    self.column = 0;
                }
                self.line_column = self.column;
                out.push(b'\n');
            }
            b'\r' if flags & linux::ONOCR != 0 && self.column == 0 => {}
            b'\r' if flags & linux::OCRNL != 0 => {
                if flags & linux::ONLRET != 0 {
                    (self.column, self.line_column) = (0, 0);
                }
                out.push(b'\n');
            }
            b'\r' => {
                (self.column, self.line_column) = (0, 0);
                out.push(b'\r');
            }
            b'\t' => {
                let spaces = TAB - self.column % TAB;
                self.column += spaces;
                if flags & linux::TABDLY == linux::XTABS {
                    out.extend(core::iter::repeat_n(b' ', spaces));
                } else {
                    out.push(b'\t');
                }
            }
            8 => {
                self.column = self.column.saturating_sub(1);
                out.push(8);
            }
            _ => {
                let byte = if flags & linux::OLCUC != 0 { byte.to_ascii_uppercase() } else { byte };
                if !byte.is_ascii_control() && !is_continuation(termios, byte) {
                    self.column += 1;
                }
                out.push(byte);
            }
        }
    }

    /// Wipe a tabulator out, before which there are so many columns since another, or since the line's begin.
    pub fn wipe_tab(&mut self, columns: usize, is_after_tab: bool, out: &mut Vec<u8>) {
        let columns = if is_after_tab { columns } else { columns + self.line_column };
        let back = TAB - columns % TAB;
        out.extend(core::iter::repeat_n(8, back));
        self.column = self.column.saturating_sub(back);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(flags: u32, bytes: &[u8]) -> Vec<u8> {
        let (mut screen, mut out) = (Screen::default(), Vec::new());
        let termios = Termios { output: flags, ..Termios::default() };
        bytes.iter().for_each(|&byte| screen.put(&termios, byte, &mut out));
        out
    }

    #[test]
    fn newlines_are_told_apart_on_the_way_out_only_if_asked() {
        assert_eq!(shown(linux::OPOST | linux::ONLCR, b"a\nb"), b"a\r\nb");
        assert_eq!(shown(linux::OPOST, b"a\nb"), b"a\nb");
        assert_eq!(shown(linux::ONLCR, b"a\nb"), b"a\nb");
        assert_eq!(shown(linux::OPOST | linux::OCRNL, b"a\rb"), b"a\nb");
        assert_eq!(shown(linux::OPOST | linux::ONOCR, b"\ra\r"), b"a\r");
    }

    #[test]
    fn tabulators_become_spaces_up_to_the_next_stop() {
        assert_eq!(shown(linux::OPOST | linux::XTABS, b"ab\tc"), b"ab      c");
        assert_eq!(shown(linux::OPOST | linux::XTABS, b"ab\x08\tc"), b"ab\x08       c");
    }
}
