//! Time and traps: slices, sleeping and waking, control transfer, upcalls.

mod world;

use abi::{
    ANY_FRAME, Call, CloneMode, CloneRange, EnvEntry, EnvState, Error, FaultKind, Rights, TransferFlags, UpcallEntries, UpcallPage,
    WaitWord,
};
use arch::fake::FakeContext;
use arch::{Board, Fault, Paging, Trap};
use world::World;

const A: u64 = 0x40_0000;
const ACCEPT: u64 = TransferFlags::ACCEPT.bits() << 32;
const REPLY: u64 = TransferFlags::REPLY.bits() << 32;

on_both_formats! {
    a_word_that_differs_does_not_sleep
    a_sleeper_wakes_by_its_word_through_another_mapping
    a_sleeper_wakes_at_its_deadline
    a_death_wakes_who_waits_for_it
    one_wait_covers_the_deaths_of_all_children
    whatever_takes_a_holder_from_a_frame_wakes_who_sleeps_on_its_count
    a_slice_ends_and_the_next_context_runs
    a_deadline_in_the_upcall_page_is_told_without_ending_the_slice
    time_is_counted_for_who_runs
    a_call_carries_its_words_there_and_back
    a_call_to_one_who_dies_ends
    nobody_is_called_who_does_not_accept
    a_fault_without_an_entry_ends_the_environment
    a_fault_goes_to_its_own_library_and_a_double_fault_ends_it
    an_interrupt_counts_and_wakes_and_stays_masked_until_acknowledged
}

fn page<P: Paging>(world: &mut World<P>, slot: usize) -> u64 {
    world.call(slot, Call::PageAlloc, &[A, 1, Rights::READ_WRITE.bits(), ANY_FRAME]).unwrap();
    world.mapping(slot, A).unwrap().leaf.frame
}

fn put<P: Paging, T>(world: &World<P>, frame: u64, offset: usize, value: T) {
    // SAFETY: inside one frame of the fake's RAM, aligned by the callers.
    unsafe { world.kernel.machine.frame(frame).add(offset).cast::<T>().write(value) };
}

/// Let environment `slot` trap as told; a call is the null call.
fn trap<P: Paging>(world: &mut World<P>, slot: usize, trap: Trap) {
    let id = world.id(slot);
    for _ in 0..4 {
        let done = std::rc::Rc::new(std::cell::Cell::new(false));
        let report = done.clone();
        world.kernel.machine.script.push_back(Box::new(move |context: &mut FakeContext| {
            if usize::from(context.asid) == slot + 1 {
                report.set(true);
                context.call = Call::Identify as usize;
                return trap;
            }
            (context.call, context.arguments) = (Call::Yield as usize, [id, 0, 0, 0, 0, 0]);
            Trap::Call
        }));
        world.kernel.step();
        if done.get() {
            return;
        }
    }
    panic!("environment {slot} cannot be brought to run");
}

fn a_word_that_differs_does_not_sleep<P: Paging>() {
    let mut world = World::<P>::new();
    let frame = page(&mut world, 0);
    put(&world, frame, 0, [WaitWord { address: A + 64, value: 0, reserved: 0 }, WaitWord { address: A + 68, value: 1, reserved: 0 }]);
    assert_eq!(world.call(0, Call::Wait, &[A, 2, u64::MAX]), Ok(1));
    assert_eq!(world.call(0, Call::Wait, &[A, 9, u64::MAX]), Err(Error::BadArgument));
    assert_eq!(world.call(0, Call::Wait, &[A + 4, 1, u64::MAX]), Err(Error::BadAddress));
    assert_eq!(world.call(0, Call::Wait, &[A, 1, 0]), Err(Error::TimedOut));
}

fn a_sleeper_wakes_by_its_word_through_another_mapping<P: Paging>() {
    let mut world = World::<P>::new();
    let child = world.child(0, 16);
    let id = world.id(child);
    let frame = page(&mut world, 0);
    put(&world, frame, 0, WaitWord { address: A + 64, value: 0, reserved: 0 });
    world.call(0, Call::PageMap, &[id, 0x90_0000, A, 1, Rights::READ_WRITE.bits()]).unwrap();
    world.call(0, Call::SliceSet, &[0, 1, id, 0]).unwrap();
    let sleeper = world.start_call(0, Call::Wait, &[A, 1, u64::MAX]);
    assert_eq!(world.call(child, Call::Wake, &[0x90_0000 + 68, 1]), Ok(0));
    assert_eq!(world.call(child, Call::Wake, &[0x90_0000 + 64, 1]), Ok(1));
    // SAFETY: the record stays where it is.
    assert_eq!(unsafe { (*sleeper).result }, (0, 0));
    assert!(world.call(0, Call::Identify, &[]).is_ok());
}

fn a_sleeper_wakes_at_its_deadline<P: Paging>() {
    let mut world = World::<P>::new();
    let sleeper = world.start_call(0, Call::Wait, &[0, 0, 5_000_000]);
    // Nobody else can run: the machine idles until the timer that the kernel set.
    world.kernel.machine.script.push_back(Box::new(|context| {
        context.call = Call::Identify as usize;
        Trap::Call
    }));
    world.kernel.step();
    let now = world.kernel.machine.clock.get();
    assert!((5_000_000..5_001_000).contains(&now), "woken at {now}");
    // SAFETY: the record stays where it is.
    assert_eq!(unsafe { (*sleeper).result }.0, 0, "the null call that came after the sleep");
}

fn a_death_wakes_who_waits_for_it<P: Paging>() {
    let mut world = World::<P>::new();
    let child = world.child(0, 16);
    let id = world.id(child);
    let frame = page(&mut world, 0);
    world.call(0, Call::InfoMap, &[0, 0x100_0000, 0, 18]).unwrap();
    let word = 0x100_0000 + 4096 + child as u64 * size_of::<EnvEntry>() as u64;
    put(&world, frame, 0, WaitWord { address: word, value: EnvState::Alive as u32, reserved: 0 });
    world.call(0, Call::SliceSet, &[0, 1, id, 0]).unwrap();
    let sleeper = world.start_call(0, Call::Wait, &[A, 1, u64::MAX]);
    world.start_call(child, Call::EnvDestroy, &[0, 7]);
    // SAFETY: the record stays where it is.
    assert_eq!(unsafe { (*sleeper).result }, (0, 0));
    let end = world.entry(child);
    assert_eq!((end.state, end.reason, end.status), (EnvState::Dead as u32, EnvEntry::EXITED, 7));
    world.check();
}

fn one_wait_covers_the_deaths_of_all_children<P: Paging>() {
    let mut world = World::<P>::new();
    let child = world.child(0, 14);
    let other = world.child(0, 8);
    let below = world.child(child, 4);
    let names = [child, other, below].map(|slot| world.id(slot));
    let frame = page(&mut world, 0);
    world.call(0, Call::InfoMap, &[0, 0x100_0000, 0, 18]).unwrap();
    world.call(0, Call::SliceSet, &[0, 1, names[0], 0]).unwrap();
    let address = 0x100_0000 + 4096 + std::mem::offset_of!(EnvEntry, deaths) as u64;
    let mut expected = 0;
    let mut sleep = |world: &mut World<P>| {
        assert_eq!(world.entry(0).deaths, expected);
        put(world, frame, 0, WaitWord { address, value: expected, reserved: 0 });
        expected += 1;
        world.start_call(0, Call::Wait, &[A, 1, u64::MAX])
    };
    // A grandchild's death is the child's to hear of.
    let sleeper = sleep(&mut world);
    world.start_call(child, Call::EnvDestroy, &[names[2], 3]);
    assert_eq!((world.entry(0).deaths, world.entry(child).deaths), (0, 1));
    world.start_call(child, Call::EnvDestroy, &[0, 7]);
    // SAFETY: the record stays where it is.
    assert_eq!(unsafe { (*sleeper).result }, (0, 0));
    assert_eq!((world.entry(child).state, world.entry(below).parent), (EnvState::Dead as u32, 0), "dead, its dead passed on");
    world.call(0, Call::SliceSet, &[0, 2, names[1], 0]).unwrap();
    let sleeper = sleep(&mut world);
    trap(&mut world, other, fault(FaultKind::Read));
    // SAFETY: the record stays where it is.
    assert_eq!(unsafe { (*sleeper).result }, (0, 0), "by a fault too");
    assert_eq!(world.entry(0).deaths, 2);
    let next = world.child(0, 4);
    assert_eq!(world.entry(next).deaths, 0);
    world.check();
}

fn whatever_takes_a_holder_from_a_frame_wakes_who_sleeps_on_its_count<P: Paging>() {
    const TABLE: u64 = 0x100_0000;
    const PAGE: u64 = 0x200_0000;
    const ASLEEP: (i64, u64) = (1, 1);
    let mut world = World::<P>::new();
    let child = world.child(0, 20);
    let id = world.id(child);
    world.call(0, Call::SliceSet, &[0, 1, id, 0]).unwrap();
    let list = page(&mut world, 0);
    world.call(0, Call::PageAlloc, &[PAGE, 1, Rights::READ_WRITE.bits(), ANY_FRAME]).unwrap();
    let frame = world.mapping(0, PAGE).unwrap().leaf.frame;
    world.call(0, Call::InfoMap, &[0, TABLE, world.info().frames_page, 1]).unwrap();
    // Held five times: by the root, and four times by the child.
    for target in [A, A + 0x1000, A + 0x2000] {
        world.call(0, Call::PageMap, &[id, target, PAGE, 1, Rights::READ_WRITE.bits()]).unwrap();
    }
    put(&world, list, 2048, CloneRange { source: PAGE, target: A + 0x3000, pages: 1, mode: CloneMode::CopyOnWrite as u64 });
    world.call(0, Call::PageClone, &[id, A + 2048, 1, 0]).unwrap();
    let address = TABLE + (frame - world::FIRST_FRAME) * 16 + 4;
    let sleep = |world: &mut World<P>| {
        put(world, list, 0, WaitWord { address, value: world.frame(frame).count, reserved: 0 });
        let sleeper = world.start_call(0, Call::Wait, &[A, 1, u64::MAX]);
        // SAFETY: the record stays where it is. No call gives this.
        unsafe { (*sleeper).result = ASLEEP };
        sleeper
    };
    // SAFETY: as above.
    let woken = |sleeper: *mut FakeContext| unsafe { (*sleeper).result };
    let sleeper = sleep(&mut world);
    // Neither one more holder, nor another frame's going, nor an upcall page's coming.
    world.call(child, Call::PageMap, &[0, A + 0x4000, A, 1, Rights::READ_ONLY.bits()]).unwrap();
    world.call(child, Call::PageAlloc, &[A + 0x5000, 1, Rights::READ_WRITE.bits(), ANY_FRAME]).unwrap();
    world.call(child, Call::PageUnmap, &[0, A + 0x5000, 1]).unwrap();
    world.call(child, Call::UpcallSet, &[0, 0, A, A + 1024]).unwrap();
    assert_eq!((woken(sleeper), world.frame(frame).count), (ASLEEP, 7));
    // Holders go by page_unmap, by page_break, with an upcall page that is replaced; not by death, before the reaping.
    world.call(child, Call::PageUnmap, &[0, A + 0x4000, 1]).unwrap();
    assert_eq!((woken(sleeper), world.frame(frame).count), ((0, 0), 6));
    let sleeper = sleep(&mut world);
    assert_eq!(world.call(child, Call::PageBreak, &[A + 0x3000]), Ok(1));
    assert_eq!((woken(sleeper), world.frame(frame).count), ((0, 0), 5));
    let sleeper = sleep(&mut world);
    world.call(child, Call::UpcallSet, &[0, 0, A + 0x3000, A + 0x3000]).unwrap();
    assert_eq!((woken(sleeper), world.frame(frame).count), ((0, 0), 4));
    let sleeper = sleep(&mut world);
    world.start_call(child, Call::EnvDestroy, &[0, 0]);
    assert_eq!((woken(sleeper), world.frame(frame).count), (ASLEEP, 4), "the dead hold");
    world.check();
}

fn a_slice_ends_and_the_next_context_runs<P: Paging>() {
    let mut world = World::<P>::new();
    let child = world.child(0, 16);
    let id = world.id(child);
    world.call(0, Call::SliceSet, &[0, 9, id, 0]).unwrap();
    let mut seen = Vec::new();
    for _ in 0..4 {
        let who = std::rc::Rc::new(std::cell::Cell::new(0));
        let report = who.clone();
        world.kernel.machine.script.push_back(Box::new(move |context: &mut FakeContext| {
            report.set(context.asid);
            context.call = Call::Identify as usize;
            Trap::Call
        }));
        world.kernel.step();
        seen.push(who.get());
        world.kernel.machine.fire_timer();
        world.kernel.machine.script.push_back(Box::new(|_| Trap::Interrupt));
        world.kernel.step();
    }
    assert_eq!(seen, [1, 2, 1, 2]);
}

fn a_deadline_in_the_upcall_page_is_told_without_ending_the_slice<P: Paging>() {
    use std::mem::offset_of;
    let mut world = World::<P>::new();
    let frame = page(&mut world, 0);
    put(&world, frame, 1024, UpcallEntries { syscall: 0, fault: 0x5000 });
    world.call(0, Call::UpcallSet, &[0, 0, A, A + 1024]).unwrap();
    let end = world.kernel.machine.timer;
    let at = world.kernel.machine.clock.get() + 1000;
    let tell = |world: &World<P>, deadline: u64| put(world, frame, offset_of!(UpcallPage, deadline), deadline);
    let expire = |world: &mut World<P>| {
        world.kernel.machine.fire_timer();
        trap(world, 0, Trap::Interrupt);
        let upcall: UpcallPage = world.read(frame, 0);
        (upcall.deadline, upcall.kind, upcall.fault_active, upcall.slices_lost)
    };
    let look = |world: &mut World<P>| world.call(0, Call::ContextSet, &[0, 0, 0, abi::RunState::Unchanged as u64]).unwrap();
    tell(&world, at);
    assert_eq!(world.kernel.machine.timer, end, "nobody has looked");
    look(&mut world);
    assert_eq!(world.kernel.machine.timer, at);
    assert_eq!(expire(&mut world), (0, FaultKind::Slice as u64, 1, 0), "told, and the slice goes on");
    assert_eq!(world.kernel.machine.timer, end);
    // While it handles that, a deadline is left for later, and the timer is not set to it: it would go off again and again.
    tell(&world, at + 1);
    look(&mut world);
    assert_eq!(world.kernel.machine.timer, end);
    assert_eq!(expire(&mut world), (at + 1, FaultKind::Slice as u64, 1, 1), "the slice's end");
    trap(&mut world, 0, Trap::Call);
    put(&world, frame, offset_of!(UpcallPage, fault_active), 0u64);
    put(&world, frame, offset_of!(UpcallPage, kind), 0u64);
    look(&mut world);
    assert_eq!(world.kernel.machine.timer, at + 1, "now it can be told: at once");
    assert_eq!(expire(&mut world), (0, FaultKind::Slice as u64, 1, 1));
    // One in the future is looked for meanwhile: the next of an interval timer.
    let next = world.kernel.machine.clock.get() + 1000;
    tell(&world, next);
    look(&mut world);
    assert_eq!(world.kernel.machine.timer, next);
    assert_eq!(expire(&mut world), (next, FaultKind::Slice as u64, 1, 1), "left for later");
    // One that stands when a slice begins is honoured unasked. One beyond the slice's end is not looked for in it.
    put(&world, frame, offset_of!(UpcallPage, fault_active), 0u64);
    let later = world.kernel.machine.timer + 5000;
    tell(&world, later);
    assert_eq!(expire(&mut world), (later, FaultKind::Slice as u64, 0, 2));
    trap(&mut world, 0, Trap::Call);
    assert_eq!(world.kernel.machine.timer, later);
    assert_eq!(expire(&mut world), (0, FaultKind::Slice as u64, 1, 2));
}

fn time_is_counted_for_who_runs<P: Paging>() {
    let mut world = World::<P>::new();
    let child = world.child(0, 16);
    let id = world.id(child);
    world.call(0, Call::SliceSet, &[0, 1, id, 0]).unwrap();
    let run = |world: &mut World<P>, slot: usize, ticks: u64| {
        world.call(slot, Call::Identify, &[]).unwrap();
        world.kernel.machine.clock.set(world.kernel.machine.clock.get() + ticks);
    };
    let ran = |world: &World<P>, slot: usize| {
        let word = world.entry(slot).ran;
        if (word as i64) < 0 { word.wrapping_add(world.kernel.machine.clock.get()) } else { word }
    };
    let near = |found: u64, expected: u64| assert!((expected..expected + 200).contains(&found), "{found}, not {expected}");
    // The clock of the fake counts how often it is read: a few ticks.
    run(&mut world, 0, 10_000);
    near(ran(&world, child), 0);
    run(&mut world, child, 3_000);
    near(ran(&world, 0), 10_000);
    near(ran(&world, child), 3_000);
    run(&mut world, 0, 0);
    near(ran(&world, child), 3_000);
    // Nobody runs while the machine sleeps: the child accepts calls, the root waits for a time.
    world.start_call(child, Call::TransferReply, &[0, ACCEPT]);
    let end = world.kernel.machine.clock.get() + 1_000_000;
    world.start_call(0, Call::Wait, &[0, 0, end]);
    run(&mut world, 0, 0);
    assert!(world.kernel.machine.clock.get() >= end);
    near(ran(&world, 0) + ran(&world, child), 13_000);
    // The time up to its own end is counted, and is there to be read; the next in its slot begins at 0.
    world.call(0, Call::ContextSet, &[id, 0, 0, 0]).unwrap();
    run(&mut world, child, 5_000);
    world.start_call(child, Call::EnvDestroy, &[0, 0]);
    near(ran(&world, child), 8_000);
    run(&mut world, 0, 0);
    near(ran(&world, 0), 10_000);
    while world.call(0, Call::EnvReap, &[id]) == Ok(0) {}
    assert_eq!(world.child(0, 8), child);
    assert_eq!(ran(&world, child), 0);
}

fn a_call_carries_its_words_there_and_back<P: Paging>() {
    let mut world = World::<P>::new();
    let server = world.child(0, 16);
    let id = world.id(server);
    let root = world.id(0);
    let accepting = world.start_call(server, Call::TransferReply, &[0, ACCEPT]);
    let calling = world.start_call(0, Call::TransferCall, &[id, 0, 1, 2, 3, 4]);
    // SAFETY: the records stay where they are.
    unsafe {
        assert_eq!(((*accepting).result, (*accepting).message), ((0, root), [1, 2, 3, 4]));
        world.start_call(server, Call::TransferReply, &[root, ACCEPT | REPLY, 5, 6, 7, 8]);
        assert_eq!(((*calling).result, (*calling).message), ((0, id), [5, 6, 7, 8]));
    }
    assert!(world.call(0, Call::Identify, &[]).is_ok(), "the slice is the caller's again");
}

fn a_call_to_one_who_dies_ends<P: Paging>() {
    let mut world = World::<P>::new();
    let server = world.child(0, 16);
    let id = world.id(server);
    world.start_call(server, Call::TransferReply, &[0, ACCEPT]);
    let calling = world.start_call(0, Call::TransferCall, &[id, 0]);
    world.start_call(server, Call::EnvDestroy, &[0, 0]);
    // SAFETY: the record stays where it is.
    assert_eq!(unsafe { (*calling).result.0 }, Error::Dead as i64);
}

fn nobody_is_called_who_does_not_accept<P: Paging>() {
    let mut world = World::<P>::new();
    let other = world.child(0, 16);
    let (id, root) = (world.id(other), world.id(0));
    assert_eq!(world.call(0, Call::TransferCall, &[id, 0]), Err(Error::Busy));
    assert_eq!(world.call(0, Call::TransferCall, &[root, 0]), Err(Error::Busy), "oneself neither");
    assert_eq!(world.call(0, Call::TransferCall, &[id, 5]), Err(Error::NoEnv));
    assert_eq!(world.call(0, Call::TransferReply, &[id, REPLY]), Err(Error::Busy));
    assert_eq!(world.call(0, Call::TransferReply, &[id, 0]), Err(Error::BadArgument));
}

fn fault(kind: FaultKind) -> Trap {
    Trap::Fault(Fault { kind, address: 0x1234, code: 5 })
}

fn a_fault_without_an_entry_ends_the_environment<P: Paging>() {
    let mut world = World::<P>::new();
    let child = world.child(0, 16);
    trap(&mut world, child, fault(FaultKind::Write));
    let end = world.entry(child);
    assert_eq!((end.state, end.reason, end.status), (EnvState::Dead as u32, EnvEntry::FAULTED + FaultKind::Write as u32, 0x1234));
    world.check();
}

fn a_fault_goes_to_its_own_library_and_a_double_fault_ends_it<P: Paging>() {
    let mut world = World::<P>::new();
    let child = world.child(0, 16);
    let frame = page(&mut world, child);
    put(&world, frame, 1024, UpcallEntries { syscall: 0, fault: 0x5000 });
    assert_eq!(world.call(child, Call::UpcallSet, &[0, 0, A, A + 1024]), Ok(0));
    world.check();
    trap(&mut world, child, fault(FaultKind::Read));
    let upcall: UpcallPage = world.read(frame, 0);
    assert_eq!((upcall.kind, upcall.address, upcall.code, upcall.fault_active), (FaultKind::Read as u64, 0x1234, 5, 1));
    trap(&mut world, child, fault(FaultKind::Execute));
    assert_eq!(world.entry(child).reason, EnvEntry::FAULTED + FaultKind::Execute as u32);
    world.check();
}

fn an_interrupt_counts_and_wakes_and_stays_masked_until_acknowledged<P: Paging>() {
    let mut world = World::<P>::new();
    let child = world.child(0, 16);
    let id = world.id(child);
    assert_eq!(world.call(child, Call::IrqBind, &[40, 0]), Err(Error::Denied));
    assert_eq!(world.call(0, Call::IrqBind, &[40, id]), Ok(0));
    assert_eq!(world.call(0, Call::IrqBind, &[40, 0]), Err(Error::Busy));
    assert_eq!(world.call(0, Call::IrqAck, &[40]), Err(Error::Denied));
    assert_eq!(world.call(child, Call::IrqAck, &[40]), Ok(0));
    assert_eq!(world.kernel.machine.unmasked, [40]);
    world.kernel.machine.interrupts.push_back(arch::Interrupt::Device(40));
    trap(&mut world, child, Trap::Interrupt);
    assert_eq!((world.info().irqs[40], world.kernel.machine.unmasked.len()), (1, 0));
    world.call(0, Call::EnvDestroy, &[id, 0]).unwrap();
    assert_eq!(world.call(0, Call::IrqBind, &[40, 0]), Ok(0), "the dead have no interrupts");
}
