//! How much memory live objects take:
//! `cargo test -p kymo-watch --test memory -- --nocapture`.
#![expect(clippy::unwrap_used, reason = "test code")]
#![cfg(target_os = "linux")]

use kymo_model::{Feed, FeedId, ResourceType, Scope, Timestamp};
use kymo_watch::machine::{FeedMachine, Input};
use kymo_watch::page::ListPage;
use kymo_watch::{FeedConfig, FeedOptions, ResumeFrom};

const OBJECTS: usize = 200_000;

fn resident_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    let kilobytes: usize = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kilobytes * 1024
}

fn give(machine: &mut FeedMachine, input: Input<'_>) {
    machine.handle(Timestamp(0), input);
    while machine.next_output().is_some() {}
}

#[test]
fn a_live_object_takes_less_than_150_bytes() {
    let mut machine = FeedMachine::new(FeedConfig {
        id: FeedId(1),
        feed: Feed {
            resource: ResourceType {
                group: String::new(),
                version: "v1".into(),
                resource: "pods".into(),
                kind: "Pod".into(),
                namespaced: true,
            },
            scope: Scope::default(),
        },
        options: FeedOptions {
            streaming_lists: false,
            ..FeedOptions::default()
        },
        resume: ResumeFrom::default(),
        seed: 1,
    });
    give(&mut machine, Input::Start);
    let before = resident_bytes();
    for page in 0..OBJECTS / 500 {
        let items: Vec<String> = (0..500)
            .map(|number| {
                let number = page * 500 + number;
                format!(
                    r#"{{"metadata":{{"name":"web-frontend-5d4f8c7b9-{number:018}","namespace":"team-{}","uid":"00000000-0000-4000-8000-{number:012}","resourceVersion":"{number}"}}}}"#,
                    number % 50
                )
            })
            .collect();
        let more = if (page + 1) * 500 < OBJECTS {
            "more"
        } else {
            ""
        };
        let text = format!(
            r#"{{"kind":"PodList","items":[{}],"metadata":{{"resourceVersion":"900000","continue":"{more}"}}}}"#,
            items.join(",")
        );
        let page = ListPage::parse(text.as_bytes()).unwrap();
        give(&mut machine, Input::Page(&page.head));
        for item in page.items() {
            give(&mut machine, Input::Item(item));
        }
        give(&mut machine, Input::PageEnd);
    }
    assert_eq!(machine.status().live_objects, OBJECTS);
    let each = (resident_bytes() - before) / OBJECTS;
    println!("{each} bytes per live object of {OBJECTS}, names of 40 characters");
    assert!(each < 150, "{each}");
}
