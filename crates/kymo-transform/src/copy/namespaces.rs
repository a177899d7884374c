//! `SCALE NAMESPACE`: copies of a namespace and of everything in it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use kymo_model::{Feed, FeedId, GroupResource};
use kymo_query::QuerySession;

use super::addresses::Addresses;
use super::names::{Kinds, Names};
use super::renaming::{ObjectName, Renaming};
use super::{Copies, Order, count, resource, texts_of};
use crate::Error;
use crate::language::Amount;
use crate::rows::{each_batch, literal, texts};

/// The longest name of a namespace, as of a DNS label.
const LONGEST_NAME: usize = 63;
/// Copies that one statement makes at most.
pub(super) const MOST: u64 = 100_000;

/// Plans the copies of a namespace. Returns how many events of the input it is about, too.
pub(crate) async fn namespace(
    order: &Order,
    name: &str,
    amount: Amount,
    feeds: &BTreeMap<FeedId, Feed>,
    session: &QuerySession,
) -> Result<(Copies, u64), Error> {
    let of = literal(name);
    let named = count(
        session,
        &format!(
            "SELECT count(*) FROM events WHERE namespace = {of} OR (kind = 'Namespace' AND name = {of})"
        ),
    )
    .await?;
    let taken = texts_of(
        session,
        "SELECT DISTINCT namespace FROM events UNION \
         SELECT DISTINCT name FROM events WHERE kind = 'Namespace'",
    )
    .await?;
    if named == 0 {
        let nearest = kymo_query::nearest(name, taken.iter().map(String::as_str));
        return Err(order.wrong(
            format!("no namespace `{name}` in the trace"),
            nearest.map_or(
                "the table `namespaces` has those that are".to_owned(),
                |name| format!("did you mean `{name}`?"),
            ),
        ));
    }
    let more = whole(order, amount)?;
    let names = free_names(order, name, more, &taken)?;
    let condition = format!("namespace = {of}");
    let mut graphs = Graphs::of(session, feeds, &condition, more).await?;
    if !graphs.addresses.has_ports() {
        return Err(order.wrong(
            "there are not enough node ports for the Services of the copies",
            "DELETE the Services that have one, or make fewer copies",
        ));
    }
    graphs.widened.insert(resource("", "namespaces"));
    let mut renamings = Vec::new();
    for (copy, new) in (1..).zip(&names) {
        renamings.push(graphs.renaming(
            order,
            copy,
            HashMap::from([(name.to_owned(), new.clone())]),
        ));
    }
    Ok((Copies::new(renamings, graphs.widened, feeds), named))
}

/// Returns how many copies an amount makes beside the recorded one.
fn whole(order: &Order, amount: Amount) -> Result<u64, Error> {
    let count = match amount {
        Amount::To(count) => count,
        Amount::By(factor) if factor.denominator == 1 => factor.numerator,
        Amount::By(factor) => {
            let (message, hint) = if factor.numerator < factor.denominator {
                (
                    "a namespace cannot be less than one",
                    "SCALE what is in it, or DELETE objects of it",
                )
            } else {
                (
                    "a namespace is copied as a whole: the factor must be a whole number",
                    "SCALE its workloads by any factor",
                )
            };
            return Err(Error::Statement {
                message: message.to_owned(),
                place: factor.place,
                hint: Some(hint.to_owned()),
            });
        }
    };
    if count > MOST {
        return Err(order.wrong(
            format!("{count} copies are more than {MOST}, the most that one statement makes"),
            "SCALE the copies again",
        ));
    }
    Ok(count.saturating_sub(1))
}

/// Returns names for copies: the namespace's with the first numbers from 2 that make new ones.
fn free_names(
    order: &Order,
    name: &str,
    count: u64,
    taken: &BTreeSet<String>,
) -> Result<Vec<String>, Error> {
    let names: Vec<String> = (2_u64..)
        .map(|number| format!("{name}-{number}"))
        .filter(|name| !taken.contains(name))
        .take(usize::try_from(count).unwrap_or(usize::MAX))
        .collect();
    match names.iter().find(|name| name.len() > LONGEST_NAME) {
        Some(long) => Err(order.wrong(
            format!(
                "a copy would be called `{long}`, which is longer than {LONGEST_NAME} characters"
            ),
            "Kubernetes allows no longer names of namespaces",
        )),
        None => Ok(names),
    }
}

/// What belongs to namespaces without being in them, and what is shared by copies.
pub(super) struct Graphs {
    kinds: Arc<Kinds>,
    pub(super) addresses: Arc<Addresses>,
    /// Resources with objects in them.
    pub(super) widened: BTreeSet<GroupResource>,
    /// Volumes whose claims are in them: name and uid of the claim.
    pub(super) volumes: BTreeMap<String, String>,
    /// Other objects of no namespace: plural and name.
    others: Vec<(String, String)>,
}

impl Graphs {
    /// Finds what belongs to the namespaces of a condition on the column `namespace`.
    pub(super) async fn of(
        session: &QuerySession,
        feeds: &BTreeMap<FeedId, Feed>,
        condition: &str,
        copies: u64,
    ) -> Result<Self, Error> {
        let mut widened = BTreeSet::new();
        let sql = format!("SELECT DISTINCT api_group, resource FROM events WHERE {condition}");
        each_batch(session, &sql, |batch| {
            let (groups, plurals) = (texts(batch, 0)?, texts(batch, 1)?);
            for (group, plural) in groups.iter().zip(plurals.iter()) {
                widened.insert(resource(group.unwrap_or(""), plural.unwrap_or("")));
            }
            Ok(())
        })
        .await?;
        let mut volumes = BTreeMap::new();
        let sql = format!(
            "SELECT name, claim FROM (SELECT name, \
             json_get_str(object, 'spec', 'claimRef', 'namespace') AS namespace, \
             json_get_str(object, 'spec', 'claimRef', 'uid') AS claim \
             FROM events WHERE kind = 'PersistentVolume') WHERE {condition} GROUP BY name, claim"
        );
        each_batch(session, &sql, |batch| {
            let (names, claims) = (texts(batch, 0)?, texts(batch, 1)?);
            for (name, claim) in names.iter().zip(claims.iter()) {
                volumes.insert(
                    name.unwrap_or("").to_owned(),
                    claim.unwrap_or("").to_owned(),
                );
            }
            Ok(())
        })
        .await?;
        let mut others = Vec::new();
        let sql = format!(
            "SELECT DISTINCT name FROM (SELECT name, \
             unnest(json_path(object, '$.subjects[*].namespace')) AS namespace \
             FROM events WHERE kind = 'ClusterRoleBinding') WHERE {condition}"
        );
        for name in texts_of(session, &sql).await? {
            others.push(("clusterrolebindings".to_owned(), name));
            widened.insert(resource("rbac.authorization.k8s.io", "clusterrolebindings"));
        }
        if !volumes.is_empty() {
            widened.insert(resource("", "persistentvolumes"));
            let list: Vec<String> = volumes.keys().map(|name| literal(name)).collect();
            let sql = format!(
                "SELECT DISTINCT name FROM events WHERE kind = 'VolumeAttachment' AND \
                 json_get_str(object, 'spec', 'source', 'persistentVolumeName') IN ({})",
                list.join(", ")
            );
            for name in texts_of(session, &sql).await? {
                others.push(("volumeattachments".to_owned(), name));
                widened.insert(resource("storage.k8s.io", "volumeattachments"));
            }
        }
        Ok(Self {
            kinds: Arc::new(Kinds::of(feeds)),
            addresses: Arc::new(Addresses::find(session, condition, copies).await?),
            widened,
            volumes,
            others,
        })
    }

    /// Makes one copy, with other names for its namespaces.
    pub(super) fn renaming(
        &self,
        order: &Order,
        copy: u64,
        namespaces: HashMap<String, String>,
    ) -> Renaming {
        let mut renaming = Renaming {
            label: order.label.clone(),
            copy,
            namespaces: Names::Others(namespaces),
            addresses: Some(Arc::clone(&self.addresses)),
            kinds: Arc::clone(&self.kinds),
            ..Renaming::default()
        };
        let volumes: HashMap<String, String> = self
            .volumes
            .iter()
            .map(|(name, claim)| {
                // A volume that was made for a claim is called by its uid.
                let new = if !claim.is_empty() && name.contains(claim.as_str()) {
                    name.replace(claim.as_str(), &renaming.uid(claim))
                } else {
                    format!("{name}-{}", copy + 1)
                };
                (name.clone(), new)
            })
            .collect();
        renaming.volumes = Names::Others(volumes);
        for (plural, name) in &self.others {
            renaming.objects.insert(
                ObjectName {
                    resource: plural.clone(),
                    namespace: String::new(),
                    name: name.clone(),
                },
                format!("{name}-{}", copy + 1),
            );
        }
        renaming
    }
}
