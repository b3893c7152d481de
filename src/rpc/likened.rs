//! What requests and answers of `Query` say of entries that are alike.

use super::status::RequestError;
use super::{convert, proto};
use crate::derive::LIKENESS_RULES;
use crate::view::likeness::{Collapse, Likened};

/// What a request wants left out.
pub fn collapse(number: i32) -> Result<Collapse, RequestError> {
    match proto::Collapse::try_from(number) {
        Ok(proto::Collapse::Unspecified | proto::Collapse::None) => Ok(Collapse::None),
        Ok(proto::Collapse::Twins) => Ok(Collapse::Twins),
        Ok(proto::Collapse::Alike) => Ok(Collapse::Alike),
        Err(_) => Err(convert::unknown_number("collapse", number)),
    }
}

/// How many are alike.
pub fn wire(likened: Likened) -> proto::Likened {
    proto::Likened {
        twins: likened.twins,
        alike: likened.alike,
    }
}

/// The sentence about them.
pub fn note(likened: Likened, leave_out: Collapse) -> String {
    let Likened { twins, alike } = likened;
    let twins = match twins {
        1 => "1 swapped twin".to_owned(),
        many => format!("{many} swapped twins"),
    };
    let said = match leave_out {
        Collapse::None => format!("includes {twins}, {alike} alike"),
        Collapse::Twins => format!("leaves out {twins}, includes {alike} alike"),
        Collapse::Alike => format!("leaves out {twins}, {alike} alike"),
    };
    format!("{said}, by the rules `{LIKENESS_RULES}`")
}
