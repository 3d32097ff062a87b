use libos::limits;
use libos::signal::{Information, SIGCHLD, SIGCONT, SIGHUP, SIGKILL, SIGSTOP, SIGTERM, SIGTSTP, SIGUSR1};
use unix::{ChildActions, SERVER_ID, SetIds, Setting, WaitOptions, Whom, wait_status};

use super::signals::Target;
use super::waits::{Asked, Found};
use super::*;

const HZ: u64 = 1000;

/// A first program, with `children` children: ids 2, 3, 4 and so on.
fn family(children: u32) -> Family {
    let mut family = Family::new(HZ);
    let first = family.new_id();
    family.begin(first);
    for _ in 0..children {
        fork(&mut family, first);
    }
    drain(&mut family);
    family
}

fn fork(family: &mut Family, parent: u32) -> u32 {
    let id = family.new_id();
    family.copy(parent, id, SIGCHLD, parent, false).unwrap();
    id
}

fn drain(family: &mut Family) -> alloc::vec::Vec<Effect> {
    core::iter::from_fn(|| family.next_effect()).collect()
}

fn wait(family: &mut Family, waiter: u32, whom: Whom, options: WaitOptions) -> Result<(u32, u32)> {
    family.wait(waiter, &Asked { whom, options, thread: waiter }).map(|Found { id, status, .. }| (id, status))
}

fn kill(family: &mut Family, sender: u32, target: Target, signal: u32) -> Result<bool> {
    family.kill(sender, target, signal, Information::new(signal, Information::USER, u64::from(sender)))
}

fn signals(family: &mut Family, id: u32) -> alloc::vec::Vec<u32> {
    family.take_signals(id, 64).unwrap().0.iter().map(|(_, information)| information.signal as u32).collect()
}

const EXITED: WaitOptions = WaitOptions::EXITED;

#[test]
fn a_zombie_is_told_once_and_its_parent_hears_of_it() {
    let mut family = family(2);
    assert_eq!(wait(&mut family, 2, Whom::All, EXITED), Err(Errno::EAGAIN));
    family.end(4, 7 << 8, Usage { cpu_ns: 5, most_resident: 6, faults: 7 });
    assert!(drain(&mut family).contains(&Effect::Ring(2)));
    let (sent, _) = family.take_signals(2, 64).unwrap();
    let (thread, information) = sent[0];
    assert_eq!((thread, information.signal as u32, information.code), (0, SIGCHLD, 1));
    assert_eq!((information.payload[0], information.payload[1]), (4, 7));
    assert_eq!(wait(&mut family, 2, Whom::Process(3), EXITED), Err(Errno::EAGAIN));
    assert_eq!(wait(&mut family, 2, Whom::All, EXITED | WaitOptions::KEEP), Ok((4, 7 << 8)));
    assert_eq!(wait(&mut family, 2, Whom::All, EXITED), Ok((4, 7 << 8)));
    assert_eq!(wait(&mut family, 2, Whom::Process(4), EXITED), Err(Errno::ECHILD));
    assert_eq!(family.member(2).unwrap().children_usage, Usage { cpu_ns: 5, most_resident: 6, faults: 7 });
    assert_eq!(wait(&mut family, 3, Whom::All, EXITED), Err(Errno::ECHILD));
}

#[test]
fn who_ignores_children_has_no_zombies() {
    for actions in [ChildActions::IGNORED, ChildActions::NO_WAIT] {
        let mut family = family(1);
        family.member_mut(2).unwrap().child_actions = actions;
        family.end(3, 0, Usage::default());
        assert_eq!(wait(&mut family, 2, Whom::All, EXITED), Err(Errno::ECHILD));
        let told = signals(&mut family, 2);
        assert_eq!(told.is_empty(), actions == ChildActions::IGNORED);
    }
}

#[test]
fn a_wait_looks_for_what_it_was_asked_for() {
    let mut family = family(2);
    family.set_group(2, 3, 3).unwrap();
    family.member_mut(4).unwrap().exit_signal = 0;
    family.end(3, 1 << 8, Usage::default());
    family.end(4, 2 << 8, Usage::default());
    assert_eq!(wait(&mut family, 2, Whom::Group(0), EXITED), Err(Errno::ECHILD));
    assert_eq!(wait(&mut family, 2, Whom::Group(0), EXITED | WaitOptions::ALL | WaitOptions::KEEP), Ok((4, 2 << 8)));
    assert_eq!(wait(&mut family, 2, Whom::All, EXITED | WaitOptions::CLONES), Ok((4, 2 << 8)));
    assert_eq!(wait(&mut family, 2, Whom::Group(3), EXITED), Ok((3, 1 << 8)));
}

#[test]
fn only_children_of_the_thread_are_waited_for_if_asked() {
    let mut family = family(0);
    let id = family.new_id();
    family.copy(2, id, SIGCHLD, 99, false).unwrap();
    family.end(id, 0, Usage::default());
    assert_eq!(wait(&mut family, 2, Whom::All, EXITED | WaitOptions::OWN_THREAD), Err(Errno::ECHILD));
    assert_eq!(wait(&mut family, 2, Whom::All, EXITED), Ok((id, 0)));
}

#[test]
fn orphans_go_to_the_next_subreaper_and_else_to_the_server() {
    let mut family = family(1);
    let middle = fork(&mut family, 3);
    let orphan = fork(&mut family, middle);
    family.setting(3, Setting::Subreaper, Some(1)).unwrap();
    family.setting(orphan, Setting::DeathSignal, Some(SIGUSR1)).unwrap();
    family.end(middle, 0, Usage::default());
    assert_eq!(family.member(orphan).unwrap().parent, 3);
    assert_eq!(signals(&mut family, orphan), [SIGUSR1]);
    family.end(3, 0, Usage::default());
    assert_eq!(family.member(orphan).unwrap().parent, SERVER_ID);
    assert!(family.member(middle).is_err(), "the server waits for what it gets");
    family.end(orphan, 0, Usage::default());
    assert!(family.member(orphan).is_err());
}

#[test]
fn a_stop_and_its_end_are_told_once_each() {
    let mut family = family(1);
    family.set_group(2, 3, 3).unwrap();
    assert_eq!(family.stop(3, SIGTSTP, 0), Ok(true));
    assert_eq!(wait(&mut family, 2, Whom::All, EXITED), Err(Errno::EAGAIN));
    assert_eq!(wait(&mut family, 2, Whom::All, WaitOptions::STOPPED), Ok((3, wait_status::stopped(SIGTSTP))));
    assert_eq!(wait(&mut family, 2, Whom::All, WaitOptions::STOPPED), Err(Errno::EAGAIN));
    kill(&mut family, 2, Target::Process(3), SIGCONT).unwrap();
    assert_eq!(family.member(3).unwrap().life, Life::Running);
    assert_eq!(wait(&mut family, 2, Whom::All, WaitOptions::CONTINUED | WaitOptions::STOPPED), Ok((3, wait_status::CONTINUED)));
    assert_eq!(family.stop(3, SIGTSTP, 0), Ok(false), "it has been continued since");
    assert_eq!(family.stop(3, SIGTSTP, 1), Ok(true));
}

#[test]
fn who_does_not_stop_is_stopped() {
    let mut family = family(1);
    kill(&mut family, 2, Target::Process(3), SIGSTOP).unwrap();
    assert_eq!(family.new_deadline(|| 1000), Some(Some(1000 + HZ / 20)));
    family.enforce_stops(1000);
    assert!(!family.member(3).unwrap().is_stopped());
    drain(&mut family);
    family.enforce_stops(1000 + HZ / 20);
    assert!(drain(&mut family).contains(&Effect::Suspend(3)));
    assert_eq!(wait(&mut family, 2, Whom::All, WaitOptions::STOPPED), Ok((3, wait_status::stopped(SIGSTOP))));
    assert_eq!(family.deadline(), None);
    kill(&mut family, 2, Target::Process(3), SIGCONT).unwrap();
    assert!(drain(&mut family).contains(&Effect::Resume(3)));
    assert_eq!(signals(&mut family, 3), [SIGCONT], "the stop has happened");
}

#[test]
fn who_has_a_will_gets_a_while_for_it_and_no_more() {
    let mut family = family(2);
    kill(&mut family, 2, Target::Process(4), SIGKILL).unwrap();
    assert_eq!(drain(&mut family), [Effect::Destroy(4)]);
    family.setting(3, Setting::Will, Some(1)).unwrap();
    assert_eq!(family.stop(3, SIGTSTP, 0), Ok(false), "an orphaned group does not stop");
    kill(&mut family, 2, Target::Process(3), SIGSTOP).unwrap();
    family.new_deadline(|| 0);
    family.enforce_stops(HZ);
    drain(&mut family);
    for _ in 0..2 {
        kill(&mut family, 2, Target::Process(3), SIGKILL).unwrap();
    }
    let effects = drain(&mut family);
    assert!(effects.contains(&Effect::Resume(3)) && effects.contains(&Effect::Ring(3)) && !effects.contains(&Effect::Destroy(3)));
    assert_eq!(family.new_deadline(|| 1000), Some(Some(1000 + HZ / 4)));
    for signal in [SIGSTOP, SIGTERM] {
        kill(&mut family, 2, Target::Process(3), signal).unwrap();
    }
    assert_eq!(signals(&mut family, 3), []);
    drain(&mut family);
    family.enforce_ends(1000);
    assert_eq!(drain(&mut family), []);
    family.enforce_ends(1000 + HZ / 4);
    assert_eq!(drain(&mut family), [Effect::Destroy(3)]);
    family.end(3, 9, Usage::default());
    assert_eq!(family.deadline(), None);
}

#[test]
fn a_stop_and_its_end_take_each_other_back() {
    let mut family = family(1);
    kill(&mut family, 2, Target::Process(3), SIGTSTP).unwrap();
    kill(&mut family, 2, Target::Process(3), SIGCONT).unwrap();
    assert_eq!(signals(&mut family, 3), [SIGCONT]);
    kill(&mut family, 2, Target::Process(3), SIGCONT).unwrap();
    kill(&mut family, 2, Target::Process(3), SIGSTOP).unwrap();
    assert_eq!(signals(&mut family, 3), [SIGSTOP]);
}

#[test]
fn an_orphaned_group_goes_on_and_is_told() {
    let mut family = family(1);
    // A shell, 3, whose job, 4, has a group of its own.
    family.set_session(3).unwrap();
    let job = fork(&mut family, 3);
    family.set_group(3, job as i32, 0).unwrap();
    assert_eq!(family.stop(job, SIGTSTP, 0), Ok(true));
    family.end(3, 0, Usage::default());
    assert_eq!(signals(&mut family, job), [SIGHUP, SIGCONT]);
    assert_eq!(family.stop(job, SIGTSTP, 1), Ok(false), "nobody could continue it");
    assert_eq!(family.stop(job, SIGSTOP, 1), Ok(true));
}

#[test]
fn standard_signals_wait_once_and_real_time_ones_up_to_the_limit() {
    let mut family = family(1);
    for _ in 0..3 {
        kill(&mut family, 2, Target::Process(3), SIGTERM).unwrap();
    }
    family.limit(2, 3, limits::SIGNALS, Some([3, 3])).unwrap();
    let queued = Information::new(40, -1, 0);
    assert_eq!(family.kill(2, Target::Process(3), 40, queued), Ok(false));
    assert_eq!(family.kill(2, Target::Process(3), 40, queued), Ok(false));
    assert_eq!(family.kill(2, Target::Process(3), 40, queued), Err(Errno::EAGAIN));
    assert_eq!(signals(&mut family, 3), [SIGTERM, 40, 40]);
}

#[test]
fn kill_means_what_its_argument_says() {
    let mut family = family(3);
    family.set_group(2, 4, 4).unwrap();
    assert_eq!(family.target(2, 0), Ok(Target::Group(2)));
    assert_eq!(family.target(2, -4), Ok(Target::Group(4)));
    assert_eq!(family.target(2, 77), Err(Errno::ESRCH));
    assert_eq!(family.target(2, i32::MIN), Err(Errno::ESRCH));
    assert_eq!(kill(&mut family, 2, Target::Group(77), 0), Err(Errno::ESRCH));
    assert_eq!(kill(&mut family, 2, Target::Group(2), SIGTERM), Ok(true), "the sender is one of the group");
    assert_eq!(signals(&mut family, 3), [SIGTERM]);
    assert!(signals(&mut family, 2).is_empty() && signals(&mut family, 4).is_empty());
    assert_eq!(kill(&mut family, 3, Target::All, SIGUSR1), Ok(false));
    assert_eq!(signals(&mut family, 2), [SIGUSR1]);
    assert!(signals(&mut family, 3).is_empty());
    assert_eq!(kill(&mut family, 2, Target::Process(SERVER_ID), SIGKILL), Ok(false));
    drain(&mut family);
    kill(&mut family, 2, Target::Process(5), SIGKILL).unwrap();
    assert_eq!(drain(&mut family), [Effect::Destroy(5)]);
}

#[test]
fn a_zombie_can_be_signalled_and_a_thread_that_is_not_there_cannot() {
    let mut family = family(1);
    let first = family.reserve_ids(3, 4).unwrap();
    assert_eq!(kill(&mut family, 2, Target::Thread(3, first), SIGTERM), Ok(false));
    assert_eq!(kill(&mut family, 2, Target::Thread(3, first + 4), SIGTERM), Err(Errno::ESRCH));
    assert_eq!(family.process_of(first + 3), Ok(3));
    family.end(3, 0, Usage::default());
    assert_eq!(kill(&mut family, 2, Target::Process(3), SIGTERM), Ok(false));
    assert_eq!(kill(&mut family, 2, Target::Thread(3, 3), SIGTERM), Err(Errno::ESRCH));
}

#[test]
fn ids_for_threads_are_bounded() {
    let mut family = family(1);
    let given = (0..).take_while(|_| family.reserve_ids(3, 256).is_ok()).count();
    assert_eq!(given * 256, 1 << 16);
    assert_eq!(family.reserve_ids(3, 1), Err(Errno::EAGAIN));
    assert!(family.reserve_ids(2, 1).is_ok());
    assert_eq!(family.member(3).unwrap().threads.len(), 1, "neighbours are told together");
}

#[test]
fn other_users_are_out_of_reach() {
    let mut family = family(2);
    family.set_ids(3, SetIds::One, false, [100, 0, 0]).unwrap();
    family.set_ids(4, SetIds::Three, false, [100, 101, 100]).unwrap();
    assert_eq!(kill(&mut family, 3, Target::Process(2), SIGTERM), Err(Errno::EPERM));
    assert_eq!(kill(&mut family, 3, Target::Process(2), SIGCONT), Ok(false), "the session is the same");
    assert_eq!(kill(&mut family, 3, Target::Process(4), SIGTERM), Ok(false));
    assert_eq!(kill(&mut family, 4, Target::Process(3), SIGTERM), Ok(false), "the real user is the same");
    assert_eq!(kill(&mut family, 3, Target::All, SIGTERM), Ok(false));
    assert_eq!(family.limit(3, 2, limits::CPU, None), Err(Errno::EPERM));
    assert_eq!(family.limit(3, 0, limits::SIGNALS, Some([0, u64::MAX])), Err(Errno::EPERM));
}

#[test]
fn groups_and_sessions_have_their_rules() {
    let mut family = family(2);
    assert_eq!(family.set_session(2), Err(Errno::EPERM), "it leads a group");
    assert_eq!(family.set_group(2, 0, 0), Err(Errno::EPERM), "it leads a session");
    assert_eq!(family.set_group(3, 4, 4), Err(Errno::ESRCH), "no child of it");
    assert_eq!(family.set_group(2, 3, 77), Err(Errno::EPERM), "no such group");
    assert_eq!(family.set_group(2, 3, -1), Err(Errno::EINVAL));
    family.set_group(2, 3, 0).unwrap();
    family.set_group(4, 0, 3).unwrap();
    family.note_execution(4, [0; 2]).unwrap();
    assert_eq!(family.set_group(2, 4, 4), Err(Errno::EACCES));
    family.set_session(4).unwrap();
    assert_eq!(family.set_group(2, 4, 4), Err(Errno::EPERM), "another session");
    let inherits = fork(&mut family, 4);
    assert_eq!((family.member(inherits).unwrap().group, family.member(inherits).unwrap().session), (4, 4));
}

#[test]
fn ids_change_as_credentials_say() {
    use super::credentials::Ids;
    let root = Ids::default();
    let user = root.set(SetIds::One, [100, 0, 0], true).unwrap();
    assert_eq!(user, Ids { real: 100, effective: 100, saved: 100, file: 100 });
    assert_eq!(user.set(SetIds::One, [0, 0, 0], false), Err(Errno::EPERM));
    let away = root.set(SetIds::Two, [u32::MAX, 100, 0], true).unwrap();
    assert_eq!(away, Ids { real: 0, effective: 100, saved: 100, file: 100 });
    assert_eq!(away.set(SetIds::One, [0, 0, 0], false).unwrap().effective, 0);
    let three = root.set(SetIds::Three, [1, 2, 3], true).unwrap();
    assert_eq!(three.set(SetIds::Three, [u32::MAX, 3, u32::MAX], false).unwrap(), Ids { real: 1, effective: 3, saved: 3, file: 3 });
    assert_eq!(three.set(SetIds::Three, [4, 3, 3], false), Err(Errno::EPERM));
    assert_eq!(three.set(SetIds::File, [9, 0, 0], false), Ok(three));
    assert_eq!(three.set(SetIds::File, [3, 0, 0], false).unwrap().file, 3);
    assert_eq!(root.set(SetIds::One, [u32::MAX, 0, 0], true), Err(Errno::EINVAL));
}

#[test]
fn a_limit_on_processes_counts_the_users() {
    let mut family = family(2);
    family.set_ids(3, SetIds::One, false, [100, 0, 0]).unwrap();
    family.limit(2, 3, limits::PROCESSES, Some([2, 2])).unwrap();
    assert_eq!(family.may_fork(3, core::iter::empty()), Ok(()));
    assert_eq!(family.may_fork(3, core::iter::once(3)), Err(Errno::EAGAIN), "one is on the way");
    fork(&mut family, 3);
    assert_eq!(family.may_fork(3, core::iter::empty()), Err(Errno::EAGAIN));
    family.limit(2, 2, limits::PROCESSES, Some([1, 1])).unwrap();
    assert_eq!(family.may_fork(2, core::iter::empty()), Ok(()), "root");
}

#[test]
fn too_much_time_is_warned_of_and_then_ends_the_process() {
    use libos::signal::SIGXCPU;
    let mut family = family(1);
    family.limit(2, 3, limits::CPU, Some([1, 3])).unwrap();
    assert_eq!(family.new_deadline(|| 0), Some(Some(0)));
    family.check_cpu(3, 500_000_000, 1000);
    assert_eq!(family.deadline(), Some(1000 + HZ / 2 + 1));
    assert!(signals(&mut family, 3).is_empty());
    family.check_cpu(3, 1_000_000_000, 2000);
    assert_eq!(signals(&mut family, 3), [SIGXCPU]);
    family.check_cpu(3, 1_500_000_000, 2500);
    assert!(signals(&mut family, 3).is_empty());
    family.check_cpu(3, 2_000_000_000, 3000);
    assert_eq!(signals(&mut family, 3), [SIGXCPU]);
    drain(&mut family);
    family.check_cpu(3, 3_000_000_000, 4000);
    assert_eq!(drain(&mut family), [Effect::Destroy(3)]);
}

#[test]
fn a_pidfd_means_one_process_for_ever() {
    let mut family = family(1);
    let birth = family.birth(3).unwrap();
    assert!(!family.has_ended(2, 3, birth));
    assert!(family.has_ended(2, 3, birth + 1));
    drain(&mut family);
    family.end(3, 0, Usage::default());
    assert!(drain(&mut family).contains(&Effect::Ring(2)));
    assert!(family.has_ended(2, 3, birth));
    assert!(family.born(3, birth).is_ok(), "a zombie is still there");
    wait(&mut family, 2, Whom::All, EXITED).unwrap();
    assert!(family.born(3, birth).is_err());
}

#[test]
fn priorities_go_down_for_all_and_up_for_root() {
    use super::control::Whose;
    let mut family = family(2);
    family.set_ids(3, SetIds::One, false, [100, 0, 0]).unwrap();
    assert_eq!(family.set_priority(3, Whose::Process, 0, 5), Ok(()));
    assert_eq!(family.set_priority(3, Whose::Process, 0, 4), Err(Errno::EACCES));
    assert_eq!(family.set_priority(3, Whose::Process, 2, 9), Err(Errno::EPERM));
    assert_eq!(family.priority(2, Whose::Process, 3), Ok(15));
    assert_eq!(family.priority(2, Whose::Group, 0), Ok(20));
    assert_eq!(family.priority(2, Whose::User, 7), Err(Errno::ESRCH));
    assert_eq!(family.set_priority(2, Whose::User, 100, -50), Ok(()));
    assert_eq!(family.priority(2, Whose::Process, 3), Ok(40));
}
