//! The plane's own certificate authority.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose,
};

/// A certificate with its key, both PEM.
#[derive(Debug, Clone)]
pub(super) struct Identity {
    pub(super) certificate: String,
    pub(super) key: String,
}

/// Signs the API server's certificate and those of its users.
pub(super) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    /// Makes a new authority with a new key.
    pub(super) fn new() -> Result<Self> {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name = subject("kymo-test-ca", None);
        params.key_usages = vec![
            KeyUsagePurpose::KeyCertSign,
            KeyUsagePurpose::CrlSign,
            KeyUsagePurpose::DigitalSignature,
        ];
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate()?)
            .context("cannot make a certificate authority")?;
        Ok(Self { issuer })
    }

    /// Gives the authority's own certificate, PEM.
    pub(super) fn certificate(&self) -> String {
        self.issuer.pem()
    }

    /// Signs the certificate of a server on loopback.
    pub(super) fn server(&self) -> Result<Identity> {
        let names = [
            "127.0.0.1",
            "localhost",
            "kubernetes.default.svc",
            "10.0.0.1",
        ];
        let params = CertificateParams::new(names.map(str::to_owned))?;
        self.sign(
            params,
            "kube-apiserver",
            None,
            ExtendedKeyUsagePurpose::ServerAuth,
        )
    }

    /// Signs the certificate of a user, who is in `group` if one is given.
    pub(super) fn user(&self, name: &str, group: Option<&str>) -> Result<Identity> {
        let params = CertificateParams::default();
        self.sign(params, name, group, ExtendedKeyUsagePurpose::ClientAuth)
    }

    fn sign(
        &self,
        mut params: CertificateParams,
        name: &str,
        group: Option<&str>,
        usage: ExtendedKeyUsagePurpose,
    ) -> Result<Identity> {
        params.distinguished_name = subject(name, group);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![usage];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate()?;
        let certificate = params
            .signed_by(&key, &self.issuer)
            .with_context(|| format!("cannot sign a certificate for {name}"))?;
        Ok(Identity {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        })
    }
}

fn subject(name: &str, group: Option<&str>) -> DistinguishedName {
    let mut subject = DistinguishedName::new();
    subject.push(DnType::CommonName, name);
    if let Some(group) = group {
        subject.push(DnType::OrganizationName, group);
    }
    subject
}

/// Where the API server and the controllers find certificates and keys.
#[derive(Debug, Clone)]
pub(super) struct Files {
    pub(super) authority: PathBuf,
    pub(super) server_certificate: PathBuf,
    pub(super) server_key: PathBuf,
    pub(super) service_account_key: PathBuf,
    pub(super) service_account_public_key: PathBuf,
}

impl Files {
    /// Writes the files into `folder`, which only this user can read.
    pub(super) fn write(authority: &Authority, folder: &Path) -> Result<Self> {
        let files = Self {
            authority: folder.join("ca.crt"),
            server_certificate: folder.join("server.crt"),
            server_key: folder.join("server.key"),
            service_account_key: folder.join("service-accounts.key"),
            service_account_public_key: folder.join("service-accounts.pub"),
        };
        let server = authority.server()?;
        let service_accounts = KeyPair::generate()?;
        for (path, text) in [
            (&files.authority, &authority.certificate()),
            (&files.server_certificate, &server.certificate),
            (&files.server_key, &server.key),
            (
                &files.service_account_key,
                &service_accounts.serialize_pem(),
            ),
            (
                &files.service_account_public_key,
                &service_accounts.public_key_pem(),
            ),
        ] {
            fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(files)
    }
}
