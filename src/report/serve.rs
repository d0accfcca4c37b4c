//! A page over whole tracks: what is too large for one file is read by ranges, from this machine alone.
//!
//! Served are the page, igv.js, the files that `run.json` lists and the genome with its index, each under a name that is
//! known beforehand: a request never becomes a path. Only GET and HEAD are answered, and only where the Host header names this
//! server, so that no other site's page can reach it through a reader's browser.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, HeaderValue};
use axum::http::{Method, Request, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use tokio::net::TcpListener;
use tower::ServiceExt;
use tower_http::services::ServeFile;

use super::table::View;
use super::{ReportConfig, ReportError, page};
use super::{score, values};
use crate::Error;
use crate::job::{Cancel, RunInfo};
use crate::output::RUN_JSON;

/// Where results are served.
#[derive(Clone, Debug)]
pub struct ServeConfig {
    /// The folder of a main job.
    pub results: PathBuf,
    /// The genome, where it is not where the job had it.
    pub fasta: Option<PathBuf>,
    /// The address; other machines reach it only if it is not a loopback one.
    pub host: IpAddr,
    /// The port; 0: one that is free.
    pub port: u16,
    /// igv.js.
    pub igv: PathBuf,
}

/// What is served under a name.
enum Content {
    File(PathBuf),
    Text(&'static str, String),
}

struct Site {
    content: HashMap<String, Content>,
    /// Values of the Host header that name this server.
    hosts: Vec<String>,
}

/// Serves results until it is asked to stop. `ready` is told the address.
///
/// # Errors
/// When the results cannot be read, or the address is not to be had.
pub fn serve(
    config: &ServeConfig,
    ready: impl FnOnce(SocketAddr),
    cancel: &Cancel,
) -> Result<(), Error> {
    cancel.listens();
    let mut content = content(config)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(ReportError::Serve)?;
    runtime.block_on(async {
        let listener = TcpListener::bind((config.host, config.port))
            .await
            .map_err(ReportError::Serve)?;
        let address = listener.local_addr().map_err(ReportError::Serve)?;
        content.insert(
            "/".into(),
            Content::Text("text/html; charset=utf-8", index()),
        );
        let site = Arc::new(Site {
            content,
            hosts: hosts(address),
        });
        let app = Router::new().fallback(answer).with_state(site);
        ready(address);
        let stop = async {
            while !cancel.is_requested() {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        tokio::select! {
            served = axum::serve(listener, app) => served.map_err(ReportError::Serve)?,
            () = stop => {}
        }
        Ok(())
    })
}

/// What the Host header may be.
fn hosts(address: SocketAddr) -> Vec<String> {
    let port = address.port();
    let mut hosts = vec![format!("{address}")];
    if address.ip().is_loopback() || address.ip().is_unspecified() {
        hosts.extend([
            format!("localhost:{port}"),
            format!("127.0.0.1:{port}"),
            format!("[::1]:{port}"),
        ]);
    }
    if port == 80 {
        let bare: Vec<String> = hosts
            .iter()
            .filter_map(|h| h.strip_suffix(":80").map(str::to_owned))
            .collect();
        hosts.extend(bare);
    }
    hosts
}

async fn answer(State(site): State<Arc<Site>>, request: Request<Body>) -> Response {
    let host = request.headers().get(HOST).and_then(|h| h.to_str().ok());
    let known = host.is_some_and(|host| site.hosts.iter().any(|h| h.eq_ignore_ascii_case(host)));
    if !known {
        return (
            StatusCode::FORBIDDEN,
            "this server answers only to its own name\n",
        )
            .into_response();
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return (StatusCode::FORBIDDEN, "nothing can be changed here\n").into_response();
    }
    let mut response = match site.content.get(request.uri().path()) {
        None => return (StatusCode::NOT_FOUND, "there is nothing of this name\n").into_response(),
        Some(Content::Text(kind, text)) => ([(CONTENT_TYPE, *kind)], text.clone()).into_response(),
        // With ranges; a file that is gone is not found.
        Some(Content::File(path)) => match ServeFile::new(path).oneshot(request).await {
            Ok(response) => response.map(Body::new).into_response(),
            Err(never) => match never {},
        },
    };
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; connect-src 'self' data: blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"),
    );
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-resource-policy", "same-origin"),
        ("cache-control", "no-cache"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Everything that is served.
fn content(config: &ServeConfig) -> Result<HashMap<String, Content>, Error> {
    let folder = &config.results;
    let none = |text: &str| ReportError::NoResults(folder.clone(), text.to_owned());
    let text =
        std::fs::read_to_string(folder.join(RUN_JSON)).map_err(|_| none("it has no run.json"))?;
    let run: RunInfo = serde_json::from_str(&text)
        .map_err(|e| none(&format!("its run.json is not one of this program: {e}")))?;
    let mut content = HashMap::new();
    let mut tracks = Vec::new();
    let whole = std::fs::canonicalize(folder).map_err(|e| none(&e.to_string()))?;
    for (i, name) in run.outputs.iter().enumerate() {
        // A name that leads out of the folder, also by a link, is none of its files.
        let Ok(path) = std::fs::canonicalize(folder.join(name)) else {
            continue;
        };
        if !path.starts_with(&whole) || !path.is_file() {
            continue;
        }
        let (address, ending) = match Path::new(name).extension().and_then(|e| e.to_str()) {
            Some(ending @ ("bw" | "bb")) => (format!("/track/{i}.{ending}"), ending),
            _ => continue,
        };
        let kind = if ending == "bw" { "bigwig" } else { "bigbed" };
        tracks.push(json!({ "name": name, "url": address, "type": kind }));
        content.insert(address, Content::File(path));
    }
    if tracks.is_empty() {
        return Err(none("it has no bigWig").into());
    }
    let report = ReportConfig {
        fasta: config.fasta.clone(),
        ..ReportConfig::default()
    };
    let fasta = score::genome(&run, &report).map_err(|why| none(&why))?;
    let packed = fasta
        .path()
        .extension()
        .is_some_and(|e| e == "gz" || e == "bgz");
    let name = match (fasta.is_two_bit(), packed) {
        (true, _) => "/genome.2bit",
        (_, true) => "/genome.fa.gz",
        _ => "/genome.fa",
    };
    content.insert(name.into(), Content::File(fasta.path().into()));
    let beside: &[&str] = match fasta.is_two_bit() {
        true => &[],
        false => &["fai", "gzi"],
    };
    for ending in beside.iter().copied() {
        let mut beside = fasta.path().as_os_str().to_owned();
        beside.push(format!(".{ending}"));
        let beside = PathBuf::from(beside);
        match beside.is_file() {
            true => {
                content.insert(format!("{name}.{ending}"), Content::File(beside));
            }
            false if ending == "fai" || packed => {
                return Err(none(&format!(
                    "{} is missing: --write-index makes it",
                    beside.display()
                ))
                .into());
            }
            false => {}
        }
    }
    let mut table = View::read(&folder.join("regions.tsv"), "regions.tsv")?;
    let places = table.as_ref().map(values::places).unwrap_or_default();
    if let Some(view) = &mut table {
        view.title = "Regions".into();
        view.id = "regions".into();
    }
    let places: Vec<String> = places
        .iter()
        .map(|(contig, bases)| format!("{contig}:{}-{}", u64::from(bases.start()) + 1, bases.end()))
        .collect();
    let data = json!({
        "genome": { "fasta": name, "packed": packed },
        "tracks": tracks,
        "table": table,
        "places": places,
    });
    content.insert(
        "/data.json".into(),
        Content::Text("application/json", data.to_string()),
    );
    content.insert("/igv.js".into(), Content::File(config.igv.clone()));
    content.insert(
        "/serve.js".into(),
        Content::Text("text/javascript; charset=utf-8", page::SERVE.into()),
    );
    content.insert(
        "/report.css".into(),
        Content::Text("text/css; charset=utf-8", page::STYLE.into()),
    );
    Ok(content)
}

fn index() -> String {
    "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
     <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<link rel=\"icon\" href=\"data:,\">\n\
     <link rel=\"stylesheet\" href=\"/report.css\">\n<title>mpra-score</title>\n</head>\n<body>\n\
     <header><h1>mpra-score: tracks</h1></header>\n<main>\n<div id=\"igv\"></div>\n<div id=\"regions\"></div>\n</main>\n\
     <script src=\"/igv.js\"></script>\n<script src=\"/serve.js\"></script>\n</body>\n</html>\n"
        .into()
}
