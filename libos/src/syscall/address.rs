//! Addresses of sockets: `struct sockaddr_un`, unix(7), `sockaddr_in`, ip(7), and `sockaddr_in6`, ipv6(7).

use alloc::vec::Vec;

use unix::message::{ENDPOINT_BYTES, NAME_MOST};

use crate::errno::{Errno, Result};
use crate::file::socket::Name;
use crate::kernel::Kernel;
use crate::process::Process;
use crate::user::UserMemory;
use crate::vfs::attributes::Kind;

/// No family.
const AF_UNSPEC: u16 = 0;
/// Paths and abstract names.
pub const AF_UNIX: u16 = 1;
/// IPv4.
pub const AF_INET: u16 = 2;
/// IPv6.
pub const AF_INET6: u16 = 10;
/// Bytes of an address before what its family says.
const FAMILY_BYTES: usize = 2;
/// The most bytes of any address (`struct sockaddr_storage`).
const MOST: usize = 128;
/// Bytes of a `struct sockaddr_in`, and of a `sockaddr_in6`, whose last word needs not be there.
const V4_BYTES: usize = 16;
const V6_LEAST: usize = 24;
const V6_BYTES: usize = 28;
/// Where the addresses are in them.
const V4_AT: usize = 4;
const V6_AT: usize = 8;

/// What an address is told for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Naming {
    /// bind(2)
    Binding,
    /// connect(2) of what has connections
    Connecting,
    /// connect(2) of what has none
    Directing,
    /// sendto(2) and its like
    Sending,
}

/// The name in an address for a socket of a domain; `None` for `AF_UNSPEC`.
///
/// # Errors
/// `EINVAL`: of a length that none has. `EINVAL`, and `EAFNOSUPPORT` with the Internet's sockets: of another family. `EFAULT`.
pub fn read_name<K: Kernel>(process: &Process<K>, domain: u16, address: usize, length: usize, naming: Naming) -> Result<Option<Vec<u8>>> {
    if !(FAMILY_BYTES..=MOST).contains(&length) {
        return Err(Errno::EINVAL);
    }
    let mut bytes = alloc::vec![0; length];
    process.read(address, &mut bytes)?;
    let family = u16::from_ne_bytes([bytes[0], bytes[1]]);
    if domain != AF_UNIX {
        return read_endpoint(domain, family, &bytes, naming);
    }
    let mut name = bytes.split_off(FAMILY_BYTES);
    match family {
        AF_UNSPEC => return Ok(None),
        AF_UNIX if name.len() <= NAME_MOST => {}
        _ => return Err(Errno::EINVAL),
    }
    // A path ends at its NUL; a name that begins with one is as long as it says.
    if name.first().is_some_and(|&first| first != 0) {
        let end = name.iter().position(|&byte| byte == 0).unwrap_or(name.len());
        name.truncate(end);
    }
    Ok(Some(name))
}

/// An address of the Internet as a name: of IPv6, that of IPv4 mapped, and the port.
fn read_endpoint(domain: u16, family: u16, bytes: &[u8], naming: Naming) -> Result<Option<Vec<u8>>> {
    if family == AF_UNSPEC && matches!(naming, Naming::Connecting | Naming::Directing) {
        return Ok(None);
    }
    // What has no connection takes both.
    let takes_both = matches!(naming, Naming::Sending | Naming::Directing);
    let least = if domain == AF_INET || family == AF_INET && takes_both { V4_BYTES } else { V6_LEAST };
    if bytes.len() < least {
        return Err(Errno::EINVAL);
    }
    let is_v4 = match (domain, family) {
        (AF_INET, AF_INET) => true,
        (AF_INET, AF_UNSPEC) if naming == Naming::Sending => true,
        // As programs had it before there were other families.
        (AF_INET, AF_UNSPEC) if bytes[V4_AT..V4_AT + 4] == [0; 4] => true,
        (AF_INET6, AF_INET6) => false,
        (AF_INET6, AF_INET) if takes_both => true,
        _ => return Err(Errno::EAFNOSUPPORT),
    };
    let mut name = Vec::with_capacity(ENDPOINT_BYTES);
    if is_v4 {
        name.extend_from_slice(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff]);
        name.extend_from_slice(&bytes[V4_AT..V4_AT + 4]);
    } else {
        name.extend_from_slice(&bytes[V6_AT..V6_AT + 16]);
    }
    name.extend_from_slice(&bytes[2..4]);
    Ok(Some(name))
}

/// A name that something is to be found by.
///
/// # Errors
/// `EINVAL`: no name. `ECONNREFUSED`: a path to something that is no socket. Others are the walk's.
pub fn find_name<K: Kernel>(process: &Process<K>, domain: u16, bytes: Vec<u8>) -> Result<Name> {
    match bytes.first() {
        _ if domain != AF_UNIX => Ok(Name { bytes, place: None }),
        None => Err(Errno::EINVAL),
        Some(0) => Ok(Name { bytes, place: None }),
        Some(_) => {
            let entry = process.files.find(process, &bytes)?;
            if entry.node.kind() != Kind::Socket {
                return Err(Errno::ECONNREFUSED);
            }
            Ok(Name { bytes, place: Some(entry) })
        }
    }
}

/// A name as programs read it: of a path with its NUL.
#[must_use]
pub fn address_of(domain: u16, name: &[u8]) -> Vec<u8> {
    let mut bytes = domain.to_ne_bytes().to_vec();
    // Who has no name has the address of all, at no port.
    let endpoint: [u8; ENDPOINT_BYTES] = name.try_into().unwrap_or_default();
    match domain {
        AF_UNIX => {
            bytes.extend_from_slice(name);
            if name.first().is_some_and(|&first| first != 0) && name.len() < NAME_MOST {
                bytes.push(0);
            }
        }
        AF_INET => {
            bytes.extend_from_slice(&endpoint[16..]);
            bytes.extend_from_slice(&endpoint[12..16]);
            bytes.resize(V4_BYTES, 0);
        }
        _ => {
            bytes.extend_from_slice(&endpoint[16..]);
            bytes.resize(V6_AT, 0);
            bytes.extend_from_slice(&endpoint[..16]);
            bytes.resize(V6_BYTES, 0);
        }
    }
    bytes
}

/// Tell a name where a program wants it, as much as there is room for, and its whole length.
///
/// # Errors
/// `EINVAL`: a negative room. `EFAULT`.
pub fn write_name<K: Kernel>(process: &Process<K>, domain: u16, name: &[u8], address: usize, length: usize) -> Result<()> {
    let room = usize::try_from(process.read_value::<i32>(length)?).map_err(|_| Errno::EINVAL)?;
    let bytes = address_of(domain, name);
    process.write(address, &bytes[..bytes.len().min(room)])?;
    process.write_value(length, &(bytes.len() as u32))
}
