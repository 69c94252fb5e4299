//! What people of several languages are called and what they write, read from the text files beside this one.
//!
//! A language is one file; a new one needs a file, a variant of [`Language`] and its line in `LANGUAGES`.

use std::collections::HashMap;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use super::draw::Draw;

/// The language that a person writes in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// English.
    #[default]
    En,
    /// German.
    De,
    /// French.
    Fr,
    /// Spanish.
    Es,
    /// Portuguese.
    Pt,
    /// Japanese.
    Ja,
    /// Arabic, written from right to left.
    Ar,
}

/// What the service stores about a language, and how common it is.
struct Profile {
    language: Language,
    /// Share of the people, in 1,000.
    weight: u64,
    locale: &'static str,
    locale_id: u32,
    /// The older name of the time zone that the service still stores, and the IANA name.
    time_zone: (&'static str, &'static str),
    source: &'static str,
}

const LANGUAGES: [Profile; 7] = [
    Profile {
        language: Language::En,
        weight: 380,
        locale: "en-US",
        locale_id: 1,
        time_zone: ("Eastern Time (US & Canada)", "America/New_York"),
        source: include_str!("en.txt"),
    },
    Profile {
        language: Language::De,
        weight: 220,
        locale: "de",
        locale_id: 8,
        time_zone: ("Berlin", "Europe/Berlin"),
        source: include_str!("de.txt"),
    },
    Profile {
        language: Language::Fr,
        weight: 110,
        locale: "fr",
        locale_id: 16,
        time_zone: ("Paris", "Europe/Paris"),
        source: include_str!("fr.txt"),
    },
    Profile {
        language: Language::Es,
        weight: 110,
        locale: "es",
        locale_id: 2,
        time_zone: ("Madrid", "Europe/Madrid"),
        source: include_str!("es.txt"),
    },
    Profile {
        language: Language::Pt,
        weight: 50,
        locale: "pt-br",
        locale_id: 19,
        time_zone: ("Brasilia", "America/Sao_Paulo"),
        source: include_str!("pt.txt"),
    },
    Profile {
        language: Language::Ja,
        weight: 70,
        locale: "ja",
        locale_id: 67,
        time_zone: ("Asia/Tokyo", "Asia/Tokyo"),
        source: include_str!("ja.txt"),
    },
    Profile {
        language: Language::Ar,
        weight: 60,
        locale: "ar",
        locale_id: 66,
        time_zone: ("Riyadh", "Asia/Riyadh"),
        source: include_str!("ar.txt"),
    },
];

impl Language {
    /// A language, as often as it occurs.
    pub(crate) fn drawn(draw: &mut Draw) -> Self {
        let mut rest = draw.below(LANGUAGES.iter().map(|p| p.weight).sum());
        for profile in &LANGUAGES {
            if rest < profile.weight {
                return profile.language;
            }
            rest -= profile.weight;
        }
        Self::En
    }

    fn profile(self) -> &'static Profile {
        &LANGUAGES[self as usize]
    }

    /// The locale as the service names it.
    pub fn locale(self) -> &'static str {
        self.profile().locale
    }

    pub(crate) fn locale_id(self) -> u32 {
        self.profile().locale_id
    }

    pub(crate) fn time_zone(self) -> (&'static str, &'static str) {
        self.profile().time_zone
    }

    pub(crate) fn is_right_to_left(self) -> bool {
        self == Self::Ar
    }

    /// One line of a section of this language's file.
    pub(crate) fn line(self, section: Section, draw: &mut Draw) -> &'static str {
        let lines = &CORPUS[self as usize][section.name()];
        draw.pick(lines)
    }

    /// A full name, and its two parts in ASCII for an address.
    pub(crate) fn name(self, draw: &mut Draw) -> (String, String) {
        let part = |line: &'static str| line.split_once('|').unwrap_or((line, line));
        let (first, first_ascii) = part(self.line(Section::First, draw));
        let (last, last_ascii) = part(self.line(Section::Last, draw));
        let name = if self == Self::Ja { format!("{last} {first}") } else { format!("{first} {last}") };
        (name, format!("{first_ascii}.{last_ascii}"))
    }
}

/// A section of a language file.
#[derive(Clone, Copy)]
pub(crate) enum Section {
    First,
    Last,
    Subjects,
    Customer,
    Agent,
    Note,
    Greeting,
    Closing,
}

impl Section {
    const fn name(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Last => "last",
            Self::Subjects => "subjects",
            Self::Customer => "customer",
            Self::Agent => "agent",
            Self::Note => "note",
            Self::Greeting => "greeting",
            Self::Closing => "closing",
        }
    }
}

type Sections = HashMap<&'static str, Vec<&'static str>>;

/// The parsed files, in the order of [`LANGUAGES`], which is the order of the variants.
static CORPUS: LazyLock<Vec<Sections>> =
    LazyLock::new(|| LANGUAGES.iter().map(|p| parse(p.source)).collect());

fn parse(source: &'static str) -> Sections {
    let mut sections = Sections::new();
    let mut current = "";
    for line in source.lines().filter(|line| !line.is_empty()) {
        if let Some(name) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
            current = name;
        } else {
            sections.entry(current).or_default().push(line);
        }
    }
    sections
}

/// What the company sells.
pub(crate) const PRODUCTS: [&str; 10] = [
    "Acme Desk",
    "Acme Cloud",
    "Acme Router X2",
    "Roadrunner Sync",
    "Anvil Pro",
    "Acme Mobile",
    "Rocket Skates 3000",
    "Acme Analytics",
    "Portable Hole",
    "Acme Printer LX",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_language_has_every_section_and_stands_at_its_own_place() {
        for (place, profile) in LANGUAGES.iter().enumerate() {
            assert_eq!(profile.language as usize, place);
            for section in [
                Section::First,
                Section::Last,
                Section::Subjects,
                Section::Customer,
                Section::Agent,
                Section::Note,
                Section::Greeting,
                Section::Closing,
            ] {
                let lines = CORPUS[place].get(section.name());
                assert!(lines.is_some_and(|l| !l.is_empty()), "{}: [{}]", profile.locale, section.name());
            }
        }
    }
}
