//! The network's interfaces, as netdevice(7) tells of them by any socket: there is the loopback, and it is up.
#![forbid(unsafe_code)]

use crate::errno::{Errno, Result};
use crate::vfs::world::World;

/// The requests (`SIOCGIF…`) that are answered, but for those two that do not name an interface.
const GET_FLAGS: u32 = 0x8913;
const SET_FLAGS: u32 = 0x8914;
const GET_ADDRESS: u32 = 0x8915;
const GET_BROADCAST: u32 = 0x8919;
const GET_MASK: u32 = 0x891b;
const GET_METRIC: u32 = 0x891d;
const GET_MTU: u32 = 0x8921;
const GET_HARDWARE: u32 = 0x8927;
const GET_INDEX: u32 = 0x8933;
const GET_QUEUE: u32 = 0x8942;
/// `SIOCGIFNAME`, `SIOCGIFCONF`
const GET_NAME: u32 = 0x8910;
const GET_ALL: u32 = 0x8912;

/// Bytes of a `struct ifreq`, and of the name that it begins with.
const REQUEST_BYTES: usize = 40;
const NAME_BYTES: usize = 16;
const NAME: &[u8] = b"lo";
const INDEX: u32 = 1;
/// `IFF_UP`, and with it `IFF_LOOPBACK` and `IFF_RUNNING`
const UP: u16 = 1;
const FLAGS: u16 = UP | 8 | 0x40;
const MTU: u32 = 65_536;
const QUEUE: u32 = 1000;
/// `ARPHRD_LOOPBACK`
const HARDWARE: u16 = 772;
const AF_INET: u16 = 2;

fn address(bytes: [u8; 4]) -> [u8; 8] {
    let family = AF_INET.to_ne_bytes();
    [family[0], family[1], 0, 0, bytes[0], bytes[1], bytes[2], bytes[3]]
}

/// Serve a request about interfaces; `None` if it is none.
pub fn control(world: &dyn World, request: u32, argument: usize) -> Option<Result<()>> {
    match request {
        GET_FLAGS | SET_FLAGS | GET_ADDRESS | GET_BROADCAST | GET_MASK | GET_METRIC | GET_MTU | GET_HARDWARE | GET_INDEX | GET_QUEUE => {
            Some(one(world, request, argument))
        }
        GET_NAME => Some(name(world, argument)),
        GET_ALL => Some(all(world, argument)),
        _ => None,
    }
}

/// What there is to know of the interface that is named.
fn one(world: &dyn World, request: u32, argument: usize) -> Result<()> {
    let mut bytes = [0; REQUEST_BYTES];
    world.read(argument, &mut bytes)?;
    let end = bytes[..NAME_BYTES].iter().position(|&byte| byte == 0).unwrap_or(NAME_BYTES);
    if bytes[..end] != *NAME {
        return Err(Errno::ENODEV);
    }
    if request == SET_FLAGS {
        // It cannot be taken down.
        let wanted = u16::from_ne_bytes([bytes[NAME_BYTES], bytes[NAME_BYTES + 1]]);
        return if world.subject().is_privileged() && wanted & UP != 0 { Ok(()) } else { Err(Errno::EPERM) };
    }
    let put = |value: &[u8]| world.write(argument + NAME_BYTES, value);
    match request {
        GET_FLAGS => put(&FLAGS.to_ne_bytes()),
        GET_ADDRESS => put(&address([127, 0, 0, 1])),
        GET_BROADCAST => put(&address([0; 4])),
        GET_MASK => put(&address([255, 0, 0, 0])),
        GET_METRIC => put(&0u32.to_ne_bytes()),
        GET_MTU => put(&MTU.to_ne_bytes()),
        GET_HARDWARE => put(&[&HARDWARE.to_ne_bytes()[..], &[0; 14]].concat()),
        GET_INDEX => put(&INDEX.to_ne_bytes()),
        _ => put(&QUEUE.to_ne_bytes()),
    }
}

/// The name of the interface with an index.
fn name(world: &dyn World, argument: usize) -> Result<()> {
    let mut index = [0; 4];
    world.read(argument.wrapping_add(NAME_BYTES), &mut index)?;
    if u32::from_ne_bytes(index) != INDEX {
        return Err(Errno::ENODEV);
    }
    world.write(argument, &[NAME, &[0; NAME_BYTES - NAME.len()]].concat())
}

/// All interfaces that have an address of IPv4: a `struct ifconf`.
fn all(world: &dyn World, argument: usize) -> Result<()> {
    let mut head = [0; 16];
    world.read(argument, &mut head)?;
    let [length, place] = [&head[..4], &head[8..]].map(|part| {
        let mut word = [0; 8];
        word[..part.len()].copy_from_slice(part);
        u64::from_ne_bytes(word) as usize
    });
    let mut told = REQUEST_BYTES;
    if place != 0 {
        told = if length >= REQUEST_BYTES { REQUEST_BYTES } else { 0 };
        let mut bytes = [0; REQUEST_BYTES];
        bytes[..NAME.len()].copy_from_slice(NAME);
        bytes[NAME_BYTES..NAME_BYTES + 8].copy_from_slice(&address([127, 0, 0, 1]));
        world.write(place, &bytes[..told])?;
    }
    world.write(argument, &(told as u32).to_ne_bytes())
}
