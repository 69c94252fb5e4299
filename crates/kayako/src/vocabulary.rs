//! Kayako's option values. They are upper case in answers; unknown ones are kept, never an error.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

macro_rules! options {
    ($($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal,)+ })+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$vdoc])* $variant,)+
            /// A value this client does not know.
            Other(String),
        }

        impl $name {
            /// The value as Kayako writes it.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $text,)+
                    Self::Other(text) => text,
                }
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                match text {
                    $(_ if text.eq_ignore_ascii_case($text) => Self::$variant,)+
                    _ => Self::Other(text.to_owned()),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer).map(|text| Self::from(text.as_str()))
            }
        }
    )+};
}

options! {
    /// What a role is allowed to be.
    RoleType {
        /// The account's owner.
        Owner = "OWNER",
        /// An administrator.
        Admin = "ADMIN",
        /// An agent.
        Agent = "AGENT",
        /// A collaborator.
        Collaborator = "COLLABORATOR",
        /// A customer.
        Customer = "CUSTOMER",
    }
    /// Which stage of its life a case is in.
    StatusType {
        /// New.
        New = "NEW",
        /// Open.
        Open = "OPEN",
        /// Waiting for the customer.
        Pending = "PENDING",
        /// Solved.
        Completed = "COMPLETED",
        /// Closed for good.
        Closed = "CLOSED",
        /// Added by the account.
        Custom = "CUSTOM",
    }
    /// What a case is about.
    CaseTypeKind {
        /// A question.
        Question = "QUESTION",
        /// A task.
        Task = "TASK",
        /// A problem.
        Problem = "PROBLEM",
        /// An incident.
        Incident = "INCIDENT",
        /// Added by the account.
        Custom = "CUSTOM",
    }
    /// Whether a case is in use.
    CaseState {
        /// In use.
        Active = "ACTIVE",
        /// Held back as spam; read-only.
        Suspended = "SUSPENDED",
        /// In the trash.
        Trash = "TRASH",
    }
    /// Which cases a staff member sees.
    AgentCaseAccess {
        /// Their own.
        Own = "SELF",
        /// Their teams'.
        Teams = "TEAMS",
        /// As the role says.
        InheritFromRole = "INHERIT-FROM-ROLE",
        /// All.
        All = "ALL",
    }
    /// Which cases a customer sees.
    OrganizationCaseAccess {
        /// Those they requested.
        Requested = "REQUESTED",
        /// Those of their organization.
        Organization = "ORGANIZATION",
    }
    /// The type of a custom field.
    FieldType {
        /// One line.
        Text = "TEXT",
        /// Many lines.
        TextArea = "TEXTAREA",
        /// Several options.
        CheckBox = "CHECKBOX",
        /// One option.
        Radio = "RADIO",
        /// One option.
        Select = "SELECT",
        /// One option of a tree.
        CascadingSelect = "CASCADINGSELECT",
        /// A date.
        Date = "DATE",
        /// A file.
        File = "FILE",
        /// An integer.
        Numeric = "NUMERIC",
        /// A decimal number.
        Decimal = "DECIMAL",
        /// Yes or no.
        YesNo = "YESNO",
        /// Text that matches a pattern.
        Regex = "REGEX",
    }
    /// Where a bulk job stands. Only PENDING is documented; the others are the words such states usually have.
    JobStatus {
        /// Accepted.
        Pending = "PENDING",
        /// Under way.
        Running = "RUNNING",
        /// Done, perhaps with refused items.
        Completed = "COMPLETED",
        /// Ended without completing.
        Failed = "FAILED",
    }
}

impl JobStatus {
    /// Whether the job has ended. An unknown state has not: taking it for an end could declare records absent
    /// that are still to come.
    pub fn is_terminal(&self) -> bool {
        matches!(self, Self::Completed | Self::Failed)
    }
}
