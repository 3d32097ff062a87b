//! The rules, on the host.

use alloc::vec::Vec;

use libos::errno::Errno;
use unix::system_v::{COPY, CREATE, EXCEPT, EXCLUSIVE, NO_ERROR, NO_WAIT, UNDO};

use super::messages::{Message, Queue};
use super::registry::Registry;
use super::semaphores::{Change, Set};
use crate::family::credentials::{Credentials, Ids};

fn user(id: u32) -> Credentials {
    let ids = Ids { real: id, effective: id, saved: id, file: id };
    Credentials { user: ids, group: ids, ..Credentials::default() }
}

#[test]
fn a_key_leads_to_one_object_and_an_old_id_to_none() {
    let mut all = Registry::new(2);
    let anything = |_: &u8| Ok(());
    let first = all.get(7, CREATE | 0o600, &user(5), anything, || Ok(1u8)).unwrap();
    assert_eq!(all.get(7, CREATE | EXCLUSIVE, &user(5), anything, || Ok(2)), Err(Errno::EEXIST));
    assert_eq!(all.get(7, 0o400, &user(6), anything, || Ok(2)), Err(Errno::EACCES));
    assert_eq!(all.get(8, 0, &user(6), anything, || Ok(2)), Err(Errno::ENOENT));
    assert_eq!(all.get(7, 0, &user(6), anything, || Ok(2)), Ok(first));
    let second = all.get(0, 0, &user(5), anything, || Ok(2)).unwrap();
    assert_ne!(first, second);
    assert_eq!(all.get(0, 0, &user(5), anything, || Ok(3)), Err(Errno::ENOSPC));
    assert_eq!(all.highest(), 1);
    all.remove(first).unwrap();
    let third = all.get(9, CREATE, &user(5), anything, || Ok(3)).unwrap();
    assert_eq!(third & 0x7fff, first & 0x7fff);
    assert!(all.find(first).is_err() && all.find(third).is_ok());
    assert_eq!(all.at(0), Ok(third));
}

#[test]
fn modes_are_the_owners_the_groups_and_the_others() {
    let mut all = Registry::new(1);
    let id = all.get(1, CREATE | 0o640, &user(5), |_: &u8| Ok(()), || Ok(0u8)).unwrap();
    let owned = all.find(id).unwrap();
    let member = Credentials { groups: [5].into(), ..user(6) };
    assert_eq!(owned.ownership.may(0o222, &user(5)), Ok(()));
    assert_eq!(owned.ownership.may(0o444, &member), Ok(()));
    assert_eq!(owned.ownership.may(0o222, &member), Err(Errno::EACCES));
    assert_eq!(owned.ownership.may(0o444, &user(6)), Err(Errno::EACCES));
    assert_eq!(owned.ownership.may(0o222, &user(0)), Ok(()));
    assert_eq!(owned.ownership.may_control(&member), Err(Errno::EPERM));
}

fn message(kind: i64, text: &[u8]) -> Message {
    Message { kind, text: text.to_vec() }
}

#[test]
fn messages_are_taken_by_type() {
    let mut queue = Queue::new(0);
    for (kind, text) in [(3, "three"), (1, "one"), (2, "two"), (1, "uno")] {
        queue.send(message(kind, text.as_bytes()), 9, 0).unwrap();
    }
    assert_eq!(queue.usage(), [4, 14]);
    assert_eq!(queue.receive(2, 9, COPY | NO_WAIT, 9, 0).unwrap(), message(2, b"two"));
    assert_eq!(queue.receive(2, 9, COPY, 9, 0), Err(Errno::EINVAL));
    assert_eq!(queue.receive(-2, 9, 0, 9, 0).unwrap(), message(1, b"one"));
    assert_eq!(queue.receive(3, 9, EXCEPT, 9, 0).unwrap(), message(2, b"two"));
    assert_eq!(queue.receive(0, 2, 0, 9, 0), Err(Errno::E2BIG));
    assert_eq!(queue.receive(0, 2, NO_ERROR, 9, 0).unwrap(), message(3, b"th"));
    assert_eq!(queue.receive(5, 9, 0, 9, 0), Err(Errno::EAGAIN));
    assert_eq!(queue.receive(i64::MIN, 9, 0, 9, 0).unwrap(), message(1, b"uno"));
    assert_eq!(queue.usage(), [0, 0]);
}

#[test]
fn a_queue_is_bounded_by_its_bytes() {
    let mut queue = Queue::new(0);
    assert_eq!(queue.set(20_000, false, 0), Err(Errno::EPERM));
    queue.set(3, false, 0).unwrap();
    queue.send(message(1, b"ab"), 9, 0).unwrap();
    assert_eq!(queue.send(message(1, b"cd"), 9, 0), Err(Errno::EAGAIN));
    queue.send(message(1, b""), 9, 0).unwrap();
    queue.send(message(1, b""), 9, 0).unwrap();
    assert_eq!(queue.send(message(1, b""), 9, 0), Err(Errno::EAGAIN));
}

fn change(semaphore: u16, by: i16, flags: u16) -> Change {
    Change { semaphore, by, flags }
}

#[test]
fn operations_are_done_all_or_none() {
    let mut set = Set::new(2, 0);
    assert_eq!(set.operate(&[change(0, 2, 0), change(1, 1, 0)], 9, 4, 0), Ok(true));
    assert_eq!(set.operate(&[change(0, -1, 0), change(1, -2, 0)], 9, 4, 0), Ok(false));
    assert_eq!(set.values().collect::<Vec<_>>(), [2, 1]);
    assert_eq!((set.waiters(1, false), set.waiters(0, false), set.waiters(1, true)), (Ok(1), Ok(0), Ok(0)));
    assert_eq!(set.operate(&[change(0, 0, 0)], 8, 3, 0), Ok(false));
    assert_eq!(set.waiters(0, true), Ok(1));
    assert_eq!(set.operate(&[change(0, 0, NO_WAIT as u16)], 8, 3, 0), Err(Errno::EAGAIN));
    assert_eq!(set.waiters(0, true), Ok(0));
    assert_eq!(set.operate(&[change(0, 0, 0)], 8, 3, 0), Ok(false));
    set.leave(8, 3);
    assert_eq!(set.waiters(0, true), Ok(0));
    assert_eq!(set.operate(&[change(0, 32_766, 0)], 9, 4, 0), Err(Errno::ERANGE));
    assert_eq!(set.operate(&[change(2, 1, 0)], 9, 4, 0), Err(Errno::EFBIG));
    // One operation sees what those before it did.
    assert_eq!(set.operate(&[change(0, -2, 0), change(0, 0, 0), change(0, 5, 0)], 9, 4, 0), Ok(true));
    assert_eq!(set.value(0), Ok((5, 9)));
}

#[test]
fn what_is_to_be_undone_is_when_the_process_ends() {
    let mut set = Set::new(2, 0);
    assert_eq!(set.operate(&[change(0, 3, 0), change(1, 1, 0)], 1, 4, 0), Ok(true));
    assert_eq!(set.operate(&[change(0, -2, UNDO), change(1, 4, UNDO)], 2, 4, 0), Ok(true));
    assert_eq!(set.operate(&[change(1, -3, 0)], 1, 4, 0), Ok(true));
    set.forget(2, 0);
    assert_eq!(set.values().collect::<Vec<_>>(), [3, 0]);
    assert_eq!(set.operate(&[change(0, -3, UNDO)], 3, 4, 0), Ok(true));
    set.set(0, &[1], 1, 0).unwrap();
    set.forget(3, 0);
    assert_eq!(set.value(0), Ok((1, 1)));
}
