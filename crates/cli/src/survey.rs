//! What both accounts consist of: the material for suggestions and checks.

use std::collections::HashMap;

use kayako::{
    Automation, CaseStatus, CaseType, Client, Field, FieldOwner, Mailbox, Priority, RoleType, Team, User,
};
use model::Kind;
use model::plan::{Members, NONE, Names, Plan};
use sources::{Account, Catalogue, Next, Source};

use crate::failure::Failure;

/// The source account.
pub(crate) struct SourceSurvey {
    /// Who reads it.
    pub(crate) account: Account,
    /// What it consists of.
    pub(crate) catalogue: Catalogue,
    /// Its own counts, estimates.
    pub(crate) estimates: Vec<(Kind, Option<u64>)>,
}

/// The Kayako account.
pub(crate) struct TargetSurvey {
    /// Who writes to it.
    pub(crate) me: User,
    /// Everybody who is not a customer.
    pub(crate) staff: Vec<User>,
    pub(crate) teams: Vec<Team>,
    pub(crate) statuses: Vec<CaseStatus>,
    pub(crate) priorities: Vec<Priority>,
    pub(crate) types: Vec<CaseType>,
    pub(crate) mailboxes: Vec<Mailbox>,
    pub(crate) case_fields: Vec<Field>,
    pub(crate) user_fields: Vec<Field>,
    pub(crate) organization_fields: Vec<Field>,
    pub(crate) triggers: Vec<Automation>,
    pub(crate) monitors: Vec<Automation>,
    /// Agents the plan pays for, if it says so.
    pub(crate) seats: Option<u64>,
}

/// The same name however it is typed.
pub(crate) fn fold(name: &str) -> String {
    name.trim().to_lowercase()
}

impl SourceSurvey {
    /// Reads the account: first whether the credentials open all of it.
    pub(crate) async fn read(source: &dyn Source) -> Result<Self, Failure> {
        let account = source.check().await?;
        let catalogue = source.catalogue().await?;
        let mut estimates = Vec::new();
        for kind in Kind::ALL {
            // An estimate is shown beside the exact figures; without it nothing is missing.
            estimates.push((kind, source.estimate(kind).await.unwrap_or(None)));
        }
        Ok(Self { account, catalogue, estimates })
    }
}

impl TargetSurvey {
    /// Reads the account: first whether the credentials open it.
    pub(crate) async fn read(client: &Client) -> Result<Self, Failure> {
        let me = client.me().await?;
        let mut staff: Vec<User> = Vec::new();
        for role in [RoleType::Owner, RoleType::Admin, RoleType::Agent, RoleType::Collaborator] {
            for user in client.users_by_role(&role).await? {
                // An account that does not know the filter answers with the same people again.
                let is_customer =
                    user.role.as_ref().is_some_and(|role| matches!(role.kind, Some(RoleType::Customer)));
                if !is_customer && staff.iter().all(|known| known.id != user.id) {
                    staff.push(user);
                }
            }
        }
        Ok(Self {
            me,
            staff,
            teams: client.teams().await?,
            statuses: client.statuses().await?,
            priorities: client.priorities().await?,
            types: client.case_types().await?,
            mailboxes: client.mailboxes().await?,
            case_fields: client.fields(FieldOwner::Case).await?,
            user_fields: client.fields(FieldOwner::User).await?,
            organization_fields: client.fields(FieldOwner::Organization).await?,
            triggers: client.triggers().await?,
            monitors: client.monitors().await?,
            // Only accounts of the newer plans tell.
            seats: client.plan().await.ok().and_then(|plan| plan.agents()),
        })
    }

    /// Staff by address.
    pub(crate) fn staff_by_email(&self) -> HashMap<String, &User> {
        let mut found = HashMap::new();
        for user in &self.staff {
            for email in user.emails.iter().filter_map(|identity| identity.email.as_deref()) {
                found.entry(fold(email)).or_insert(user);
            }
        }
        found
    }
}

/// Whether anything in the plan is said by name and must be looked up at the source.
pub(crate) fn uses_names(plan: &Plan) -> bool {
    let selection = &plan.selection;
    let mapping = &plan.mapping;
    [&selection.groups, &selection.organizations, &selection.assignees].into_iter().any(names_somebody)
        || !selection.fields.is_empty()
        || !mapping.case_fields.is_empty()
        || !mapping.user_fields.is_empty()
        || !mapping.organization_fields.is_empty()
}

fn names_somebody(members: &Members) -> bool {
    members.include.iter().chain(&members.exclude).any(|name| name != NONE)
}

/// The plan with ids in place of names.
pub(crate) async fn resolve(
    plan: &Plan,
    source: &dyn Source,
    catalogue: &Catalogue,
) -> Result<Plan, Failure> {
    let mut names = names(catalogue);
    if names_somebody(&plan.selection.organizations) {
        add_organizations(&mut names, source).await?;
    }
    plan.resolve(&names).map_err(|problems| {
        Failure::plan("the plan names things that the source account does not have", problems)
    })
}

fn names(catalogue: &Catalogue) -> Names {
    let mut names = Names::default();
    for group in &catalogue.groups {
        names.teams.add(group.id.clone(), &group.name);
    }
    for agent in &catalogue.agents {
        names.agents.add(agent.id.clone(), &agent.name);
        if let Some(email) = &agent.email {
            names.agents.add(agent.id.clone(), email);
        }
    }
    let fields = [
        (&mut names.case_fields, &catalogue.case_fields),
        (&mut names.user_fields, &catalogue.user_fields),
        (&mut names.organization_fields, &catalogue.organization_fields),
    ];
    for (lookup, definitions) in fields {
        for field in definitions {
            lookup.add(field.key.as_str(), &field.title);
        }
    }
    names
}

/// Organizations are too many for a catalogue; they are listed only if the plan names some.
async fn add_organizations(names: &mut Names, source: &dyn Source) -> Result<(), Failure> {
    for shard in source.shards(Kind::Organization).await? {
        let mut cursor = None;
        loop {
            let page = source.list(&shard, cursor.as_ref()).await?;
            for listed in &page.records {
                if let Some(name) = listed.raw["name"].as_str() {
                    names.organizations.add(listed.key.id.clone(), name);
                }
            }
            match page.next {
                Next::More(next) => cursor = Some(next),
                Next::End(_) => break,
            }
        }
    }
    Ok(())
}
