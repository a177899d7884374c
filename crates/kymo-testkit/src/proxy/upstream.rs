use std::io;
use std::sync::Arc;

use futures::StreamExt;
use http::header::{AUTHORIZATION, HOST, HeaderValue};
use http::{Request, Response, Uri};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;

use super::body::{Abort, ReplyBody};

/// The server behind the proxy, and how to be let in there.
#[derive(Clone)]
pub struct Upstream {
    host: String,
    port: u16,
    token: Option<HeaderValue>,
    tls: Option<(ServerName<'static>, Arc<ClientConfig>)>,
}

impl std::fmt::Debug for Upstream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Upstream")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("tls", &self.tls.is_some())
            .finish_non_exhaustive()
    }
}

fn invalid(what: impl std::fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, what.to_string())
}

impl Upstream {
    /// Reaches a server by plain HTTP.
    ///
    /// # Errors
    /// When the URL is not `http://host:port`.
    pub fn http(url: &str) -> io::Result<Self> {
        Self::parse(url, "http", 80)
    }

    /// Reaches a server by TLS; it has to show a certificate of this authority. `client` is a certificate and its
    /// key to be let in with.
    ///
    /// # Errors
    /// When the URL is not `https://host:port` or a PEM text cannot be read.
    pub fn https(url: &str, ca_pem: &[u8], client: Option<(&[u8], &[u8])>) -> io::Result<Self> {
        let mut upstream = Self::parse(url, "https", 443)?;
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(ca_pem) {
            let certificate = certificate.map_err(invalid)?;
            roots.add(certificate).map_err(invalid)?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(invalid)?
            .with_root_certificates(roots);
        let mut config = match client {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let chain: Result<Vec<_>, _> =
                    CertificateDer::pem_slice_iter(certificate).collect();
                let key = PrivateKeyDer::from_pem_slice(key).map_err(invalid)?;
                let chain = chain.map_err(invalid)?;
                builder.with_client_auth_cert(chain, key).map_err(invalid)?
            }
        };
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let host = upstream.host.trim_matches(['[', ']']).to_owned();
        let name = ServerName::try_from(host).map_err(invalid)?;
        upstream.tls = Some((name, Arc::new(config)));
        Ok(upstream)
    }

    /// Sends this bearer token in place of what the client sends.
    ///
    /// # Errors
    /// When the token cannot stand in a header.
    pub fn bearer(mut self, token: &str) -> io::Result<Self> {
        let mut value = HeaderValue::try_from(format!("Bearer {token}")).map_err(invalid)?;
        value.set_sensitive(true);
        self.token = Some(value);
        Ok(self)
    }

    fn parse(url: &str, scheme: &str, default_port: u16) -> io::Result<Self> {
        let uri: Uri = url.parse().map_err(invalid)?;
        if uri.scheme_str() != Some(scheme) {
            return Err(invalid(format!("{url} does not begin with {scheme}://")));
        }
        let host = uri.host().ok_or_else(|| invalid("no host in the URL"))?;
        Ok(Self {
            host: host.to_owned(),
            port: uri.port_u16().unwrap_or(default_port),
            token: None,
            tls: None,
        })
    }

    /// Sends a request over a connection of its own.
    pub(crate) async fn send(
        &self,
        mut request: Request<Incoming>,
    ) -> Result<(Response<Incoming>, Connection), Box<dyn std::error::Error + Send + Sync>> {
        let path = request.uri().path_and_query().cloned();
        *request.uri_mut() = path.map(Uri::from).unwrap_or_default();
        let host = format!("{}:{}", self.host, self.port);
        let headers = request.headers_mut();
        headers.insert(HOST, HeaderValue::try_from(host)?);
        if let Some(token) = &self.token {
            headers.insert(AUTHORIZATION, token.clone());
        }
        let address = (self.host.trim_matches(['[', ']']), self.port);
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        match &self.tls {
            None => exchange(stream, request).await,
            Some((name, config)) => {
                let connector = TlsConnector::from(Arc::clone(config));
                let stream = connector.connect(name.clone(), stream).await?;
                exchange(stream, request).await
            }
        }
    }
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    request: Request<Incoming>,
) -> Result<(Response<Incoming>, Connection), Box<dyn std::error::Error + Send + Sync>> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // How the connection ends is seen by who reads the body.
    let connection = Connection(tokio::spawn(async move {
        drop(connection.await);
    }));
    let response = sender.send_request(request).await?;
    Ok((response, connection))
}

/// A task that an answer needs, such as the one that drives its connection; dropping it ends the task.
#[derive(Debug)]
pub(crate) struct Connection(JoinHandle<()>);

impl Connection {
    /// Takes over a task that must end with its answer.
    pub(crate) fn around(task: JoinHandle<()>) -> Self {
        Self(task)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Passes a body on as it is.
pub(crate) fn pass(body: Incoming, connection: Connection) -> ReplyBody {
    let stream = body.into_data_stream().map(move |piece| {
        let _held: &Connection = &connection;
        piece.map_err(|_| Abort::Cut)
    });
    ReplyBody::streaming(stream)
}
