use std::collections::{BTreeSet, HashMap};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use kymo_query::QuerySession;

use crate::Error;
use crate::rows::{each_batch, texts};

/// The ports that Services can have on nodes, unless a cluster is told otherwise.
const NODE_PORTS: std::ops::RangeInclusive<u64> = 30_000..=32_767;
/// 100.64.0.0/10, which is nobody's on the internet.
const FIRST_V4: u32 = 0x6440_0000;
const MASK_V4: u32 = 0x003f_ffff;
/// `fd00:6b79:6d6f::/80`
const FIRST_V6: u128 = 0xfd00_6b79_6d6f_u128 << 80;

/// Addresses and ports for copies, such that no two objects share one.
///
/// They follow from the place of the recorded address among all, so that no table of the new ones is kept.
#[derive(Debug, Default)]
pub(crate) struct Addresses {
    places: HashMap<String, u32>,
    /// Before the first free number, of the addresses that are made here.
    taken: u32,
    copies: u64,
    ports: HashMap<u64, u64>,
    taken_ports: BTreeSet<u64>,
    free_ports: Vec<u64>,
}

impl Addresses {
    /// Finds the addresses of pods and Services that match a condition on `events`, and which are
    /// taken in the whole trace.
    pub(crate) async fn find(
        session: &QuerySession,
        condition: &str,
        copies: u64,
    ) -> Result<Self, Error> {
        let mut found = Self {
            copies,
            ..Self::default()
        };
        let mut own: BTreeSet<String> = BTreeSet::new();
        each(session, &addresses_of(condition), |address| {
            own.insert(address.to_owned());
        })
        .await?;
        found.places = (0..).zip(own).map(|(place, own)| (own, place)).collect();
        let mut own: BTreeSet<u64> = BTreeSet::new();
        each(session, &ports_of(condition), |port| {
            own.extend(port.parse::<u64>());
        })
        .await?;
        found.ports = own.into_iter().zip(0..).collect();
        found.avoid(session).await?;
        Ok(found)
    }

    /// Takes note of the addresses and ports of a trace, which are nobody else's.
    pub(crate) async fn avoid(&mut self, session: &QuerySession) -> Result<(), Error> {
        each(session, &addresses_of("true"), |address| {
            let number = match address.parse() {
                Ok(IpAddr::V4(address)) => (address.to_bits() & !MASK_V4 == FIRST_V4)
                    .then_some(address.to_bits() & MASK_V4),
                Ok(IpAddr::V6(address)) => address
                    .to_bits()
                    .checked_sub(FIRST_V6)
                    .and_then(|number| u32::try_from(number).ok()),
                Err(_) => None,
            };
            self.taken = self.taken.max(number.unwrap_or(0));
        })
        .await?;
        each(session, &ports_of("true"), |port| {
            self.taken_ports.extend(port.parse::<u64>());
        })
        .await?;
        self.free_ports = NODE_PORTS
            .filter(|port| !self.taken_ports.contains(port))
            .collect();
        Ok(())
    }

    /// Tells whether there is a port for every Service of every copy.
    pub(crate) fn has_ports(&self) -> bool {
        self.ports.len() as u64 * self.copies <= self.free_ports.len() as u64
    }

    /// Returns the address that a copy has for a recorded one; `None` if it is nobody's of its own.
    pub(crate) fn of(&self, address: &str, copy: u64) -> Option<String> {
        let place = u64::from(*self.places.get(address)?);
        let number = place * self.copies + copy + u64::from(self.taken);
        match address.parse().ok()? {
            IpAddr::V4(_) => {
                let low = u32::try_from(number & u64::from(MASK_V4)).ok()?;
                Some(Ipv4Addr::from_bits(FIRST_V4 | low).to_string())
            }
            IpAddr::V6(_) => Some(Ipv6Addr::from_bits(FIRST_V6 | u128::from(number)).to_string()),
        }
    }

    /// Returns the port that a copy has for a recorded one.
    pub(crate) fn port(&self, port: u64, copy: u64) -> Option<u64> {
        let place = self.ports.get(&port)? * self.copies + copy.checked_sub(1)?;
        self.free_ports.get(usize::try_from(place).ok()?).copied()
    }
}

fn addresses_of(condition: &str) -> String {
    format!(
        "SELECT DISTINCT address FROM (\
         SELECT unnest(array_concat(json_path(object, '$.status.podIP'), \
         json_path(object, '$.status.podIPs[*].ip'))) AS address FROM events \
         WHERE kind = 'Pod' AND ({condition}) AND \
         coalesce(json_get_str(object, 'status', 'podIP'), '') <> \
         coalesce(json_get_str(object, 'status', 'hostIP'), '-') \
         UNION ALL \
         SELECT unnest(array_concat(json_path(object, '$.spec.clusterIP'), \
         json_path(object, '$.spec.clusterIPs[*]'))) AS address FROM events \
         WHERE kind = 'Service' AND ({condition}) \
         UNION ALL \
         SELECT unnest(json_path(object, '$.status.addresses[*].address')) AS address FROM events \
         WHERE kind = 'Node' AND ({condition})) \
         WHERE address LIKE '%.%.%.%' OR address LIKE '%:%'"
    )
}

fn ports_of(condition: &str) -> String {
    format!(
        "SELECT DISTINCT port FROM (\
         SELECT unnest(array_concat(json_path(object, '$.spec.ports[*].nodePort'), \
         json_path(object, '$.spec.healthCheckNodePort'))) AS port FROM events \
         WHERE kind = 'Service' AND ({condition})) WHERE port IS NOT NULL AND port <> '0'"
    )
}

async fn each(session: &QuerySession, sql: &str, mut take: impl FnMut(&str)) -> Result<(), Error> {
    each_batch(session, sql, |batch| {
        texts(batch, 0)?.iter().flatten().for_each(&mut take);
        Ok(())
    })
    .await
}
