//! TLS over bytes that somebody else reads: rustls without a socket, fed from the same reads as everything else, so that
//! a record takes the stamp of the read that completed it.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, RootCertStore, SignatureScheme};

/// Whose certificates are believed.
#[derive(Clone)]
pub struct Trust(Arc<ClientConfig>);

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Trust")
    }
}

impl Trust {
    /// The system's roots, or Mozilla's where the system has none.
    pub fn system() -> Trust {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        }
        Trust::roots(roots)
    }

    /// The certificates of a PEM file's text, and no others.
    ///
    /// # Errors
    /// When the text holds no certificate, or one that cannot be read.
    pub fn pem(text: &[u8]) -> Result<Trust, String> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(text) {
            let certificate = certificate.map_err(|error| error.to_string())?;
            roots.add(certificate).map_err(|error| error.to_string())?;
        }
        if roots.is_empty() { Err("it holds no certificate".to_owned()) } else { Ok(Trust::roots(roots)) }
    }

    /// Everybody's (`--insecure`).
    pub fn anyone() -> Trust {
        let verifier = Arc::new(Anyone(ring::default_provider()));
        Trust::with(|builder| builder.dangerous().with_custom_certificate_verifier(verifier))
    }

    fn roots(roots: RootCertStore) -> Trust {
        Trust::with(|builder| builder.with_root_certificates(roots))
    }

    fn with(
        verify: impl FnOnce(
            rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>,
        ) -> rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert>,
    ) -> Trust {
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring supports the default protocol versions");
        let mut config = verify(builder).with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        // A resumed handshake would make later connections cheaper than the first: every dial is a full one.
        config.resumption = rustls::client::Resumption::disabled();
        Trust(Arc::new(config))
    }
}

/// One TLS session.
#[derive(Debug)]
pub(super) struct Session(ClientConnection);

impl Session {
    pub(super) fn new(trust: &Trust, host: &str) -> Result<Session, String> {
        let bare = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let name = ServerName::try_from(bare).map_err(|error| error.to_string())?;
        let mut connection = ClientConnection::new(trust.0.clone(), name).map_err(|error| error.to_string())?;
        // A request is sealed whole before its clock starts.
        connection.set_buffer_limit(None);
        Ok(Session(connection))
    }

    /// Performs the handshake, blocking.
    pub(super) fn shake_hands(&mut self, socket: &mut TcpStream) -> io::Result<()> {
        while self.0.is_handshaking() {
            self.0.complete_io(socket)?;
        }
        // TLS 1.3: our Finished may still wait to be written.
        while self.0.wants_write() {
            self.0.write_tls(socket)?;
        }
        Ok(())
    }

    /// Encrypts what is to be sent.
    pub(super) fn seal(&mut self, plain: &[u8]) -> io::Result<Vec<u8>> {
        self.0.writer().write_all(plain)?;
        let mut sealed = Vec::with_capacity(plain.len() + plain.len() / 512 + 64);
        while self.0.wants_write() {
            self.0.write_tls(&mut sealed)?;
        }
        Ok(sealed)
    }

    /// Takes in what was received and hands out what it decrypts to. An empty `received` is the end of the stream.
    pub(super) fn open(&mut self, mut received: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        loop {
            let taken = if received.is_empty() { 0 } else { self.0.read_tls(&mut received)? };
            self.0.process_new_packets().map_err(io::Error::other)?;
            match self.0.reader().read_to_end(out) {
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
                _ => (),
            }
            if taken == 0 {
                return Ok(());
            }
        }
    }
}

/// Believes everybody, but still checks that they hold the key they show.
#[derive(Debug)]
struct Anyone(CryptoProvider);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
