//! Options of the protocols: ip(7), ipv6(7), tcp(7). Kept and told; of most there is nothing to see between processes of one machine.

use libos::errno::Errno;

use super::Domain;
use crate::socket::{Kind, Socket};

const IP: u32 = 0;
const TCP: u32 = 6;
const UDP: u32 = 17;
/// `IP_TOS`, and its bits that a stream keeps for itself (RFC 3168).
const TOS: u32 = 1;
const TOS_OF_STREAM: i32 = 3;
const IPV6: u32 = 41;
/// `IPV6_V6ONLY`
const V6ONLY: u32 = 26;

/// An option: level, number, what it is at first, and what it may be. On or off is 0 to 1, and everything else counts as on.
struct Known(u32, u32, i32, core::ops::RangeInclusive<i32>);

const KNOWN: &[Known] = &[
    // IP_TOS, IP_TTL, IP_MTU_DISCOVER, IP_FREEBIND, IP_BIND_ADDRESS_NO_PORT, IP_MULTICAST_TTL, IP_MULTICAST_LOOP
    Known(IP, 1, 0, 0..=255),
    Known(IP, 2, 64, 1..=255),
    Known(IP, 10, 1, 0..=5),
    Known(IP, 15, 0, 0..=1),
    Known(IP, 24, 0, 0..=1),
    Known(IP, 33, 1, 0..=255),
    Known(IP, 34, 1, 0..=1),
    // IPV6_UNICAST_HOPS, IPV6_MULTICAST_HOPS, IPV6_MULTICAST_LOOP, IPV6_TCLASS
    Known(IPV6, 16, 64, 0..=255),
    Known(IPV6, 18, 1, 0..=255),
    Known(IPV6, 19, 1, 0..=1),
    Known(IPV6, 67, 0, 0..=255),
    // TCP_NODELAY, TCP_CORK, TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT, TCP_SYNCNT, TCP_LINGER2, TCP_QUICKACK, TCP_USER_TIMEOUT
    Known(TCP, 1, 0, 0..=1),
    Known(TCP, 3, 0, 0..=1),
    Known(TCP, 4, 7200, 1..=32_767),
    Known(TCP, 5, 75, 1..=32_767),
    Known(TCP, 6, 9, 1..=127),
    Known(TCP, 7, 6, 1..=127),
    Known(TCP, 8, 60, 0..=120),
    Known(TCP, 12, 1, 0..=1),
    Known(TCP, 18, 0, 0..=i32::MAX),
];

impl Socket {
    fn has_level(&self, level: u32) -> bool {
        match level {
            IP => true,
            IPV6 => self.domain == Domain::Internet6,
            TCP => self.kind == Kind::Stream,
            UDP => self.kind == Kind::Datagram,
            _ => false,
        }
    }

    fn known(&self, level: u32, option: u32) -> Result<&'static Known, Errno> {
        KNOWN.iter().filter(|_| self.has_level(level)).find(|known| (known.0, known.1) == (level, option)).ok_or(Errno::ENOPROTOOPT)
    }

    /// An option of a protocol.
    ///
    /// # Errors
    /// `ENOPROTOOPT`: there is no such option. `EOPNOTSUPP`: IPv4 has none of that level.
    pub fn protocol_option(&self, level: u32, option: u32) -> Result<i32, Errno> {
        if self.domain == Domain::Internet && !self.has_level(level) {
            return Err(Errno::EOPNOTSUPP);
        }
        let state = self.state.lock();
        if (level, option, self.domain) == (IPV6, V6ONLY, Domain::Internet6) {
            return Ok(i32::from(state.internet.only_v6));
        }
        let known = self.known(level, option)?;
        Ok(state.internet.values.get(&(level, option)).copied().unwrap_or(known.2))
    }

    /// Set an option of a protocol.
    ///
    /// # Errors
    /// `ENOPROTOOPT`: there is no such option. `EINVAL`: not to this value, or not any more.
    pub fn set_protocol_option(&self, level: u32, option: u32, value: i32) -> Result<(), Errno> {
        let mut state = self.state.lock();
        if (level, option, self.domain) == (IPV6, V6ONLY, Domain::Internet6) {
            if state.name.is_some() {
                return Err(Errno::EINVAL);
            }
            state.internet.only_v6 = value != 0;
            return Ok(());
        }
        let known = self.known(level, option)?;
        let is_switch = known.3 == (0..=1);
        // Of hops and classes, -1 is what they are at first.
        let value = match value {
            value if (level, option) == (IP, TOS) => value & 0xff & if self.kind == Kind::Stream { !TOS_OF_STREAM } else { -1 },
            -1 if level != TCP && !is_switch => known.2,
            value if is_switch => i32::from(value != 0),
            value if known.3.contains(&value) => value,
            _ => return Err(Errno::EINVAL),
        };
        state.internet.values.insert((level, option), value);
        Ok(())
    }
}
