//! Taking pages of a process by force: which, since it did not say.

use abi::{EnvId, LARGE_PAGES, PAGE_SIZE, Rights};
use alloc::vec::Vec;
use libos::user::PROGRAM_TOP;

/// Pages in a row of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// The first page.
    pub address: usize,
    /// How many.
    pub pages: usize,
    /// What they are.
    pub kind: Kind,
}

/// What pages are, in the order in which they are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Nobody stores to them: they are a file's, and come again with the next access.
    Shown,
    /// The process may have stored to them: they may be nowhere else.
    Own,
    /// They are executed. A file's too, but used all the time.
    Text,
}

impl Kind {
    fn of(rights: Rights) -> Kind {
        if rights.contains(Rights::EXECUTE) {
            Kind::Text
        } else if rights.contains(Rights::MAY_WRITE) {
            Kind::Own
        } else {
            Kind::Shown
        }
    }
}

/// The most pages that are looked at: nobody is served meanwhile.
const MOST: usize = 1 << 16;

/// Take pages of the program's half of an environment, `wanted` if there are so many. Gives how many.
pub fn seize(env: EnvId, wanted: usize) -> usize {
    let mut runs = Vec::new();
    look(env, |run| add(&mut runs, run));
    let mut taken = 0;
    for run in choose(runs, wanted) {
        // Large pages are taken whole: what is chosen may begin in one.
        let first = if is_large(env, run.address) { run.address & !(LARGE_PAGES * PAGE_SIZE - 1) } else { run.address };
        let pages = run.pages + (run.address - first) / PAGE_SIZE;
        // SAFETY: the pages are another environment's.
        if unsafe { exo::page_unmap(env, first, pages) }.is_ok() {
            taken += pages;
        }
    }
    taken
}

/// Which pages of these are taken: first what is a file's and comes again with the next access, then of what the process made itself, the ends of the
/// longest runs: what little a program cannot do without, its stack and its variables, is in the shortest. What is executed goes last.
fn choose(mut runs: Vec<Run>, wanted: usize) -> Vec<Run> {
    runs.sort_by_key(|run| (run.kind, core::cmp::Reverse(run.pages)));
    let mut left = wanted;
    let mut chosen = Vec::new();
    for run in runs {
        let pages = run.pages.min(left);
        if pages == 0 {
            break;
        }
        left -= pages;
        chosen.push(Run { address: run.address + (run.pages - pages) * PAGE_SIZE, pages, ..run });
    }
    chosen
}

/// Add a run, to the last if it goes on there.
fn add(runs: &mut Vec<Run>, run: Run) {
    match runs.last_mut() {
        Some(last) if last.kind == run.kind && last.address + last.pages * PAGE_SIZE == run.address => last.pages += run.pages,
        _ => runs.push(run),
    }
}

fn is_large(env: EnvId, address: usize) -> bool {
    exo::page_query(env, address).is_ok_and(|page| page.rights.contains(Rights::LARGE))
}

/// Tell of all that is mapped in the program's half.
fn look(env: EnvId, mut tell: impl FnMut(Run)) {
    let mut address = PAGE_SIZE;
    for _ in 0..MOST {
        let Ok(skipped) = exo::page_skip(env, address, (PROGRAM_TOP - address) / PAGE_SIZE) else { return };
        address += skipped * PAGE_SIZE;
        if address >= PROGRAM_TOP {
            return;
        }
        let Ok(page) = exo::page_query(env, address) else { return };
        let pages = if page.rights.contains(Rights::LARGE) { LARGE_PAGES } else { 1 };
        tell(Run { address, pages, kind: Kind::of(page.rights) });
        address += pages * PAGE_SIZE;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(page: usize, pages: usize, kind: Kind) -> Run {
        Run { address: page * PAGE_SIZE, pages, kind }
    }

    #[test]
    fn neighbours_of_a_kind_are_one_run() {
        let mut runs = Vec::new();
        [run(1, 1, Kind::Own), run(2, 1, Kind::Own), run(3, 1, Kind::Shown), run(9, 512, Kind::Shown)]
            .into_iter()
            .for_each(|run| add(&mut runs, run));
        assert_eq!(runs, [run(1, 2, Kind::Own), run(3, 1, Kind::Shown), run(9, 512, Kind::Shown)]);
    }

    #[test]
    fn files_go_first_and_then_the_ends_of_the_longest_runs() {
        let runs = Vec::from([run(1, 3, Kind::Own), run(10, 100, Kind::Own), run(200, 4, Kind::Shown)]);
        assert_eq!(choose(runs.clone(), 3), [run(201, 3, Kind::Shown)]);
        assert_eq!(choose(runs.clone(), 10), [run(200, 4, Kind::Shown), run(104, 6, Kind::Own)]);
        assert_eq!(choose(runs.clone(), 1000), [run(200, 4, Kind::Shown), run(10, 100, Kind::Own), run(1, 3, Kind::Own)]);
        assert_eq!(choose(runs, 0), []);
        let text = Vec::from([run(1, 50, Kind::Text), run(60, 1, Kind::Own)]);
        assert_eq!(choose(text, 2), [run(60, 1, Kind::Own), run(50, 1, Kind::Text)], "what runs goes last");
    }
}
