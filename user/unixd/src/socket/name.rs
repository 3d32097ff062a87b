//! What sockets are called, and who is called so.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;

use libos::errno::Errno;
use spin::Mutex;
use unix::message::NAME_MOST;

use crate::socket::internet::Ports;
use crate::socket::{Endpoint, Kind, Socket};

/// A name: `sun_path`, and what it is found by.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Name {
    /// The bytes of `sun_path`.
    pub bytes: Vec<u8>,
    key: Key,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Key {
    /// A name that begins with a NUL, and is in no file system; each type has its own.
    Abstract(u32, Vec<u8>),
    /// The inode of a path, by its device and number.
    Inode(u64, u64),
    /// Of the Internet: found by its port.
    Port,
}

impl Name {
    /// A name of a socket of a type, as a program gives it; for a path, the inode that it leads to.
    ///
    /// # Errors
    /// `EINVAL`: none, or one that is too long.
    pub fn new(kind: Kind, bytes: &[u8], inode: (u64, u64)) -> Result<Name, Errno> {
        let first = bytes.first().ok_or(Errno::EINVAL)?;
        if bytes.len() > NAME_MOST + 1 {
            return Err(Errno::EINVAL);
        }
        let key = if *first == 0 { Key::Abstract(kind.number(), bytes.to_vec()) } else { Key::Inode(inode.0, inode.1) };
        Ok(Name { bytes: bytes.to_vec(), key })
    }
}

impl Name {
    /// A name of the Internet.
    #[must_use]
    pub fn of_endpoint(endpoint: &Endpoint) -> Name {
        Name { bytes: endpoint.bytes().to_vec(), key: Key::Port }
    }

    /// The place in the Internet that it is.
    #[must_use]
    pub fn endpoint(&self) -> Option<Endpoint> {
        if self.key == Key::Port { Endpoint::from_bytes(&self.bytes) } else { None }
    }
}

/// All sockets that have a name.
#[derive(Default)]
pub struct Names {
    /// Those of the Internet.
    pub ports: Ports,
    sockets: Mutex<BTreeMap<Key, Weak<Socket>>>,
    /// The last number that a name was made of.
    last: Mutex<u32>,
}

impl Names {
    /// The socket that is called so.
    ///
    /// # Errors
    /// `ECONNREFUSED`: none is.
    pub fn find(&self, name: &Name) -> Result<Arc<Socket>, Errno> {
        self.sockets.lock().get(&name.key).and_then(Weak::upgrade).ok_or(Errno::ECONNREFUSED)
    }

    /// Call a socket so.
    ///
    /// # Errors
    /// `EADDRINUSE`: another is called so. `EINVAL`: it has a name.
    pub fn bind(&self, socket: &Arc<Socket>, name: Name) -> Result<(), Errno> {
        if socket.state.lock().name.is_some() {
            return Err(Errno::EINVAL);
        }
        let mut sockets = self.sockets.lock();
        if sockets.get(&name.key).is_some_and(|other| other.strong_count() > 0) {
            return Err(Errno::EADDRINUSE);
        }
        sockets.retain(|_, other| other.strong_count() > 0);
        sockets.insert(name.key.clone(), Arc::downgrade(socket));
        socket.state.lock().name = Some(name);
        Ok(())
    }

    /// Call a socket by a name that is made up: five hexadecimal digits.
    ///
    /// # Errors
    /// `ENOSPC`: all of them are taken.
    pub fn bind_automatically(&self, socket: &Arc<Socket>) -> Result<(), Errno> {
        const NUMBERS: u32 = 1 << 20;
        if socket.state.lock().name.is_some() {
            return Ok(());
        }
        for _ in 0..NUMBERS {
            let number = {
                let mut last = self.last.lock();
                *last = (*last + 1) % NUMBERS;
                *last
            };
            let name = Name::new(socket.kind, format!("\0{number:05x}").as_bytes(), (0, 0))?;
            if self.bind(socket, name).is_ok() {
                return Ok(());
            }
        }
        Err(Errno::ENOSPC)
    }
}
