//! What a person sees while something takes its time. Bars are drawn on a terminal only.

use std::io::IsTerminal;
use std::sync::LazyLock;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// What is shown at a time, a line for each.
static SHOWN: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);

/// A spinner with a message; a plain line where there is no terminal.
pub fn spinner(message: &str) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        eprintln!("{message}");
        return ProgressBar::hidden();
    }
    let spinner = SHOWN.add(ProgressBar::new_spinner().with_message(message.to_owned()));
    spinner.enable_steady_tick(Duration::from_millis(100));
    spinner
}

/// What a bar is at, for who has no terminal to see it on.
pub fn stage(message: &str) {
    if !std::io::stderr().is_terminal() {
        eprintln!("{message}");
    }
}

/// A bar for `length` things, with a message that changes.
pub fn bar(length: usize) -> ProgressBar {
    let bar = SHOWN.add(ProgressBar::new(length as u64));
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} {elapsed} {wide_msg}") {
        bar.set_style(style);
    }
    bar
}
