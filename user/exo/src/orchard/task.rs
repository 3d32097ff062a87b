//! Tasks that take turns: each runs until it waits. A task is a future in a region; nothing interrupts it but the kernel's slices, which give the
//! CPU to other environments.

use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};

use super::Own;
use super::region::Region;

/// What a round of turns found.
#[derive(Clone, Copy)]
struct Round {
    /// Whether somebody wants another turn at once.
    again: bool,
    /// When the first of those who sleep wakes up, in ticks.
    earliest: u64,
}

const QUIET: Round = Round { again: false, earliest: abi::NO_DEADLINE };

static ROUND: Own<Round> = Own::new(QUIET);

/// The most tasks at once.
const MOST: usize = 8;

/// Tasks, in a region.
pub struct Tasks<'r> {
    region: &'r Region,
    tasks: [Option<Pin<&'r mut dyn Future<Output = ()>>>; MOST],
}

impl<'r> Tasks<'r> {
    /// None, with room in `region`.
    #[must_use]
    pub fn new(region: &'r Region) -> Tasks<'r> {
        Tasks { region, tasks: [const { None }; MOST] }
    }

    /// One more. It is not dropped: what it holds is to be the region's.
    ///
    /// # Panics
    /// If there are as many as there can be.
    pub fn spawn(&mut self, task: impl Future<Output = ()> + 'r) {
        let task: &'r mut dyn Future<Output = ()> = self.region.put(task);
        // SAFETY: what is in a region stays where it is until the region goes, and nobody else has this reference.
        let task = unsafe { Pin::new_unchecked(task) };
        *self.tasks.iter_mut().find(|place| place.is_none()).expect("room for a task") = Some(task);
    }

    /// Let them run until all have ended. Where all sleep, so does the environment.
    pub fn run(&mut self) {
        let mut context = Context::from_waker(Waker::noop());
        while self.tasks.iter().any(Option::is_some) {
            ROUND.with(|round| *round = QUIET);
            for place in &mut self.tasks {
                if place.as_mut().is_some_and(|task| task.as_mut().poll(&mut context).is_ready()) {
                    *place = None;
                }
            }
            let round = ROUND.with(|round| *round);
            if !round.again && round.earliest != abi::NO_DEADLINE {
                let _ = exo::wait(&[], Some(round.earliest));
            }
        }
    }
}

/// Let the others have their turns.
pub async fn give_way() {
    let mut had = false;
    core::future::poll_fn(|_| {
        if core::mem::replace(&mut had, true) {
            return Poll::Ready(());
        }
        ROUND.with(|round| round.again = true);
        Poll::Pending
    })
    .await;
}

/// Sleep until the counter is there.
pub async fn sleep_until(ticks: u64) {
    core::future::poll_fn(|_| {
        if crate::isa::ticks() >= ticks {
            return Poll::Ready(());
        }
        ROUND.with(|round| round.earliest = round.earliest.min(ticks));
        Poll::Pending
    })
    .await;
}
