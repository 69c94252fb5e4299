//! Where a person opens a record in the two help desks.

use model::{KayakoId, Kind, SourceId};

/// Base addresses of both accounts.
#[derive(Debug, Clone)]
pub struct Links {
    /// The source account.
    pub source_url: String,
    /// The Kayako account.
    pub target_url: String,
}

impl Links {
    /// The record at the source (Zendesk's agent interface).
    pub fn source(&self, kind: Kind, id: &SourceId) -> String {
        let path = match kind {
            Kind::Team => {
                return format!("{}/admin/people/team/groups", self.source_url.trim_end_matches('/'));
            }
            Kind::Organization => "agent/organizations",
            Kind::User => "agent/users",
            Kind::Case => "agent/tickets",
        };
        format!("{}/{path}/{id}", self.source_url.trim_end_matches('/'))
    }

    /// The object in Kayako's agent area.
    pub fn target(&self, kind: Kind, id: KayakoId) -> String {
        let path = match kind {
            Kind::Team => "admin/team-settings/teams",
            Kind::Organization => "agent/organizations",
            Kind::User => "agent/users",
            Kind::Case => "agent/conversations",
        };
        format!("{}/{path}/{id}", self.target_url.trim_end_matches('/'))
    }
}
