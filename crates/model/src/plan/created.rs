//! Ranges of creation time, with their time zone.

use std::fmt;
use std::sync::LazyLock;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::decode::{Decode, Section, nearest, text};
use super::problem::Report;
use super::tree::Node;

/// Creation time of cases: from the first moment (inclusive) up to the second one (exclusive).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CreatedRange {
    /// First moment that is included. Absent: from the beginning.
    #[serde(default)]
    pub from: Option<Moment>,
    /// First moment that is no longer included. Absent: no end.
    #[serde(default)]
    pub to: Option<Moment>,
    /// IANA time zone in which dates and times without an offset are meant, such as `Europe/Berlin`.
    pub time_zone: Zone,
}

impl CreatedRange {
    /// The first instant included and the first one excluded.
    pub fn bounds(&self) -> (Option<Timestamp>, Option<Timestamp>) {
        let instant = |moment: &Moment| moment.at(&self.time_zone);
        (self.from.as_ref().map(instant), self.to.as_ref().map(instant))
    }
}

impl Decode for CreatedRange {
    fn decode(node: &Node, path: &str, report: &mut Report) -> Option<Self> {
        let mut section = Section::open(node, path, report)?;
        let from = section.optional("from");
        let to = section.optional("to");
        if !section.has("from") && !section.has("to") {
            section.problem("from", "neither from nor to is given", "add one, or remove `created`");
        }
        let time_zone = section.required("time_zone", "Europe/Berlin");
        let range = time_zone.map(|time_zone| Self { from, to, time_zone });
        if let Some(range) = &range
            && let (Some(from), Some(to)) = range.bounds()
            && from >= to
        {
            section.problem(
                "to",
                "is not later than from",
                "`to` is the first moment that is not included any more",
            );
        }
        section.close();
        range
    }
}

/// A date, a date with time, or an exact instant (`2023-01-31`, `2023-01-31T08:00`, `2023-01-31T08:00:00Z`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String", extend("pattern" = r"^\d{4}-\d{2}-\d{2}"))]
pub enum Moment {
    /// An exact instant.
    Instant(Timestamp),
    /// A date with time in the range's zone; a date alone is its midnight.
    Local(DateTime),
}

impl Moment {
    /// The instant it means in a zone. A time that a change of clocks skips means the moment after the gap, a repeated one its first occurrence.
    pub fn at(&self, zone: &Zone) -> Timestamp {
        match self {
            Self::Instant(instant) => *instant,
            Self::Local(local) => zone
                .zone
                .to_ambiguous_timestamp(*local)
                .compatible()
                // Only the first and last day that the calendar library knows can fail.
                .unwrap_or(if local.year() < 0 { Timestamp::MIN } else { Timestamp::MAX }),
        }
    }
}

/// A text is no moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is neither a date nor a time")]
pub struct InvalidMoment;

impl TryFrom<String> for Moment {
    type Error = InvalidMoment;
    fn try_from(text: String) -> Result<Self, InvalidMoment> {
        if let Ok(instant) = text.parse::<Timestamp>() {
            return Ok(Self::Instant(instant));
        }
        text.parse::<DateTime>().map(Self::Local).map_err(|_| InvalidMoment)
    }
}

impl From<Moment> for String {
    fn from(moment: Moment) -> Self {
        match moment {
            Moment::Instant(instant) => instant.to_string(),
            Moment::Local(local) => local.to_string(),
        }
    }
}

impl Decode for Moment {
    fn decode(node: &Node, path: &str, report: &mut Report) -> Option<Self> {
        let found = text(node, path, report, "a date such as 2023-01-31")?;
        let fix = "write 2023-01-31, 2023-01-31T08:00 or 2023-01-31T08:00:00Z";
        Self::try_from(found.to_owned())
            .map_err(|error| report.add(node.place, path, error.to_string(), fix))
            .ok()
    }
}

/// One database for the process: it keeps the zones it has read.
static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// An IANA time zone. Known from the time zone data built in, so that a plan means the same on every machine.
#[derive(Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct Zone {
    name: String,
    zone: TimeZone,
}

/// A text names no time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not the name of a time zone")]
pub struct UnknownZone;

impl Zone {
    /// Finds a zone by its IANA name.
    pub fn named(name: &str) -> Result<Self, UnknownZone> {
        let zone = ZONES.get(name).map_err(|_| UnknownZone)?;
        let name = zone.iana_name().unwrap_or(name).to_owned();
        Ok(Self { name, zone })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl TryFrom<String> for Zone {
    type Error = UnknownZone;
    fn try_from(name: String) -> Result<Self, UnknownZone> {
        Self::named(&name)
    }
}

impl From<Zone> for String {
    fn from(zone: Zone) -> Self {
        zone.name
    }
}

impl Decode for Zone {
    fn decode(node: &Node, path: &str, report: &mut Report) -> Option<Self> {
        let found = text(node, path, report, "a time zone such as Europe/Berlin")?;
        if let Ok(zone) = Self::named(found) {
            return Some(zone);
        }
        let names: Vec<String> = ZONES.available().map(|name| name.to_string()).collect();
        let known: Vec<&str> = names.iter().map(String::as_str).collect();
        let city = known.iter().copied().find(|name| {
            name.rsplit('/')
                .next()
                .is_some_and(|city| city.replace('_', " ").eq_ignore_ascii_case(found.trim()))
        });
        let fix = match city.or_else(|| nearest(found, &known)) {
            Some(name) => format!("did you mean {name}?"),
            None => "use an IANA name such as Europe/Berlin or UTC".to_owned(),
        };
        report.add(node.place, path, UnknownZone.to_string(), fix);
        None
    }
}
