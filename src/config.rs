//! The daemon's settings, each with its meaning, default and bounds.
//!
//! A setting comes from a flag, else from an environment variable `CHANCERY_*`, else from `chancery.toml`, else from its
//! default. Nothing here reads the environment or a file: [`Settings`] are given from outside, and [`Config::gather`]
//! puts them together. An unknown key is refused, and a value out of bounds is an error, never moved.

mod origins;

pub use origins::Origins;

use crate::alert::{Alert, AlertError, command, settings};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

/// The prefix of environment variables.
pub const PREFIX: &str = "CHANCERY_";
/// Variables with the prefix that are not settings of the daemon.
const OTHER_VARIABLES: [&str; 6] = [
    "CHANCERY_CONFIG",
    "CHANCERY_SERVER",
    "CHANCERY_LOG",
    "CHANCERY_AS",
    // For tests alone.
    "CHANCERY_SHARED",
    "CHANCERY_BLESS",
];

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file is not TOML, or has a key that is no setting.
    #[error("`{path}`: {problem}")]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong, with line and column, and nothing of what stands there.
        problem: String,
    },
    /// An alert that cannot be.
    #[error("`{path}`: {problem}")]
    Alert {
        /// The file.
        path: PathBuf,
        /// Which alert, and what is wrong with it.
        problem: AlertError,
    },
    /// A variable that is no setting.
    #[error("environment variable `{0}` is not a setting; remove it, or see `chancery serve --help`")]
    Variable(String),
    /// A variable whose name or value is not Unicode.
    #[error("environment variable `{0}` is not Unicode; set it anew, or remove it")]
    NotUnicode(String),
    /// A value that is not of its kind, or out of its bounds.
    #[error("{key} is `{value}`, allowed is {allowed}")]
    Value {
        /// The setting, as its flag is written.
        key: String,
        /// What was given.
        value: String,
        /// What may be given.
        allowed: String,
    },
    /// An address that anyone can reach, without encryption.
    #[error(
        "{0} {1} can be reached from other machines and there is no TLS; use 127.0.0.1, or say --insecure"
    )]
    NotLoopback(&'static str, SocketAddr),
}

/// Where the HTTP port is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Http {
    /// On the port after that of the gRPC services, where it is free.
    Beside,
    /// Nowhere.
    Off,
    /// At an address.
    At(SocketAddr),
}

impl FromStr for Http {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "off" => Ok(Self::Off),
            text => text
                .parse()
                .map(Self::At)
                .map_err(|_| "allowed is off, or an address and port, as 127.0.0.1:4711".to_owned()),
        }
    }
}

impl TryFrom<String> for Http {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

macro_rules! settings {
    ($($(#[doc = $doc:literal])+ $name:ident: $type:ty = $default:expr, $flag:literal $(, $least:literal..=$most:literal)?;)*) => {
        /// Settings from one source; what is absent is left to the next.
        #[derive(Clone, Debug, Default, PartialEq, Deserialize, clap::Args)]
        #[serde(rename_all = "kebab-case", deny_unknown_fields)]
        pub struct Settings {
            $($(#[doc = $doc])+ #[arg(long)] pub $name: Option<$type>,)*
            /// What is done for each match of which filter; a file alone says it.
            #[arg(skip)]
            #[serde(default, deserialize_with = "pass_over")]
            pub alerts: Vec<Alert>,
        }

        /// The settings of one daemon.
        #[derive(Clone, Debug, PartialEq)]
        pub struct Config {
            $($(#[doc = $doc])+ pub $name: $type,)*
            /// What is done for each match of which filter.
            pub alerts: Vec<Alert>,
        }

        impl Default for Config {
            fn default() -> Self {
                Self { $($name: $default,)* alerts: Vec::new() }
            }
        }

        impl Settings {
            /// Every setting, as its flag is written.
            pub const KEYS: &'static [&'static str] = &[$($flag),*];

            /// These settings, and where they say nothing those of `next`.
            #[must_use]
            pub fn over(self, next: Self) -> Self {
                let alerts = if self.alerts.is_empty() { next.alerts } else { self.alerts };
                Self { $($name: self.$name.or(next.$name),)* alerts }
            }

            fn set(&mut self, key: &str, value: &str) -> Result<bool, ConfigError> {
                match key {
                    $($flag => self.$name = Some(parse($flag, value)?),)*
                    _ => return Ok(false),
                }
                Ok(true)
            }
        }

        impl Config {
            fn of(settings: Settings) -> Self {
                let default = Self::default();
                Self { $($name: settings.$name.unwrap_or(default.$name),)* alerts: settings.alerts }
            }

            fn check_bounds(&self) -> Result<(), ConfigError> {
                $($(bounds($flag, self.$name, $least, $most)?;)?)*
                Ok(())
            }
        }
    };
}

settings! {
    /// The data directory. Default `./chancery-data`.
    data: PathBuf = PathBuf::from("./chancery-data"), "data";
    /// The address of the gRPC services; port 0 takes a free one. Default 127.0.0.1:4710.
    listen: SocketAddr = SocketAddr::from(([127, 0, 0, 1], 4710)), "listen";
    /// The address of the HTTP port, where the whole log can be copied and checked as files; `off` for none. Default: the
    /// port after that of the gRPC services, on 127.0.0.1, where it is free.
    http: Http = Http::Beside, "http";
    /// The origins of web pages that may call, with commas between, as `https://desk.example`. Default: none; a page that is
    /// not named is refused.
    web_origins: Origins = Origins::default(), "web-origins";
    /// Serve other machines without TLS. Default false.
    insecure: bool = false, "insecure";
    /// The name of a new archive, as `example.org/archive`. Default: a random one.
    origin: String = String::new(), "origin";
    /// Take the machine's clock for right although it is far from the newest record. Default false.
    accept_clock: bool = false, "accept-clock";
    /// Write the daemon's log as JSON, one object a line. Default false.
    log_json: bool = false, "log-json";
    /// Bytes of the newest commit groups kept in memory for live subscribers, 1 MiB to 1 GiB. Default 8 MiB.
    recent_bytes: u64 = 8 << 20, "recent-bytes", 1_048_576..=1_073_741_824;
    /// Bytes of the newest records that sled holds, 1 MiB to 64 GiB. Default 16 MiB.
    hot_bytes: u64 = 16 << 20, "hot-bytes", 1_048_576..=68_719_476_736;
    /// Bytes that the journal may hold of what could be sealed, 128 MiB to 1 TiB. Default 512 MiB. Appends wait rather than
    /// let it grow; from half of it on sealing comes before them.
    unsealed_bytes: u64 = 512 << 20, "unsealed-bytes", 134_217_728..=1_099_511_627_776;
    /// Appends are refused while fewer bytes are free on the disk, 16 MiB to 1 TiB. Default 64 MiB.
    reserve_bytes: u64 = 64 << 20, "reserve-bytes", 16_777_216..=1_099_511_627_776;
    /// Days between two checks of all files in the background, whose result is a record; 0 for none, at most 3,650. Default 30.
    scrub_days: u64 = 30, "scrub-days", 0..=3_650;
    /// Bytes that such a check reads a second, 1 MiB to 1 GiB. Default 32 MiB.
    scrub_bytes_s: u64 = 32 << 20, "scrub-bytes-s", 1_048_576..=1_073_741_824;
    /// Scans for answers at a time, 1 to 64. Default 2.
    scans_max: u64 = 2, "scans-max", 1..=64;
    /// Questions that may wait for their scan, 1 to 100,000. Default 256.
    scans_waiting_max: u64 = 256, "scans-waiting-max", 1..=100_000;
    /// Bytes of search results kept so that a second page does not scan again, 0 to 4 GiB. Default 16 MiB. Up to four
    /// larger results are kept besides, each 8 bytes an entry, until their last page or a minute after the one before.
    results_bytes: u64 = 16 << 20, "results-bytes", 0..=4_294_967_296;
    /// Milliseconds that a question waits for its `min_position`, 0 to 600,000. Default 10,000.
    min_position_wait_ms: u64 = 10_000, "min-position-wait-ms", 0..=600_000;
    /// Calls under way at a time on one connection, 1 to 100,000. Default 1,024.
    streams_max: u64 = 1_024, "streams-max", 1..=100_000;
    /// Seconds between questions to a silent connection whether it is still there, 1 to 3,600. Default 30.
    keepalive_s: u64 = 30, "keepalive-s", 1..=3_600;
    /// Seconds that calls under way are given to end when the daemon stops, 1 to 600. Default 10.
    shutdown_s: u64 = 10, "shutdown-s", 1..=600;
}

impl Settings {
    /// The settings of a `chancery.toml`.
    ///
    /// # Errors
    /// [`ConfigError::File`] names line and column, [`ConfigError::Alert`] alert and field.
    pub fn from_toml(path: &std::path::Path, text: &str) -> Result<Self, ConfigError> {
        let wrong = |error: toml::de::Error| ConfigError::File {
            path: path.to_owned(),
            problem: located(text, &error),
        };
        let mut settings: Self = toml::from_str(text).map_err(wrong)?;
        let table: toml::Table = toml::from_str(text).map_err(wrong)?;
        if let Some(alerts) = table.get("alerts") {
            let wrong = |problem| ConfigError::Alert {
                path: path.to_owned(),
                problem,
            };
            settings.alerts = settings::read(alerts).map_err(wrong)?;
        }
        Ok(settings)
    }

    /// The settings among environment variables. What has not our prefix is passed over, whatever its bytes.
    ///
    /// # Errors
    /// [`ConfigError::Variable`] for one with our prefix that is no setting; [`ConfigError::NotUnicode`];
    /// [`ConfigError::Value`].
    pub fn from_variables(
        variables: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Self, ConfigError> {
        let mut ours = BTreeMap::new();
        for (name, value) in variables {
            if !name.as_encoded_bytes().starts_with(PREFIX.as_bytes()) {
                continue;
            }
            let unreadable = || ConfigError::NotUnicode(name.to_string_lossy().into_owned());
            let text = name.to_str().ok_or_else(unreadable)?;
            let value = value.to_str().ok_or_else(unreadable)?;
            if !OTHER_VARIABLES.contains(&text) && !command::VARIABLES.contains(&text) {
                ours.insert(text.to_owned(), value.to_owned());
            }
        }
        let mut settings = Self::default();
        for (name, value) in ours {
            let key = name[PREFIX.len()..].to_ascii_lowercase().replace('_', "-");
            if !settings.set(&key, &value)? {
                return Err(ConfigError::Variable(name));
            }
        }
        Ok(settings)
    }
}

impl Config {
    /// Puts settings together: flags over variables over the file over defaults.
    ///
    /// # Errors
    /// [`ConfigError::Value`], [`ConfigError::NotLoopback`].
    pub fn gather(flags: Settings, variables: Settings, file: Settings) -> Result<Self, ConfigError> {
        let config = Self::of(flags.over(variables).over(file));
        config.check_bounds()?;
        let http = match config.http {
            Http::At(address) => Some(("--http", address)),
            Http::Beside | Http::Off => None,
        };
        for (flag, address) in std::iter::once(("--listen", config.listen)).chain(http) {
            if !address.ip().is_loopback() && !config.insecure {
                return Err(ConfigError::NotLoopback(flag, address));
            }
        }
        Ok(config)
    }
}

/// What is wrong and where. The line itself is not shown: it may hold a secret.
fn located(text: &str, error: &toml::de::Error) -> String {
    let what = error.message().lines().collect::<Vec<_>>().join("; ");
    let before = error.span().and_then(|span| text.get(..span.start));
    let Some(before) = before else {
        return what;
    };
    let start = before.rfind('\n').map_or(0, |end| end + 1);
    let (line, column) = (
        before.matches('\n').count() + 1,
        before[start..].chars().count() + 1,
    );
    format!("line {line}, column {column}: {what}")
}

/// Alerts are read by themselves, with sentences of their own.
fn pass_over<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<Alert>, D::Error> {
    serde::de::IgnoredAny::deserialize(deserializer).map(|_| Vec::new())
}

fn parse<T: FromStr>(key: &str, value: &str) -> Result<T, ConfigError> {
    value.parse().map_err(|_| ConfigError::Value {
        key: key.to_owned(),
        value: value.to_owned(),
        allowed: std::any::type_name::<T>()
            .rsplit("::")
            .next()
            .map_or_else(String::new, |kind| match kind {
                "SocketAddr" => "an address and port, as 127.0.0.1:4710".to_owned(),
                "Http" => "off, or an address and port, as 127.0.0.1:4711".to_owned(),
                "Origins" => "origins with commas between, as https://desk.example".to_owned(),
                "bool" => "true or false".to_owned(),
                "u64" => "a whole number".to_owned(),
                kind => kind.to_owned(),
            }),
    })
}

fn bounds(key: &str, value: u64, least: u64, most: u64) -> Result<(), ConfigError> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    Err(ConfigError::Value {
        key: key.to_owned(),
        value: value.to_string(),
        allowed: format!("{least} to {most}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(all: &[(&str, &str)]) -> Result<Settings, ConfigError> {
        let owned = all.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        Settings::from_variables(owned)
    }

    #[test]
    fn a_variable_that_is_not_unicode_is_named_where_it_is_ours() {
        use std::os::unix::ffi::OsStringExt;
        let odd = || OsString::from_vec(b"caf\xe9".to_vec());
        let read = |name: &str| Settings::from_variables([(name.into(), odd()), (odd(), odd())]);
        assert_eq!(read("OTHER").unwrap(), Settings::default());
        let error = read("CHANCERY_DATA").unwrap_err();
        assert_eq!(
            error.to_string(),
            "environment variable `CHANCERY_DATA` is not Unicode; set it anew, or remove it"
        );
    }

    fn toml(text: &str) -> Result<Settings, ConfigError> {
        Settings::from_toml("chancery.toml".as_ref(), text)
    }

    #[test]
    fn flags_come_before_variables_before_the_file_before_defaults() {
        let flags = Settings {
            scans_max: Some(5),
            ..Settings::default()
        };
        let variables = variables(&[("CHANCERY_SCANS_MAX", "6"), ("CHANCERY_SHUTDOWN_S", "7")]).unwrap();
        let file = toml("scans-max = 8\nshutdown-s = 9\nkeepalive-s = 11").unwrap();
        let config = Config::gather(flags, variables, file).unwrap();
        assert_eq!(
            (config.scans_max, config.shutdown_s, config.keepalive_s),
            (5, 7, 11)
        );
        assert_eq!(config.listen.port(), 4710);
    }

    #[test]
    fn an_unknown_key_is_refused_by_its_name() {
        let error = toml("liste = 1").unwrap_err().to_string();
        assert!(error.contains("liste"), "{error}");
        let error = variables(&[("CHANCERY_LISTE", "1")]).unwrap_err().to_string();
        assert!(error.contains("CHANCERY_LISTE"), "{error}");
        assert!(variables(&[("CHANCERY_SERVER", "http://x"), ("HOME", "/")]).is_ok());
    }

    #[test]
    fn the_alerts_of_a_file_are_the_daemons() {
        let file = toml("scans-max = 8\n[alerts.desk]\nfilter = 'kind = event'\ncommand = ['true']").unwrap();
        let config = Config::gather(Settings::default(), Settings::default(), file).unwrap();
        assert_eq!((config.scans_max, config.alerts[0].name.as_str()), (8, "desk"));
        let error =
            toml("[alerts.desk]\nfilter = 'kind = event'\ntimeout-s = 0\ncommand = ['true']").unwrap_err();
        assert_eq!(
            error.to_string(),
            "`chancery.toml`: alert `desk`: timeout-s is `0`, allowed is 1 to 3600"
        );
    }

    #[test]
    fn a_value_out_of_bounds_is_an_error_with_its_range() {
        let file = toml("scans-max = 0").unwrap();
        let error = Config::gather(Settings::default(), Settings::default(), file).unwrap_err();
        assert_eq!(error.to_string(), "scans-max is `0`, allowed is 1 to 64");
        let error = variables(&[("CHANCERY_LISTEN", "here")]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "listen is `here`, allowed is an address and port, as 127.0.0.1:4710"
        );
    }

    #[test]
    fn an_address_that_others_reach_needs_a_word() {
        let open = |insecure| Settings {
            listen: Some(([0, 0, 0, 0], 4710).into()),
            insecure: Some(insecure),
            ..Settings::default()
        };
        let gather = |flags| Config::gather(flags, Settings::default(), Settings::default());
        assert!(matches!(
            gather(open(false)),
            Err(ConfigError::NotLoopback("--listen", _))
        ));
        assert!(gather(open(true)).is_ok());
    }

    #[test]
    fn every_default_lies_within_its_bounds() {
        assert!(Config::default().check_bounds().is_ok());
    }
}
