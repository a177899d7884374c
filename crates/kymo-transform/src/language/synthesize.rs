//! `SYNTHESIZE`: what it says, and how it is written.

use std::fmt::{self, Display, Formatter};

use super::display::{Length, Quoted};
use super::{Place, TimePoint};

/// What is made from scratch.
#[derive(Clone, Debug, PartialEq)]
pub enum Synthesize {
    /// `SYNTHESIZE TIME duration [FROM instant] [AFTER duration]`
    Time {
        /// How long the trace lasts, in nanoseconds.
        span: i64,
        /// When it begins.
        from: Option<TimePoint>,
        /// For how long things went on before that, in nanoseconds.
        after: Option<i64>,
    },
    /// `SYNTHESIZE UPDATES {kind: share, …}`
    Updates {
        /// Kinds, and shares of their updates.
        shares: Vec<(String, Number)>,
    },
    /// `SYNTHESIZE MANAGEDFIELDS`
    ManagedFields,
    /// `SYNTHESIZE NODES count …`
    Nodes {
        /// How many.
        count: u64,
        /// The rest.
        options: Box<SynthesizeOptions>,
    },
    /// `SYNTHESIZE {FAILURE | DRAIN | REMOVAL} OF NODES …`
    Outage {
        /// What happens.
        kind: Outage,
        /// To nodes of these names; `*` stands for any characters.
        nodes: String,
        /// When.
        at: TimePoint,
        /// For how long, in nanoseconds.
        lasts: Option<i64>,
    },
    /// `SYNTHESIZE kind 'namespace/name' …`
    Workload {
        /// The kind, in the API's spelling.
        kind: String,
        /// The namespace.
        namespace: String,
        /// The name, or a pattern of names.
        name: String,
        /// The rest.
        options: Box<SynthesizeOptions>,
    },
}

/// What happens to nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outage {
    /// Their kubelets do not answer.
    Failure,
    /// They are drained.
    Drain,
    /// They are drained and deleted.
    Removal,
}

/// The clauses of `SYNTHESIZE`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SynthesizeOptions {
    /// `NAMED`, for nodes.
    pub named: Option<String>,
    /// `FROM` or `AS`.
    pub manifest: Option<ManifestText>,
    /// `LABELS`, for nodes.
    pub labels: Vec<(String, Vec<String>)>,
    /// `REPLICAS`.
    pub replicas: Option<u64>,
    /// `AT`.
    pub at: Option<TimePoint>,
    /// `UNTIL`.
    pub until: Option<TimePoint>,
    /// `ARRIVAL`.
    pub arrival: Option<Call>,
    /// `STARTUP`.
    pub startup: Option<Call>,
    /// `RUNTIME`.
    pub runtime: Option<Call>,
    /// `LIFETIME`.
    pub lifetime: Option<Call>,
    /// `RESTARTS`.
    pub restarts: Option<Call>,
    /// `RESTARTS … REASON`.
    pub restart_reason: Option<CrashWord>,
    /// `EVICTIONS`: a share.
    pub evictions: Option<Number>,
    /// `NAMESPACES`, for objects of other kinds.
    pub namespaces: Vec<String>,
    /// `FAILURES`: a share.
    pub failures: Option<Number>,
    /// `PLACEMENT`.
    pub placement: Option<PlacementWord>,
    /// `SCALE TO … AT …`.
    pub scale: Vec<(u64, TimePoint)>,
    /// `ROLLOUT AT … [WITH …]`.
    pub rollouts: Vec<(TimePoint, Option<DocumentText>)>,
    /// `PODS`.
    pub pods: Option<u64>,
    /// `STAGE …`.
    pub stages: Vec<(StageWord, Number)>,
    /// `UPDATES`.
    pub updates: Option<UpdatesClause>,
    /// `EVENTS`.
    pub events: bool,
    /// `ENDPOINTSLICES`.
    pub slices: bool,
    /// `EVENTS OF (…)`.
    pub reasons: Vec<String>,
    /// `LEASES`, for nodes.
    pub leases: bool,
    /// `LEASES EVERY …`, in nanoseconds.
    pub lease_interval: Option<i64>,
    /// `HEARTBEATS`, for nodes.
    pub heartbeats: bool,
}

/// Where a manifest is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestText {
    /// A path, or the manifest itself.
    pub text: String,
    /// Whether the text is the manifest itself.
    pub is_inline: bool,
    /// Where it stands.
    pub place: Place,
}

/// A JSON object as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentText {
    /// What was written.
    pub text: String,
    /// Where it stands.
    pub place: Place,
}

/// `UPDATES count arrival [WITH …]`
#[derive(Clone, Debug, PartialEq)]
pub struct UpdatesClause {
    /// How many.
    pub count: u64,
    /// When.
    pub arrival: Call,
    /// What is merged into an object, one after the other.
    pub patches: Vec<DocumentText>,
}

/// What a pod can have an update of its own for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StageWord {
    /// Its kubelet has seen it.
    Accepted,
    /// Its containers are ready.
    Ready,
    /// They have ended.
    Stopped,
    /// Its kubelet needs no grace any more.
    Released,
}

impl StageWord {
    /// All of them, with their words.
    pub(crate) const ALL: [(&'static str, Self); 4] = [
        ("ACCEPTED", Self::Accepted),
        ("READY", Self::Ready),
        ("STOPPED", Self::Stopped),
        ("RELEASED", Self::Released),
    ];

    fn word(self) -> &'static str {
        let found = Self::ALL.into_iter().find(|(_, stage)| *stage == self);
        found.map_or("", |(word, _)| word)
    }
}

/// How a container ends before it is started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CrashWord {
    /// With an error.
    Error,
    /// It needs more memory than it may.
    OutOfMemory,
    /// Well, although it should go on.
    Completed,
}

impl CrashWord {
    /// All of them, with their words.
    pub(crate) const ALL: [(&'static str, Self); 3] = [
        ("ERROR", Self::Error),
        ("OOMKILLED", Self::OutOfMemory),
        ("COMPLETED", Self::Completed),
    ];

    fn word(self) -> &'static str {
        let found = Self::ALL.into_iter().find(|(_, crash)| *crash == self);
        found.map_or("", |(word, _)| word)
    }
}

/// On which nodes pods are put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlacementWord {
    /// On none.
    None,
    /// Where the fewest are.
    Spread,
    /// Where the least is left.
    Binpack,
    /// As the pods of a trace were.
    Like {
        /// Its path.
        path: String,
        /// Where that stands.
        place: Place,
    },
}

/// `name(argument, name => argument, …)`
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// Its name, in small letters.
    pub name: String,
    /// What stands in the parentheses.
    pub arguments: Vec<Argument>,
    /// Where it stands.
    pub place: Place,
}

/// One argument of a call.
#[derive(Clone, Debug, PartialEq)]
pub struct Argument {
    /// Its name, in small letters, if it has one.
    pub name: Option<String>,
    /// What it is.
    pub value: ArgumentValue,
    /// Where it stands.
    pub place: Place,
}

/// What an argument is.
#[derive(Clone, Debug, PartialEq)]
pub enum ArgumentValue {
    /// A text in quotes.
    Text(String),
    /// A number.
    Number(Number),
}

/// A number as it was written.
#[derive(Clone, Debug, PartialEq)]
pub struct Number {
    /// Its digits.
    pub text: String,
    /// What they mean.
    pub value: f64,
}

impl Display for Synthesize {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("SYNTHESIZE ")?;
        match self {
            Self::Time { span, from, after } => {
                write!(f, "TIME {}", Length(*span))?;
                if let Some(from) = from {
                    write!(f, " FROM {}", Quoted(&from.text))?;
                }
                match after {
                    Some(after) => write!(f, " AFTER {}", Length(*after)),
                    None => Ok(()),
                }
            }
            Self::ManagedFields => f.write_str("MANAGEDFIELDS"),
            Self::Updates { shares } => {
                f.write_str("UPDATES {")?;
                for (index, (kind, share)) in shares.iter().enumerate() {
                    let before = if index == 0 { "" } else { ", " };
                    write!(f, "{before}{}: {}", Quoted(kind), share.text)?;
                }
                f.write_str("}")
            }
            Self::Nodes { count, options } => write!(f, "NODES {count}{options}"),
            Self::Outage {
                kind,
                nodes,
                at,
                lasts,
            } => {
                let kind = match kind {
                    Outage::Failure => "FAILURE",
                    Outage::Drain => "DRAIN",
                    Outage::Removal => "REMOVAL",
                };
                let (nodes, at) = (Quoted(nodes), Quoted(&at.text));
                write!(f, "{kind} OF NODES {nodes} AT {at}")?;
                match lasts {
                    Some(lasts) => write!(f, " FOR {}", Length(*lasts)),
                    None => Ok(()),
                }
            }
            Self::Workload {
                kind,
                namespace,
                name,
                options,
            } => {
                let workload = format!("{namespace}/{name}");
                write!(f, "\"{kind}\" {}{options}", Quoted(&workload))
            }
        }
    }
}

impl Display for SynthesizeOptions {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if let Some(named) = &self.named {
            write!(f, " NAMED {}", Quoted(named))?;
        }
        if let Some(manifest) = &self.manifest {
            let word = if manifest.is_inline { "AS" } else { "FROM" };
            write!(f, " {word} {}", Quoted(&manifest.text))?;
        }
        for (index, (label, values)) in self.labels.iter().enumerate() {
            f.write_str(if index == 0 { " LABELS {" } else { ", " })?;
            write!(f, "{}: ", Quoted(label))?;
            match values.as_slice() {
                [value] => write!(f, "{}", Quoted(value))?,
                several => {
                    for (index, value) in several.iter().enumerate() {
                        let before = if index == 0 { "cycle(" } else { ", " };
                        write!(f, "{before}{}", Quoted(value))?;
                    }
                    f.write_str(")")?;
                }
            }
        }
        if !self.labels.is_empty() {
            f.write_str("}")?;
        }
        if let Some(replicas) = self.replicas {
            write!(f, " REPLICAS {replicas}")?;
        }
        for (word, time) in [("AT", &self.at), ("UNTIL", &self.until)] {
            if let Some(time) = time {
                write!(f, " {word} {}", Quoted(&time.text))?;
            }
        }
        for (word, call) in [
            ("ARRIVAL", &self.arrival),
            ("STARTUP", &self.startup),
            ("RUNTIME", &self.runtime),
            ("LIFETIME", &self.lifetime),
            ("RESTARTS", &self.restarts),
        ] {
            if let Some(call) = call {
                write!(f, " {word} {call}")?;
            }
        }
        if let Some(reason) = self.restart_reason {
            write!(f, " REASON {}", reason.word())?;
        }
        if let Some(evictions) = &self.evictions {
            write!(f, " EVICTIONS {}", evictions.text)?;
        }
        for (index, namespace) in self.namespaces.iter().enumerate() {
            let before = if index == 0 { " NAMESPACES (" } else { ", " };
            write!(f, "{before}{}", Quoted(namespace))?;
        }
        if !self.namespaces.is_empty() {
            f.write_str(")")?;
        }
        if let Some(failures) = &self.failures {
            write!(f, " FAILURES {}", failures.text)?;
        }
        match &self.placement {
            Some(PlacementWord::None) => f.write_str(" PLACEMENT NONE")?,
            Some(PlacementWord::Spread) => f.write_str(" PLACEMENT SPREAD")?,
            Some(PlacementWord::Binpack) => f.write_str(" PLACEMENT BINPACK")?,
            Some(PlacementWord::Like { path, .. }) => {
                write!(f, " PLACEMENT LIKE {}", Quoted(path))?;
            }
            None => {}
        }
        for (replicas, at) in &self.scale {
            write!(f, " SCALE TO {replicas} AT {}", Quoted(&at.text))?;
        }
        for (at, patch) in &self.rollouts {
            write!(f, " ROLLOUT AT {}", Quoted(&at.text))?;
            if let Some(patch) = patch {
                write!(f, " WITH {}", Quoted(&patch.text))?;
            }
        }
        if let Some(pods) = self.pods {
            write!(f, " PODS {pods}")?;
        }
        for (stage, share) in &self.stages {
            write!(f, " STAGE {} {}", stage.word(), share.text)?;
        }
        if let Some(updates) = &self.updates {
            write!(f, "{updates}")?;
        }
        for (word, is_set) in [
            ("EVENTS", self.events),
            ("ENDPOINTSLICES", self.slices),
            ("LEASES", self.leases),
            ("HEARTBEATS", self.heartbeats),
        ] {
            if !is_set {
                continue;
            }
            write!(f, " {word}")?;
            if word == "EVENTS" {
                for (index, reason) in self.reasons.iter().enumerate() {
                    let before = if index == 0 { " OF (" } else { ", " };
                    write!(f, "{before}{}", Quoted(reason))?;
                }
                if !self.reasons.is_empty() {
                    f.write_str(")")?;
                }
            }
            if let (Some(every), "LEASES") = (self.lease_interval, word) {
                write!(f, " EVERY {}", Length(every))?;
            }
        }
        Ok(())
    }
}

impl Display for UpdatesClause {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, " UPDATES {} {}", self.count, self.arrival)?;
        match self.patches.as_slice() {
            [] => Ok(()),
            [patch] => write!(f, " WITH {}", Quoted(&patch.text)),
            several => {
                for (index, patch) in several.iter().enumerate() {
                    let before = if index == 0 { " WITH cycle(" } else { ", " };
                    write!(f, "{before}{}", Quoted(&patch.text))?;
                }
                f.write_str(")")
            }
        }
    }
}

impl Display for Call {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}(", self.name)?;
        for (index, argument) in self.arguments.iter().enumerate() {
            if index > 0 {
                f.write_str(", ")?;
            }
            if let Some(name) = &argument.name {
                write!(f, "{name} => ")?;
            }
            match &argument.value {
                ArgumentValue::Text(text) => write!(f, "{}", Quoted(text))?,
                ArgumentValue::Number(number) => f.write_str(&number.text)?,
            }
        }
        f.write_str(")")
    }
}
