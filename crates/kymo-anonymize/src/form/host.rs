//! Hosts, addresses, URLs and paths.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::anonymizer::Anonymizer;
use crate::failure::Failure;
use crate::names::Known;
use crate::tokens::{Domain, TOKEN};
use crate::vocabulary;

/// The suffix of every host that kymo makes up; no real host has it.
const INVALID: &str = "invalid";

impl Anonymizer {
    /// Replaces a host, which may be a node, an address or a network, with its port if it has one.
    pub(crate) fn host(&mut self, host: &str) -> Result<String, Failure> {
        let is_plain = matches!(host, "" | "None" | "localhost" | "*");
        if !is_plain && self.is_name(host) && self.address(host).is_none() {
            return self.name(host);
        }
        self.outer_host(host)
    }

    /// Replaces a host that no node is: that of a URL, an image or an e-mail address.
    pub(crate) fn outer_host(&mut self, host: &str) -> Result<String, Failure> {
        if host.is_empty() || matches!(host, "None" | "localhost" | "*") {
            return Ok(host.to_owned());
        }
        if let Some(address) = self.address(host) {
            return Ok(address);
        }
        if self.names.known(host) == Some(Known::Name) {
            return self.name(host);
        }
        if let Some((inside, port)) = host.rsplit_once(':')
            && port.len() <= 5
            && port.bytes().all(|byte| byte.is_ascii_digit())
            && !port.is_empty()
        {
            let is_v6 = inside
                .strip_prefix('[')
                .and_then(|text| text.strip_suffix(']'));
            return Ok(match is_v6 {
                Some(inside) => format!("[{}]:{port}", self.outer_host(inside)?),
                None if !inside.contains(':') => format!("{}:{port}", self.outer_host(inside)?),
                None => self.tokens.token(Domain::Host, host, TOKEN)?,
            });
        }
        // Names inside of the cluster are made of a Service and a namespace.
        for suffix in [".svc.cluster.local", ".svc", ".pod.cluster.local"] {
            if let Some(rest) = host.strip_suffix(suffix) {
                let (service, namespace) = rest.rsplit_once('.').unwrap_or(("", rest));
                let namespace = self.namespace(namespace)?;
                let mut labels = Vec::new();
                for label in service.split('.').filter(|label| !label.is_empty()) {
                    labels.push(self.name(label)?);
                }
                labels.push(namespace);
                return Ok(labels.join(".") + suffix);
            }
        }
        if matches!(host, "cluster.local" | "svc.cluster.local") {
            return Ok(host.to_owned());
        }
        let mut labels = Vec::new();
        for label in host.trim_end_matches('.').split('.') {
            labels.push(match label {
                "" | "*" => label.to_owned(),
                label => self
                    .tokens
                    .token(Domain::Host, &label.to_ascii_lowercase(), TOKEN)?,
            });
        }
        labels.push(INVALID.to_owned());
        let replaced = labels.join(".");
        if replaced.len() > 253 {
            let token = self.tokens.token(Domain::Host, host, TOKEN)?;
            return Ok(format!("{token}.{INVALID}"));
        }
        self.tokens.note(Domain::Host, "name", host, &replaced);
        Ok(replaced)
    }

    /// Replaces an address or a network; `None` if a text is neither.
    pub(crate) fn address(&mut self, text: &str) -> Option<String> {
        let replaced = if let Ok(address) = text.parse::<IpAddr>() {
            self.addresses.address(address).to_string()
        } else if let Ok(network) = text.parse::<IpNet>() {
            self.addresses.network(network).to_string()
        } else {
            return None;
        };
        self.tokens.note(Domain::Host, "address", text, &replaced);
        Some(replaced)
    }

    /// Replaces host and path of a URL; who logs in and what is asked for goes.
    pub(crate) fn url(&mut self, url: &str) -> Result<String, Failure> {
        let Some((scheme, rest)) = url.split_once("://") else {
            return self.path(url);
        };
        let scheme = match scheme {
            "http" | "https" | "tcp" | "udp" | "grpc" | "unix" | "ws" | "wss" | "oci" => {
                scheme.to_owned()
            }
            other => self.tokens.token(Domain::Word, other, TOKEN)?,
        };
        let rest = rest.split(['?', '#']).next().unwrap_or_default();
        let (place, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, ""),
        };
        let host = place.rsplit('@').next().unwrap_or_default();
        let host = self.outer_host(host)?;
        Ok(format!("{scheme}://{host}{}", self.path(path)?))
    }

    /// Replaces the parts of a path that not every machine has.
    pub(crate) fn path(&mut self, path: &str) -> Result<String, Failure> {
        let mut parts = Vec::new();
        for part in path.split('/') {
            parts.push(
                if part.is_empty() || vocabulary::PATHS.has(part) || part == "*" {
                    part.to_owned()
                } else if self.names.known(part) == Some(Known::Name) {
                    self.name(part)?
                } else {
                    self.tokens.token(Domain::Path, part, TOKEN)?
                },
            );
        }
        Ok(parts.join("/"))
    }

    /// Replaces the id of a machine at its provider.
    pub(crate) fn provider_id(&mut self, id: &str) -> Result<String, Failure> {
        let Some((scheme, rest)) = id.split_once("://") else {
            return self.tokens.token(Domain::Opaque, id, TOKEN);
        };
        let scheme = match scheme {
            "aws" | "gce" | "azure" | "vsphere" | "openstack" | "kwok" | "kind" | "karpenter" => {
                scheme.to_owned()
            }
            other => self.tokens.token(Domain::Word, other, TOKEN)?,
        };
        let mut parts = Vec::new();
        for part in rest.split('/') {
            parts.push(match part {
                "" => String::new(),
                part if self.names.known(part) == Some(Known::Name) => self.name(part)?,
                part => self.tokens.token(Domain::Opaque, part, TOKEN)?,
            });
        }
        Ok(format!("{scheme}://{}", parts.join("/")))
    }

    /// Replaces a hardware address by one that is administered locally.
    pub(crate) fn mac(&mut self, address: &str) -> String {
        let mut bytes: [u8; 6] = self
            .tokens
            .bytes(Domain::Mac, &address.to_ascii_lowercase().replace('-', ":"));
        if let Some(first) = bytes.first_mut() {
            *first = *first & 0xfc | 0x02;
        }
        let pairs: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        pairs.join(":")
    }
}
