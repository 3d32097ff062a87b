//! Sockets of the Internet, ip(7), tcp(7), udp(7): between processes of this machine, by its loopback addresses. There is no other network, so that
//! everything else is unreachable, and no protocol: bytes wait at who is to receive them, as with the sockets of the Unix domain.

mod datagram;
mod endpoint;
mod options;
mod ports;
mod stream;

pub use endpoint::{Domain, Endpoint};
pub use ports::Ports;
pub use stream::Joining;

use alloc::collections::BTreeMap;

/// What a socket of the Internet has besides.
#[derive(Default)]
pub(super) struct Internet {
    /// The address was bound, and stays when a connection ends.
    pub is_address_fixed: bool,
    /// The same of the port.
    pub is_port_fixed: bool,
    /// It has only been where its name says.
    pub is_loose: bool,
    /// connect(2) was told that it goes on, and not yet how it ended.
    pub is_connecting: bool,
    /// `IPV6_V6ONLY`
    pub only_v6: bool,
    /// Options of protocols that were set, by level and number: what they change nobody can see here.
    pub values: BTreeMap<(u32, u32), i32>,
}
