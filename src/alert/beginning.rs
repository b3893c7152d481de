//! Where alerts begin that have no place yet: found and kept before anyone can append, so that whatever is acknowledged from then
//! on lies behind it.

use super::Places;
use super::follow::Place;
use super::settings::{Alert, Beginning};
use crate::log::{Log, ReadError};
use crate::record::Position;
use crate::subscription::{From, ResumeToken, has_passed};
use crate::view::Mode;

/// Where an alert begins.
pub(super) struct Begun {
    pub(super) place: Place,
    /// Why it is not kept.
    pub(super) unkept: Option<String>,
}

/// The first place of each alert, in their order; `None` for one that has a place, or begins where the log has not come to yet. All are
/// kept by one write. Waits for the disk.
pub(super) fn first_places(alerts: &[Alert], log: &Log, places: &dyn Places) -> Vec<Option<Begun>> {
    let found: Vec<Option<Place>> = alerts
        .iter()
        .map(|alert| first_place(alert, log, places))
        .collect();
    let new = alerts.iter().zip(&found);
    let new: Vec<(&str, Vec<u8>)> = new
        .filter_map(|(alert, place)| Some((alert.name.as_str(), place.as_ref()?.encode())))
        .collect();
    let rows: Vec<(&str, &[u8])> = new.iter().map(|(name, place)| (*name, &place[..])).collect();
    let kept = if rows.is_empty() {
        Ok(())
    } else {
        places.put_all(&rows)
    };
    let unkept = kept.err().map(|error| format!("state/alerts: {error}"));
    let begun = |place| Begun {
        place,
        unkept: unkept.clone(),
    };
    found.into_iter().map(|place| place.map(begun)).collect()
}

/// An alert that begins at the tail begins where that was when the daemon was started, also where that place can be read only later.
pub(super) fn settled(alert: &Alert, tail: Position) -> Alert {
    let from = match alert.from {
        Beginning::Tail => Beginning::Position(tail),
        from => from,
    };
    Alert {
        from,
        ..alert.clone()
    }
}

fn first_place(alert: &Alert, log: &Log, places: &dyn Places) -> Option<Place> {
    if places.get(&alert.name).is_some() {
        return None;
    }
    let place = position(alert.from, log).and_then(|position| match position {
        Some(position) => at(alert, log, position).map(Some),
        None => Ok(None),
    });
    place.unwrap_or_else(|error| {
        tracing::warn!(alert = alert.name, %error, "where it begins is not known yet");
        None
    })
}

/// The position where it begins; `None` where the log has not come to it.
fn position(from: Beginning, log: &Log) -> Result<Option<Position>, ReadError> {
    let tail = log.tail();
    Ok(match from {
        Beginning::Start => Some(Position::START),
        Beginning::Tail => Some(tail),
        Beginning::Position(position) => Some(position).filter(|position| *position <= tail),
        Beginning::Recorded(time) if has_passed(log, &From::Recorded(time)).is_ok() => {
            Some(log.first_at(time)?)
        }
        Beginning::Recorded(_) => None,
    })
}

fn at(alert: &Alert, log: &Log, position: Position) -> Result<Place, ReadError> {
    let root = log.root_at(position)?;
    let records_only = alert.mode == Mode::Records;
    let filter = alert.filter.sha256();
    Ok(Place {
        token: ResumeToken::new(log.origin(), filter, records_only, position, root),
        last_success: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::settings;

    #[test]
    fn the_tail_is_that_of_the_start_of_the_daemon() {
        let from = |text: &str| {
            let alerts = format!("[desk]\nfilter = ''\ncommand = ['true']\nfrom = {text}");
            let table: toml::Table = toml::from_str(&alerts).unwrap();
            let alert = settings::read(&table.into()).unwrap().remove(0);
            settled(&alert, Position::new(9)).from
        };
        assert_eq!(from("'tail'"), Beginning::Position(Position::new(9)));
        assert_eq!(from("'start'"), Beginning::Start);
        assert_eq!(from("17"), Beginning::Position(Position::new(17)));
    }
}
