use std::collections::BTreeMap;
use std::time::Duration;

use kymo_model::{Feed, ObjectKey, Request, ResourceType, Timestamp};

use crate::address::Addresses;
use crate::failure::Failure;
use crate::key::Key;
use crate::ledger::{Ledger, Touched};
use crate::names::Names;
use crate::policy::{AnonymizationPolicy, Images, Labels, Names as NamePolicy, Text, Times};
use crate::shift::Shift;
use crate::tokens::Tokens;
use crate::treatment::Treatment;

/// Replaces what identifies in everything that a trace is made of.
///
/// The whole trace is shown to it twice: first to [`Anonymizer::learn`], so that a name is known
/// wherever it stands, then piece by piece to what replaces. What comes out depends on the key,
/// the policy and the trace alone.
#[derive(Debug)]
pub struct Anonymizer {
    pub(crate) policy: AnonymizationPolicy,
    pub(crate) tokens: Tokens,
    pub(crate) addresses: Addresses,
    pub(crate) names: Names,
    pub(crate) shift: Shift,
    pub(crate) ledger: Ledger,
    /// The kind of the object at hand, and its path where a policy asks for it.
    pub(crate) kind: String,
    pub(crate) path: Vec<String>,
}

/// What an anonymizer may use and what it remembers.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Memory for what is known of names, in bytes, about.
    pub memory: usize,
    /// Whether to remember what each pseudonym stands for.
    pub with_map: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            memory: 512 << 20,
            with_map: false,
        }
    }
}

impl Anonymizer {
    /// Makes one that knows nothing yet.
    pub fn new(key: &Key, policy: AnonymizationPolicy, settings: Settings) -> Self {
        let shift = match policy.times {
            Times::Weeks => Shift::weeks(key),
            Times::Seconds => Shift::seconds(key),
            Times::Keep => Shift::default(),
        };
        let half = settings.memory / 2;
        Self {
            policy,
            tokens: Tokens::new(key, half, settings.with_map),
            addresses: Addresses::new(key),
            names: Names::new(half),
            shift,
            ledger: Ledger::default(),
            kind: String::new(),
            path: Vec::new(),
        }
    }

    /// Makes one for what is told piece by piece and cannot be read before: nothing needs to be
    /// learned, and what becomes of a text depends on the key, the policy and the text alone.
    ///
    /// Where a name was derived from another is told by its letters only. Free text is dropped, since
    /// names in it cannot be known, and so are values of public labels replaced. What is remembered
    /// against collisions is forgotten when memory is full.
    pub fn while_recording(key: &Key, policy: AnonymizationPolicy, settings: Settings) -> Self {
        let keeps_names = policy.names == NamePolicy::Keep;
        let policy = AnonymizationPolicy {
            text: Text::Drop,
            labels: if keeps_names {
                policy.labels
            } else {
                Labels::Pseudonyms
            },
            ..policy
        };
        let mut this = Self::new(key, policy, settings);
        this.names.learns_nothing();
        this.tokens.forget_when_full();
        this
    }

    /// Returns the policy.
    pub fn policy(&self) -> &AnonymizationPolicy {
        &self.policy
    }

    /// Moves a time as every time is moved.
    pub fn time(&self, time: Timestamp) -> Timestamp {
        self.shift.timestamp(time)
    }

    /// Replaces what tells objects apart.
    pub fn key(&mut self, resource: &ResourceType, key: &ObjectKey) -> Result<ObjectKey, Failure> {
        if self.keeps_names() {
            return Ok(key.clone());
        }
        Ok(ObjectKey {
            namespace: self.namespace(&key.namespace)?,
            name: self.object_name(&resource.kind, &key.name)?,
            uid: self.uid(&key.uid)?,
        })
    }

    /// Replaces the names of a resource that no public API has.
    pub fn resource(&mut self, resource: &ResourceType) -> Result<ResourceType, Failure> {
        if self.keeps_names() {
            return Ok(resource.clone());
        }
        Ok(ResourceType {
            group: self.api(&resource.group)?,
            version: self.word(&resource.version)?,
            resource: self.api(&resource.resource)?,
            kind: self.kind_word(&resource.kind)?,
            namespaced: resource.namespaced,
        })
    }

    /// Replaces what a feed says of its resource and its scope.
    pub fn feed(&mut self, feed: &Feed) -> Result<Feed, Failure> {
        let mut new = feed.clone();
        new.resource = self.resource(&feed.resource)?;
        if let Some(namespace) = &mut new.scope.namespace {
            *namespace = self.treat(Treatment::Namespace, namespace)?;
        }
        if let Some(selector) = &mut new.scope.label_selector {
            *selector = self.treat(Treatment::Selector, selector)?;
        }
        Ok(new)
    }

    /// Replaces who made a request, and from where.
    pub fn request(&mut self, request: &Request) -> Result<Request, Failure> {
        if self.keeps_names() {
            return Ok(request.clone());
        }
        let actors = |this: &mut Self, texts: &[String]| -> Result<Vec<String>, Failure> {
            texts.iter().map(|text| this.actor(text)).collect()
        };
        Ok(Request {
            audit_id: self.uid(&request.audit_id)?,
            verb: self.word(&request.verb)?,
            subresource: match &request.subresource {
                Some(subresource) => Some(self.api(subresource)?),
                None => None,
            },
            username: self.actor(&request.username)?,
            groups: actors(self, &request.groups)?,
            impersonated_username: match &request.impersonated_username {
                Some(user) => Some(self.actor(user)?),
                None => None,
            },
            user_agent: match &request.user_agent {
                Some(agent) => Some(self.user_agent(agent)?),
                None => None,
            },
            source_ips: request
                .source_ips
                .iter()
                .map(|address| self.host(address))
                .collect::<Result<_, _>>()?,
        })
    }

    /// Replaces a unique id.
    pub fn unique_id(&mut self, id: &str) -> Result<String, Failure> {
        self.treat(Treatment::Uid, id)
    }

    /// Replaces the names in free text.
    pub fn free_text(&mut self, text: &str) -> Result<String, Failure> {
        self.treat(Treatment::Text, text)
    }

    /// Cuts a version down to its first two numbers.
    pub fn version(&mut self, version: &str) -> Result<String, Failure> {
        self.treat(Treatment::Version, version)
    }

    /// Returns 16 bytes that stand for a text under this key.
    pub fn digest(&self, text: &str) -> [u8; 16] {
        self.tokens.bytes(crate::tokens::Domain::Digest, text)
    }

    /// Returns how far times are moved back.
    pub fn moved_back(&self) -> Duration {
        self.shift.back()
    }

    /// Returns how many pseudonyms were given.
    pub fn pseudonyms(&self) -> usize {
        self.tokens.len()
    }

    /// Returns which rules touched what.
    pub fn touched(&self) -> Vec<Touched> {
        self.ledger.touched()
    }

    /// Returns what each pseudonym stands for, by kind of identifier; empty unless asked for.
    pub fn map(&self) -> BTreeMap<&'static str, BTreeMap<&str, &str>> {
        let mut map: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
        for (domain, original, pseudonym) in self.tokens.map() {
            map.entry(domain).or_default().insert(original, pseudonym);
        }
        map
    }

    /// Tells whether everything that identifies stays.
    pub(crate) fn keeps_names(&self) -> bool {
        self.policy.names == NamePolicy::Keep
    }

    pub(crate) fn keeps_images(&self) -> bool {
        self.policy.images == Images::Keep
    }

    /// Treats a text as a field of that treatment.
    pub(crate) fn treat(&mut self, treatment: Treatment, text: &str) -> Result<String, Failure> {
        if text.is_empty() {
            return Ok(String::new());
        }
        if self.keeps_names()
            && !matches!(
                treatment,
                Treatment::Empty | Treatment::Drop | Treatment::DataMap | Treatment::Time
            )
        {
            return Ok(text.to_owned());
        }
        Ok(match treatment {
            Treatment::Keep => text.to_owned(),
            Treatment::Schedule => self.schedule(text)?,
            Treatment::Drop | Treatment::Empty | Treatment::DropMap | Treatment::DataMap => {
                String::new()
            }
            Treatment::Word => self.word(text)?,
            Treatment::Kind => self.kind_word(text)?,
            Treatment::ApiVersion => self.api_version(text)?,
            Treatment::Api => self.api(text)?,
            Treatment::Name | Treatment::NameMap => self.name(text)?,
            Treatment::GenerateName => self.generate_name(text)?,
            Treatment::Namespace => self.namespace(text)?,
            Treatment::LabelKey => self.label_key(text)?,
            Treatment::LabelValue | Treatment::LabelMap => self.label_value("", text)?,
            Treatment::AnnotationMap => self.annotation_value(text),
            Treatment::Selector => self.selector(text)?,
            Treatment::Zone => self.label_value("topology.kubernetes.io/zone", text)?,
            Treatment::Quantity | Treatment::QuantityMap => self.quantity(text)?,
            Treatment::Time => match self.shift.text(text) {
                Some(moved) => moved,
                None => self.opaque(text)?,
            },
            Treatment::Uid => self.uid(text)?,
            Treatment::ContainerId => self.container_id(text)?,
            Treatment::Image => self.image(text)?,
            Treatment::Host | Treatment::Ip | Treatment::Cidr => self.host(text)?,
            Treatment::Url => self.url(text)?,
            Treatment::Path => self.path(text)?,
            Treatment::Actor => self.actor(text)?,
            Treatment::PortName => self.port_name(text)?,
            Treatment::DataKey => self.data_key(text)?,
            Treatment::EnvironmentName => self.environment_name(text)?,
            Treatment::FieldPath => self.field_path(text)?,
            Treatment::Mac => self.mac(text),
            Treatment::ProviderId => self.provider_id(text)?,
            Treatment::Version => self.version_text(text)?,
            Treatment::TimeZone => "Etc/UTC".to_owned(),
            Treatment::Text => self.text(text)?,
            Treatment::Json => self.json(text)?,
            Treatment::Opaque => self.opaque(text)?,
        })
    }
}
