//! Everything about a Kayako account that the public material leaves open, as switches.
//!
//! Constraints. Each switch names the section of docs/kayako-api.md that it belongs to. `pessimistic()` takes the
//! answer that hurts a migration most, `friendly()` the one that a demo wants. Switches are read at every call and may
//! change at run time.

use serde::{Deserialize, Serialize};

/// What happens to a `creator_id` in a bulk insert (section 4.8: appears only in a sample).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CreatorRule {
    /// The post is shown as written by that person.
    Kept,
    /// Ignored without a word: the post is shown as written by the account that imports.
    Replaced,
    /// `FIELD_INVALID` on `creator_id`.
    Refused,
}

/// What happens to a case created as COMPLETED or CLOSED (section 4.13).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FinalStatusRule {
    /// Created with that status.
    Kept,
    /// Created as OPEN without a word.
    BecomesOpen,
    /// `FIELD_INVALID` on `status_id`.
    Refused,
}

/// What happens to a legacy id longer than allowed (section 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LongLegacyIdRule {
    /// `FIELD_INVALID` on `legacy_id`.
    Refused,
    /// Cut without a word, so that a look-up of the whole id finds nothing.
    Cut,
}

/// Where a bulk job tells which items it refused (section 4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobResults {
    /// Nowhere: the job only says COMPLETED or FAILED.
    Nothing,
    /// `errors[]` in the job, each with `code`, `parameter`, `pointer` and the item's `legacy_id`.
    Errors,
    /// `errors[]`, and the refused items themselves in `invalid_records[]`.
    Records,
}

/// Which values a YESNO field accepts (section 4.12).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum YesNoFormat {
    /// `yes` / `no` only.
    Words,
    /// `true` / `false` / `1` / `0` only.
    Booleans,
    /// Both.
    Any,
}

macro_rules! switches {
    ($($(#[$doc:meta])+ $name:ident: $kind:ty = $pessimistic:expr, $friendly:expr;)+) => {
        /// One answer to every open question. In JSON, switches that are not named are friendly.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(default = "Switches::friendly", deny_unknown_fields)]
        pub struct Switches {
            $($(#[$doc])+ pub $name: $kind,)+
        }

        impl Switches {
            /// The account that hurts a migration most.
            pub fn pessimistic() -> Self {
                Self { $($name: $pessimistic,)+ }
            }

            /// The account one hopes for: every import feature works and nothing is mailed that need not be.
            pub fn friendly() -> Self {
                Self { $($name: $friendly,)+ }
            }
        }
    };
}

switches! {
    // --- mails and automations (sections 4.1, 5) ---
    /// 4.1, 5: MAIL posts of a bulk insert are mailed to the requester and the CCs.
    bulk_mail_sends_mail: bool = true, false;
    /// 4.1, 5: enabled triggers and monitors act on bulk inserted cases.
    bulk_fires_triggers: bool = true, false;
    /// 5: agents are notified of bulk inserted cases assigned to them.
    bulk_notifies_agents: bool = true, false;
    /// 5: a new customer with an e-mail gets a verification mail.
    customer_creation_sends_mail: bool = true, false;
    /// 5: a new agent, collaborator or admin gets a welcome mail.
    staff_creation_sends_mail: bool = true, false;
    /// 4.5: an e-mail added without `is_validated` gets a verification mail.
    identity_creation_sends_mail: bool = true, false;

    // --- what a bulk insert keeps (sections 4.1, 4.8) ---
    /// 4.8: `creator_id` that is a customer.
    bulk_customer_creator: CreatorRule = CreatorRule::Replaced, CreatorRule::Kept;
    /// 4.8: `creator_id` that is an enabled agent (or other staff).
    bulk_agent_creator: CreatorRule = CreatorRule::Replaced, CreatorRule::Kept;
    /// 4.3: `creator_id` that is a disabled agent.
    bulk_disabled_agent_creator: CreatorRule = CreatorRule::Refused, CreatorRule::Kept;
    /// 4.1: `created_at` and `updated_at` of a bulk case are kept.
    bulk_keeps_case_dates: bool = false, true;
    /// 4.1: `created_at` and `updated_at` of the posts of a bulk case are kept.
    bulk_keeps_post_dates: bool = false, true;
    /// 4.8: `updated_at` of a bulk case becomes the time of the insert although `created_at` is kept.
    bulk_updated_at_is_now: bool = true, false;
    /// 4.8: most posts in one bulk case, the first included; 0 = no limit.
    max_posts_per_bulk_case: usize = 500, 0;

    // --- legacy ids and look-ups (sections 1.7, 6) ---
    /// 6: a second object of a kind with the same `legacy_id` is refused with `RESOURCE_EXISTS` (400).
    legacy_id_unique: bool = false, false;
    /// 6: longest `legacy_id` in characters; 0 = no limit.
    legacy_id_max_length: usize = 64, 255;
    /// 6: what happens to a longer one.
    legacy_id_too_long: LongLegacyIdRule = LongLegacyIdRule::Cut, LongLegacyIdRule::Refused;
    /// 6: `?legacy_ids=` finds cases in the trash.
    legacy_ids_see_trash: bool = true, false;
    /// 6: lists (other than look-ups by id) show the `legacy_id` of their objects.
    lists_show_legacy_id: bool = false, true;
    /// 6: milliseconds until a new object appears in look-ups, lists and filters (`GET /<resource>/<id>` sees it at once).
    visibility_delay_ms: u64 = 500, 0;
    /// 6: most ids in one `legacy_ids` or `ids` look-up; the rest is ignored without a word; 0 = no limit.
    max_ids_per_lookup: usize = 50, 0;
    /// 1.7: largest page that is honoured; a larger `limit` is lowered and the answer tells.
    max_limit: usize = 50, 1000;

    // --- jobs (section 4.2) ---
    /// 4.2: milliseconds a job stays PENDING.
    job_pending_ms: u64 = 50, 0;
    /// 4.2: milliseconds a job runs before its first item.
    job_base_ms: u64 = 50, 0;
    /// 4.2: milliseconds per item of a running job.
    job_item_ms: u64 = 1, 0;
    /// 4.2: jobs that run at the same time; 0 = any number.
    job_workers: usize = 1, 0;
    /// 4.2: where a job tells what it refused.
    job_results: JobResults = JobResults::Nothing, JobResults::Errors;
    /// 4.2: every n-th job dies after half of its items and ends FAILED (even without `partial_import`); 0 = never.
    job_dies_every: u64 = 0, 0;
    /// 4.2: every n-th job that does not die is RUNNING for ever after half of its items; 0 = never.
    job_hangs_every: u64 = 0, 0;
    /// 4.2: with `partial_import` every n-th item, counted over all jobs, is passed over without a word; 0 = never.
    job_passes_over_every: u64 = 0, 0;
    /// 4.2: without `partial_import` an invalid record is told at once (400) instead of by a FAILED job.
    bulk_validates_at_once: bool = false, true;
    /// 4.2: after so many minutes a finished job answers 404; 0 = never.
    job_retention_minutes: u64 = 10, 0;

    // --- people and organizations (sections 4.3 to 4.7) ---
    /// 4.3: `POST /users` honours `organization_id` (else it is ignored without a word).
    post_users_takes_organization: bool = false, true;
    /// 4.3: `POST /users` honours `tags`.
    post_users_takes_tags: bool = false, true;
    /// 4.3: `POST /users` honours `is_enabled`.
    post_users_takes_is_enabled: bool = false, true;
    /// 4.3: staff accounts the plan allows, the owner included; 0 = no limit.
    seat_limit: usize = 200, 0;
    /// 4.3: a disabled agent frees the seat.
    disabled_agent_frees_seat: bool = false, true;
    /// 4.3: a case may be assigned to a disabled agent.
    disabled_agent_assignable: bool = false, true;
    /// 4.6: a second organization with the same name is refused with `FIELD_DUPLICATE`.
    organization_name_unique: bool = true, false;
    /// 4.6: a domain that another organization has is refused with `FIELD_DUPLICATE`.
    organization_domain_unique: bool = true, true;
    /// 4.6: new users join the organization that has their mail domain.
    organization_domain_joins_users: bool = true, false;
    /// 6: a second team with the same title is refused with `FIELD_DUPLICATE`.
    team_title_unique: bool = true, false;

    // --- cases (sections 4.8, 4.12, 4.13) ---
    /// 4.13: a case created as COMPLETED or CLOSED.
    create_final_status: FinalStatusRule = FinalStatusRule::BecomesOpen, FinalStatusRule::Kept;
    /// 4.13: a reply to a CLOSED case is refused (403 `RESOURCE_ACTION_NOT_AVAILABLE`).
    reply_to_closed_refused: bool = true, false;
    /// 4.8: the assigned agent must be a member of the assigned team.
    agent_must_be_in_team: bool = true, false;
    /// 4.12: field values must have the format of their type, and the field must be in the case's form.
    field_values_strict: bool = true, true;
    /// 4.12: values of YESNO fields.
    yesno_format: YesNoFormat = YesNoFormat::Words, YesNoFormat::Any;
    /// 4.12: choosing an option adds the option's tag to the case.
    option_adds_tag: bool = true, false;

    // --- sizes and files (sections 4.8, 4.11) ---
    /// 7: largest request body in bytes; above it a proxy answers 413 in HTML; 0 = no limit.
    body_limit_bytes: usize = 8 << 20, 0;
    /// 4.11: largest file in bytes; 0 = no limit.
    attachment_limit_bytes: usize = 10 << 20, 25 << 20;
    /// 4.11: the answer to a larger file: 413 or 402 (`LICENSE_LIMIT_REACHED`).
    attachment_limit_status: u16 = 402, 413;
    /// 4.11: zero-byte files are refused.
    zero_byte_files_refused: bool = true, false;
    /// 4.11: a file cannot be attached from another session than the one that uploaded it.
    files_bound_to_session: bool = true, true;
    /// 4.11: files die when their session dies.
    files_die_with_session: bool = true, false;
    /// 4.11: a bulk job takes the files when it runs, so that they may have expired, instead of when it is submitted.
    bulk_takes_files_when_it_runs: bool = true, false;
    /// 4.11: minutes until an uploaded file expires (180 in the documented sample).
    file_expiry_minutes: u64 = 180, 180;

    // --- sessions (section 2) ---
    /// 2.1: seconds until a session expires, from its start; 0 = never.
    session_lifetime_s: u64 = 900, 8 * 3600;
    /// 2.1: calls until a session expires; 0 = never.
    session_max_calls: u64 = 2_000, 0;
    /// 1.5, 2.1: the answer to a dead session: 454 (`SESSION_LOADING_FAILED`) or 401 (`AUTHORIZATION_REQUIRED`).
    dead_session_status: u16 = 454, 401;
    /// 3: two calls at once on one session kill it. Off even in the pessimistic preset: Kayako's own web app makes such calls.
    session_lost_on_concurrent_use: bool = false, false;
    /// 2.1: logging in needs a one-time password (403 `OTP_EXPECTED`).
    otp_required: bool = false, false;
    /// 1.5: bad logins in a row until logging in is locked.
    bad_logins_until_locked: u32 = 3, 5;
    /// 1.5: seconds a lock lasts.
    lock_seconds: u64 = 600, 600;
    /// 2.3: OAuth tokens are accepted by endpoints that document no scope (files, bulk cases, filters).
    oauth_without_scope: bool = false, true;

    // --- rates (section 3) ---
    /// 3: calls per minute that read; 0 = no limit.
    reads_per_minute: u32 = 600, 0;
    /// 3: calls per minute that write single records; 0 = no limit.
    writes_per_minute: u32 = 300, 0;
    /// 3: bulk inserts per minute; 0 = no limit.
    bulks_per_minute: u32 = 60, 0;
    /// 3: uploads per minute; 0 = no limit.
    files_per_minute: u32 = 300, 0;
    /// 3: logins per minute; 0 = no limit.
    logins_per_minute: u32 = 30, 0;
    /// Milliseconds the account itself takes for a call, besides what the fault schedule adds.
    processing_ms: u64 = 0, 0;
}

impl Default for Switches {
    /// Pessimistic: what is not known to be harmless is not.
    fn default() -> Self {
        Self::pessimistic()
    }
}
