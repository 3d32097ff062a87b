//! Formatted text to the debug console.

use core::fmt::{self, Write};

/// The debug console as a formatter's target. A line goes out in pieces; nothing is buffered.
#[derive(Clone, Copy, Debug)]
pub struct Console;

impl Write for Console {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        crate::debug_put(text.as_bytes()).map(drop).map_err(|_| fmt::Error)
    }
}

/// What [`crate::print!`] calls.
pub fn print_to_console(arguments: fmt::Arguments) {
    let _ = Console.write_fmt(arguments);
}

/// Print to the debug console.
#[macro_export]
macro_rules! print {
    ($($argument:tt)*) => { $crate::print_to_console(format_args!($($argument)*)) };
}

/// Print a line to the debug console.
#[macro_export]
macro_rules! println {
    () => { $crate::print!("\n") };
    ($($argument:tt)*) => { $crate::print!("{}\n", format_args!($($argument)*)) };
}
