//! The web pages that may call, as settings name them.

use serde::Deserialize;
use std::str::FromStr;

/// The origins of pages (RFC 6454): schemes, hosts and ports, as `https://desk.example`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Origins(Vec<String>);

impl Origins {
    /// Each of them as a browser writes it.
    pub fn as_written(&self) -> &[String] {
        &self.0
    }
}

impl FromStr for Origins {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let origins = text.split(',').map(str::trim).filter(|origin| !origin.is_empty());
        origins.map(as_written).collect::<Result<_, _>>().map(Self)
    }
}

impl TryFrom<String> for Origins {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

/// As a browser writes it: a scheme, a host, and a port unless it is that of the scheme.
fn as_written(text: &str) -> Result<String, String> {
    let wrong =
        || format!("`{text}` is no origin; allowed are origins with commas between, as https://desk.example");
    let uri: http::Uri = text.parse().map_err(|_| wrong())?;
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return Err(wrong());
    };
    let default_port = match scheme {
        "http" => 80,
        "https" => 443,
        _ => return Err(wrong()),
    };
    let has_path = text.trim_end_matches('/').len() > scheme.len() + 3 + authority.as_str().len();
    if has_path || authority.as_str().contains('@') {
        return Err(wrong());
    }
    let host = authority.host().to_ascii_lowercase();
    Ok(match authority.port_u16().filter(|port| *port != default_port) {
        Some(port) => format!("{scheme}://{host}:{port}"),
        None => format!("{scheme}://{host}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_kept_as_a_browser_writes_it() {
        let origins: Origins = " https://Desk.Example:443/, http://localhost:5173,"
            .parse()
            .unwrap();
        assert_eq!(
            origins.as_written(),
            ["https://desk.example", "http://localhost:5173"]
        );
        assert_eq!("".parse(), Ok(Origins::default()));
        for wrong in [
            "*",
            "null",
            "desk.example",
            "https://desk.example/page",
            "ftp://desk.example",
            "https://a@b",
        ] {
            let error = wrong.parse::<Origins>().unwrap_err();
            assert!(error.starts_with(&format!("`{wrong}` is no origin")), "{error}");
        }
    }
}
