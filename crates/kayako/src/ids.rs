//! Kayako's numeric ids, one type per kind of object.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

use crate::wire::IdVisitor;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident,)+) => {$(
        $(#[$doc])*
        ///
        /// Read from a number, a numeric text, or an object (stub or full) with an `id`; written as a number.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
        #[serde(transparent)]
        pub struct $name(u64);

        impl $name {
            /// The bare number.
            pub const fn get(self) -> u64 {
                self.0
            }
        }

        impl From<u64> for $name {
            fn from(id: u64) -> Self {
                Self(id)
            }
        }

        impl From<$name> for u64 {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any(IdVisitor::new())
            }
        }
    )+};
}

ids! {
    /// A user of any role.
    UserId,
    /// A role.
    RoleId,
    /// A team.
    TeamId,
    /// An organization.
    OrganizationId,
    /// A case (conversation).
    CaseId,
    /// A post of a case.
    PostId,
    /// An uploaded file.
    FileId,
    /// An attachment of a post.
    AttachmentId,
    /// A bulk job.
    JobId,
    /// A case status.
    StatusId,
    /// A case priority.
    PriorityId,
    /// A case type.
    TypeId,
    /// A case form.
    FormId,
    /// A custom field.
    FieldId,
    /// An option of a custom field.
    OptionId,
    /// A brand.
    BrandId,
    /// A mailbox, which is what `channel_id` names for the channel MAIL.
    MailboxId,
    /// A locale.
    LocaleId,
    /// Business hours.
    BusinessHourId,
    /// An e-mail or phone of a user.
    IdentityId,
    /// A note on a user or organization.
    NoteId,
    /// A trigger, monitor or SLA.
    AutomationId,
}
