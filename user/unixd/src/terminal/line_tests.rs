//! The line discipline, key by key.

use alloc::vec::Vec;

use linux_raw_sys::general as linux;
use proptest::prelude::*;

use super::line::Line;
use super::termios::Termios;

/// Type keys; gives what is shown, and the signals.
fn keys(line: &mut Line, keys: &[u8]) -> (Vec<u8>, Vec<u32>) {
    let mut echo = Vec::new();
    let signals = keys.iter().filter_map(|&key| line.receive(key, &mut echo)).collect();
    (echo, signals)
}

fn shown(line: &mut Line, typed: &[u8]) -> Vec<u8> {
    keys(line, typed).0
}

fn with(change: impl FnOnce(&mut Termios)) -> Line {
    let mut termios = Termios::default();
    change(&mut termios);
    Line::new(termios)
}

fn raw() -> Line {
    with(|termios| termios.local &= !(linux::ICANON | linux::ECHO | linux::ISIG))
}

fn set(line: &mut Line, change: impl FnOnce(&mut Termios)) -> Vec<u8> {
    let (mut termios, mut out) = (line.termios(), Vec::new());
    change(&mut termios);
    line.set_termios(termios, &mut out);
    out
}

#[test]
fn a_line_is_read_when_it_is_ended_and_not_before() {
    let mut line = Line::default();
    keys(&mut line, b"ab");
    assert!(!line.is_readable());
    keys(&mut line, b"c\rnext");
    assert_eq!(line.available(), 4);
    assert_eq!(line.take(100), b"abc\n");
    assert!(!line.is_readable());
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
fn erasing_takes_characters_words_and_lines_back() {
    let mut line = Line::default();
    assert_eq!(shown(&mut line, b"ax\x7f"), b"ax\x08 \x08");
    keys(&mut line, b"b one  two.\x17three\n");
    assert_eq!(line.take(100), b"ab one  three\n");
    assert_eq!(shown(&mut line, b"ab\x15"), b"ab\x08 \x08\x08 \x08");
    keys(&mut line, b"right\n");
    assert_eq!(line.take(100), b"right\n");
    assert_eq!(shown(&mut line, b"\x7f"), b"");
}

#[test]
fn a_control_character_that_is_taken_back_has_two_columns_and_a_tabulator_its_own() {
    let mut line = Line::default();
    assert_eq!(shown(&mut line, b"\x01\x7f"), b"^A\x08 \x08\x08 \x08");
    assert_eq!(shown(&mut line, b"abc\t\x7f"), b"abc\t\x08\x08\x08\x08\x08");
}

#[test]
fn a_character_of_several_bytes_goes_as_one_if_that_is_the_mode() {
    let mut line = with(|termios| termios.input |= linux::IUTF8);
    assert_eq!(shown(&mut line, "é\x7f".as_bytes()), "é\x08 \x08".as_bytes());
    let mut line = Line::default();
    keys(&mut line, "é\x7f\n".as_bytes());
    assert_eq!(line.take(10), b"\xc3\n");
}

#[test]
fn without_its_echo_modes_erasing_shows_the_keys() {
    let mut line = with(|termios| termios.local &= !linux::ECHOE);
    assert_eq!(shown(&mut line, b"a\x7f"), b"a^?");
    let mut line = with(|termios| termios.local &= !linux::ECHOKE);
    assert_eq!(shown(&mut line, b"a\x15"), b"a^U\r\n");
    let mut line = with(|termios| termios.local |= linux::ECHOPRT);
    assert_eq!(shown(&mut line, b"ab\x7f\x7fc"), b"ab\\ba/c");
}

#[test]
fn control_d_ends_the_file_or_the_line() {
    let mut line = Line::default();
    keys(&mut line, b"part\x04");
    assert_eq!(line.take(4), b"part");
    assert!(!line.is_readable());
    keys(&mut line, b"\x04");
    assert!(line.is_readable());
    assert_eq!((line.available(), line.take(100)), (0, Vec::new()));
    assert!(!line.is_readable());
}

#[test]
fn control_c_sends_a_signal_and_drops_the_line_unless_told_not_to() {
    let mut line = Line::default();
    let (echo, signals) = keys(&mut line, b"half\x03");
    assert_eq!((echo.as_slice(), signals.as_slice()), (b"half^C".as_slice(), [linux::SIGINT].as_slice()));
    keys(&mut line, b"\n");
    assert_eq!(line.take(100), b"\n");
    let mut line = with(|termios| termios.local |= linux::NOFLSH);
    assert_eq!(keys(&mut line, b"half\x1a\x1c\n").1, [linux::SIGTSTP, linux::SIGQUIT]);
    assert_eq!(line.take(100), b"half\n");
}

#[test]
fn a_quoted_control_character_is_itself() {
    let mut line = Line::default();
    let (echo, signals) = keys(&mut line, b"\x16\x03\n");
    assert_eq!((echo.as_slice(), signals.len()), (b"^\x08^C\r\n".as_slice(), 0));
    assert_eq!(line.take(100), b"\x03\n");
}

#[test]
fn reprinting_shows_the_line_again() {
    let mut line = Line::default();
    assert_eq!(shown(&mut line, b"ab\x12"), b"ab^R\r\nab");
}

#[test]
fn without_editing_every_byte_is_there_at_once() {
    let mut line = raw();
    assert_eq!(keys(&mut line, b"a\x03\x7f").0, b"");
    assert_eq!((line.available(), line.take(2), line.take(2)), (3, b"a\x03".to_vec(), b"\x7f".to_vec()));
}

#[test]
fn poll_goes_by_the_least_count_where_no_time_is_set() {
    let mut line = raw();
    set(&mut line, |termios| termios.characters[linux::VMIN as usize] = 3);
    keys(&mut line, b"ab");
    assert!(!line.is_readable());
    keys(&mut line, b"c");
    assert!(line.is_readable());
    line.take(2);
    set(&mut line, |termios| termios.characters[linux::VTIME as usize] = 1);
    assert!(line.is_readable());
}

#[test]
fn what_was_edited_is_ready_where_editing_ends_and_a_line_where_it_begins() {
    let mut line = Line::default();
    keys(&mut line, b"one\ntw");
    set(&mut line, |termios| termios.local &= !linux::ICANON);
    assert_eq!(line.take(100), b"one\ntw");
    keys(&mut line, b"three");
    set(&mut line, |termios| termios.local |= linux::ICANON);
    keys(&mut line, b"\x7fx\n");
    assert_eq!(line.take(100), b"three");
    assert_eq!(line.take(100), b"x\n");
}

#[test]
fn carriage_returns_and_newlines_are_mapped_on_the_way_in() {
    let mut line = with(|termios| termios.input = linux::INLCR);
    keys(&mut line, b"a\nb\x04");
    assert_eq!(line.take(9), b"a\rb");
    let mut line = with(|termios| termios.input = linux::IGNCR);
    keys(&mut line, b"a\rb\n");
    assert_eq!(line.take(9), b"ab\n");
    let mut line = with(|termios| termios.input |= linux::ISTRIP);
    keys(&mut line, b"\xe1\n");
    assert_eq!(line.take(9), b"a\n");
}

#[test]
fn stopped_output_keeps_its_echo_until_it_goes_on() {
    let mut line = Line::default();
    assert_eq!(shown(&mut line, b"\x13ab"), b"");
    assert!(line.is_stopped());
    assert_eq!(shown(&mut line, b"\x11c"), b"abc");
    let mut line = with(|termios| termios.input |= linux::IXANY);
    assert_eq!(shown(&mut line, b"\x13a"), b"a");
    shown(&mut line, b"\x13");
    assert!(line.is_stopped());
    set(&mut line, |termios| termios.input &= !linux::IXON);
    assert!(!line.is_stopped());
}

#[test]
fn other_ends_of_lines_are_part_of_them() {
    let mut line = with(|termios| termios.characters[linux::VEOL as usize] = b';');
    keys(&mut line, b"a;b\n");
    assert_eq!(line.take(9), b"a;");
    assert_eq!(line.take(9), b"b\n");
}

#[test]
fn a_line_that_is_too_long_keeps_its_begin_and_its_end() {
    let mut line = Line::default();
    keys(&mut line, &[b'x'; 5000]);
    assert!(line.has_room());
    keys(&mut line, b"\n");
    assert!(!line.has_room());
    let taken = line.take(9000);
    assert_eq!((taken.len(), taken[4095]), (4096, b'\n'));
}

fn any_modes() -> impl Strategy<Value = Termios> {
    (any::<u32>(), any::<u32>(), any::<u32>()).prop_map(|(input, output, local)| Termios { input, output, local, ..Termios::default() })
}

proptest! {
    /// Whatever comes in whatever modes: counts agree, nothing is read twice, and what is dropped is dropped for good.
    #[test]
    fn counts_agree_in_all_modes(
        steps in prop::collection::vec((any_modes(), prop::collection::vec(any::<u8>(), 0..40), 0usize..20, any::<bool>()), 1..20),
    ) {
        let mut line = Line::default();
        let (mut typed, mut read) = (0, 0);
        for (modes, bytes, most, flush) in steps {
            let mut out = Vec::new();
            line.set_termios(modes, &mut out);
            typed += bytes.len();
            keys(&mut line, &bytes);
            let (before, readable) = (line.available(), line.is_canonical() && line.has_line());
            let taken = line.take(most);
            prop_assert!(taken.len() <= most && taken.len() <= before);
            prop_assert_eq!(line.available(), before - taken.len());
            prop_assert!(!line.is_canonical() || readable || taken.is_empty());
            read += taken.len();
            prop_assert!(read <= typed);
            if flush {
                line.flush();
                prop_assert_eq!((line.available(), line.has_line()), (0, false));
            }
        }
    }

    /// What is typed as ordinary text, edited or not, is what is read, line by line.
    #[test]
    fn text_comes_through(lines in prop::collection::vec("[a-z ]{0,60}", 1..10), piece in 1usize..9) {
        let mut line = Line::default();
        for text in &lines {
            keys(&mut line, text.as_bytes());
            keys(&mut line, b"zz\x7f\x7f\n");
        }
        for text in &lines {
            let mut read = Vec::new();
            while !read.ends_with(b"\n") {
                read.extend(line.take(piece));
            }
            prop_assert_eq!(&read[..read.len() - 1], text.as_bytes());
        }
        prop_assert!(!line.has_line());
    }
}
