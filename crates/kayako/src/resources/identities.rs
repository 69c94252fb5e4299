//! E-mail addresses and phone numbers of users.
//!
//! Constraint: an address is added as validated and with notifications off, so that the account has no reason to
//! write to it. The calls that send verification mails are left out on purpose.

use serde::{Deserialize, Serialize};

use crate::call::Request;
use crate::client::Client;
use crate::error::Error;
use crate::ids::{IdentityId, UserId};
use crate::paging::identified;
use crate::slot::Slot;
use crate::wire;

/// An e-mail address, or the stub of one, which has only the id.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct EmailIdentity {
    /// Its id.
    pub id: IdentityId,
    /// The address; missing in stubs.
    #[serde(default, deserialize_with = "wire::text")]
    pub email: Option<String>,
    /// Whether the user is written to at this address.
    #[serde(default)]
    pub is_primary: Option<bool>,
    /// Whether it counts as proven.
    #[serde(default)]
    pub is_validated: Option<bool>,
    /// Whether notifications go there.
    #[serde(default)]
    pub is_notification_enabled: Option<bool>,
}

/// A phone number, or the stub of one, which has only the id.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct PhoneIdentity {
    /// Its id.
    pub id: IdentityId,
    /// The number; missing in stubs.
    #[serde(default, deserialize_with = "wire::text")]
    pub number: Option<String>,
    /// Whether it is the first to call.
    #[serde(default)]
    pub is_primary: Option<bool>,
    /// Whether it counts as proven.
    #[serde(default)]
    pub is_validated: Option<bool>,
}

identified!(EmailIdentity, PhoneIdentity);

#[derive(Serialize)]
struct NewEmail<'a> {
    user_id: UserId,
    email: &'a str,
    is_primary: bool,
    is_validated: bool,
    is_notification_enabled: bool,
}

#[derive(Serialize)]
struct NewPhone<'a> {
    user_id: UserId,
    number: &'a str,
    is_primary: bool,
    is_validated: bool,
}

impl Client {
    /// The e-mail addresses of a user. API 4.5.
    pub async fn user_emails(&self, user: UserId) -> Result<Vec<EmailIdentity>, Error> {
        self.list(Request::get("/identities/emails").query("user_id", user.to_string())).await
    }

    /// Adds an e-mail address: validated, notifications off. Another user's address is [`Error::Conflict`]. API 4.5.
    pub async fn add_user_email(
        &self,
        slot: Slot,
        user: UserId,
        email: &str,
        is_primary: bool,
    ) -> Result<EmailIdentity, Error> {
        let body =
            NewEmail { user_id: user, email, is_primary, is_validated: true, is_notification_enabled: false };
        self.create(slot, Request::create("/identities/emails").json(&body)?).await
    }

    /// The phone numbers of a user. API 4.5.
    pub async fn user_phones(&self, user: UserId) -> Result<Vec<PhoneIdentity>, Error> {
        self.list(Request::get("/identities/phones").query("user_id", user.to_string())).await
    }

    /// Adds a phone number, validated. API 4.5.
    pub async fn add_user_phone(
        &self,
        slot: Slot,
        user: UserId,
        number: &str,
        is_primary: bool,
    ) -> Result<PhoneIdentity, Error> {
        let body = NewPhone { user_id: user, number, is_primary, is_validated: true };
        self.create(slot, Request::create("/identities/phones").json(&body)?).await
    }
}
