//! The account's resources, one file each: the typed objects and the calls of [`crate::Client`] for them.
//!
//! Conventions: a call that creates something takes a [`crate::Slot`]; reads, absolute updates and additions that
//! are harmless to repeat do not. Answers keep what we use and ignore the rest; whatever an account may leave out is
//! an `Option`.

pub mod account;
pub mod automations;
pub mod bulk;
pub mod cases;
pub mod fields;
pub mod files;
mod filter;
pub mod identities;
pub mod jobs;
pub mod notes;
pub mod organizations;
pub mod posts;
pub mod roles;
pub mod tags;
pub mod teams;
pub mod users;

pub use account::{Brand, BusinessHours, CaseStatus, CaseType, Locale, Mailbox, Plan, Priority, Setting};
pub use automations::Automation;
pub use bulk::{BulkCase, BulkPost, MAX_BULK_ITEMS};
pub use cases::{Case, CaseFields, CaseUpdate, NewNoteCase};
pub use fields::{Field, FieldOption, FieldOwner, FieldValue, FieldValues, Form, Translation};
pub use files::UploadedFile;
pub use identities::{EmailIdentity, PhoneIdentity};
pub use jobs::{Job, JobItemError};
pub use notes::{Note, NoteOwner};
pub use organizations::{NewOrganization, Organization, OrganizationUpdate};
pub use posts::{Attachment, Channel, NewReply, Post, Reply, Thread};
pub use roles::Role;
pub use tags::{InvalidTag, Tag, TagOwner};
pub use teams::{NewTeam, Team};
pub use users::{NewUser, User, UserUpdate};
