//! Pods with numbers, and the claims that each of them has for itself.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use kymo_query::QuerySession;

use super::life::Life;
use super::ratio::Ratio;
use crate::Error;
use crate::copy::{Kinds, Names, ObjectName, Renaming, texts_of};
use crate::language::Workload;
use crate::rows::{each_batch, literal, texts};

/// The highest number of a pod: all below it are kept in memory.
const HIGHEST: u64 = 100_000;

/// The numbers of the pods of a `StatefulSet`.
#[derive(Debug, Default)]
pub(super) struct Ordinals {
    /// One more than the highest that was recorded.
    count: u64,
    /// For each recorded number how many pods there will be of it.
    copies: Vec<u64>,
    /// The templates of claims.
    templates: Vec<String>,
}

/// Something that a numbered pod has for itself, and which number.
pub(super) struct Owned {
    pub(super) uid: String,
    pub(super) ordinal: u64,
}

impl Ordinals {
    /// Finds out how many there will be of each number. The lowest numbers stay, as the controller
    /// takes away the highest first.
    pub(super) async fn of(
        workload: &Workload,
        lives: &[Life],
        ratio: Ratio,
        session: &QuerySession,
    ) -> Result<Self, Error> {
        let highest = lives.iter().max_by_key(|life| ordinal(&life.name));
        if let Some(life) = highest.filter(|life| ordinal(&life.name) > HIGHEST) {
            return Err(Error::Statement {
                message: format!("the number of the pod `{}` is above {HIGHEST}", life.name),
                place: workload.place,
                hint: Some("SCALE its namespace".to_owned()),
            });
        }
        let count = highest.map_or(0, |life| ordinal(&life.name) + 1);
        let left = ratio.of(count);
        let copies = (0..count).map(|ordinal| {
            if ratio.numerator < ratio.denominator {
                u64::from(ordinal < left)
            } else {
                ratio.copies(ordinal)
            }
        });
        let sql = format!(
            "SELECT DISTINCT unnest(json_path(object, '$.spec.volumeClaimTemplates[*].metadata.name')) \
             FROM events WHERE kind = 'StatefulSet' AND namespace = {} AND name = {}",
            literal(&workload.namespace),
            literal(&workload.name)
        );
        Ok(Self {
            count,
            copies: copies.collect(),
            templates: texts_of(session, &sql).await?.into_iter().collect(),
        })
    }

    /// Returns how many there will be of a number.
    pub(super) fn copies(&self, ordinal: u64) -> u64 {
        let index = usize::try_from(ordinal).unwrap_or(usize::MAX);
        self.copies.get(index).copied().unwrap_or(0)
    }

    /// Returns the number of a clone: those behind the recorded ones, in order.
    pub(super) fn clone_of(&self, ordinal: u64, copy: u64) -> u64 {
        let before = self
            .copies
            .iter()
            .take(usize::try_from(ordinal).unwrap_or(usize::MAX));
        let before: u64 = before.map(|copies| copies.saturating_sub(1)).sum();
        self.count + before + copy - 1
    }

    /// Returns what a clone's pod says in place of what the recorded one says.
    pub(super) fn words(&self, pod: &str, number: u64) -> Vec<(String, String)> {
        let (stem, old) = (stem(pod), ordinal(pod));
        let index = |number: u64| format!("\"apps.kubernetes.io/pod-index\":\"{number}\"");
        let mut words = vec![
            (pod.to_owned(), format!("{stem}-{number}")),
            (index(old), index(number)),
        ];
        for template in &self.templates {
            words.push((
                format!("{template}-{pod}"),
                format!("{template}-{stem}-{number}"),
            ));
        }
        words
    }

    /// Finds the claims of the pods with their volumes and Events, and names those of the clones, by
    /// recorded number.
    pub(super) async fn claims(
        &self,
        workload: &Workload,
        label: &str,
        kinds: Kinds,
        session: &QuerySession,
    ) -> Result<(Vec<Owned>, BTreeMap<u64, Vec<Renaming>>), Error> {
        let mut owned = Vec::new();
        let mut renamings: BTreeMap<u64, Vec<Renaming>> = BTreeMap::new();
        if self.templates.is_empty() {
            return Ok((owned, renamings));
        }
        let kinds = Arc::new(kinds);
        let mut claims: HashMap<String, (u64, String)> = HashMap::new();
        let mut names: HashMap<String, u64> = HashMap::new();
        for ordinal in 0..self.count {
            for template in &self.templates {
                names.insert(format!("{template}-{}-{ordinal}", workload.name), ordinal);
            }
            let copies = (1..self.copies(ordinal)).map(|copy| Renaming {
                label: format!("{label}/claims"),
                copy: self.clone_of(ordinal, copy),
                kinds: Arc::clone(&kinds),
                ..Renaming::default()
            });
            renamings.insert(ordinal, copies.collect());
        }
        let stem = &workload.name;
        let sql = format!(
            "SELECT DISTINCT uid, name FROM events WHERE kind = 'PersistentVolumeClaim' AND namespace = {}",
            literal(&workload.namespace)
        );
        each_batch(session, &sql, |batch| {
            let (uids, found) = (texts(batch, 0)?, texts(batch, 1)?);
            for (uid, name) in uids.iter().zip(found.iter()) {
                let (uid, name) = (uid.unwrap_or(""), name.unwrap_or(""));
                let Some(ordinal) = names.get(name).copied() else {
                    continue;
                };
                claims.insert(uid.to_owned(), (ordinal, name.to_owned()));
                let template = name
                    .strip_suffix(&format!("-{stem}-{ordinal}"))
                    .unwrap_or(name);
                for renaming in renamings.entry(ordinal).or_default() {
                    renaming.objects.insert(
                        object("persistentvolumeclaims", &workload.namespace, name),
                        format!("{template}-{stem}-{}", renaming.copy),
                    );
                }
                owned.push(Owned {
                    uid: uid.to_owned(),
                    ordinal,
                });
            }
            Ok(())
        })
        .await?;
        let sql = "SELECT DISTINCT uid, name, json_get_str(object, 'spec', 'claimRef', 'uid') \
                   FROM events WHERE kind = 'PersistentVolume' ORDER BY name";
        each_batch(session, sql, |batch| {
            let (uids, found, bound) = (texts(batch, 0)?, texts(batch, 1)?, texts(batch, 2)?);
            for ((uid, name), claim) in uids.iter().zip(found.iter()).zip(bound.iter()) {
                let claim = claim.unwrap_or("");
                let Some((ordinal, _)) = claims.get(claim) else {
                    continue;
                };
                let name = name.unwrap_or("");
                for renaming in renamings.entry(*ordinal).or_default() {
                    let new = if name.contains(claim) {
                        name.replace(claim, &renaming.uid(claim))
                    } else {
                        format!("{name}-{}", renaming.copy)
                    };
                    let mut volumes = match std::mem::take(&mut renaming.volumes) {
                        Names::Others(volumes) => volumes,
                        _ => HashMap::new(),
                    };
                    volumes.insert(name.to_owned(), new);
                    renaming.volumes = Names::Others(volumes);
                }
                owned.push(Owned {
                    uid: uid.unwrap_or("").to_owned(),
                    ordinal: *ordinal,
                });
            }
            Ok(())
        })
        .await?;
        let sql = format!(
            "SELECT DISTINCT uid, name, coalesce(json_get_str(object, 'involvedObject', 'uid'), \
             json_get_str(object, 'regarding', 'uid')) FROM events \
             WHERE kind = 'Event' AND namespace = {} ORDER BY name",
            literal(&workload.namespace)
        );
        each_batch(session, &sql, |batch| {
            let (uids, found, about) = (texts(batch, 0)?, texts(batch, 1)?, texts(batch, 2)?);
            for ((uid, name), about) in uids.iter().zip(found.iter()).zip(about.iter()) {
                let Some((ordinal, claim)) = claims.get(about.unwrap_or("")) else {
                    continue;
                };
                let name = name.unwrap_or("");
                for renaming in renamings.entry(*ordinal).or_default() {
                    let of_claim = object("persistentvolumeclaims", &workload.namespace, claim);
                    let claim_of_clone = renaming.objects.get(&of_claim).cloned();
                    let new = match (name.strip_prefix(claim.as_str()), claim_of_clone) {
                        (Some(rest), Some(new)) => format!("{new}{rest}"),
                        _ => format!("{name}-{}", renaming.copy),
                    };
                    renaming
                        .objects
                        .insert(object("events", &workload.namespace, name), new);
                }
                owned.push(Owned {
                    uid: uid.unwrap_or("").to_owned(),
                    ordinal: *ordinal,
                });
            }
            Ok(())
        })
        .await?;
        Ok((owned, renamings))
    }
}

fn object(resource: &str, namespace: &str, name: &str) -> ObjectName {
    ObjectName {
        resource: resource.to_owned(),
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    }
}

/// Returns the number behind the last minus of a pod's name.
pub(super) fn ordinal(pod: &str) -> u64 {
    let number = pod.rsplit_once('-').map(|(_, number)| number);
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}

fn stem(pod: &str) -> &str {
    pod.rsplit_once('-').map_or(pod, |(stem, _)| stem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_have_the_numbers_behind_the_recorded_ones() {
        let ordinals = Ordinals {
            count: 3,
            copies: vec![2, 3, 2],
            templates: vec!["data".to_owned()],
        };
        let numbers: Vec<u64> = (0..3)
            .flat_map(|ordinal| (1..ordinals.copies(ordinal)).map(move |copy| (ordinal, copy)))
            .map(|(ordinal, copy)| ordinals.clone_of(ordinal, copy))
            .collect();
        assert_eq!(numbers, [3, 4, 5, 6]);
        let words = ordinals.words("web-1", 4);
        assert!(words.contains(&("web-1".to_owned(), "web-4".to_owned())));
        assert!(words.contains(&("data-web-1".to_owned(), "data-web-4".to_owned())));
    }
}
