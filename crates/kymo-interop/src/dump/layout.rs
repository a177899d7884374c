//! Which files belong to one dump, and what the place of a file tells.

use std::collections::{BTreeMap, BTreeSet};

use crate::input::Entry;

/// Who made a dump.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Maker {
    /// `oc adm must-gather` and `oc adm inspect`.
    MustGather,
    /// `kubectl support-bundle`.
    SupportBundle,
    /// `kubectl cluster-info dump --output-directory`.
    ClusterInfo,
    /// A file with what `kubectl get` or anything else wrote.
    File,
}

/// The files of one dump.
#[derive(Debug)]
pub(super) struct Group {
    /// Who made it.
    pub(super) maker: Maker,
    /// How messages name it.
    pub(super) name: String,
    /// The folder that the paths of its files begin with, and how long that is.
    base: usize,
    /// What is read.
    pub(super) files: Vec<Entry>,
    /// Files that tell when it was made.
    pub(super) timestamps: Vec<Entry>,
}

/// Which objects of a kind a list is said to show.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Told {
    /// Nothing tells.
    #[default]
    Nothing,
    /// Those of the whole cluster.
    Cluster,
    /// Those of a namespace.
    Namespace(String),
}

/// What the place of a file tells of the objects in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Hint {
    /// What a list in it shows.
    pub(super) told: Told,
    /// Group and plural of the resource.
    pub(super) resource: Option<(String, String)>,
    /// A word for the kind, where the file itself may leave it out.
    pub(super) word: Option<String>,
}

/// The file in which a must-gather notes its times.
pub(super) const TIMESTAMP: &str = "timestamp";
const SUPPORT_BUNDLE: &str = "cluster-resources";
const INSPECT: [&str; 2] = ["cluster-scoped-resources", "namespaces"];

/// Puts files together that are of one dump.
pub(super) fn group(entries: Vec<Entry>) -> Vec<Group> {
    let bases = Bases::of(&entries);
    let mut groups: BTreeMap<(usize, Option<&str>, usize), Group> = BTreeMap::new();
    let places: Vec<Option<(Maker, &str)>> = entries
        .iter()
        .map(|entry| bases.of_path(entry.root, &entry.path))
        .collect();
    for (index, (entry, place)) in entries.into_iter().zip(places).enumerate() {
        let is_timestamp = file_name(&entry.path) == TIMESTAMP;
        let (key, maker, base) = match place {
            Some((maker, base)) => ((entry.root, Some(base), 0), maker, base.len()),
            // Without a dump around it there is nothing to tell the time of.
            None if is_timestamp && !entry.is_named => continue,
            None => ((entry.root, None, index + 1), Maker::File, 0),
        };
        let group = groups.entry(key).or_insert_with(|| Group {
            maker,
            name: name(&entry, base),
            base,
            files: Vec::new(),
            timestamps: Vec::new(),
        });
        if is_timestamp && group.maker != Maker::File {
            group.timestamps.push(entry);
        } else {
            group.files.push(entry);
        }
    }
    groups
        .into_values()
        .filter(|group| !group.files.is_empty())
        .collect()
}

/// Returns the name of the folder or archive in which an entry of a dump lies.
fn name(entry: &Entry, base: usize) -> String {
    let below = entry.path.get(base..).unwrap_or_default();
    let name = entry.name.strip_suffix(below).unwrap_or(&entry.name);
    if base == 0 && !below.contains('/') {
        return entry.name.clone();
    }
    name.trim_end_matches(['/', '!']).to_owned()
}

/// The folders in which dumps begin, by the user's path they lie below.
struct Bases(BTreeMap<(usize, String), Maker>);

impl Bases {
    fn of(entries: &[Entry]) -> Self {
        let mut bases = BTreeMap::new();
        let timestamps: BTreeSet<(usize, &str)> = entries
            .iter()
            .filter(|entry| file_name(&entry.path) == TIMESTAMP)
            .map(|entry| (entry.root, parent(&entry.path)))
            .collect();
        for entry in entries {
            if let Some((maker, base)) = base_of(&entry.path) {
                let base = match maker {
                    Maker::MustGather => {
                        above_image(base, |folder| timestamps.contains(&(entry.root, folder)))
                    }
                    _ => base,
                };
                bases.insert((entry.root, base.to_owned()), maker);
            }
        }
        for (root, base) in cluster_info(entries) {
            let place = (root, base.to_owned());
            bases.entry(place).or_insert(Maker::ClusterInfo);
        }
        Self(bases)
    }

    /// Finds the innermost dump in which a path lies, and its folder with the `/`.
    fn of_path<'a>(&'a self, root: usize, path: &str) -> Option<(Maker, &'a str)> {
        let mut folder = path;
        loop {
            folder = parent(folder);
            let known = self.0.get_key_value(&(root, folder.to_owned()));
            if let Some(((_, base), maker)) = known {
                return Some((*maker, base));
            }
            if folder.is_empty() {
                return None;
            }
        }
    }
}

/// Finds the folder of a dump by a file in it whose place only a dump has.
fn base_of(path: &str) -> Option<(Maker, &str)> {
    let mut start = 0;
    for part in path.split('/') {
        let behind = path.get(start + part.len()..).unwrap_or_default();
        let depth = behind.matches('/').count();
        let base = path.get(..start).unwrap_or_default().trim_end_matches('/');
        if INSPECT.contains(&part) && depth >= 2 {
            return Some((Maker::MustGather, base));
        }
        if part == SUPPORT_BUNDLE && depth >= 1 {
            return Some((Maker::SupportBundle, base));
        }
        start += part.len() + 1;
    }
    None
}

/// A must-gather has a folder for each image that gathered something.
fn above_image(base: &str, has_timestamp: impl Fn(&str) -> bool) -> &str {
    let above = parent(base);
    let is_image = file_name(base).contains("-sha256-") || has_timestamp(above);
    if is_image && !base.is_empty() {
        above
    } else {
        base
    }
}

/// Finds folders with `nodes.json` and a `pods.json` or the like in a folder below.
fn cluster_info(entries: &[Entry]) -> Vec<(usize, &str)> {
    let is = |entry: &Entry, names: &[&str]| {
        let name = file_name(&entry.path);
        let stem = name
            .strip_suffix(".json")
            .or_else(|| name.strip_suffix(".yaml"));
        stem.is_some_and(|stem| names.contains(&stem))
    };
    let with_namespaces: BTreeSet<(usize, &str)> = entries
        .iter()
        .filter(|entry| is(entry, &["pods", "events", "services"]) && entry.path.contains('/'))
        .map(|entry| (entry.root, parent(parent(&entry.path))))
        .collect();
    entries
        .iter()
        .filter(|entry| is(entry, &["nodes"]))
        .map(|entry| (entry.root, parent(&entry.path)))
        .filter(|folder| with_namespaces.contains(folder))
        .collect()
}

impl Group {
    /// Returns what the place of a file of the dump tells.
    pub(super) fn hint(&self, path: &str) -> Hint {
        let below = path.get(self.base..).unwrap_or_default();
        let below = below.trim_start_matches('/');
        let stem = [".json", ".yaml", ".yml"]
            .iter()
            .find_map(|suffix| below.strip_suffix(suffix));
        let parts: Vec<&str> = stem.unwrap_or(below).split('/').collect();
        match self.maker {
            Maker::MustGather => inspected(&parts),
            Maker::SupportBundle => bundled(&parts),
            Maker::ClusterInfo => match parts.as_slice() {
                [_] => of_cluster(None),
                [namespace, _] => of_namespace(namespace, None),
                _ => Hint::default(),
            },
            Maker::File => Hint::default(),
        }
    }
}

fn of_cluster(resource: Option<(String, String)>) -> Hint {
    Hint {
        told: Told::Cluster,
        resource,
        word: None,
    }
}

fn of_namespace(namespace: &str, resource: Option<(String, String)>) -> Hint {
    Hint {
        told: Told::Namespace(namespace.to_owned()),
        resource,
        word: None,
    }
}

fn inspected(parts: &[&str]) -> Hint {
    let resource = |group: &str, plural: &str| {
        let group = if group == "core" { "" } else { group };
        Some((group.to_owned(), plural.to_owned()))
    };
    let start = parts.iter().position(|part| INSPECT.contains(part));
    match parts
        .get(start.unwrap_or(parts.len())..)
        .unwrap_or_default()
    {
        ["namespaces", namespace, group, plural] if *group != "pods" => {
            of_namespace(namespace, resource(group, plural))
        }
        ["namespaces", _, group, plural, _] if *group != "pods" => Hint {
            resource: resource(group, plural),
            ..Hint::default()
        },
        ["cluster-scoped-resources", group, plural] => of_cluster(resource(group, plural)),
        ["cluster-scoped-resources", group, plural, _] => Hint {
            resource: resource(group, plural),
            ..Hint::default()
        },
        _ => Hint::default(),
    }
}

fn bundled(parts: &[&str]) -> Hint {
    let custom = |name: &str| {
        let (plural, group) = name.split_once('.')?;
        Some((group.to_owned(), plural.to_owned()))
    };
    let mut hint = match parts {
        [SUPPORT_BUNDLE, "custom-resources", name] => return of_cluster(custom(name)),
        [SUPPORT_BUNDLE, "custom-resources", name, namespace] => {
            return of_namespace(namespace, custom(name));
        }
        [SUPPORT_BUNDLE, _] => of_cluster(None),
        [SUPPORT_BUNDLE, _, namespace] => of_namespace(namespace, None),
        _ => return Hint::default(),
    };
    hint.word = parts.get(1).map(|word| (*word).to_owned());
    hint
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

fn file_name(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn groups(paths: &[&str]) -> Vec<(Maker, Vec<String>, usize)> {
        let entries = paths
            .iter()
            .map(|path| {
                let mut entry = Entry::of_bytes(path, b"");
                entry.is_named = false;
                entry
            })
            .collect();
        group(entries)
            .iter()
            .map(|group| {
                let files = group.files.iter().map(|file| file.path.clone());
                (group.maker, files.collect(), group.timestamps.len())
            })
            .collect()
    }

    fn owned(paths: &[&str]) -> Vec<String> {
        paths.iter().map(|path| (*path).to_owned()).collect()
    }

    #[test]
    fn the_images_of_a_must_gather_are_one_dump() {
        let image = "quay-io-a-sha256-0/cluster-scoped-resources/core/nodes/a.yaml";
        let other = "registry-b-latest/namespaces/shop/core/pods.yaml";
        let beside = "quay-io-a-sha256-0/web_hooks/validating.yaml";
        assert_eq!(
            groups(&[
                "mg/timestamp",
                &format!("mg/{image}"),
                &format!("mg/{other}"),
                &format!("mg/{beside}"),
                "mg/quay-io-a-sha256-0/timestamp",
            ]),
            [(
                Maker::MustGather,
                owned(&[
                    &format!("mg/{image}"),
                    &format!("mg/{other}"),
                    &format!("mg/{beside}")
                ]),
                2
            )],
        );
        assert_eq!(groups(&[image, beside])[0].1.len(), 2);
    }

    #[test]
    fn a_folder_with_several_dumps_gives_each() {
        assert_eq!(
            groups(&[
                "a/inspect.local.1/namespaces/shop/core/pods.yaml",
                "a/inspect.local.1/timestamp",
                "a/inspect.local.2/namespaces/shop/core/pods.yaml",
                "b/cluster-resources/nodes.json",
                "c/nodes.json",
                "c/shop/pods.json",
                "c/shop/web-0/logs.json",
                "pods-1.json",
                "pods-2.json",
                "timestamp",
            ]),
            [
                (Maker::File, owned(&["pods-1.json"]), 0),
                (Maker::File, owned(&["pods-2.json"]), 0),
                (
                    Maker::MustGather,
                    owned(&["a/inspect.local.1/namespaces/shop/core/pods.yaml"]),
                    1
                ),
                (
                    Maker::MustGather,
                    owned(&["a/inspect.local.2/namespaces/shop/core/pods.yaml"]),
                    0
                ),
                (
                    Maker::SupportBundle,
                    owned(&["b/cluster-resources/nodes.json"]),
                    0
                ),
                (
                    Maker::ClusterInfo,
                    owned(&["c/nodes.json", "c/shop/pods.json", "c/shop/web-0/logs.json"]),
                    0
                ),
            ],
        );
    }

    #[test]
    fn the_place_of_a_file_tells_namespace_and_resource() {
        let hint = |path: &str| {
            let groups = group(vec![
                Entry::of_bytes(path, b""),
                Entry::of_bytes("x/nodes.json", b""),
            ]);
            let group = groups
                .iter()
                .find(|group| group.files[0].path == path)
                .unwrap();
            let hint = group.hint(path);
            let resource = hint
                .resource
                .map(|(group, plural)| format!("{plural}.{group}"));
            (
                hint.told,
                resource.unwrap_or_default(),
                hint.word.unwrap_or_default(),
            )
        };
        let told =
            |told: Told, resource: &str, word: &str| (told, resource.to_owned(), word.to_owned());
        let shop = || Told::Namespace("shop".to_owned());
        for (path, expected) in [
            (
                "m/q-sha256-0/namespaces/shop/core/pods.yaml",
                told(shop(), "pods.", ""),
            ),
            (
                "namespaces/shop/e.com/meshes/a.yaml",
                told(Told::Nothing, "meshes.e.com", ""),
            ),
            (
                "namespaces/shop/pods/web-0/web-0.yaml",
                told(Told::Nothing, "", ""),
            ),
            (
                "namespaces/shop/pods/web-0/web/x.yaml",
                told(Told::Nothing, "", ""),
            ),
            (
                "cluster-scoped-resources/e.com/meshes.yaml",
                told(Told::Cluster, "meshes.e.com", ""),
            ),
            (
                "cluster-scoped-resources/core/nodes/a.yaml",
                told(Told::Nothing, "nodes.", ""),
            ),
            (
                "b/cluster-resources/pods/shop.json",
                told(shop(), "", "pods"),
            ),
            (
                "b/cluster-resources/pvs.json",
                told(Told::Cluster, "", "pvs"),
            ),
            (
                "cluster-resources/custom-resources/meshes.e.com/shop.yaml",
                told(shop(), "meshes.e.com", ""),
            ),
            ("x/shop/pods.json", told(shop(), "", "")),
            ("pods.json", told(Told::Nothing, "", "")),
        ] {
            assert_eq!(hint(path), expected, "{path}");
        }
    }

    #[test]
    fn messages_name_the_folder_or_archive_of_a_dump() {
        let name = |name: &str, path: &str| {
            let mut entry = Entry::of_bytes(path, b"");
            name.clone_into(&mut entry.name);
            group(vec![entry])[0].name.clone()
        };
        let path = "mg/namespaces/shop/core/pods.yaml";
        assert_eq!(name(&format!("a.tar.gz!{path}"), path), "a.tar.gz!mg");
        assert_eq!(name(&format!("dir/{path}"), path), "dir/mg");
        let path = "namespaces/shop/core/pods.yaml";
        assert_eq!(name(&format!("a.tar!{path}"), path), "a.tar");
        assert_eq!(name("dir/pods.json", "pods.json"), "dir/pods.json");
    }
}
