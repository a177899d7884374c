use std::io::Read;

use flate2::read::MultiGzDecoder;

use super::super::body::Abort;
use super::super::fault::{Fault, RvRewrite};
use super::super::when::{LineMatch, When};
use super::*;

fn lines(count: u64) -> Vec<String> {
    let line = |n| {
        let kind = if n % 3 == 2 { "BOOKMARK" } else { "ADDED" };
        format!(
            "{{\"type\":\"{kind}\",\"object\":{{\"metadata\":{{\"name\":\"o-{n}\",\"resourceVersion\":\"{}\"}}}}}}\n",
            100 + n
        )
    };
    (0..count).map(line).collect()
}

fn armed(when: When, deed: Do) -> ArmedFault {
    ArmedFault::new(Fault::new("it", when, deed))
}

fn always() -> When {
    When::watching("pods")
}

/// Runs a body through in pieces of `size` bytes and joins what comes out up to the first other op.
fn run(faults: &[ArmedFault], body: &str, size: usize) -> (String, Vec<Op>) {
    let mut transformer = Transformer::new(faults);
    let mut ops = transformer.start();
    for piece in body.as_bytes().chunks(size) {
        if !matches!(ops.last(), Some(Op::End | Op::Abort(_))) {
            ops.extend(transformer.push(Bytes::copy_from_slice(piece)));
        }
    }
    if !matches!(ops.last(), Some(Op::End | Op::Abort(_))) {
        ops.extend(transformer.finish());
    }
    let mut bytes = Vec::new();
    let mut others = Vec::new();
    for op in ops {
        match op {
            Op::Data(data) => bytes.extend_from_slice(&data),
            other => others.push(other),
        }
    }
    (String::from_utf8_lossy(&bytes).into_owned(), others)
}

#[test]
fn without_faults_every_byte_passes_in_any_pieces() {
    let body = lines(5).concat() + "torn";
    for size in [1, 7, 4096] {
        assert_eq!(run(&[], &body, size), (body.clone(), vec![Op::End]));
    }
}

#[test]
fn faults_that_never_get_due_change_nothing() {
    let body = lines(5).concat() + "torn";
    let faults: Vec<_> = [
        Do::Reset,
        Do::Cut,
        Do::End,
        Do::Stall(None),
        Do::Slow(1),
        Do::Corrupt { offset: 0, byte: 0 },
        Do::Duplicate,
        Do::Swallow,
        Do::Reorder,
        Do::RewriteRv(RvRewrite::Minus(1)),
        Do::InjectErrorEvent(410),
        Do::Inject("x".into()),
        Do::StripBookmarks,
    ]
    .map(|deed| armed(always().after_events(99), deed))
    .into();
    for size in [1, 7, 4096] {
        assert_eq!(run(&faults, &body, size), (body.clone(), vec![Op::End]));
    }
    assert!(faults.iter().all(|fault| fault.fired() == 0));
}

#[test]
fn a_reset_comes_after_exactly_so_many_bytes_at_every_offset() {
    let body = lines(3).concat();
    for bytes in 0..=body.len() {
        for size in [1, 50, 4096] {
            let fault = armed(always().after_bytes(bytes as u64), Do::Reset);
            let (sent, others) = run(std::slice::from_ref(&fault), &body, size);
            assert_eq!(sent, &body[..bytes]);
            assert_eq!(others, [Op::Abort(Abort::Reset)]);
            assert_eq!(fault.fired(), 1);
        }
    }
}

#[test]
fn a_cut_inside_a_line_is_counted_from_the_lines_start() {
    let all = lines(4);
    for (deed, op) in [(Do::Cut, Op::Abort(Abort::Cut)), (Do::End, Op::End)] {
        for bytes in 0..all[2].len() {
            let fault = armed(always().after(2, bytes as u64), deed.clone());
            let (sent, others) = run(&[fault], &all.concat(), 9);
            assert_eq!(sent, format!("{}{}{}", all[0], all[1], &all[2][..bytes]));
            assert_eq!(others.as_slice(), std::slice::from_ref(&op));
        }
    }
}

#[test]
fn a_stall_and_a_pace_stand_between_the_bytes() {
    let all = lines(2);
    let stall = armed(always().after_events(1), Do::Stall(None));
    let mut transformer = Transformer::new(std::slice::from_ref(&stall));
    assert!(transformer.start().is_empty());
    let ops = transformer.push(all.concat().into());
    let data = |text: &String| Op::Data(text.clone().into());
    assert_eq!(ops, [data(&all[0]), Op::Stall(None), data(&all[1])]);
    let slow = armed(always(), Do::Slow(10));
    let mut transformer = Transformer::new(std::slice::from_ref(&slow));
    assert_eq!(transformer.start(), [Op::Pace(10)]);
    assert_eq!(transformer.push("x".into()), [Op::Data("x".into())]);
}

#[test]
fn a_timed_fault_waits_for_its_time_and_then_needs_no_bytes() {
    let cut = armed(always().after_time(Duration::from_secs(5)), Do::Cut);
    let swallow = armed(always().after_time(Duration::from_secs(9)), Do::Swallow);
    let mut transformer = Transformer::new(&[swallow.clone(), cut]);
    assert!(transformer.start().is_empty());
    assert_eq!(transformer.deadline(), Some(Duration::from_secs(5)));
    assert_eq!(transformer.push("a\n".into()), [Op::Data("a\n".into())]);
    assert!(transformer.advance(Duration::from_secs(4)).is_empty());
    assert_eq!(
        transformer.advance(Duration::from_secs(5)),
        [Op::Abort(Abort::Cut)]
    );
    assert_eq!(transformer.deadline(), Some(Duration::from_secs(9)));
    transformer.advance(Duration::from_secs(9));
    assert!(transformer.push("b\n".into()).is_empty());
    assert_eq!(swallow.fired(), 1);
    assert_eq!(transformer.deadline(), None);
}

#[test]
fn line_faults_change_one_line_and_leave_the_others() {
    let all = lines(4);
    let [a, b, c, d] = [0, 1, 2, 3].map(|n| all[n].clone());
    let corrupt = b.replacen("\"type\"", "\"tXpe\"", 1);
    let older = b.replace("101", "91");
    for (deed, expected) in [
        (
            Do::Corrupt {
                offset: 3,
                byte: b'X',
            },
            [&*a, &corrupt, &c, &d].concat(),
        ),
        (Do::Duplicate, [&*a, &b, &b, &c, &d].concat()),
        (Do::Swallow, [&*a, &c, &d].concat()),
        (Do::Reorder, [&*a, &c, &b, &d].concat()),
        (
            Do::RewriteRv(RvRewrite::Minus(10)),
            [&*a, &older, &c, &d].concat(),
        ),
    ] {
        for size in [1, 13, 4096] {
            let fault = armed(always().after_events(1), deed.clone());
            let (sent, others) = run(std::slice::from_ref(&fault), &all.concat(), size);
            assert_eq!(sent, expected, "{deed:?}");
            assert_eq!(others, [Op::End]);
            assert_eq!(fault.fired(), 1);
        }
    }
}

#[test]
fn a_line_to_be_reordered_is_not_lost_at_the_end_or_before_a_torn_line() {
    let all = lines(1).concat();
    for tail in ["", "torn"] {
        let fault = armed(always(), Do::Reorder);
        let (sent, _) = run(&[fault], &format!("{all}{tail}"), 4096);
        assert_eq!(sent, format!("{tail}{all}"));
    }
}

#[test]
fn lines_are_chosen_by_type_and_text_and_the_budget_holds() {
    let all = lines(6);
    let chosen = LineMatch::event_type("ADDED").containing("\"o-3\"");
    let fault = armed(always().lines(chosen), Do::Swallow);
    let (sent, _) = run(&[fault], &all.concat(), 4096);
    assert_eq!(sent, all.concat().replace(&all[3], ""));

    let twice = Fault::new("it", always(), Do::Swallow).budget(2);
    let (sent, _) = run(&[ArmedFault::new(twice)], &all.concat(), 4096);
    assert_eq!(sent, all[2..].concat());
}

#[test]
fn all_bookmarks_are_stripped_and_counted() {
    let all = lines(6);
    let fault = armed(always(), Do::StripBookmarks);
    let (sent, _) = run(std::slice::from_ref(&fault), &all.concat(), 4096);
    assert!(!sent.contains("BOOKMARK"));
    assert_eq!(sent.lines().count(), 4);
    assert_eq!(fault.fired(), 2);
}

#[test]
fn an_injected_error_event_ends_the_stream_and_injected_bytes_do_not() {
    let all = lines(3);
    let fault = armed(always().after_events(1), Do::InjectErrorEvent(410));
    let (sent, others) = run(&[fault], &all.concat(), 4096);
    let error = sent.strip_prefix(&all[0]).unwrap();
    let error: serde_json::Value = serde_json::from_str(error).unwrap();
    assert_eq!(error["type"], "ERROR");
    assert_eq!(error["object"]["code"], 410);
    assert_eq!(others, [Op::End]);

    let fault = armed(always().after_events(1), Do::Inject("[[[\n".into()));
    let (sent, others) = run(&[fault], &all.concat(), 4096);
    assert_eq!(sent, format!("{}[[[\n{}{}", all[0], all[1], all[2]));
    assert_eq!(others, [Op::End]);
}

#[test]
fn rechunking_gives_pieces_of_one_byte() {
    let fault = armed(always(), Do::Rechunk(1));
    let mut transformer = Transformer::new(std::slice::from_ref(&fault));
    transformer.start();
    let ops = transformer.push("abc".into());
    let data = |text: &'static str| Op::Data(text.into());
    assert_eq!(ops, [data("a"), data("b"), data("c")]);
    assert_eq!(fault.fired(), 1);
}

#[test]
fn each_line_becomes_a_gzip_member() {
    let all = lines(3);
    let fault = armed(always(), Do::GzipMembers);
    let mut transformer = Transformer::new(std::slice::from_ref(&fault));
    assert!(transformer.start().is_empty());
    assert_eq!(fault.fired(), 1);
    let ops = transformer.push(all.concat().into());
    assert_eq!(ops.len(), 3);
    let mut packed = Vec::new();
    for (op, line) in ops.into_iter().zip(&all) {
        let Op::Data(member) = op else {
            panic!("{op:?}")
        };
        let mut text = String::new();
        flate2::read::GzDecoder::new(&member[..])
            .read_to_string(&mut text)
            .unwrap();
        assert_eq!(&text, line);
        packed.extend_from_slice(&member);
    }
    let mut text = String::new();
    MultiGzDecoder::new(&packed[..])
        .read_to_string(&mut text)
        .unwrap();
    assert_eq!(text, all.concat());
}

#[test]
fn faults_work_on_what_the_ones_before_them_let_through() {
    let all = lines(6);
    let faults = [
        armed(always(), Do::StripBookmarks),
        armed(always().after_events(3), Do::Cut),
    ];
    let (sent, others) = run(&faults, &all.concat(), 5);
    assert_eq!(sent, [&*all[0], &all[1], &all[3]].concat());
    assert_eq!(others, [Op::Abort(Abort::Cut)]);
}
