//! The ring against a queue of bytes: one step after the other, steps in the middle of others, and with indices that nobody put there.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;

use proptest::prelude::*;
use spin::Mutex;

use super::*;
use crate::errno::Errno;

/// What happens in the middle of a copy.
type Meanwhile = Box<dyn FnOnce(&RingWords) + Send>;

/// Pages that are a ring's alone.
struct Pages {
    words: RingWords,
    bytes: Mutex<Vec<u8>>,
    own: u64,
    /// Environments that are not alive.
    dead: Mutex<Vec<u64>>,
    meanwhile: Mutex<Option<Meanwhile>>,
    woken: AtomicU32,
}

impl Pages {
    fn pass(&self) {
        let meanwhile = self.meanwhile.lock().take();
        if let Some(meanwhile) = meanwhile {
            meanwhile(&self.words);
        }
    }
}

impl RingPages for Arc<Pages> {
    fn words(&self) -> &RingWords {
        &self.words
    }

    fn put(&self, at: usize, length: usize, output: &mut Output) -> Result<usize> {
        let count = output.put(&self.bytes.lock()[at..at + length]);
        self.pass();
        count
    }

    fn take(&self, at: usize, length: usize, input: &mut Input) -> Result<usize> {
        let count = input.take(&mut self.bytes.lock()[at..at + length]);
        self.pass();
        count
    }

    fn wake(&self, _: &AtomicU32) {
        self.woken.fetch_add(1, Ordering::Relaxed);
    }

    fn own(&self) -> u64 {
        self.own
    }

    fn let_run(&self, env: u64) -> bool {
        !self.dead.lock().contains(&env)
    }

    fn index(&self) -> u32 {
        0
    }
}

/// A ring with an end for reading and one for writing, and its pages.
fn ring() -> (Ring<Arc<Pages>>, Arc<Pages>) {
    let pages = Arc::new(Pages {
        words: RingWords::default(),
        bytes: Mutex::new(vec![0; RING_BYTES]),
        own: 7,
        dead: Mutex::default(),
        meanwhile: Mutex::new(None),
        woken: AtomicU32::new(0),
    });
    let ring = Ring::new(pages.clone());
    ring.set_capacity(RING_BYTES);
    ring.set_ends(1, 1);
    (ring, pages)
}

fn write(ring: &Ring<Arc<Pages>>, bytes: &[u8]) -> Step {
    let mut input = Input::own(bytes);
    let step = ring.write(&mut input).unwrap();
    if let Step::Moved(count, _) = step {
        assert_eq!(count, input.done());
    } else {
        assert_eq!(input.done(), 0);
    }
    step
}

fn read(ring: &Ring<Arc<Pages>>, room: usize) -> (Step, Vec<u8>) {
    let mut buffer = vec![0; room];
    let mut output = Output::own(&mut buffer);
    let step = ring.read(&mut output).unwrap();
    let done = output.done();
    buffer.truncate(done);
    assert!(matches!(step, Step::Moved(count, _) if count == done) || done == 0);
    (step, buffer)
}

#[test]
fn what_was_written_is_read_in_order_and_then_the_end() {
    let (ring, _) = ring();
    assert_eq!(read(&ring, 10).0, Step::Wait);
    assert_eq!(write(&ring, b"one two"), Step::Moved(7, false));
    assert_eq!(read(&ring, 4), (Step::Moved(4, false), b"one ".to_vec()));
    ring.set_ends(1, 0);
    assert_eq!(read(&ring, 10), (Step::Moved(3, false), b"two".to_vec()));
    assert_eq!(read(&ring, 10).0, Step::Ended);
    ring.set_ends(0, 1);
    assert_eq!(write(&ring, b"x"), Step::Ended);
}

#[test]
fn what_is_looked_at_stays() {
    let (ring, _) = ring();
    assert_eq!(write(&ring, b"stay"), Step::Moved(4, false));
    let mut buffer = [0; 3];
    assert_eq!(ring.peek(&mut Output::own(&mut buffer)), Ok(Step::Moved(3, false)));
    assert_eq!((&buffer, read(&ring, 9).1), (b"sta", b"stay".to_vec()));
    assert_eq!(ring.peek(&mut Output::own(&mut buffer)), Ok(Step::Wait));
}

#[test]
fn small_writes_are_whole_or_not_at_all() {
    let (ring, _) = ring();
    assert_eq!(write(&ring, &[1; RING_BYTES - 100]), Step::Moved(RING_BYTES - 100, false));
    assert_eq!(write(&ring, &[2; 101]), Step::Wait);
    assert_eq!(write(&ring, &[2; PIPE_BUF + 1]), Step::Moved(100, false));
    assert_eq!(write(&ring, b"x"), Step::Wait);
}

#[test]
fn who_waits_is_woken_once() {
    let (ring, pages) = ring();
    let seen = ring.announce(Wish::Read);
    assert_eq!(write(&ring, b"x"), Step::Moved(1, true));
    assert_ne!(ring.changes(Wish::Read).load(Ordering::Relaxed), seen);
    assert_eq!(write(&ring, b"x"), Step::Moved(1, false));
    let _ = ring.announce(Wish::Read);
    ring.set_ends(1, 0);
    assert_eq!(pages.woken.load(Ordering::Relaxed), 2);
}

#[test]
fn a_writer_is_woken_when_there_is_room_for_what_must_be_whole() {
    let (ring, _) = ring();
    assert_eq!(write(&ring, &[0; RING_BYTES]), Step::Moved(RING_BYTES, false));
    let before = ring.edges().output;
    let _ = ring.announce(Wish::Write);
    assert_eq!(read(&ring, PIPE_BUF - 1).0, Step::Moved(PIPE_BUF - 1, false));
    assert_eq!(ring.edges().output, before);
    assert_eq!(read(&ring, 1).0, Step::Moved(1, true));
    assert_ne!(ring.edges().output, before);
}

#[test]
fn a_dead_writer_is_passed_over_and_a_slow_one_is_not() {
    let (ring, pages) = ring();
    pages.words.writer.store(9, Ordering::Relaxed);
    assert_eq!(write(&ring, b"x"), Step::Held);
    pages.dead.lock().push(9);
    assert_eq!(write(&ring, b"x"), Step::Moved(1, false));
    assert_eq!(pages.words.writer.load(Ordering::Relaxed), 0);
    // One's own name is no obstacle.
    pages.words.writer.store(7, Ordering::Relaxed);
    assert_eq!(write(&ring, b"x"), Step::Moved(1, false));
}

#[test]
fn two_readers_do_not_get_the_same_bytes() {
    let (ring, pages) = ring();
    assert_eq!(write(&ring, b"abcdef"), Step::Moved(6, false));
    // Another one takes two bytes while this one copies.
    *pages.meanwhile.lock() = Some(Box::new(|words| words.head.store(2, Ordering::Relaxed)));
    assert_eq!(read(&ring, 3), (Step::Moved(3, false), b"cde".to_vec()));
}

#[test]
fn a_write_that_freezing_overtakes_did_not_happen() {
    let (ring, pages) = ring();
    let (ring, pages) = (Arc::new(ring), pages);
    assert_eq!(write(&ring, b"before"), Step::Moved(6, false));
    let (other, taken) = (ring.clone(), Arc::new(Mutex::new(Vec::new())));
    let into = taken.clone();
    *pages.meanwhile.lock() = Some(Box::new(move |_| *into.lock() = other.freeze().unwrap()));
    assert_eq!(write(&ring, b"after"), Step::Frozen);
    assert_eq!(*taken.lock(), b"before");
    assert_eq!((read(&ring, 9).0, write(&ring, b"x"), ring.freeze()), (Step::Frozen, Step::Frozen, None));
    assert!(ring.readiness(Access::READ).is_none());
}

#[test]
fn a_read_that_freezing_overtakes_did_not_happen() {
    let (ring, pages) = ring();
    let ring = Arc::new(ring);
    assert_eq!(write(&ring, b"bytes"), Step::Moved(5, false));
    let (other, taken) = (ring.clone(), Arc::new(Mutex::new(Vec::new())));
    let into = taken.clone();
    *pages.meanwhile.lock() = Some(Box::new(move |_| *into.lock() = other.freeze().unwrap()));
    assert_eq!(read(&ring, 9), (Step::Frozen, Vec::new()));
    assert_eq!(*taken.lock(), b"bytes");
}

/// Memory that ends after so many bytes.
struct Short(usize);

impl crate::user::UserMemory for Short {
    fn read(&self, address: usize, into: &mut [u8]) -> Result<()> {
        into.fill(5);
        if address + into.len() > self.0 { Err(Errno::EFAULT) } else { Ok(()) }
    }

    fn write(&self, address: usize, from: &[u8]) -> Result<()> {
        if address + from.len() > self.0 { Err(Errno::EFAULT) } else { Ok(()) }
    }
}

#[test]
fn what_could_not_be_copied_stays_where_it_was() {
    let (ring, _) = ring();
    let memory = Short(PIPE_BUF + 10);
    assert_eq!(ring.write(&mut Input::user(&memory, 20, PIPE_BUF)), Err(Errno::EFAULT));
    assert_eq!((ring.len(), ring.words().writer.load(Ordering::Relaxed)), (0, 0));
    // The first page counts.
    assert_eq!(ring.write(&mut Input::user(&memory, 0, 2 * PIPE_BUF)), Ok(Step::Moved(PIPE_BUF, false)));
    assert_eq!(ring.read(&mut Output::user(&memory, PIPE_BUF, 20)), Err(Errno::EFAULT));
    assert_eq!(ring.read(&mut Output::user(&memory, PIPE_BUF, 10)), Ok(Step::Moved(10, false)));
    assert_eq!(ring.len(), PIPE_BUF - 10);
}

#[test]
fn a_plain_write_is_whole_or_none() {
    let (ring, pages) = ring();
    let memory = Short(2 * PIPE_BUF);
    let plain = |address, length| ring.write_plain(&memory, address, length);
    assert_eq!(ring.announce(Wish::Read), 0);
    assert_eq!((plain(0, 3), plain(0, 2), ring.len()), (Some(true), Some(false), 5));
    assert_eq!(read(&ring, 9), (Step::Moved(5, false), vec![5; 5]));
    // Nothing, too much, and what is not there.
    assert_eq!((plain(0, 0), plain(0, PIPE_BUF + 1), plain(2 * PIPE_BUF - 1, 2)), (None, None, None));
    // What there is no room for.
    ring.set_capacity(PIPE_BUF);
    assert_eq!((plain(0, 1), plain(0, PIPE_BUF)), (Some(false), None));
    // While another writes, in two pieces, and with nobody to read.
    pages.words.writer.store(9, Ordering::Relaxed);
    assert_eq!(plain(0, 1), None);
    pages.words.writer.store(0, Ordering::Relaxed);
    for index in [&pages.words.head, &pages.words.tail] {
        index.store(RING_BYTES as u64 - 1, Ordering::Relaxed);
    }
    assert_eq!((plain(0, 2), plain(0, 1), plain(0, 1)), (None, Some(false), Some(false)));
    ring.set_ends(0, 1);
    assert_eq!((plain(0, 1), ring.len()), (None, 2));
}

#[derive(Clone, Debug)]
enum Deed {
    Write(usize),
    Read(usize),
    Capacity(usize),
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        4 => (1usize..100).prop_map(Deed::Write),
        3 => (1usize..90_000).prop_map(Deed::Write),
        7 => (1usize..80_000).prop_map(Deed::Read),
        1 => (0usize..5).prop_map(|shift| Deed::Capacity(4096 << shift)),
    ]
}

proptest! {
    #[test]
    fn a_ring_is_a_queue_of_bytes(deeds in prop::collection::vec(deed(), 1..60)) {
        let (ring, _) = ring();
        let (mut model, mut capacity, mut next) = (VecDeque::new(), RING_BYTES, 0u32);
        for deed in deeds {
            match deed {
                Deed::Write(length) => {
                    let bytes: Vec<u8> = (0..length as u32).map(|at| (((next + at) * 31) >> 3) as u8).collect();
                    let room = capacity.saturating_sub(model.len());
                    let fits = if length <= PIPE_BUF && room < length { 0 } else { room.min(length) };
                    let expected = if fits == 0 { Step::Wait } else { Step::Moved(fits, false) };
                    prop_assert_eq!(write(&ring, &bytes), expected);
                    model.extend(&bytes[..fits]);
                    next += fits as u32;
                }
                Deed::Read(room) => {
                    let count = model.len().min(room);
                    let expected: Vec<u8> = model.drain(..count).collect();
                    let (step, bytes) = read(&ring, room);
                    prop_assert_eq!(step, if count == 0 { Step::Wait } else { Step::Moved(count, false) });
                    prop_assert_eq!(bytes, expected);
                }
                Deed::Capacity(bytes) => {
                    ring.set_capacity(bytes);
                    capacity = bytes;
                }
            }
            prop_assert_eq!(ring.len(), model.len());
        }
        prop_assert_eq!(ring.freeze().unwrap(), model.into_iter().collect::<Vec<u8>>());
    }

    /// Whoever has the pages may write anything there: nothing reaches out of the ring, and nothing hangs.
    #[test]
    fn any_indices_are_survived(head: u64, tail: u64, writer: u64, capacity: u32, ends in 0u32..3, room in 1usize..100_000) {
        let (ring, pages) = ring();
        let words = &pages.words;
        words.head.store(head, Ordering::Relaxed);
        words.tail.store(tail, Ordering::Relaxed);
        words.writer.store(writer, Ordering::Relaxed);
        words.capacity.store(capacity, Ordering::Relaxed);
        words.readers.store(ends, Ordering::Relaxed);
        prop_assert!(ring.len() <= RING_BYTES);
        let (_, bytes) = read(&ring, room);
        prop_assert!(bytes.len() <= RING_BYTES);
        let _ = write(&ring, &vec![0; room]);
        let _ = (ring.edges(), ring.readiness(Access::READ | Access::WRITE));
        prop_assert!(ring.freeze().unwrap().len() <= RING_BYTES);
    }
}
