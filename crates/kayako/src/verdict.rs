//! Which error a readable refusal is: the table of the account's codes and statuses, in one place.
//!
//! Constraint: order matters. A status that proves something about the *call* (5xx, 454, 429, 401) outranks a code
//! that says something about an input; among several complaints the worst decides, because acting on the milder one
//! would repeat what cannot succeed, or fail a record for something that is not its fault.

use crate::code::ErrorCode;
use crate::error::{Error, Refusal};

impl Error {
    /// Which error a readable refusal is. Several complaints: the worst decides, all are kept.
    pub(crate) fn from_refusal(refusal: Refusal, batch: bool) -> Self {
        let kind = refusal
            .items
            .iter()
            .map(|item| Kind::of(refusal.status, Some(&item.code), batch))
            .max()
            .unwrap_or_else(|| Kind::of(refusal.status, None, batch));
        let refusal = Box::new(refusal);
        match kind {
            Kind::Conflict => Self::Conflict(refusal),
            Kind::Rejected => Self::Rejected(refusal),
            Kind::Throttled => Self::Throttled(refusal),
            Kind::ServerFault => Self::ServerFault(refusal),
            Kind::SessionLost => Self::SessionLost(refusal),
            Kind::Licence => Self::Licence(refusal),
            Kind::Unusable => Self::Unusable(refusal),
            Kind::Forbidden => Self::Forbidden(refusal),
            Kind::LoginRefused => Self::LoginRefused(refusal),
            Kind::LoginNeedsPerson => Self::LoginNeedsPerson(refusal),
            Kind::LoginLocked => Self::LoginLocked(refusal),
        }
    }
}

/// What one complaint means; later is worse.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Conflict,
    Rejected,
    Throttled,
    ServerFault,
    SessionLost,
    Licence,
    Unusable,
    Forbidden,
    LoginRefused,
    LoginNeedsPerson,
    LoginLocked,
}

impl Kind {
    fn of(status: u16, code: Option<&ErrorCode>, batch: bool) -> Self {
        use ErrorCode as C;
        // These statuses speak louder than any code: what the code says about an input is worth nothing when the
        // server broke, and a 429 is a rate limit unless it says that it is a lock.
        match (status, code) {
            (_, Some(C::AuthenticationLocked)) => return Self::LoginLocked,
            (500.. | 408, _) => return Self::ServerFault,
            (454, _) => return Self::SessionLost,
            (429, _) => return Self::Throttled,
            // Too large, whatever the code beside it (some accounts say `LICENSE_LIMIT_REACHED`): no person can lift that
            // by a contract while the run waits, and the other records are not too large.
            (413, _) => return Self::Rejected,
            (401, Some(C::OtpExpected | C::CredentialExpired)) => return Self::LoginNeedsPerson,
            (401, _) => return Self::LoginRefused,
            _ => {}
        }
        match code {
            Some(C::FieldDuplicate | C::ResourceExists) => Self::Conflict,
            Some(C::RateLimitReached) => Self::Throttled,
            // A damaged upload had no effect worth having, and trying again is right: as after a lost answer.
            Some(C::ExceptionCaught | C::ChecksumMismatch) => Self::ServerFault,
            Some(C::SessionLoadingFailed | C::SessionCreationFailed) => Self::SessionLost,
            Some(C::AuthenticationFailed | C::AuthorizationRequired | C::CsrfFailed) => Self::LoginRefused,
            Some(C::OtpExpected | C::CredentialExpired) => Self::LoginNeedsPerson,
            Some(C::PermissionsDenied) => Self::Forbidden,
            // A file or a person beyond the plan concerns that record only; the same on a batch cannot be tied to
            // one record and halts (the caller may split the batch first).
            Some(C::LicenseLimitReached) if status == 402 && !batch => Self::Rejected,
            Some(C::LicenseExpired | C::LicenseLimitReached) => Self::Licence,
            // No call at all can succeed at this address: failing every record of a run would be wrong.
            Some(C::HttpsRequired | C::PortalNotSupported | C::VersionNotSupported) => Self::Unusable,
            Some(C::Other(_)) | None => Self::of_status(status, batch),
            Some(_) => Self::Rejected,
        }
    }

    fn of_status(status: u16, batch: bool) -> Self {
        match status {
            402 if batch => Self::Licence,
            403 => Self::Forbidden,
            // Not documented, but if it is ever seen it means "there already".
            409 => Self::Conflict,
            426 => Self::Licence,
            _ => Self::Rejected,
        }
    }
}
