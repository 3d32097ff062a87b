//! What the sweep and the fuzzer share: an actor that makes calls with any arguments, and a parent that sees it through.
//!
//! The actor writes down what it is about to do, since it may end by it: it may unmap its own text, resume at nonsense, destroy itself,
//! or sleep for good. The parent wakes a sleeper, replaces one that is dead, and goes on with the next call.

use abi::{Call, CloneRange, EnvId, Registers, Rights, RunState, UpcallEntries, WaitWord};

use crate::{
    child::{Child, End, QUOTA},
    info,
    numbered::call,
    place::{FREE, FREE_TOO, INFO, SHARED, stack, upcall_page},
    scene::Scene,
    shared, upcall,
};

/// Word of the shared page: the number of the call that the actor makes, plus one.
const AT: usize = shared::FREE;
/// Word of the shared page: whether it is through.
const THROUGH: usize = shared::FREE + 1;
/// How long a call may keep the actor, in milliseconds, before it is woken, and again before it is ended.
const PATIENCE: u64 = 25;

/// Things in memory that a call can read, where the actor knows them.
#[repr(C, align(64))]
struct Props {
    registers: Registers,
    ranges: [CloneRange; 2],
    words: [WaitWord; 2],
    entries: UpcallEntries,
}

/// Makes the call of a number, with arguments out of the palette.
pub type Step = fn(u64, &[u64]) -> Option<(Call, [u64; 6])>;

/// See an actor through all steps from 0 on, until `step` has no more.
pub fn act_through(scene: &mut Scene, what: &str, function: fn(u64) -> u64) {
    let mut next = 0;
    let mut lives = 0;
    shared::set(THROUGH, 0);
    while shared::get(THROUGH) == 0 {
        shared::set(AT, next);
        let child = Child::new(4 * QUOTA, crate::NONE);
        child.give_unused_slices(2);
        child.start(function, u64::from(next));
        lives += 1;
        see_through(child);
        // What the actor's children became: they are ours now.
        child.end();
        end_orphans(scene);
        assert!(shared::get(AT) > next || shared::get(THROUGH) == 1, "no progress at step {next}");
        next = shared::get(AT);
        scene.check(what);
    }
    scene.after(what);
    exo::println!("  {next} calls by {lives} actors");
}

/// Until it is dead, or cannot be brought to go on.
fn see_through(child: Child) {
    let mut woken = false;
    loop {
        let before = shared::get(AT);
        let entry = child.await_death(PATIENCE);
        if !End::Alive.is(&entry) || shared::get(THROUGH) == 1 {
            return;
        }
        if shared::get(AT) != before {
            woken = false;
        } else if woken {
            return;
        } else {
            woken = true;
            let _ = exo::context_set(child.id, 0, None, RunState::Runnable);
        }
    }
}

/// End the environments that were the actor's.
fn end_orphans(scene: &Scene) {
    let own = exo::identify().slot() as u32;
    for slot in 0..abi::MAX_ENVS {
        let entry = info::environment(EnvId::new(slot, 1));
        let id = EnvId::new(slot, entry.generation);
        if entry.state != abi::EnvState::Free as u32 && entry.parent == own && !scene.has(id) {
            Child { id }.end();
        }
    }
}

/// The actor: every step from `first` on. Its own child, its neighbours and its parent are in the palette.
pub fn act(first: u64, others: &[u64], step: Step) -> u64 {
    upcall::install_attempts();
    exo::page_alloc(FREE, 4, Rights::READ_WRITE, None).expect("pages to play with");
    let child = exo::env_create(64, crate::NONE).expect("a child to play with");
    exo::context_create(child).expect("a context");
    exo::page_map(child, FREE, FREE, 2, Rights::READ_WRITE).expect("a page for it");
    let range = CloneRange { source: FREE as u64, target: FREE_TOO as u64, pages: 2, mode: 1 };
    let props = Props {
        registers: Registers { pc: 0x1000, ..Registers::default() },
        ranges: [range, CloneRange { target: 0x1000, mode: 2, ..range }],
        words: [shared::while_is(AT, 0), shared::while_is(THROUGH, 0)],
        entries: upcall::entries(),
    };
    let at = |prop: *const u8| prop as u64;
    let own = exo::identify().0;
    let names = [own, child.0, own + 1, own | 1 << 48];
    let addresses = [
        at((&raw const props.registers).cast()),
        at((&raw const props.ranges).cast()),
        at((&raw const props.words).cast()),
        at((&raw const props.entries).cast()),
        FREE as u64,
        FREE as u64 + 0xff8,
        FREE_TOO as u64,
        INFO as u64,
        SHARED as u64,
        stack(0) as u64,
        upcall_page(0) as u64,
        act as *const () as u64 & !0xfff,
        0x7c00_0000_0000,
    ];
    let mut palette = [0; 64];
    let all = PLAIN.iter().chain(&names).chain(&addresses).chain(others);
    let count = palette.iter_mut().zip(all).map(|(slot, value)| *slot = *value).count();
    let mut number = first;
    while let Some((name, arguments)) = step(number, &palette[..count]) {
        number += 1;
        shared::word(AT).store(number as u32, core::sync::atomic::Ordering::Release);
        // What would only fill the console is left out.
        let [address, length, ..] = arguments;
        if name == Call::DebugPut && length > 8 && exo::page_query(EnvId::SELF, address as usize).is_ok() {
            continue;
        }
        // A resume at nonsense comes back here, as a fault.
        upcall::attempt(make, core::ptr::from_ref(&(name, arguments)) as u64);
    }
    shared::set(THROUGH, 1);
    0
}

extern "C" fn make(what: u64) {
    // SAFETY: the address of a value in `act`, which waits for this function's end.
    let (name, arguments) = unsafe { *(what as *const (Call, [u64; 6])) };
    // SAFETY: whatever becomes of this environment is what the parent is there for.
    unsafe { call(name, arguments) };
}

/// Numbers that mean something to somebody, or nothing to anybody.
const PLAIN: [u64; 26] = [
    0,
    1,
    2,
    3,
    7,
    8,
    9,
    0x11,
    0x73,
    0x77,
    0x273,
    512,
    4095,
    4096,
    4097,
    1 << 20,
    1 << 31,
    1 << 32,
    3 << 32,
    0x7fff_ffff_f000,
    0x8000_0000_0000,
    0xffff_8000_0000_0000,
    0xffff_ffff_8000_0000,
    u64::MAX - 4095,
    u64::MAX - 1,
    u64::MAX,
];
