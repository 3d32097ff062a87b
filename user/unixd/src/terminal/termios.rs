//! A terminal's modes, and the three layouts that programs have of them: termios(3), `struct termio`, `struct termios2`.

use linux_raw_sys::general as linux;

/// Bytes of the kernel's `struct termios`.
pub const TERMIOS_BYTES: usize = 36;
/// Bytes of `struct termios2`: the same, and two speeds.
pub const TERMIOS2_BYTES: usize = 44;
/// Bytes of `struct termio`.
pub const TERMIO_BYTES: usize = 18;
/// Control characters.
const CHARACTERS: usize = 19;
/// Control characters that a `struct termio` has.
const TERMIO_CHARACTERS: usize = 8;
/// Bits a second, by the low four bits of a speed in `c_cflag`; those with `CBAUDEX` follow.
const SPEEDS: [u32; 16] = [0, 50, 75, 110, 134, 150, 200, 300, 600, 1200, 1800, 2400, 4800, 9600, 19_200, 38_400];
/// The same with `CBAUDEX`; the first is `BOTHER`: whatever the speeds say.
const HIGH_SPEEDS: [u32; 16] = [
    0, 57_600, 115_200, 230_400, 460_800, 500_000, 576_000, 921_600, 1_000_000, 1_152_000, 1_500_000, 2_000_000, 2_500_000, 3_000_000,
    3_500_000, 4_000_000,
];

/// A terminal's modes.
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
    /// Bits a second, in and out.
    pub speeds: [u32; 2],
}

impl Default for Termios {
    /// What a Linux terminal starts with (`tty_std_termios`).
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
            input: linux::ICRNL | linux::IXON,
            output: linux::OPOST | linux::ONLCR,
            control: linux::B38400 | linux::CS8 | linux::CREAD | linux::HUPCL,
            local: linux::ISIG | linux::ICANON | linux::ECHO | linux::ECHOE | linux::ECHOK | linux::ECHOCTL | linux::ECHOKE | linux::IEXTEN,
            discipline: 0,
            characters,
            speeds: [38_400; 2],
        }
    }
}

/// A word of a layout.
fn word(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_ne_bytes)
}

impl Termios {
    /// As `struct termios`.
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

    /// As `struct termios2`.
    #[must_use]
    pub fn to_bytes2(&self) -> [u8; TERMIOS2_BYTES] {
        let mut bytes = [0; TERMIOS2_BYTES];
        bytes[..TERMIOS_BYTES].copy_from_slice(&self.to_bytes());
        bytes[36..40].copy_from_slice(&self.speeds[0].to_ne_bytes());
        bytes[40..].copy_from_slice(&self.speeds[1].to_ne_bytes());
        bytes
    }

    /// As `struct termio`: the low halves.
    #[must_use]
    pub fn to_old_bytes(&self) -> [u8; TERMIO_BYTES] {
        let mut bytes = [0; TERMIO_BYTES];
        for (index, word) in [self.input, self.output, self.control, self.local].into_iter().enumerate() {
            bytes[index * 2..index * 2 + 2].copy_from_slice(&(word as u16).to_ne_bytes());
        }
        bytes[8] = self.discipline;
        bytes[9..9 + TERMIO_CHARACTERS].copy_from_slice(&self.characters[..TERMIO_CHARACTERS]);
        bytes
    }

    /// From one of the three layouts, told apart by their lengths; what a layout does not have stays as it is.
    #[must_use]
    pub fn changed_by(self, bytes: &[u8]) -> Termios {
        let mut new = self;
        if bytes.len() == TERMIO_BYTES {
            let half = |old: u32, index: usize| old & 0xffff_0000 | u32::from(u16::from_ne_bytes([bytes[index * 2], bytes[index * 2 + 1]]));
            (new.input, new.output) = (half(self.input, 0), half(self.output, 1));
            (new.control, new.local) = (half(self.control, 2), half(self.local, 3));
            new.discipline = bytes[8];
            new.characters[..TERMIO_CHARACTERS].copy_from_slice(&bytes[9..9 + TERMIO_CHARACTERS]);
        } else {
            [new.input, new.output, new.control, new.local] = [0, 4, 8, 12].map(|at| word(bytes, at));
            new.discipline = bytes[16];
            new.characters.copy_from_slice(&bytes[17..TERMIOS_BYTES]);
        }
        new.speeds = if bytes.len() == TERMIOS2_BYTES { [word(bytes, 36), word(bytes, 40)] } else { new.speeds };
        new.settle_speeds();
        new
    }

    /// Let the speeds be what `c_cflag` says.
    fn settle_speeds(&mut self) {
        let index = (self.control & 0xf) as usize;
        let speed = if self.control & linux::CBAUDEX == 0 { SPEEDS[index] } else { HIGH_SPEEDS[index] };
        let is_free = self.control & linux::CBAUD == linux::BOTHER;
        if !is_free {
            // An input speed of its own is in the bits above; without one it is the output's.
            self.speeds = [speed; 2];
        }
    }

    /// Whether a flag of `c_lflag` is set.
    #[must_use]
    pub fn has(&self, flag: u32) -> bool {
        self.local & flag != 0
    }

    /// Whether `byte` is the control character at an index; a NUL there turns it off.
    #[must_use]
    pub fn is(&self, index: u32, byte: u8) -> bool {
        byte != 0 && self.characters[index as usize] == byte
    }

    /// A control character.
    #[must_use]
    pub fn character(&self, index: u32) -> u8 {
        self.characters[index as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_modes_survive_their_layouts() {
        let mut termios = Termios { input: 0x1234_5678, local: 0x9abc_def0, ..Termios::default() };
        assert_eq!(Termios::default().changed_by(&termios.to_bytes()), termios);
        termios.control = termios.control & !linux::CBAUD | linux::BOTHER;
        termios.speeds = [7, 9];
        assert_eq!(Termios::default().changed_by(&termios.to_bytes2()), termios);
    }

    #[test]
    fn the_old_layout_changes_low_halves_only() {
        let termios = Termios { local: 0x9abc_0001, ..Termios::default() };
        let old = Termios { local: 2, input: 3, ..Termios::default() };
        let new = termios.changed_by(&old.to_old_bytes());
        assert_eq!((new.local, new.input), (0x9abc_0002, 3));
    }

    #[test]
    fn a_speed_of_the_table_is_both_speeds() {
        let bytes = Termios { control: linux::B115200 | linux::CS8, ..Termios::default() }.to_bytes();
        assert_eq!(Termios::default().changed_by(&bytes).speeds, [115_200; 2]);
    }
}
