//! The error codes an account can answer with.

use std::fmt;

use serde::{Deserialize, Deserializer};

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $text:literal,)+) => {
        /// A code of the account's error list. Unknown ones are kept as [`ErrorCode::Other`].
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        pub enum ErrorCode {
            $($(#[$doc])* $variant,)+
            /// A code this client does not know. Only capitals, digits and underscores are kept, so that no text
            /// of a customer can come along; anything else becomes `UNRECOGNISED`.
            Other(String),
        }

        impl ErrorCode {
            /// All codes this client knows.
            pub const KNOWN: &'static [Self] = &[$(Self::$variant,)+];

            /// The code as the account writes it.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $text,)+
                    Self::Other(text) => text,
                }
            }

            /// Reads a code, in any case.
            pub fn parse(text: &str) -> Self {
                let upper = text.trim().to_ascii_uppercase();
                match upper.as_str() {
                    $($text => Self::$variant,)+
                    _ if is_code(&upper) => Self::Other(upper),
                    _ => Self::Other("UNRECOGNISED".to_owned()),
                }
            }
        }
    };
}

codes! {
    /// Bad input.
    FieldRequired = "FIELD_REQUIRED",
    /// Bad input.
    FieldEmpty = "FIELD_EMPTY",
    /// Bad input.
    FieldInvalid = "FIELD_INVALID",
    /// The value belongs to another object already, or appears twice in one array.
    FieldDuplicate = "FIELD_DUPLICATE",
    /// A field that must not be sent.
    FieldRedundant = "FIELD_REDUNDANT",
    /// Request shape.
    AnyFieldRequired = "ANY_FIELD_REQUIRED",
    /// Request shape.
    OneFieldExpected = "ONE_FIELD_EXPECTED",
    /// Request shape.
    RequestFieldsEmpty = "REQUEST_FIELDS_EMPTY",
    /// Request shape.
    ParameterInvalid = "PARAMETER_INVALID",
    /// Request shape.
    ParametersInconsistent = "PARAMETERS_INCONSISTENT",
    /// The object is there already.
    ResourceExists = "RESOURCE_EXISTS",
    /// The id is not there.
    ResourceNotFound = "RESOURCE_NOT_FOUND",
    /// The id was there.
    ResourceGone = "RESOURCE_GONE",
    /// An id that the body refers to is not there.
    AssociateNotFound = "ASSOCIATE_NOT_FOUND",
    /// A precondition failed.
    ResourceModified = "RESOURCE_MODIFIED",
    /// State of the object.
    ResourceNotAvailable = "RESOURCE_NOT_AVAILABLE",
    /// State of the object.
    ResourceActionNotAvailable = "RESOURCE_ACTION_NOT_AVAILABLE",
    /// State of the object.
    ContentNotAvailable = "CONTENT_NOT_AVAILABLE",
    /// Not part of the account's plan.
    FeatureNotAvailable = "FEATURE_NOT_AVAILABLE",
    /// Not part of the account.
    AppNotFound = "APP_NOT_FOUND",
    /// Not part of the account's API.
    AppRestNotAvailable = "APP_REST_NOT_AVAILABLE",
    /// Two ids do not belong together.
    ResourcesDoNotMatch = "RESOURCES_DO_NOT_MATCH",
    /// A condition is missing.
    ConditionRequired = "CONDITION_REQUIRED",
    /// The account could not do it.
    ActionFailed = "ACTION_FAILED",
    /// The account could not delete it.
    DeletionFailed = "DELETION_FAILED",
    /// An upload was damaged on its way.
    ChecksumMismatch = "CHECKSUM_MISMATCH",
    /// Bad credentials.
    AuthenticationFailed = "AUTHENTICATION_FAILED",
    /// Not logged in.
    AuthorizationRequired = "AUTHORIZATION_REQUIRED",
    /// Too many bad log-ins. Comes as a 429 but is no rate limit.
    AuthenticationLocked = "AUTHENTICATION_LOCKED",
    /// Role or scope too small.
    PermissionsDenied = "PERMISSIONS_DENIED",
    /// A second factor is asked for.
    OtpExpected = "OTP_EXPECTED",
    /// The password has expired.
    CredentialExpired = "CREDENTIAL_EXPIRED",
    /// The session is protected and the token was missing or wrong.
    CsrfFailed = "CSRF_FAILED",
    /// The session is gone.
    SessionLoadingFailed = "SESSION_LOADING_FAILED",
    /// No session could be made.
    SessionCreationFailed = "SESSION_CREATION_FAILED",
    /// Too many calls in this minute.
    RateLimitReached = "RATE_LIMIT_REACHED",
    /// The account's licence has ended.
    LicenseExpired = "LICENSE_EXPIRED",
    /// A limit of the plan: seats, file size.
    LicenseLimitReached = "LICENSE_LIMIT_REACHED",
    /// A password is too weak.
    PasswordPolicyViolation = "PASSWORD_POLICY_VIOLATION",
    /// The method does not exist there.
    MethodNotSupported = "METHOD_NOT_SUPPORTED",
    /// The answer's format was not acceptable.
    FormatNotAcceptable = "FORMAT_NOT_ACCEPTABLE",
    /// Plain http.
    HttpsRequired = "HTTPS_REQUIRED",
    /// The portal is not served here.
    PortalNotSupported = "PORTAL_NOT_SUPPORTED",
    /// The API version is not served here.
    VersionNotSupported = "VERSION_NOT_SUPPORTED",
    /// Signed log-ins only.
    NonceDuplicate = "NONCE_DUPLICATE",
    /// Signed log-ins only.
    TimestampMismatch = "TIMESTAMP_MISMATCH",
    /// Signed log-ins only.
    TimestampMissing = "TIMESTAMP_MISSING",
    /// The account's own fault.
    ExceptionCaught = "EXCEPTION_CAUGHT",
}

fn is_code(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for ErrorCode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::parse(&String::deserialize(deserializer)?))
    }
}
