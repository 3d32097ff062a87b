//! Where a socket of the Internet is: an address and a port.

use libos::errno::Errno;
use unix::message::ENDPOINT_BYTES;

/// Which addresses sockets have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Domain {
    /// `AF_UNIX`
    Unix,
    /// `AF_INET`
    Internet,
    /// `AF_INET6`
    Internet6,
}

impl Domain {
    /// The one with a number.
    ///
    /// # Errors
    /// `EAFNOSUPPORT`: none has it.
    pub fn from_number(number: u16) -> Result<Domain, Errno> {
        match number {
            1 => Ok(Domain::Unix),
            2 => Ok(Domain::Internet),
            10 => Ok(Domain::Internet6),
            _ => Err(Errno::EAFNOSUPPORT),
        }
    }

    /// Its number.
    #[must_use]
    pub fn number(self) -> u16 {
        match self {
            Domain::Unix => 1,
            Domain::Internet => 2,
            Domain::Internet6 => 10,
        }
    }
}

/// An address, those of IPv4 mapped into IPv6's (RFC 4291, 2.5.5.2), and a port.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Endpoint {
    /// The address.
    pub address: [u8; 16],
    /// The port.
    pub port: u16,
}

const MAPPED: [u8; 12] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];
const ANY: [u8; 16] = [0; 16];
const LOOPBACK: [u8; 16] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
const ANY_V4: [u8; 16] = mapped([0; 4]);
const LOOPBACK_V4: [u8; 16] = mapped([127, 0, 0, 1]);

const fn mapped(address: [u8; 4]) -> [u8; 16] {
    let mut all = [0; 16];
    let mut at = 0;
    while at < 16 {
        all[at] = if at < 12 { MAPPED[at] } else { address[at - 12] };
        at += 1;
    }
    all
}

impl Endpoint {
    /// The one that these bytes tell: the address, and the port, its high byte first.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Endpoint> {
        let bytes: [u8; ENDPOINT_BYTES] = bytes.try_into().ok()?;
        let mut address = [0; 16];
        address.copy_from_slice(&bytes[..16]);
        Some(Endpoint { address, port: u16::from_be_bytes([bytes[16], bytes[17]]) })
    }

    /// The bytes that tell it.
    #[must_use]
    pub fn bytes(&self) -> [u8; ENDPOINT_BYTES] {
        let mut bytes = [0; ENDPOINT_BYTES];
        bytes[..16].copy_from_slice(&self.address);
        bytes[16..].copy_from_slice(&self.port.to_be_bytes());
        bytes
    }

    /// All addresses of a domain, at no port yet.
    #[must_use]
    pub fn any(domain: Domain) -> Endpoint {
        Endpoint { address: if domain == Domain::Internet { ANY_V4 } else { ANY }, port: 0 }
    }

    /// Whether it stands for every address.
    #[must_use]
    pub fn is_any(&self) -> bool {
        self.address == ANY || self.address == ANY_V4
    }

    /// Whether its address is one of IPv4.
    #[must_use]
    pub fn is_v4(&self) -> bool {
        self.address[..12] == MAPPED
    }

    /// Whether it is this machine's.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        self.address == LOOPBACK || self.is_v4() && self.address[12] == 127
    }

    /// The loopback address that sends to this one.
    #[must_use]
    pub fn source(&self) -> Endpoint {
        Endpoint { address: if self.is_v4() { LOOPBACK_V4 } else { LOOPBACK }, port: 0 }
    }

    /// Where what is sent here goes: this machine is all that there is.
    ///
    /// # Errors
    /// `ENETUNREACH`: nowhere.
    pub fn routed(self, only_v6: bool) -> Result<Endpoint, Errno> {
        match () {
            () if only_v6 && self.is_v4() => Err(Errno::ENETUNREACH),
            () if self.is_any() => Ok(Endpoint { port: self.port, ..self.source() }),
            () if self.is_loopback() => Ok(self),
            () => Err(Errno::ENETUNREACH),
        }
    }

    /// Whether what is bound here is bound to an address. `only_v6`: all addresses are only those of IPv6.
    #[must_use]
    pub fn takes(&self, only_v6: bool, address: &Endpoint) -> bool {
        if self.address == ANY {
            !(only_v6 && address.is_v4())
        } else {
            self.address == address.address || self.is_any() && address.is_v4()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_this_machine_is_unreachable() {
        let v4 = |address| Endpoint { address: mapped(address), port: 7 };
        assert_eq!(v4([127, 1, 2, 3]).routed(false), Ok(v4([127, 1, 2, 3])));
        assert_eq!(v4([0; 4]).routed(false), Ok(v4([127, 0, 0, 1])));
        assert_eq!(v4([10, 0, 0, 1]).routed(false), Err(Errno::ENETUNREACH));
        assert_eq!(v4([127, 0, 0, 1]).routed(true), Err(Errno::ENETUNREACH));
        let any = Endpoint { address: ANY, port: 7 };
        assert_eq!(any.routed(true), Ok(Endpoint { address: LOOPBACK, port: 7 }));
        assert_eq!(Endpoint::from_bytes(&any.bytes()), Some(any));
    }

    #[test]
    fn all_addresses_take_each_that_they_have() {
        let (v4, v6) = (Endpoint { address: LOOPBACK_V4, port: 1 }, Endpoint { address: LOOPBACK, port: 1 });
        let (any_v4, any) = (Endpoint::any(Domain::Internet), Endpoint::any(Domain::Internet6));
        assert!(any_v4.takes(false, &v4) && !any_v4.takes(false, &v6));
        assert!(any.takes(false, &v4) && any.takes(false, &v6) && any.takes(true, &v6) && !any.takes(true, &v4));
        assert!(v4.takes(false, &v4) && !v4.takes(false, &v6));
    }
}
