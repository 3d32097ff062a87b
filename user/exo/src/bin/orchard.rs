//! A program on the second library operating system (`native::orchard`), and what that costs. Alone it is a machine's first environment; beside
//! Linux processes it is started by `init`: `cargo x run --beside orchard`.
#![no_std]
#![no_main]

use core::cell::Cell;

use native::info;
use native::isa::ticks;
use native::orchard::pager::{self, Page};
use native::orchard::region::Region;
use native::orchard::say;
use native::orchard::task::{Tasks, give_way, sleep_until};

exo::program!(main);

/// A page of the table says which of so many numbers are prime, a bit each.
const NUMBERS: usize = size_of::<Page>() * 8;
/// Pages of the table, and frames for it.
const PAGES: usize = 128;
const FRAMES: usize = 24;
/// Primes below 2²², which is as many numbers as the table has (OEIS A007053).
const PRIMES: u32 = 295_947;
/// Numbers that are asked for here and there.
const QUESTIONS: u32 = 400;
/// How often who keeps the time wakes up, and how long it sleeps in between.
const WAKES: u32 = 20;
const SLEEP_MS: u64 = 1;

fn main() -> u8 {
    info::map();
    pager::start(FRAMES, sieve);
    let frames = info::environment(exo::identify()).used;
    forest();
    switches();
    table();
    let left = info::environment(exo::identify()).used - frames;
    assert!(left as usize <= FRAMES + 8, "{left} frames are more than the table's: regions are not given back");
    say(format_args!("in the end {left} frames more than at the start, of {FRAMES} for the table"));
    native::PASSED
}

/// A tree in a region.
struct Node<'r> {
    children: [Option<&'r Node<'r>>; 2],
    value: u32,
}

fn grow(region: &Region, depth: u32) -> &Node<'_> {
    let children = [(); 2].map(|()| (depth > 1).then(|| grow(region, depth - 1)));
    region.put(Node { children, value: depth })
}

fn sum(node: &Node) -> u32 {
    node.value + node.children.into_iter().flatten().map(sum).sum::<u32>()
}

/// Make a tree, look at it, and let go of it.
fn forest() {
    const DEPTH: u32 = 13;
    let nodes = (1 << DEPTH) - 1;
    let begin = ticks();
    let region = Region::new();
    let tree = grow(&region, DEPTH);
    let grown = ticks();
    // Of depth d there are 2^(DEPTH - d).
    let expected: u32 = (1..=DEPTH).map(|depth| depth << (DEPTH - depth)).sum();
    assert_eq!(sum(tree), expected);
    let (bytes, summed) = (region.bytes(), ticks());
    drop(region);
    let gone = ticks();
    let [faults, pages] = pager::counts().grown;
    say(format_args!("{nodes} nodes, {bytes} bytes: {} ticks each, {faults} faults for {pages} pages", (grown - begin) / nodes));
    say(format_args!("gone in {} ticks", gone - summed));
    assert!(faults * 4 < pages, "pages come in runs");
}

/// Tasks that do nothing but give way.
fn switches() {
    const TASKS: u64 = 4;
    const TURNS: u64 = 1000;
    let region = Region::new();
    let mut tasks = Tasks::new(&region);
    for _ in 0..TASKS {
        tasks.spawn(async {
            for _ in 0..TURNS {
                give_way().await;
            }
        });
    }
    let begin = ticks();
    tasks.run();
    say(format_args!("{} ticks from a task to the next", (ticks() - begin) / (TASKS * TURNS)));
}

/// A page of the table: the sieve of Eratosthenes over its numbers.
fn sieve(index: usize, page: &mut Page) {
    page.fill(u64::MAX);
    let first = index * NUMBERS;
    let mut clear = |number: usize| page[(number - first) / 64] &= !(1 << (number % 64));
    if first == 0 {
        clear(0);
        clear(1);
    }
    let mut divisor = 2;
    while divisor * divisor < first + NUMBERS {
        let from = (divisor * divisor).max(first.next_multiple_of(divisor));
        (from..first + NUMBERS).step_by(divisor).for_each(&mut clear);
        divisor += if divisor == 2 { 1 } else { 2 };
    }
}

fn is_in_table(number: usize) -> bool {
    // SAFETY: the page comes with the load if it is not there, and nobody writes to it then.
    let word = unsafe { (&raw const (*pager::table(number / NUMBERS))[number % NUMBERS / 64]).read_volatile() };
    word >> (number % 64) & 1 != 0
}

fn is_prime(number: usize) -> bool {
    number > 1 && (2..).take_while(|divisor| divisor * divisor <= number).all(|divisor| !number.is_multiple_of(divisor))
}

/// One counts all primes, one asks for some here and there, one keeps the time.
fn table() {
    let region = Region::new();
    let counted = region.put(Cell::new(0u32));
    let asked = region.put(Cell::new(0u32));
    let woken = region.put(Cell::new(0u32));
    let (counted, asked, woken) = (&*counted, &*asked, &*woken);
    let mut tasks = Tasks::new(&region);
    tasks.spawn(async move {
        for index in 0..PAGES {
            let in_page = (index * NUMBERS..(index + 1) * NUMBERS).step_by(64);
            // SAFETY: as in `is_in_table`.
            let words = in_page.map(|number| unsafe { (&raw const (*pager::table(index))[number % NUMBERS / 64]).read_volatile() });
            counted.update(|count| count + words.map(u64::count_ones).sum::<u32>());
            give_way().await;
        }
    });
    tasks.spawn(async move {
        let mut number = 1usize;
        for question in 0..QUESTIONS {
            // Mostly among the same few pages.
            number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let pages = if question % 4 == 0 { PAGES } else { FRAMES / 3 };
            let number = (number >> 20) % (pages * NUMBERS);
            assert_eq!(is_in_table(number), is_prime(number), "{number}");
            asked.set(asked.get() + 1);
            give_way().await;
        }
    });
    tasks.spawn(async move {
        for _ in 0..WAKES {
            sleep_until(info::deadline(SLEEP_MS)).await;
            woken.set(woken.get() + 1);
        }
    });
    let before = pager::counts();
    tasks.run();
    let counts = pager::counts();
    assert_eq!((counted.get(), asked.get(), woken.get()), (PRIMES, QUESTIONS, WAKES));
    let computed = counts.computed - before.computed;
    let each = (counts.ticks - before.ticks) / u64::from(computed);
    say(format_args!("{} primes in {PAGES} pages, by {FRAMES} frames: {computed} pages made, {each} ticks each", counted.get()));
    say(format_args!("{} pages were spared by the clock, {} questions, {} wakes", counts.spared, asked.get(), woken.get()));
    assert!(computed >= PAGES as u32 && counts.spared > 0);
}
