//! What the file of settings says of an alert: `[alerts.NAME]`, read field by field, so that whatever is wrong is said in one
//! sentence with the alert, the field, the value and what to write instead.

use super::command::ARGUMENT_BYTES_MAX;
use super::tls::is_name;
use super::webhook::{OWN_HEADERS, can_be_asked};
use crate::filter::Filter;
use crate::record::{Position, Recorded};
use crate::view::Mode;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::uri::{Authority, Scheme, Uri};
use std::fmt;
use std::time::Duration;
use toml::{Table, Value};

/// The most characters of a name.
const NAME_CHARS_MAX: usize = 64;
const TIMEOUT_S: u64 = 30;
const TIMEOUT_S_MAX: u64 = 3_600;
const RETRY_MAX_S: u64 = 300;
const RETRY_MAX_S_MAX: u64 = 86_400;
const FIELDS: [&str; 8] = [
    "filter",
    "from",
    "command",
    "webhook",
    "headers",
    "timeout-s",
    "retry-max-s",
    "records-only",
];

/// A named filter, and what is done for each match.
#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    /// Its name: places are kept by it.
    pub name: String,
    /// What it follows.
    pub filter: Filter,
    /// Where it begins that has no place yet.
    pub from: Beginning,
    /// What is done.
    pub target: Target,
    /// How long it may take.
    pub timeout: Duration,
    /// The longest wait between two attempts.
    pub retry_max: Duration,
    /// Records or changes.
    pub mode: Mode,
}

/// Where an alert begins that has no place yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beginning {
    /// The first record.
    Start,
    /// What is appended from now on.
    Tail,
    /// This position.
    Position(Position),
    /// The first record recorded at or after this time.
    Recorded(Recorded),
}

/// What is done for each match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A program is run with these arguments: the program first, and no shell.
    Command(Vec<String>),
    /// It is posted.
    Webhook(Webhook),
}

/// Where a match is posted to.
#[derive(Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Whether TLS is spoken: `https`.
    pub secure: bool,
    /// The host to connect to.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Host and port as they were written.
    pub authority: String,
    /// Path and query.
    pub path: String,
    /// What is sent besides: it may hold secrets, and is never shown.
    pub headers: HeaderMap,
}

impl fmt::Debug for Webhook {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.secure { "https" } else { "http" };
        write!(out, "Webhook({scheme}://{}{})", self.authority, self.path)
    }
}

/// An alert that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("alert `{alert}`: {what}")]
pub struct AlertError {
    /// Its name.
    pub alert: String,
    /// Which field has which value, and what may be written.
    pub what: String,
}

/// Reads the table `alerts`.
///
/// # Errors
/// [`AlertError`] names the first alert that cannot be.
pub fn read(alerts: &Value) -> Result<Vec<Alert>, AlertError> {
    let error = |alert: &str, what: String| AlertError {
        alert: alert.to_owned(),
        what,
    };
    let Value::Table(alerts) = alerts else {
        return Err(error(
            "",
            format!("alerts is {}; write [alerts.NAME]", shown(alerts)),
        ));
    };
    let of = |(name, value): (&String, &Value)| alert(name, value).map_err(|what| error(name, what));
    alerts.iter().map(of).collect()
}

fn alert(name: &str, value: &Value) -> Result<Alert, String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if name.is_empty() || name.len() > NAME_CHARS_MAX || !name.chars().all(is_plain) {
        return Err(format!(
            "its name is `{name}`; write 1 to {NAME_CHARS_MAX} ASCII letters, digits, `-`, `_`, `.`"
        ));
    }
    let Value::Table(fields) = value else {
        return Err(format!(
            "it is {}; write [alerts.{name}] with its fields below",
            shown(value)
        ));
    };
    if let Some((unknown, value)) = fields.iter().find(|(key, _)| !FIELDS.contains(&key.as_str())) {
        let remedy = match value {
            Value::Table(_) => {
                format!("a name with a dot is written in quotes, as [alerts.\"{name}.{unknown}\"]")
            }
            _ => format!("they are {}", FIELDS.join(", ")),
        };
        return Err(format!("`{unknown}` is none of its fields; {remedy}"));
    }
    let seconds = |field, default, most| number(fields, field, default, 1, most).map(Duration::from_secs);
    Ok(Alert {
        name: name.to_owned(),
        filter: filter(fields)?,
        from: fields.get("from").map_or(Ok(Beginning::Tail), beginning)?,
        target: target(fields)?,
        timeout: seconds("timeout-s", TIMEOUT_S, TIMEOUT_S_MAX)?,
        retry_max: seconds("retry-max-s", RETRY_MAX_S, RETRY_MAX_S_MAX)?,
        mode: match fields.get("records-only") {
            None | Some(Value::Boolean(false)) => Mode::Changes,
            Some(Value::Boolean(true)) => Mode::Records,
            Some(other) => {
                return Err(format!("records-only is {}; write true or false", shown(other)));
            }
        },
    })
}

fn filter(fields: &Table) -> Result<Filter, String> {
    match fields.get("filter") {
        None => Err("filter is missing; write which records it follows, \"\" for all".to_owned()),
        Some(Value::String(text)) => Filter::parse(text)
            .map_err(|error| format!("filter is `{text}`; put it right, as chancery explain shows: {error}")),
        Some(other) => Err(format!("filter is {}; write it as text, in quotes", shown(other))),
    }
}

fn beginning(value: &Value) -> Result<Beginning, String> {
    let wrong = || {
        format!(
            "from is {}; write start, tail, a position, YYYY-MM-DD (its start, in UTC) or a time as 2026-11-23T10:00:00Z",
            shown(value)
        )
    };
    if let Value::Integer(position) = value {
        let position = u64::try_from(*position).map_err(|_| wrong())?;
        return Ok(Beginning::Position(Position::new(position)));
    }
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Datetime(time) => time.to_string(),
        _ => return Err(wrong()),
    };
    let time = |text: &str| text.parse().map(Beginning::Recorded).map_err(|_| wrong());
    match text.as_str() {
        "start" => Ok(Beginning::Start),
        "tail" => Ok(Beginning::Tail),
        digits if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) => digits
            .parse()
            .map(|position| Beginning::Position(Position::new(position)))
            .map_err(|_| wrong()),
        day if day.len() == 10 => time(&format!("{day}T00:00:00Z")),
        moment => time(moment),
    }
}

fn target(fields: &Table) -> Result<Target, String> {
    match (
        fields.get("command"),
        fields.get("webhook"),
        fields.get("headers"),
    ) {
        (Some(_), Some(_), _) => Err("command and webhook are both given; keep one of them".to_owned()),
        (None, None, _) => Err(
            "command is missing; write command = [\"program\", \"argument\"], or webhook = \"https://...\""
                .to_owned(),
        ),
        (Some(_), None, Some(_)) => Err("headers are given for a command; they go with a webhook".to_owned()),
        (Some(value), None, None) => command(value).map(Target::Command),
        (None, Some(value), headers) => webhook(value, headers).map(Target::Webhook),
    }
}

fn command(value: &Value) -> Result<Vec<String>, String> {
    let wrong = || {
        format!(
            "command is {}; write the program and its arguments as texts in an array, as [\"notify\", \"--now\"]: \
             there is no shell",
            shown(value)
        )
    };
    let Value::Array(all) = value else {
        return Err(wrong());
    };
    let words = all.iter().map(|word| word.as_str().map(str::to_owned));
    let words: Vec<String> = words.collect::<Option<_>>().ok_or_else(wrong)?;
    let is_one = words.first().is_some_and(|program| !program.is_empty());
    if !is_one || words.iter().any(|word| word.contains('\0')) {
        return Err(wrong());
    }
    match words.iter().map(String::len).max().unwrap_or(0) {
        longest if longest > ARGUMENT_BYTES_MAX => Err(format!(
            "command has an argument of {longest} bytes, allowed is up to {ARGUMENT_BYTES_MAX}; name a file that holds it"
        )),
        _ => Ok(words),
    }
}

fn webhook(value: &Value, headers: Option<&Value>) -> Result<Webhook, String> {
    let wrong = |remedy: &str| match value.as_str() {
        Some(address) => format!("webhook is `{}`; {remedy}", without_user(address)),
        None => format!("webhook is {}; {remedy}", shown(value)),
    };
    let form = "write an address as https://desk.example/alerts or http://127.0.0.1:8080/alerts";
    let text = value.as_str().ok_or_else(|| wrong(form))?;
    let uri: Uri = text.parse().map_err(|_| wrong(form))?;
    let secure = uri.scheme() == Some(&Scheme::HTTPS);
    let authority = uri
        .authority()
        .filter(|_| secure || uri.scheme() == Some(&Scheme::HTTP))
        .ok_or_else(|| wrong(form))?;
    if authority.as_str().contains('@') {
        return Err(
            "webhook has a name before its host; write it as headers = { authorization = \"...\" }"
                .to_owned(),
        );
    }
    let host = authority.host();
    let host = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(host);
    if host.is_empty() || (secure && !is_name(host)) {
        return Err(wrong(form));
    }
    let port_of_scheme = if secure { 443 } else { 80 };
    let port = port(authority, port_of_scheme).ok_or_else(|| {
        wrong(&format!(
            "write a port of 1 to 65535 behind the colon, or neither: without one it is {port_of_scheme}"
        ))
    })?;
    let webhook = Webhook {
        secure,
        host: host.to_owned(),
        port,
        authority: authority.as_str().to_owned(),
        path: path(&uri),
        headers: headers.map(self::headers).transpose()?.unwrap_or_default(),
    };
    let encoded = "write what is not ASCII in it as %XX, one for each byte of its UTF-8";
    match text.is_ascii() && can_be_asked(&webhook) {
        true => Ok(webhook),
        false => Err(wrong(encoded)),
    }
}

/// The port to connect to, `other` where none is said; `None` where there is a colon and none behind it that can be.
fn port(authority: &Authority, other: u16) -> Option<u16> {
    // A host in brackets has colons of its own.
    let behind_host = authority.as_str().get(authority.host().len()..)?;
    match behind_host.strip_prefix(':') {
        Some(digits) if digits.starts_with('+') => None,
        Some(digits) => digits.parse().ok().filter(|port| *port != 0),
        None => Some(other),
    }
}

/// Path and query as a request has them: a query alone is one of the root.
fn path(uri: &Uri) -> String {
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let root = if path.starts_with('/') { "" } else { "/" };
    format!("{root}{path}")
}

/// A value of a header may be a secret: no sentence shows one.
fn headers(value: &Value) -> Result<HeaderMap, String> {
    let Value::Table(all) = value else {
        return Err("headers is no table; write headers = { authorization = \"...\" }".to_owned());
    };
    let mut headers = HeaderMap::new();
    for (name, value) in all {
        let wrong = |remedy: &str| format!("headers has `{name}`; {remedy}");
        let key = HeaderName::try_from(name).map_err(|_| wrong("that is not the name of a header"))?;
        if OWN_HEADERS.contains(&key.as_str()) {
            return Err(wrong("leave it out: it is set for each request"));
        }
        let text = value.as_str().and_then(|text| HeaderValue::from_str(text).ok());
        let mut text = text.ok_or_else(|| wrong("write its value as text of visible ASCII characters"))?;
        text.set_sensitive(true);
        if headers.insert(key, text).is_some() {
            return Err(wrong("it is there twice, in other letters"));
        }
    }
    Ok(headers)
}

fn number(fields: &Table, field: &str, default: u64, least: u64, most: u64) -> Result<u64, String> {
    let Some(value) = fields.get(field) else {
        return Ok(default);
    };
    let number = value.as_integer().and_then(|number| u64::try_from(number).ok());
    number
        .filter(|number| (least..=most).contains(number))
        .ok_or_else(|| format!("{field} is {}, allowed is {least} to {most}", shown(value)))
}

/// A value as a sentence shows it: not what a table or an array holds, which may be headers.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => format!("`{text}`"),
        Value::Array(all) if all.is_empty() => "`[]`".to_owned(),
        Value::Array(_) => "an array".to_owned(),
        Value::Table(_) => "a table".to_owned(),
        plain => format!("`{plain}`"),
    }
}

/// An address without the name and the password of somebody.
fn without_user(address: &str) -> String {
    let (scheme, rest) = address.split_once("://").unwrap_or(("", address));
    match rest.rsplit_once('@') {
        None => address.to_owned(),
        Some((_, host)) if scheme.is_empty() => format!("...@{host}"),
        Some((_, host)) => format!("{scheme}://...@{host}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(fields: &str) -> Result<Alert, AlertError> {
        let table: Table = toml::from_str(&format!("[alerts.desk]\n{fields}")).unwrap();
        read(&table["alerts"]).map(|mut all| all.remove(0))
    }

    #[test]
    fn what_is_left_out_has_its_default() {
        let alert = one("filter = ''\ncommand = ['true']").unwrap();
        assert!(alert.filter.is_all());
        assert_eq!((alert.from, alert.mode), (Beginning::Tail, Mode::Changes));
        assert_eq!(
            (alert.timeout, alert.retry_max),
            (Duration::from_secs(30), Duration::from_secs(300))
        );
        assert_eq!(alert.target, Target::Command(vec!["true".into()]));
    }

    #[test]
    fn every_form_of_a_beginning_is_read() {
        let from =
            |text: &str| one(&format!("filter = ''\ncommand = ['true']\nfrom = {text}")).map(|one| one.from);
        let day = Beginning::Recorded("2026-11-01T00:00:00Z".parse().unwrap());
        let cases = [
            ("'start'", Beginning::Start),
            ("'tail'", Beginning::Tail),
            ("17", Beginning::Position(Position::new(17))),
            ("'17'", Beginning::Position(Position::new(17))),
            ("'2026-11-01'", day),
            ("2026-11-01", day),
            ("2026-11-01T00:00:00Z", day),
        ];
        for (text, is) in cases {
            assert_eq!(from(text), Ok(is), "{text}");
        }
        for bad in ["-1", "'soon'", "true", "2026-11-01T00:00:00", "''"] {
            assert!(
                from(bad).unwrap_err().to_string().contains("write start, tail"),
                "{bad}"
            );
        }
    }

    #[test]
    fn an_address_is_taken_apart_and_its_headers_are_not_shown() {
        let alert = one(
            "filter = ''\nwebhook = 'http://[::1]:8080/in?desk=1'\nheaders = { Authorization = 'Bearer s3cret' }",
        )
        .unwrap();
        assert!(!format!("{alert:?}").contains("s3cret"));
        let Target::Webhook(to) = alert.target else {
            panic!("{:?}", alert.target);
        };
        assert_eq!(
            (to.host.as_str(), to.port, to.authority.as_str(), to.path.as_str()),
            ("::1", 8080, "[::1]:8080", "/in?desk=1")
        );
        assert_eq!(to.headers["authorization"], "Bearer s3cret");
    }

    #[test]
    fn an_address_that_can_never_be_posted_to_is_refused() {
        let hook = |address: &str| {
            one(&format!("filter = ''\nwebhook = '{address}'")).map(|alert| match alert.target {
                Target::Webhook(to) => (to.port, to.path),
                Target::Command(words) => panic!("{words:?}"),
            })
        };
        for bad in [":99999/x", ":/x", ":", ":0/x", ":+80/x", ":80x/"] {
            let error = hook(&format!("http://127.0.0.1{bad}")).unwrap_err().to_string();
            assert!(
                error.contains("write a port of 1 to 65535") || error.contains("write an address as"),
                "{bad}: {error}"
            );
        }
        for bad in ["http://127.0.0.1:5399?x=ä", "http://127.0.0.1/ä"] {
            let error = hook(bad).unwrap_err().to_string();
            assert!(error.contains("write what is not ASCII in it as %XX"), "{error}");
        }
        let good = [
            ("http://[::1]", (80, "/")),
            ("http://localhost:65535?desk=1", (65_535, "/?desk=1")),
            ("http://localhost/%C3%A4", (80, "/%C3%A4")),
            ("https://desk.example/in", (443, "/in")),
            ("https://[::1]:8443", (8_443, "/")),
        ];
        for (address, (port, path)) in good {
            assert_eq!(hook(address), Ok((port, path.to_owned())), "{address}");
        }
    }

    #[test]
    fn whatever_is_wrong_is_named_with_its_remedy() {
        let cases = [
            ("command = ['true']", "filter is missing; write"),
            (
                "filter = 'country ='\ncommand = ['true']",
                "filter is `country =`; put it right",
            ),
            ("filter = ''", "command is missing; write command ="),
            (
                "filter = ''\ncommand = 'rm -rf'",
                "command is `rm -rf`; write the program",
            ),
            ("filter = ''\ncommand = []", "command is `[]`; write the program"),
            (
                "filter = ''\ncommand = ['a']\nwebhook = 'http://x'",
                "both given; keep one",
            ),
            (
                "filter = ''\ncommand = ['a']\nheaders = {}",
                "they go with a webhook",
            ),
            (
                "filter = ''\nwebhook = 'x/y'",
                "webhook is `x/y`; write an address as https://",
            ),
            (
                "filter = ''\nwebhook = 'ftp://x/y'",
                "webhook is `ftp://x/y`; write an address as https://",
            ),
            (
                "filter = ''\nwebhook = 'https://-x-/y'",
                "webhook is `https://-x-/y`; write an address as https://",
            ),
            ("filter = ''\nwebhook = 'http://me:pw@x/'", "write it as headers"),
            (
                "filter = ''\nwebhook = 'http://x/'\nheaders = { Host = 'y' }",
                "headers has `Host`; leave it out",
            ),
            (
                "filter = ''\ncommand = ['a']\ntimeout-s = 0",
                "timeout-s is `0`, allowed is 1 to 3600",
            ),
            (
                "filter = ''\ncommand = ['a']\nretry-max-s = 'x'",
                "retry-max-s is `x`, allowed is 1 to 86400",
            ),
            (
                "filter = ''\ncommand = ['a']\ntimeout_s = 1",
                "`timeout_s` is none of its fields; they are",
            ),
            (
                "filter = ''\ncommand = ['a']\nrecords-only = 1",
                "records-only is `1`; write true or false",
            ),
        ];
        for (fields, says) in cases {
            let error = one(fields).unwrap_err().to_string();
            assert!(
                error.starts_with("alert `desk`: ") && error.contains(says),
                "{error}"
            );
            assert!(!error.contains('\n') && !error.contains("pw"), "{error}");
        }
        let name: Table = toml::from_str("[alerts.'a b']").unwrap();
        assert!(
            read(&name["alerts"])
                .unwrap_err()
                .to_string()
                .contains("its name is `a b`")
        );
    }
}
