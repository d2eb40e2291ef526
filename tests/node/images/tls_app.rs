// SPDX-License-Identifier: GPL-2.0-or-later

// HTTPS server and client on rustls, for a test image.
//
//	tls_app serve PORT                with /tls/server.pem and .key
//	tls_app get ADDRESS PORT PATH...  HTTP/1.1, one connection
//
// The same paths as tls_app.py. SSLKEYLOGFILE is obeyed; without it rustls is told to log nothing.
use std::io::{BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::{env, fs, thread};

use rustls::client::HandshakeSignatureValid;
use rustls::internal::msgs::handshake::DigitallySignedStruct;

fn body(size: usize) -> Vec<u8> {
    (0..size)
        .map(|i| {
            let at = i % 65536;
            (at * 31 + (at >> 8) * 17 + size) as u8
        })
        .collect()
}

fn number(path: &str) -> usize {
    path.split('/').nth(2).unwrap().parse().unwrap()
}

fn digest(bytes: &[u8]) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
    digest.as_ref().iter().map(|byte| format!("{:02x}", byte)).collect()
}

fn key_log() -> Arc<dyn rustls::KeyLog> {
    match env::var_os("SSLKEYLOGFILE") {
        Some(_) => Arc::new(rustls::KeyLogFile::new()),
        None => Arc::new(rustls::NoKeyLog {}),
    }
}

// Head and body of a message; None at the end of the connection.
fn message(stream: &mut impl Read, rest: &mut Vec<u8>) -> Option<(String, Vec<u8>)> {
    let mut piece = [0u8; 65536];
    loop {
        if let Some(at) = rest.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&rest[..at]).to_string();
            let length = head
                .lines()
                .filter_map(|line| line.strip_prefix("Content-Length: "))
                .map(|text| text.parse::<usize>().unwrap())
                .next()
                .unwrap_or(0);
            if rest.len() >= at + 4 + length {
                let content = rest[at + 4..at + 4 + length].to_vec();
                rest.drain(..at + 4 + length);
                return Some((head, content));
            }
        }
        match stream.read(&mut piece) {
            Ok(count) if count > 0 => rest.extend_from_slice(&piece[..count]),
            _ => return None,
        }
    }
}

fn answer(path: &str, posted: &[u8]) -> Vec<u8> {
    let content = if path.starts_with("/bytes/") {
        body(number(path))
    } else if path.starts_with("/post/") {
        digest(posted).into_bytes()
    } else {
        format!("answer to {}\n", path).into_bytes()
    };
    let mut whole = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n",
        content.len()
    )
    .into_bytes();
    whole.extend(content);
    whole
}

fn serve_one(config: Arc<rustls::ServerConfig>, socket: TcpStream) {
    let connection = rustls::ServerConnection::new(config).unwrap();
    let mut stream = rustls::StreamOwned::new(connection, socket);
    let mut rest = Vec::new();
    while let Some((head, posted)) = message(&mut stream, &mut rest) {
        let path = head.split(' ').nth(1).unwrap();
        if stream.write_all(&answer(path, &posted)).is_err() {
            return;
        }
    }
    stream.conn.send_close_notify();
    let _ = stream.flush();
}

fn serve(port: u16) {
    let mut certificates = BufReader::new(fs::File::open("/tls/server.pem").unwrap());
    let mut keys = BufReader::new(fs::File::open("/tls/server.key").unwrap());
    let chain = rustls_pemfile::certs(&mut certificates).unwrap();
    let key = match rustls_pemfile::read_one(&mut keys).unwrap().unwrap() {
        rustls_pemfile::Item::RSAKey(key)
        | rustls_pemfile::Item::PKCS8Key(key)
        | rustls_pemfile::Item::ECKey(key) => rustls::PrivateKey(key),
        _ => panic!("/tls/server.key holds no private key"),
    };
    let mut config = rustls::ServerConfig::builder()
        .with_safe_defaults()
        .with_no_client_auth()
        .with_single_cert(chain.into_iter().map(rustls::Certificate).collect(), key)
        .unwrap();
    config.key_log = key_log();
    let config = Arc::new(config);
    for socket in TcpListener::bind(("0.0.0.0", port)).unwrap().incoming().flatten() {
        let config = config.clone();
        thread::spawn(move || serve_one(config, socket));
    }
}

// Of certificates that were made for one test run.
struct Anybody;

impl rustls::client::ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _end: &rustls::Certificate,
        _between: &[rustls::Certificate],
        _name: &rustls::ServerName,
        _scts: &mut dyn Iterator<Item = &[u8]>,
        _ocsp: &[u8],
        _now: std::time::SystemTime,
    ) -> Result<rustls::client::ServerCertVerified, rustls::Error> {
        Ok(rustls::client::ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _end: &rustls::Certificate,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _end: &rustls::Certificate,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }
}

fn get(address: &str, port: u16, paths: &[String]) {
    let mut config = rustls::ClientConfig::builder()
        .with_safe_defaults()
        .with_custom_certificate_verifier(Arc::new(Anybody))
        .with_no_client_auth();
    config.key_log = key_log();
    let name = "server.test".try_into().unwrap();
    let connection = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
    let socket = TcpStream::connect((address, port)).unwrap();
    let mut stream = rustls::StreamOwned::new(connection, socket);
    let mut rest = Vec::new();
    for path in paths {
        let posted = if path.starts_with("/post/") { body(number(path)) } else { Vec::new() };
        let method = if posted.is_empty() { "GET" } else { "POST" };
        let mut request = format!(
            "{} {} HTTP/1.1\r\nHost: server.test\r\nContent-Length: {}\r\n\r\n",
            method,
            path,
            posted.len()
        )
        .into_bytes();
        request.extend(posted);
        stream.write_all(&request).unwrap();
        let (_, content) = message(&mut stream, &mut rest).expect("no answer");
        println!("{} {}", digest(&content), path);
    }
    stream.conn.send_close_notify();
    let _ = stream.flush();
}

fn main() {
    let words: Vec<String> = env::args().collect();
    let port = |at: usize| words[at].parse::<u16>().expect("not a port");
    match words[1].as_str() {
        "serve" => serve(port(2)),
        _ => get(&words[2], port(3), &words[4..]),
    }
}
