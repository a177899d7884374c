//! IP addresses, replaced so that two of one network stay in one network.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipcrypt_rs::IpcryptPfx;
use ipnet::IpNet;

use crate::key::{KEY_BYTES, Key};

/// How many addresses are remembered; encrypting one takes some microseconds.
const REMEMBERED: usize = 1 << 16;

/// Networks whose bits say what an address is for: they stay, and no other address becomes one of
/// theirs. Of IPv4 by their first bits and their length.
const CLASSES_V4: [(u32, u32); 9] = [
    (0x0000_0000, 8),
    (0x0a00_0000, 8),
    (0x6440_0000, 10),
    (0x7f00_0000, 8),
    (0xa9fe_0000, 16),
    (0xac10_0000, 12),
    (0xc0a8_0000, 16),
    (0xe000_0000, 4),
    (0xf000_0000, 4),
];

/// Those of them in which clusters are.
const PRIVATE: [(u32, u32); 4] = [
    (0x0a00_0000, 8),
    (0x6440_0000, 10),
    (0xac10_0000, 12),
    (0xc0a8_0000, 16),
];

/// How many bits a private network has behind those of its class if it never stays itself. There are
/// few shorter ones, and they are to be told by their length anyway.
const MOVED_BITS: u32 = 4;

/// How many keys are tried; fewer than one in 10^9 first keys needs more.
const TRIES: u32 = 64;

/// The same of IPv6.
const CLASSES_V6: [(u128, u32); 6] = [
    (0, 128),
    (1, 128),
    (0xfc00 << 112, 8),
    (0xfd00 << 112, 8),
    (0xfe80 << 112, 10),
    (0xff00 << 112, 8),
];

/// Replaces addresses by ipcrypt-pfx.
pub(crate) struct Addresses {
    cipher: IpcryptPfx,
    known: HashMap<IpAddr, IpAddr>,
}

impl Addresses {
    /// Takes the first of the keys derived for this under which no private network stays itself. The
    /// chance that one of them does is about seven in ten.
    pub(crate) fn new(key: &Key) -> Self {
        let mut addresses = Self::under(key.derive("ipcrypt-pfx"));
        let mut tries = 1;
        while !addresses.moves_networks() && tries < TRIES {
            addresses = Self::under(key.derive(&format!("ipcrypt-pfx {tries}")));
            tries += 1;
        }
        addresses
    }

    fn under(mut key: [u8; KEY_BYTES]) -> Self {
        // The scheme does nothing when its halves are the same, which one key in 2^128 has.
        if key.iter().take(16).eq(key.iter().skip(16))
            && let Some(byte) = key.first_mut()
        {
            *byte ^= 1;
        }
        Self {
            cipher: IpcryptPfx::new(key),
            known: HashMap::new(),
        }
    }

    /// Tells whether every private network of so many bits behind its class becomes another, and with
    /// it every network and address inside of it.
    fn moves_networks(&self) -> bool {
        PRIVATE.iter().all(|(class, length)| {
            let free = 32 - length - MOVED_BITS;
            (0..1 << MOVED_BITS).all(|bits| {
                let network = Ipv4Addr::from_bits(class | bits << free);
                match self.cipher.encrypt_ipaddr(IpAddr::V4(network)) {
                    IpAddr::V4(to) => {
                        v4(network, to).to_bits() >> free != network.to_bits() >> free
                    }
                    IpAddr::V6(_) => false,
                }
            })
        })
    }

    /// Replaces an address.
    pub(crate) fn address(&mut self, address: IpAddr) -> IpAddr {
        if is_kept(address) {
            return address;
        }
        if let Some(known) = self.known.get(&address) {
            return *known;
        }
        let encrypted = self.cipher.encrypt_ipaddr(address);
        let replaced = match (address, encrypted) {
            (IpAddr::V4(from), IpAddr::V4(to)) => IpAddr::V4(v4(from, to)),
            (IpAddr::V6(from), IpAddr::V6(to)) => match from.to_ipv4_mapped() {
                Some(mapped) => match self.address(IpAddr::V4(mapped)) {
                    IpAddr::V4(mapped) => IpAddr::V6(mapped.to_ipv6_mapped()),
                    other @ IpAddr::V6(_) => other,
                },
                None => IpAddr::V6(v6(from, to)),
            },
            (_, other) => other,
        };
        if self.known.len() >= REMEMBERED {
            self.known.clear();
        }
        self.known.insert(address, replaced);
        replaced
    }

    /// Replaces a network; its length stays.
    pub(crate) fn network(&mut self, network: IpNet) -> IpNet {
        let is_plain = network.addr() == network.network();
        let replaced = self.address(network.addr());
        match IpNet::new(replaced, network.prefix_len()) {
            Ok(replaced) if is_plain => replaced.trunc(),
            Ok(replaced) => replaced,
            Err(_) => network.trunc(),
        }
    }
}

impl std::fmt::Debug for Addresses {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Addresses").finish_non_exhaustive()
    }
}

/// Addresses that mean the same everywhere.
fn is_kept(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            address.is_unspecified()
                || address.is_loopback()
                || address.is_multicast()
                || address.is_broadcast()
                || address == Ipv4Addr::new(169, 254, 169, 254)
        }
        IpAddr::V6(address) => {
            address.is_unspecified() || address.is_loopback() || address.is_multicast()
        }
    }
}

/// Takes back the flipped bits up to where an address leaves every class. The scheme flips a bit
/// by those before it alone, so that this is prefix-preserving and one-to-one as it is.
fn v4(from: Ipv4Addr, to: Ipv4Addr) -> Ipv4Addr {
    let bits = from.to_bits();
    let kept = CLASSES_V4
        .iter()
        .map(|(class, length)| ((bits ^ class).leading_zeros() + 1).min(*length))
        .max()
        .unwrap_or(0);
    let mask = u32::MAX.checked_shr(kept).unwrap_or(0);
    Ipv4Addr::from_bits((bits & !mask) | (to.to_bits() & mask))
}

fn v6(from: Ipv6Addr, to: Ipv6Addr) -> Ipv6Addr {
    let bits = from.to_bits();
    let kept = CLASSES_V6
        .iter()
        .map(|(class, length)| ((bits ^ class).leading_zeros() + 1).min(*length))
        .max()
        .unwrap_or(0);
    let mask = u128::MAX.checked_shr(kept).unwrap_or(0);
    Ipv6Addr::from_bits((bits & !mask) | (to.to_bits() & mask))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    #[test]
    fn no_private_network_stays_itself_under_any_key() {
        for seed in 0..200 {
            let mut addresses = Addresses::new(&Key::new([seed; 32]));
            for network in [
                "172.30.0.0/16",
                "10.96.0.0/12",
                "10.244.0.0/16",
                "10.43.7.7/32",
                "192.168.49.0/24",
                "100.64.0.0/14",
            ] {
                let network: IpNet = network.parse().unwrap();
                let replaced = addresses.network(network);
                assert_ne!(replaced, network, "key {seed}");
                assert_eq!(replaced.prefix_len(), network.prefix_len());
            }
        }
    }

    fn addresses() -> Addresses {
        Addresses::new(&Key::new([7; 32]))
    }

    fn replaced(text: &str) -> String {
        addresses().address(text.parse().unwrap()).to_string()
    }

    #[rstest]
    #[case("0.0.0.0")]
    #[case("127.0.0.1")]
    #[case("169.254.169.254")]
    #[case("255.255.255.255")]
    #[case("::")]
    #[case("::1")]
    #[case("ff02::1")]
    fn addresses_that_mean_the_same_everywhere_stay(#[case] address: &str) {
        assert_eq!(replaced(address), address);
    }

    #[rstest]
    #[case("10.1.2.3", "10.0.0.0/8")]
    #[case("172.20.1.2", "172.16.0.0/12")]
    #[case("192.168.7.9", "192.168.0.0/16")]
    #[case("100.64.3.4", "100.64.0.0/10")]
    #[case("fd12:3456::7", "fd00::/8")]
    #[case("fe80::1234", "fe80::/10")]
    #[case("::ffff:10.1.2.3", "::ffff:10.0.0.0/104")]
    fn private_addresses_stay_private_and_change(#[case] address: &str, #[case] class: IpNet) {
        let replaced: IpAddr = replaced(address).parse().unwrap();
        assert!(class.contains(&replaced), "{replaced}");
        assert_ne!(replaced.to_string(), address);
    }

    #[test]
    fn networks_keep_their_length_and_hold_their_addresses() {
        let mut addresses = addresses();
        for (network, inside) in [
            ("10.244.7.0/24", "10.244.7.19"),
            ("2001:db8:5::/48", "2001:db8:5::77"),
            ("52.94.0.0/16", "52.94.3.4"),
        ] {
            let network: IpNet = network.parse().unwrap();
            let replaced = addresses.network(network);
            assert_eq!(replaced.prefix_len(), network.prefix_len());
            assert_eq!(replaced.addr(), replaced.network());
            let inside = addresses.address(inside.parse().unwrap());
            assert!(replaced.contains(&inside), "{replaced} {inside}");
        }
        for whole in ["0.0.0.0/0", "10.0.0.0/8", "::/0"] {
            let whole: IpNet = whole.parse().unwrap();
            assert_eq!(addresses.network(whole), whole);
        }
    }

    #[test]
    fn other_keys_give_other_addresses() {
        let mut other = Addresses::new(&Key::new([8; 32]));
        let address: IpAddr = "10.17.33.65".parse().unwrap();
        assert_ne!(other.address(address), addresses().address(address));
    }

    proptest! {
        #[test]
        fn common_prefixes_are_exactly_as_long_as_before(a: u32, b: u32) {
            let mut addresses = addresses();
            let mut bits = |bits: u32| match addresses.address(IpAddr::V4(bits.into())) {
                IpAddr::V4(address) => address.to_bits(),
                IpAddr::V6(_) => unreachable!(),
            };
            prop_assert_eq!((a ^ b).leading_zeros(), (bits(a) ^ bits(b)).leading_zeros());
        }
    }

    #[test]
    fn no_two_addresses_become_one() {
        let mut addresses = addresses();
        let all: BTreeSet<IpAddr> = (0..1024u32)
            .map(|low| addresses.address(IpAddr::V4((0x0a0b_0000 + low * 7).into())))
            .collect();
        assert_eq!(all.len(), 1024);
    }
}
