//! What processes ask about each other, on its way there and back: `libos::report::questions` is both its ends.
//!
//! Pure: who asked, what, and what the answer is so far. Questions are of who is asked and end with it.

use alloc::vec::Vec;

use libos::errno::Errno;

/// The most questions that one process is asked at a time.
const MOST: usize = 64;

/// What is asked, and by whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Who asks.
    pub by: u32,
    /// The report's number.
    pub what: u16,
    /// The thread or descriptor that it is about; 0: none.
    pub number: u32,
}

#[derive(Debug)]
enum State {
    New,
    Taken,
    Told(Result<Vec<u8>, Errno>),
}

/// What became of a question.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is answered, and gone.
    Answered(Result<Vec<u8>, Errno>),
    /// It is asked, and `true` if just now.
    Asked(bool),
    /// There will be no answer.
    Unanswered,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Questions {
    all: Vec<(u64, Asked, State)>,
    /// The name of the last.
    last: u64,
    /// Whether it did not take a question for so long that somebody gave up, and has taken none since.
    is_silent: bool,
}

impl Questions {
    /// Whether there is something to take.
    #[must_use]
    pub fn any_new(&self) -> bool {
        self.all.iter().any(|(.., state)| matches!(state, State::New))
    }

    /// Whether no further one can be asked.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.all.len() >= MOST
    }

    /// Ask, or look for the answer. `is_last`: who asks gives up.
    pub fn ask(&mut self, asked: Asked, is_last: bool) -> Outcome {
        match self.all.iter().position(|(_, known, _)| *known == asked) {
            Some(index) if matches!(self.all[index].2, State::Told(_)) => match self.all.swap_remove(index).2 {
                State::Told(answer) => Outcome::Answered(answer),
                State::New | State::Taken => Outcome::Unanswered,
            },
            Some(index) if is_last => {
                let (.., state) = self.all.swap_remove(index);
                self.is_silent |= matches!(state, State::New);
                Outcome::Unanswered
            }
            Some(_) => Outcome::Asked(false),
            None if is_last || self.is_silent || self.is_full() => Outcome::Unanswered,
            None => {
                self.last += 1;
                self.all.push((self.last, asked, State::New));
                Outcome::Asked(true)
            }
        }
    }

    /// Take the next question: what it is called, and what is asked.
    pub fn take(&mut self) -> Option<(u64, Asked)> {
        self.is_silent = false;
        let (called, asked, state) = self.all.iter_mut().find(|(.., state)| matches!(state, State::New))?;
        *state = State::Taken;
        Some((*called, *asked))
    }

    /// Answer the question that is called so; gives who asked. `None`: nobody wants to know any more.
    pub fn tell(&mut self, called: u64, answer: Result<Vec<u8>, Errno>) -> Option<u32> {
        let (_, asked, state) = self.all.iter_mut().find(|(known, _, state)| *known == called && matches!(state, State::Taken))?;
        *state = State::Told(answer);
        Some(asked.by)
    }

    /// What processes asked that are gone is of no interest.
    pub fn forget_dead(&mut self, is_alive: impl Fn(u32) -> bool) {
        self.all.retain(|(_, asked, _)| is_alive(asked.by));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT: Asked = Asked { by: 5, what: 1, number: 0 };

    #[test]
    fn an_answer_reaches_who_asked_and_is_gone_then() {
        let mut questions = Questions::default();
        assert_eq!(questions.ask(STAT, false), Outcome::Asked(true));
        assert_eq!(questions.ask(STAT, false), Outcome::Asked(false));
        let (called, asked) = questions.take().unwrap();
        assert_eq!((asked, questions.take()), (STAT, None));
        assert_eq!(questions.tell(called, Ok(b"text".to_vec())), Some(5));
        assert_eq!(questions.tell(called, Ok(Vec::new())), None, "an answer is given once");
        assert_eq!(questions.ask(STAT, false), Outcome::Answered(Ok(b"text".to_vec())));
        assert_eq!(questions.ask(STAT, true), Outcome::Unanswered);
    }

    #[test]
    fn who_takes_no_question_is_not_waited_for_again_before_it_does() {
        let mut questions = Questions::default();
        questions.ask(STAT, false);
        assert_eq!(questions.ask(STAT, true), Outcome::Unanswered);
        assert_eq!(questions.ask(STAT, false), Outcome::Unanswered);
        assert_eq!(questions.take(), None);
        assert_eq!(questions.ask(STAT, false), Outcome::Asked(true));
    }

    #[test]
    fn a_process_is_asked_no_more_than_it_can_be() {
        let mut questions = Questions::default();
        let outcomes = (0..100).map(|number| questions.ask(Asked { number, ..STAT }, false));
        assert_eq!(outcomes.filter(|outcome| *outcome == Outcome::Asked(true)).count(), MOST);
        assert!(questions.is_full());
        questions.forget_dead(|id| id != STAT.by);
        assert!(!questions.any_new());
    }
}
