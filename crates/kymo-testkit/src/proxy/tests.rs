use std::io::{ErrorKind, Read};
use std::time::Duration;

use bytes::Bytes;
use futures::stream;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::*;

const LINES: [&str; 4] = [
    "{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":\"a\",\"resourceVersion\":\"11\"}}}\n",
    "{\"type\":\"MODIFIED\",\"object\":{\"metadata\":{\"name\":\"a\",\"resourceVersion\":\"12\"}}}\n",
    "{\"type\":\"BOOKMARK\",\"object\":{\"metadata\":{\"resourceVersion\":\"13\"}}}\n",
    "{\"type\":\"DELETED\",\"object\":{\"metadata\":{\"name\":\"a\",\"resourceVersion\":\"14\"}}}\n",
];
const WATCH: &str = "/api/v1/pods?watch=true";

/// An upstream that writes `LINES` to every watch and ends, nothing to a silent one, and to anything else a text
/// of known length.
struct Origin;

impl Handler for Origin {
    fn handle(
        self: Arc<Self>,
        request: Request<Incoming>,
    ) -> BoxFuture<'static, Result<Response<ReplyBody>, Abort>> {
        Box::pin(async move {
            let seen = SeenRequest::of(&request.into_parts().0);
            let body = if seen.query("silent").is_some() {
                ReplyBody::streaming(stream::pending())
            } else if seen.is_watch() {
                ReplyBody::streaming(stream::iter(LINES.map(|line| Ok(Bytes::from(line)))))
            } else {
                ReplyBody::full(format!("you sent {:?}", seen.header("authorization")))
            };
            let response = Response::builder().header("content-type", "application/json");
            response.body(body).map_err(|_| Abort::Reset)
        })
    }
}

async fn proxy(faults: impl IntoIterator<Item = Fault>) -> (FaultProxy, Loopback) {
    let origin = Loopback::start(Arc::new(Origin)).await.unwrap();
    let upstream = Upstream::http(&format!("http://{}", origin.address())).unwrap();
    let proxy = FaultProxy::start(upstream, faults).await.unwrap();
    (proxy, origin)
}

/// What one request over a connection of its own gave: head, body without its chunk frame, how it ended.
#[derive(Debug)]
struct Got {
    head: String,
    body: Vec<u8>,
    chunks: usize,
    end: Result<(), ErrorKind>,
    whole: bool,
}

impl Got {
    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

/// Sends a request and reads until the end of the connection; `pause` gives up on silence.
async fn get(proxy: &FaultProxy, path: &str, pause: Duration) -> Got {
    let mut stream = TcpStream::connect(proxy.loopback.address()).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut raw = Vec::new();
    let end = loop {
        match timeout(pause, stream.read_buf(&mut raw)).await {
            Err(_) => break Err(ErrorKind::TimedOut),
            Ok(Ok(0)) => break Ok(()),
            Ok(Ok(_)) => {}
            Ok(Err(error)) => break Err(error.kind()),
        }
    };
    let split = raw.windows(4).position(|it| it == b"\r\n\r\n");
    let split = split.map_or(raw.len(), |at| at + 4);
    let head = String::from_utf8(raw[..split].to_vec())
        .unwrap()
        .to_lowercase();
    let mut rest = &raw[split..];
    let (mut body, mut chunks, mut whole) = (Vec::new(), 0, false);
    if head.contains("transfer-encoding: chunked") {
        while let Some(at) = rest.windows(2).position(|it| it == b"\r\n") {
            let size = std::str::from_utf8(&rest[..at]).unwrap();
            let size = usize::from_str_radix(size, 16).unwrap();
            body.extend_from_slice(&rest[at + 2..at + 2 + size]);
            rest = &rest[at + 4 + size..];
            whole = size == 0;
            chunks += usize::from(size > 0);
        }
    } else {
        body.extend_from_slice(rest);
        whole = true;
    }
    Got {
        head,
        body,
        chunks,
        end,
        whole,
    }
}

async fn quick(proxy: &FaultProxy, path: &str) -> Got {
    get(proxy, path, Duration::from_secs(10)).await
}

fn at_line(number: u64) -> When {
    When::watching("pods").after_events(number)
}

#[tokio::test]
async fn without_a_fault_bodies_and_headers_pass_unchanged() {
    let other = Fault::new("other", When::watching("nodes"), Do::Reset);
    let (proxy, _origin) = proxy([other]).await;
    let got = quick(&proxy, WATCH).await;
    assert_eq!(got.text(), LINES.concat());
    assert!(got.whole && got.end == Ok(()));
    assert!(got.head.contains("content-type: application/json"));
    let got = quick(&proxy, "/version").await;
    assert_eq!(got.text(), "you sent None");
    assert!(got.head.contains("content-length: 13"));
    assert_eq!(proxy.unfired(), ["other"]);
    let requests: Vec<_> = proxy
        .requests()
        .iter()
        .map(SeenRequest::to_string)
        .collect();
    assert_eq!(
        requests,
        [format!("GET {WATCH}"), "GET /version".to_owned()]
    );
}

#[tokio::test]
async fn a_reset_is_a_real_one_and_what_was_sent_before_arrives() {
    let (proxy, _origin) = proxy([]).await;
    for bytes in (0..LINES[1].len() as u64).step_by(7) {
        let fault = Fault::new("reset", When::watching("pods").after(1, bytes), Do::Reset);
        proxy.add(fault);
        let got = quick(&proxy, WATCH).await;
        let sent = LINES[0].len() + bytes as usize;
        assert_eq!(got.text(), &LINES.concat()[..sent]);
        assert_eq!(got.end, Err(ErrorKind::ConnectionReset));
        assert_eq!(proxy.fired("reset"), 1);
        proxy.remove("reset");
        proxy.core.state().spent.clear();
    }
}

#[tokio::test]
async fn a_cut_leaves_out_the_end_mark_and_an_end_does_not() {
    let cut = Fault::new("cut", at_line(2).nth(1), Do::Cut);
    let end = Fault::new("end", When::watching("pods").after(2, 5).nth(2), Do::End);
    let (proxy, _origin) = proxy([cut, end]).await;
    let got = quick(&proxy, WATCH).await;
    assert_eq!(got.text(), LINES[..2].concat());
    assert!(!got.whole && got.end == Ok(()));
    let got = quick(&proxy, WATCH).await;
    assert_eq!(got.text(), LINES[..2].concat() + &LINES[2][..5]);
    assert!(got.whole && got.end == Ok(()));
    assert_eq!(proxy.unfired(), [""; 0]);
    assert_eq!(quick(&proxy, WATCH).await.text(), LINES.concat());
}

#[tokio::test]
async fn a_stall_keeps_the_connection_open_and_silent() {
    let stall = Fault::new("stall", at_line(1), Do::Stall(None));
    let (proxy, _origin) = proxy([stall]).await;
    let got = get(&proxy, WATCH, Duration::from_secs(2)).await;
    assert_eq!(got.text(), LINES[0]);
    assert_eq!(got.end, Err(ErrorKind::TimedOut));
    assert_eq!(proxy.fired("stall"), 1);
    let short = Duration::from_millis(50);
    proxy.add(Fault::new("short", at_line(1), Do::Stall(Some(short))));
    assert_eq!(quick(&proxy, WATCH).await.text(), LINES.concat());
    assert_eq!(proxy.fired("short"), 1);
}

#[tokio::test]
async fn a_slow_answer_takes_its_time_and_arrives_whole() {
    let rest = LINES[1..].concat().len() as u64;
    let slow = Fault::new("slow", at_line(1), Do::Slow(rest * 4));
    let (proxy, _origin) = proxy([slow]).await;
    let begun = tokio::time::Instant::now();
    assert_eq!(quick(&proxy, WATCH).await.text(), LINES.concat());
    assert!(begun.elapsed() >= Duration::from_millis(240));
    assert_eq!(proxy.fired("slow"), 1);
}

#[tokio::test]
async fn a_timed_fault_strikes_a_silent_answer() {
    let when = When::watching("pods").after_time(Duration::from_millis(80));
    let (proxy, _origin) = proxy([Fault::new("cut", when, Do::Cut)]).await;
    let begun = tokio::time::Instant::now();
    let got = quick(&proxy, &format!("{WATCH}&silent=1")).await;
    assert!(!got.whole && got.body.is_empty(), "{got:?}");
    assert!(begun.elapsed() >= Duration::from_millis(80));
    assert_eq!(proxy.fired("cut"), 1);
}

#[tokio::test]
async fn line_faults_reach_the_client() {
    let deeds = [
        (
            Do::Corrupt {
                offset: 9,
                byte: b'X',
            },
            LINES.concat().replace("MODIFIED", "XODIFIED"),
        ),
        (
            Do::Duplicate,
            [LINES[0], LINES[1], LINES[1], LINES[2], LINES[3]].concat(),
        ),
        (Do::Swallow, [LINES[0], LINES[2], LINES[3]].concat()),
        (
            Do::Reorder,
            [LINES[0], LINES[2], LINES[1], LINES[3]].concat(),
        ),
        (
            Do::RewriteRv(RvRewrite::Set("3".into())),
            LINES.concat().replace("\"12\"", "\"3\""),
        ),
        (
            Do::InjectErrorEvent(410),
            LINES[0].to_owned() + &error_line(410, "too old resource version: 1 (2)"),
        ),
        (Do::StripBookmarks, [LINES[0], LINES[1], LINES[3]].concat()),
    ];
    for (deed, expected) in deeds {
        let (proxy, _origin) = proxy([Fault::new("it", at_line(1), deed.clone())]).await;
        let got = quick(&proxy, WATCH).await;
        assert_eq!(proxy.fired("it"), 1, "{deed:?}");
        assert!(got.whole);
        assert_eq!(got.text(), expected, "{deed:?}");
    }
}

#[tokio::test]
async fn an_error_status_is_given_without_asking_the_upstream() {
    let answers = [401, 403, 404, 410, 429, 500, 503, 504].map(|code| {
        let answer = ErrorAnswer::new(code)
            .retry_after(7)
            .body(ErrorBody::PrettyStatus);
        Fault::new(code.to_string(), When::listing("pods"), Do::Status(answer))
    });
    let (proxy, origin) = proxy(answers).await;
    drop(origin);
    for code in ["401", "403", "404", "410", "429", "500", "503", "504"] {
        let got = quick(&proxy, "/api/v1/pods").await;
        assert!(
            got.head.starts_with(&format!("http/1.1 {code}")),
            "{}",
            got.head
        );
        assert!(got.head.contains("retry-after: 7"));
        assert!(got.text().lines().count() > 3);
    }
    assert_eq!(proxy.unfired(), [""; 0]);
}

#[tokio::test]
async fn faults_before_the_answer_give_no_head_at_all() {
    let faults = [(1, Do::Reset), (2, Do::Cut), (3, Do::Stall(None))].map(|(nth, deed)| {
        let when = When::watching("pods").nth(nth).before_answer();
        Fault::new(nth.to_string(), when, deed)
    });
    let (proxy, _origin) = proxy(faults).await;
    for end in [
        Err(ErrorKind::ConnectionReset),
        Ok(()),
        Err(ErrorKind::TimedOut),
    ] {
        let got = get(&proxy, WATCH, Duration::from_secs(2)).await;
        assert_eq!((got.head.as_str(), got.end), ("", end));
    }
    assert_eq!(proxy.unfired(), [""; 0]);
}

#[tokio::test]
async fn chunks_of_one_byte_and_gzip_members_hold_the_same_bytes() {
    let (first, second) = (When::watching("pods").nth(1), When::watching("pods").nth(2));
    let (proxy, _origin) = proxy([
        Fault::new("rechunk", first, Do::Rechunk(1)),
        Fault::new("gzip", second, Do::GzipMembers),
    ])
    .await;
    let got = quick(&proxy, WATCH).await;
    assert_eq!(got.text(), LINES.concat());
    assert_eq!(got.chunks, got.body.len());
    let got = quick(&proxy, WATCH).await;
    assert!(got.head.contains("content-encoding: gzip"));
    let mut text = String::new();
    flate2::read::MultiGzDecoder::new(&got.body[..])
        .read_to_string(&mut text)
        .unwrap();
    assert_eq!(text, LINES.concat());
    assert_eq!(proxy.unfired(), [""; 0]);
}

#[tokio::test]
async fn an_upstream_that_is_gone_is_a_reset_and_another_can_take_its_place() {
    let (proxy, origin) = proxy([]).await;
    drop(origin);
    tokio::task::yield_now().await;
    let got = quick(&proxy, WATCH).await;
    assert_eq!(got.end, Err(ErrorKind::ConnectionReset));
    let second = Loopback::start(Arc::new(Origin)).await.unwrap();
    let url = format!("http://{}", second.address());
    proxy.set_upstream(Upstream::http(&url).unwrap().bearer("secret").unwrap());
    let got = quick(&proxy, "/version").await;
    assert_eq!(got.text(), "you sent Some(\"Bearer secret\")");
}

#[tokio::test]
async fn waiting_for_a_fault_ends_when_it_strikes() {
    let stall = Fault::new("stall", at_line(1), Do::Stall(None));
    let (proxy, _origin) = proxy([stall]).await;
    let client = get(&proxy, WATCH, Duration::from_secs(10));
    let waiter = async {
        proxy.until_fired("stall", 1).await;
        proxy.hang_up();
    };
    let (got, ()) = tokio::join!(client, waiter);
    assert!(!got.whole);
    assert_eq!(got.end, Ok(()));
}

#[tokio::test]
async fn dropping_the_proxy_closes_port_and_connections() {
    let stall = Fault::new("stall", at_line(1), Do::Stall(None));
    let (proxy, _origin) = proxy([stall]).await;
    let address = proxy.loopback.address();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {WATCH} HTTP/1.1\r\nhost: x\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    proxy.until_fired("stall", 1).await;
    drop(proxy);
    let mut rest = Vec::new();
    let read = timeout(Duration::from_secs(5), stream.read_to_end(&mut rest));
    assert!(read.await.is_ok(), "the connection stayed open");
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn an_https_upstream_is_asked_with_the_client_certificate() {
    let mut params = CertificateParams::new([]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let (server_key, client_key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let issue = |names: &[&str], key: &KeyPair| {
        let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
        CertificateParams::new(names)
            .unwrap()
            .signed_by(key, &ca)
            .unwrap()
    };
    let server = issue(&["127.0.0.1"], &server_key);
    let client = issue(&["admin"], &client_key);

    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(ca.der().to_vec())).unwrap();
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
    let key = PrivateKeyDer::try_from(server_key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier.build().unwrap())
        .with_single_cert(vec![server.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let served = tokio::spawn(async move {
        for _ in 0..2 {
            let (stream, _) = listener.accept().await.unwrap();
            let Ok(mut stream) = acceptor.accept(stream).await else {
                continue;
            };
            let mut buffer = [0; 4096];
            if stream.read(&mut buffer).await.is_ok_and(|size| size > 0) {
                let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
                stream.write_all(answer).await.unwrap();
            }
        }
    });

    let (certificate, key) = (client.pem(), client_key.serialize_pem());
    let ca_pem = ca.pem();
    let identity = Some((certificate.as_bytes(), key.as_bytes()));
    let upstream = Upstream::https(&url, ca_pem.as_bytes(), identity).unwrap();
    let proxy = FaultProxy::start(upstream, []).await.unwrap();
    assert_eq!(quick(&proxy, "/version").await.text(), "ok");

    let stranger = Upstream::https(&url, ca_pem.as_bytes(), None).unwrap();
    proxy.set_upstream(stranger);
    let got = quick(&proxy, "/version").await;
    assert_eq!(got.end, Err(ErrorKind::ConnectionReset));
    served.await.unwrap();
}

#[test]
fn an_upstream_needs_the_right_scheme_and_readable_pem() {
    assert!(Upstream::http("https://127.0.0.1:1").is_err());
    assert!(Upstream::http("nonsense").is_err());
    let bad = Some((b"x".as_slice(), b"x".as_slice()));
    assert!(Upstream::https("https://127.0.0.1:1", b"", bad).is_err());
}
