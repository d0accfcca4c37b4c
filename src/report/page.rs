//! The page: data, style and script in one file.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::{Part, ReportError};
use crate::VERSION;
use crate::output::OutputError;

pub(super) const STYLE: &str = include_str!("page/report.css");
const SCRIPT: &str = include_str!("page/report.js");
pub(super) const SERVE: &str = include_str!("page/serve.js");

/// Seconds after which a page of a job that goes on loads itself anew.
const AGAIN: u32 = 20;

/// Puts the parts into a page, with igv.js if there is one; `live`: of a job that goes on.
///
/// # Errors
/// When igv.js cannot be read.
pub(super) fn html(parts: &[Part], igv: Option<&Path>, live: bool) -> Result<String, ReportError> {
    let data = json!({
        "parts": parts,
        "citation": citation(),
    });
    let title = match parts {
        [one] => format!("mpra-score: {}", one.title),
        _ => "mpra-score: report".to_owned(),
    };
    let igv = match igv {
        None => String::new(),
        Some(path) => {
            let code = std::fs::read_to_string(path);
            let code = code.map_err(|e| OutputError::Read(e, path.into()))?;
            // Kept as text until it is wanted.
            let code = code
                .replace("</script", "<\\/script")
                .replace("<!--", "<\\!--");
            format!("<script type=\"text/plain\" id=\"igv-code\">{code}</script>\n")
        }
    };
    let again = match live {
        true => format!("<meta http-equiv=\"refresh\" content=\"{AGAIN}\">\n"),
        false => String::new(),
    };
    let data = script_json(&data.to_string());
    let title = escaped(&title);
    Ok(format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; connect-src data: blob:; font-src data:\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         {again}<meta name=\"referrer\" content=\"no-referrer\">\n<meta name=\"generator\" content=\"mpra-score {VERSION}\">\n\
         <link rel=\"icon\" href=\"data:,\">\n<title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n\
         <header><h1>{title}</h1><button id=\"theme\" type=\"button\">light or dark</button></header>\n\
         <nav aria-label=\"parts of the page\"><div></div></nav>\n<main></main>\n<footer></footer>\n\
         <noscript><p>This page is drawn by its own script: allow it to run.</p></noscript>\n\
         <script type=\"application/json\" id=\"data\">{data}</script>\n{igv}<script>\n{SCRIPT}</script>\n</body>\n</html>\n"
    ))
}

fn citation() -> String {
    format!(
        "Made with mpra-score {VERSION}. Please cite the program and the paper whose method it implements: Paggi J, Lamb A, Tian K, Hsu I, Cedoz P-L, Kawthekar P. Predicting Transcriptional Regulatory Activities with Deep Convolutional Networks. bioRxiv 2017, doi:10.1101/099879. For the model that the program carries cite the data that it was trained on, too (models/MODEL_CARD.md)."
    )
}

/// JSON that may stand in a `script` element.
fn script_json(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => out.push_str("\\u003c"),
            '>' => out.push_str("\\u003e"),
            '&' => out.push_str("\\u0026"),
            '\u{2028}' => out.push_str("\\u2028"),
            '\u{2029}' => out.push_str("\\u2029"),
            c => out.push(c),
        }
    }
    out
}

/// Text that may stand in HTML.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

/// Bytes in base64.
pub(super) fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Floats in base64, as a `Float32Array` has them.
pub(super) fn floats(values: impl IntoIterator<Item = f32>) -> String {
    let bytes: Vec<u8> = values.into_iter().flat_map(f32::to_le_bytes).collect();
    base64(&bytes)
}
