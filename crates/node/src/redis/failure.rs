//! How a request that was not done is told to a Redis client.
//!
//! Clients send again on `TRYAGAIN` and `CLUSTERDOWN`, so these mean that certainly nothing was applied and that
//! another try may succeed. `UNKNOWN` is a code that no client retries: the write may have landed.

use clockwise_core::{
    limits::SIBLINGS,
    request::{Outcome, Rejected},
};

/// Why a request was not done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Failure {
    /// Certainly not applied.
    Rejected(Rejected),
    /// May have been applied.
    Unknown {
        /// Acknowledgements needed.
        required: u8,
        /// Acknowledgements that came.
        acked: u8,
    },
}

impl Failure {
    /// The failure in an outcome, if it is one.
    pub(crate) fn of(outcome: &Outcome) -> Option<Failure> {
        match *outcome {
            Outcome::Rejected(why) => Some(Failure::Rejected(why)),
            Outcome::Unknown { required, acked } => Some(Failure::Unknown { required, acked }),
            Outcome::Read(_) | Outcome::Written(_) | Outcome::Counted(_) | Outcome::Explained(_) => None,
        }
    }

    /// The same once another write of the same command was applied: the command as a whole may have landed.
    pub(crate) fn in_part(self) -> Failure {
        match self {
            Failure::Rejected(Rejected::NoQuorum { required, .. }) => Failure::Unknown { required, acked: 0 },
            Failure::Rejected(_) => Failure::Unknown { required: 1, acked: 0 },
            unknown => unknown,
        }
    }

    /// The error, with its code in front.
    pub(crate) fn text(self) -> String {
        let why = match self {
            Failure::Unknown { required, acked } => {
                return format!("UNKNOWN required={required} acked={acked} applied=maybe");
            }
            Failure::Rejected(why) => why,
        };
        match why {
            Rejected::NoQuorum { required, alive } => {
                return format!("TRYAGAIN NOQUORUM required={required} alive={alive}");
            }
            Rejected::ReadTimeout { required, acked } => {
                return format!("TRYAGAIN READTIMEOUT required={required} acked={acked}");
            }
            Rejected::TooManySiblings => {
                return format!(
                    "SIBLINGS the key has {SIBLINGS} concurrent values, the most that are kept; \
                     read them with CW.GET and write with the context"
                );
            }
            Rejected::Overloaded => "OVERLOADED too much is in flight; nothing was applied",
            Rejected::DiskFull => "DISKFULL the disk is nearly full; nothing was applied",
            Rejected::RecordTooLarge => "TOOLARGE the values of this key would be too large together",
            Rejected::BadContext => "BADCONTEXT the context is damaged, forged, or of another key",
            Rejected::ClockSkew => {
                "CLOCKSKEW this server's clock is off against two others; plain writes and expiries are not taken"
            }
            Rejected::NotReady => "CLUSTERDOWN this server is not part of a cluster yet, or its identity is not confirmed yet",
            Rejected::Damaged => "DAMAGED the own copy of the key is damaged and no other replica answered",
            Rejected::BadRequest => "ERR key, value or level out of bounds",
        }
        .to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_certainly_not_applied_may_be_retried() {
        let no_quorum = Failure::Rejected(Rejected::NoQuorum { required: 2, alive: 1 });
        assert_eq!(no_quorum.text(), "TRYAGAIN NOQUORUM required=2 alive=1");
        assert_eq!(no_quorum.in_part().text(), "UNKNOWN required=2 acked=0 applied=maybe");
        assert_eq!(
            Failure::Rejected(Rejected::DiskFull).in_part().text(),
            "UNKNOWN required=1 acked=0 applied=maybe"
        );
        let unknown = Failure::Unknown { required: 2, acked: 1 };
        assert_eq!(unknown.text(), "UNKNOWN required=2 acked=1 applied=maybe");
        assert_eq!(unknown.in_part(), unknown);
    }
}
