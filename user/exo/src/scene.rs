//! Evil acts in front of neighbours, with the frames counted.
//!
//! Three neighbours go about their business: one counts and checks what it keeps in memory, two wake each other in turn. After each act they
//! must have gone on, and the frames that the actor had must be free again.

use core::hint::black_box;

use abi::EnvId;

use crate::{
    child::{Child, End, Function, PATIENCE},
    info,
    place::SHARED,
    shared::{self, COUNT, PING, PONG},
};

/// The stage.
pub struct Scene {
    neighbours: [Child; 3],
    heard: [u32; 3],
    /// Free frames before the neighbours came.
    empty: u64,
    /// Free frames between acts.
    free: u64,
}

impl Scene {
    /// Map what the programs need, and let the neighbours begin.
    #[must_use]
    pub fn new() -> Scene {
        prepare();
        let empty = info::free_frames();
        let neighbours = [Child::run(count, 0), Child::run(play, PING as u64), Child::run(play, PONG as u64)];
        let mut scene = Scene { neighbours, heard: [0; 3], empty, free: info::free_frames() };
        scene.listen("the beginning");
        scene
    }

    /// Let a child run `function`, which is to end it as `end` says.
    pub fn act(&mut self, what: &str, end: End, function: Function, argument: u64) {
        Child::run(function, argument).expect(what, end);
        self.after(what);
    }

    /// Nothing is lost and nobody was disturbed by `what`, which is now done.
    pub fn after(&mut self, what: &str) {
        self.check(what);
        exo::println!("  {what}");
    }

    /// Nothing is lost and nobody was disturbed by `what`, so far.
    pub fn check(&mut self, what: &str) {
        assert_eq!(info::free_frames(), self.free, "free frames after {what}");
        self.listen(what);
    }

    /// Each neighbour lives and makes progress.
    fn listen(&mut self, what: &str) {
        for (index, neighbour) in self.neighbours.iter().enumerate() {
            let until = info::deadline(PATIENCE);
            while shared::get([COUNT, PING, PONG][index]) == self.heard[index] {
                assert!(crate::isa::ticks() < until, "neighbour {index} stands still after {what}");
                info::sleep(1);
            }
            let entry = neighbour.entry();
            assert!(End::Alive.is(&entry) && entry.state != 0, "neighbour {index} did not survive {what}: {entry:?}");
            self.heard[index] = shared::get([COUNT, PING, PONG][index]);
        }
    }

    /// The name of a neighbour.
    #[must_use]
    pub fn neighbour(&self) -> EnvId {
        self.neighbours[0].id
    }

    /// Whether an environment is one of the neighbours.
    #[must_use]
    pub fn has(&self, env: EnvId) -> bool {
        self.neighbours.iter().any(|neighbour| neighbour.id == env)
    }

    /// Send the neighbours away; the program passed if all frames are back.
    #[must_use]
    pub fn close(self) -> u8 {
        for neighbour in self.neighbours {
            neighbour.end();
        }
        assert_eq!(info::free_frames(), self.empty, "free frames at the end");
        crate::PASSED
    }
}

impl Default for Scene {
    fn default() -> Self {
        Scene::new()
    }
}

/// Map the info pages and the shared page.
pub fn prepare() {
    info::map();
    exo::page_alloc(SHARED, 1, abi::Rights::READ_WRITE, None).expect("the shared page");
}

/// Count, and look whether what is in memory and registers is still what was put there.
fn count(_: u64) -> u64 {
    let mut pattern = [0u64; 64];
    for (index, word) in pattern.iter_mut().enumerate() {
        *word = index as u64 * 0x0123_4567_89ab_cdef;
    }
    loop {
        for (index, word) in black_box(&pattern).iter().enumerate() {
            assert_eq!(*word, index as u64 * 0x0123_4567_89ab_cdef, "the counting neighbour's memory");
        }
        let next = shared::get(COUNT).wrapping_add(1);
        shared::word(COUNT).store(next, core::sync::atomic::Ordering::Release);
        // An honest neighbour: it leaves the rest of its time to others now and then.
        if next.is_multiple_of(64) {
            exo::yield_now();
        }
    }
}

/// Play: the word of the one whose turn it is lags behind.
fn play(own: u64) -> u64 {
    let own = own as usize;
    let other = PING + PONG - own;
    loop {
        let (mine, theirs) = (shared::get(own), shared::get(other));
        let turn = if own == PING { mine == theirs } else { mine != theirs };
        if turn {
            shared::set(own, mine.wrapping_add(1));
        } else {
            let waited = exo::wait(&[shared::while_is(other, theirs)], None);
            assert_eq!(waited, Ok(0), "a playing neighbour's sleep");
        }
    }
}
