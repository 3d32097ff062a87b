//! Who is told by signals of what happens to an open file: `F_SETOWN`, `F_SETSIG`, `O_ASYNC` and their kin.
//!
//! All that is the open file description's, which several processes may have: `unixd` keeps it. Of a file that is a process's own, nobody is told
//! anything; what was asked is kept in the description.

use linux_raw_sys::general::{F_GETOWN, F_GETOWN_EX, F_GETSIG, F_SETOWN, F_SETOWN_EX, F_SETSIG};
use unix::notify::{GROUP, Notify, PROCESS};
use unix::{Operation, Request};

use crate::errno::{Errno, Result};
use crate::file::Description;
use crate::kernel::Kernel;
use crate::process::Process;
use crate::signal::SIGNALS;
use crate::user::UserMemory;

/// `FIOSETOWN`, `SIOCSPGRP`, and the calls that ask: of sockets.
const SET_OWNER: [u32; 2] = [0x8901, 0x8902];
const GET_OWNER: [u32; 2] = [0x8903, 0x8904];
/// `FASYNC`
pub const ASYNC: u32 = 0x2000;

/// Ask something about a description; `None`: it is the process's own.
fn ask<K: Kernel>(process: &Process<K>, description: &Description, what: Notify, words: [u64; 2]) -> Result<Option<[u64; 4]>> {
    let Some(server) = process.kernel.server() else { return Ok(None) };
    let Some(handle) = description.file()?.share(server)? else { return Ok(None) };
    let request = Request::new(Operation::Notify, [words[0], words[1], 0]);
    server.call(Request { small: what as u16, large: handle, ..request }).map(Some)
}

/// Who is told, as kind and id.
fn owner<K: Kernel>(process: &Process<K>, description: &Description) -> Result<(u32, u32)> {
    let known = ask(process, description, Notify::Owner, [0; 2])?;
    Ok(known.map_or_else(|| description.own_notice().owner, |answer| (answer[0] as u32, answer[1] as u32)))
}

fn set_owner<K: Kernel>(process: &Process<K>, description: &Description, kind: u32, id: u32) -> Result<usize> {
    if ask(process, description, Notify::SetOwner, [kind.into(), id.into()])?.is_none() {
        check_there(process, kind, id)?;
        description.change_own_notice(|notice| notice.owner = (kind, id));
    }
    Ok(0)
}

/// `ESRCH`: there is nobody of this kind and id.
fn check_there<K: Kernel>(process: &Process<K>, kind: u32, id: u32) -> Result<()> {
    const OF_A_GROUP: u16 = 1;
    let Some(server) = process.kernel.server().filter(|_| id != 0) else { return Ok(()) };
    let (operation, small) = if kind == GROUP { (Operation::Priority, OF_A_GROUP) } else { (Operation::GetGroup, 0) };
    server.call(Request { small, large: id, ..Request::new(operation, [0; 3]) }).map(drop)
}

/// The commands of fcntl(2) about it; `None`: another.
pub fn control<K: Kernel>(process: &Process<K>, description: &Description, command: u32, value: usize) -> Option<Result<usize>> {
    Some(match command {
        F_GETOWN => owner(process, description).map(|(kind, id)| if kind == GROUP { (id as usize).wrapping_neg() } else { id as usize }),
        F_SETOWN => set_owner_by_sign(process, description, value as i32),
        F_GETOWN_EX => owner(process, description).and_then(|(kind, id)| process.write_value(value, &[kind, id]).map(|()| 0)),
        F_SETOWN_EX => process.read_value::<[i32; 2]>(value).and_then(|[kind, id]| match (kind, id) {
            (0..=2, 0..) => set_owner(process, description, kind as u32, id as u32),
            (0..=2, _) => Err(Errno::ESRCH),
            _ => Err(Errno::EINVAL),
        }),
        F_GETSIG => ask(process, description, Notify::Signal, [0; 2])
            .map(|answer| answer.map_or_else(|| description.own_notice().signal as usize, |answer| answer[0] as usize)),
        F_SETSIG if value > SIGNALS as usize => Err(Errno::EINVAL),
        F_SETSIG => ask(process, description, Notify::SetSignal, [value as u64, 0]).map(|answer| {
            if answer.is_none() {
                description.change_own_notice(|notice| notice.signal = value as u32);
            }
            0
        }),
        _ => return None,
    })
}

/// A process, or a group if it is negative.
fn set_owner_by_sign<K: Kernel>(process: &Process<K>, description: &Description, id: i32) -> Result<usize> {
    match id {
        i32::MIN => Err(Errno::EINVAL),
        _ if id < 0 => set_owner(process, description, GROUP, id.unsigned_abs()),
        _ => set_owner(process, description, PROCESS, id as u32),
    }
}

/// Begin or cease to tell of a file, by its descriptor.
///
/// # Errors
/// `ENOTTY`: it is no file of which anybody is told.
pub fn set_async<K: Kernel>(process: &Process<K>, description: &Description, fd: i32, on: bool) -> Result<()> {
    let (what, word) = if on { (Notify::Start, fd as u64) } else { (Notify::Stop, 0) };
    ask(process, description, what, [word, 0])?.ok_or(Errno::ENOTTY)?;
    description.set_async(on);
    Ok(())
}

/// `F_SETFL`, as far as it is about that: a file of which nobody is told takes no notice.
///
/// # Errors
/// Those of asking `unixd`.
pub fn set_flags<K: Kernel>(process: &Process<K>, description: &Description, fd: i32, flags: u32) -> Result<()> {
    if (flags ^ description.flags()) & ASYNC == 0 {
        return Ok(());
    }
    match set_async(process, description, fd, flags & ASYNC != 0) {
        Err(Errno::ENOTTY) => Ok(()),
        outcome => outcome,
    }
}

/// The requests of ioctl(2) about it; `None`: another.
pub fn request<K: Kernel>(
    process: &Process<K>,
    description: &Description,
    fd: i32,
    request: u32,
    argument: usize,
) -> Option<Result<usize>> {
    const FIOASYNC: u32 = linux_raw_sys::ioctl::FIOASYNC;
    let is_socket = || description.file().is_ok_and(|file| file.socket().is_some());
    Some(match request {
        FIOASYNC => process.read_value::<i32>(argument).and_then(|on| {
            let is_on = description.flags() & ASYNC != 0;
            if is_on == (on != 0) { Ok(0) } else { set_async(process, description, fd, on != 0).map(|()| 0) }
        }),
        _ if SET_OWNER.contains(&request) && is_socket() => {
            process.read_value::<i32>(argument).and_then(|id| set_owner_by_sign(process, description, id))
        }
        _ if GET_OWNER.contains(&request) && is_socket() => owner(process, description).and_then(|(kind, id)| {
            let id = if kind == GROUP { (id as i32).wrapping_neg() } else { id as i32 };
            process.write_value(argument, &id).map(|()| 0)
        }),
        _ => return None,
    })
}
