//! Customer companies and teams of agents.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::draw::{Domain, Draw};
use super::ids::{GROUPS, GroupId, ORGANIZATIONS, OrganizationId, USERS, UserId};
use super::traps::Trap;
use super::{Company, at};

/// A customer company.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Organization {
    /// Its id.
    pub id: OrganizationId,
    /// Unique name.
    pub name: String,
    /// Mail domains; one domain may sit in several organizations.
    pub domain_names: Vec<String>,
    /// Free text.
    pub details: Option<String>,
    /// Free text of the agents.
    pub notes: Option<String>,
    /// The group that serves it.
    pub group_id: Option<GroupId>,
    /// Members see each other's tickets.
    pub shared_tickets: bool,
    /// Members comment each other's tickets.
    pub shared_comments: bool,
    /// Labels.
    pub tags: Vec<String>,
    /// Values of the organization fields by their key.
    pub organization_fields: Map<String, Value>,
    /// The customer's number elsewhere.
    pub external_id: Option<String>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// When it was deleted.
    pub deleted_at: Option<Timestamp>,
}

/// A team of agents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// Its id.
    pub id: GroupId,
    /// Unique name.
    pub name: String,
    /// Free text.
    pub description: String,
    /// The group of tickets that nobody routed.
    pub default: bool,
    /// Whether all agents see its tickets.
    pub is_public: bool,
    /// Deleted groups still stand in old tickets.
    pub deleted: bool,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// An agent's place in a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupMembership {
    /// Its id.
    pub id: u64,
    /// The agent.
    pub user_id: UserId,
    /// The group.
    pub group_id: GroupId,
    /// The agent's first group.
    pub default: bool,
}

/// A customer's place in an organization.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrganizationMembership {
    /// Its id.
    pub id: u64,
    /// The customer.
    pub user_id: UserId,
    /// The organization.
    pub organization_id: OrganizationId,
    /// The customer's first organization; null means no.
    pub default: Option<bool>,
    /// Sees the tickets of the others.
    pub view_tickets: bool,
}

const FIRST: [&str; 20] = [
    "Nordwind",
    "Blue Harbour",
    "Élan",
    "Sakura",
    "Al-Noor",
    "Redwood",
    "Sierra",
    "Brücke",
    "Osprey",
    "Vertex",
    "Luna",
    "Granit",
    "Mistral",
    "Kestrel",
    "Atlas",
    "Fjord",
    "Café Zorro",
    "Quartz & Sons",
    "Tundra",
    "Orion",
];
const SECOND: [&str; 15] = [
    "Logistics",
    "Software",
    "Bakery",
    "Medical",
    "Energy",
    "Textiles",
    "Consulting",
    "Foods",
    "Robotics",
    "Insurance",
    "Travel",
    "Media",
    "Steel",
    "Pharma",
    "Schools",
];
const FORMS: [&str; 6] = ["GmbH", "Ltd.", "SARL", "Inc.", "S.A.", "KK"];
const TEAMS: [(&str, &str); 12] = [
    ("Support", "First line"),
    ("Billing", "Invoices & refunds"),
    ("Technical", "Second line"),
    ("Logistics", "Parcels and returns"),
    ("Deutschland", "Kundendienst für DE/AT/CH"),
    ("VIP Desk", ""),
    ("Sales", "Offers"),
    ("日本サポート", "Japan"),
    ("Service client", "France"),
    ("Night shift", ""),
    ("Field service", "On site"),
    ("Escalations", "Handle with care"),
];

impl Company {
    /// Organizations, the deleted ones included: they come last.
    pub const fn organization_count(&self) -> u64 {
        self.size().organizations + 1 + self.size().organizations / 40
    }

    /// Groups, the deleted ones included: they come last.
    pub const fn group_count(&self) -> u64 {
        self.size().groups + 1 + self.size().groups / 8
    }

    /// The organization with this id.
    pub fn organization(&self, id: OrganizationId) -> Option<Organization> {
        ORGANIZATIONS.ordinal(id.0).and_then(|ordinal| self.organization_at(ordinal))
    }

    /// The organization at a place; places start at 0.
    pub fn organization_at(&self, ordinal: u64) -> Option<Organization> {
        if ordinal >= self.organization_count() {
            return None;
        }
        let draw = &mut Draw::new(self.seed(), Domain::Organization, ordinal);
        let created = self.organization_timeline().created(ordinal);
        let deleted = ordinal >= self.size().organizations;
        let first = self.organization_domain(ordinal);
        let mut domain_names: Vec<String> = first.into_iter().collect();
        if !domain_names.is_empty() && draw.chance(120) {
            domain_names.push(format!("group-{ordinal}.example"));
        }
        Some(Organization {
            id: OrganizationId(ORGANIZATIONS.id(ordinal)),
            name: organization_name(ordinal, draw),
            domain_names,
            details: draw.chance(200).then(|| "Werk 2, Halle 5\nTor 7".to_owned()),
            notes: draw.chance(200).then(|| "Pays late. <b>Call first.</b>".to_owned()),
            group_id: draw.chance(300).then(|| GroupId(GROUPS.id(draw.below(self.size().groups)))),
            shared_tickets: draw.chance(300),
            shared_comments: draw.chance(150),
            tags: ["vip", "reseller", "eu", "trial"]
                .iter()
                .filter(|_| draw.chance(200))
                .map(|&t| t.to_owned())
                .collect(),
            organization_fields: self.organization_field_values(ordinal),
            external_id: draw.chance(400).then(|| format!("crm-{ordinal}")),
            created_at: at(created),
            updated_at: at(created + 86_400 * 30),
            deleted_at: deleted.then(|| at(created + 86_400 * 90)),
        })
    }

    /// The first mail domain of an organization; some have none, and some share the domain of the one before.
    pub(crate) fn organization_domain(&self, ordinal: u64) -> Option<String> {
        if self.trap(Trap::NoDomain, ordinal) {
            return None;
        }
        let ordinal = if self.trap(Trap::SharedDomain, ordinal) { ordinal - 1 } else { ordinal };
        Some(format!("customer-{ordinal}.example"))
    }

    /// The group with this id.
    pub fn group(&self, id: GroupId) -> Option<Group> {
        GROUPS.ordinal(id.0).and_then(|ordinal| self.group_at(ordinal))
    }

    /// The group at a place; places start at 0.
    pub fn group_at(&self, ordinal: u64) -> Option<Group> {
        if ordinal >= self.group_count() {
            return None;
        }
        let teams = 12;
        let (name, description) = TEAMS[usize::try_from(ordinal % teams).unwrap_or(0)];
        let deleted = ordinal >= self.size().groups;
        let name = match (deleted, ordinal / teams) {
            (true, _) => format!("Closed team {ordinal}"),
            (false, 0) => name.to_owned(),
            (false, round) => format!("{name} {}", round + 1),
        };
        let created = super::timeline::OPENED + 3600 * i64::try_from(ordinal).unwrap_or(0);
        Some(Group {
            id: GroupId(GROUPS.id(ordinal)),
            name,
            description: description.to_owned(),
            default: ordinal == 0,
            is_public: !ordinal.is_multiple_of(6) || ordinal == 0,
            deleted,
            created_at: at(created),
            updated_at: at(created),
        })
    }

    /// A group that was deleted.
    pub(crate) fn deleted_group(&self, draw: &mut Draw) -> GroupId {
        GroupId(GROUPS.id(draw.between(self.size().groups, self.group_count() - 1)))
    }

    /// An organization that was deleted.
    pub(crate) fn deleted_organization(&self, draw: &mut Draw) -> OrganizationId {
        OrganizationId(
            ORGANIZATIONS.id(draw.between(self.size().organizations, self.organization_count() - 1)),
        )
    }

    /// The groups of the staff member at a place, the default first; former staff is in none.
    pub fn group_memberships(&self, staff: u64) -> Vec<GroupMembership> {
        if !self.is_current_staff(staff) {
            return Vec::new();
        }
        let groups = self.size().groups;
        let mut ordinals = vec![staff % groups, (staff * 3 + 1) % groups, (staff * 5 + 2) % groups];
        ordinals.truncate(1 + usize::try_from(staff % 3).unwrap_or(0));
        let mut unique: Vec<u64> = Vec::new();
        for ordinal in ordinals {
            if !unique.contains(&ordinal) {
                unique.push(ordinal);
            }
        }
        (0u64..)
            .zip(unique)
            .map(|(slot, group)| GroupMembership {
                id: 18_600_000_000_000 + staff * 4 + slot,
                user_id: UserId(USERS.id(staff)),
                group_id: GroupId(GROUPS.id(group)),
                default: slot == 0,
            })
            .collect()
    }

    /// The organizations of the customer at a place (counted from 0 among the customers), the default first.
    pub fn organization_memberships(&self, customer: u64) -> Vec<OrganizationMembership> {
        let mut ordinals: Vec<u64> = self.customer_organization(customer).into_iter().collect();
        if let (Some(&first), true) = (ordinals.first(), self.trap(Trap::SecondOrganization, customer)) {
            let second = (first + 1) % self.size().organizations;
            if second != first {
                ordinals.push(second);
            }
        }
        (0u64..)
            .zip(ordinals)
            .map(|(slot, organization)| OrganizationMembership {
                id: 19_600_000_000_000 + customer * 4 + slot,
                user_id: UserId(USERS.id(self.size().agents + customer)),
                organization_id: OrganizationId(ORGANIZATIONS.id(organization)),
                default: (slot == 0).then_some(true),
                view_tickets: slot == 0,
            })
            .collect()
    }

    /// The first organization of the customer at a place.
    pub(crate) fn customer_organization(&self, customer: u64) -> Option<u64> {
        let draw = &mut Draw::new(self.seed(), Domain::UserOrganization, customer);
        let member = draw.chance(700) && self.size().organizations > 0;
        (member && !self.trap(Trap::GoneUser, customer)).then(|| draw.below(self.size().organizations))
    }

    fn organization_field_values(&self, ordinal: u64) -> Map<String, Value> {
        let draw = &mut Draw::new(self.seed(), Domain::Fields, 2_000_000_000 + ordinal);
        let mut values = Map::new();
        values
            .insert("contract".into(), optional(draw, 800, |d| json!(d.pick(&["basic", "premium", "none"]))));
        values.insert("employees".into(), optional(draw, 500, |d| json!(d.between(1, 90_000))));
        values.insert(
            "renewal".into(),
            optional(draw, 500, |d| json!(format!("20{}-07-01T00:00:00Z", d.between(24, 29)))),
        );
        values.insert("blocked".into(), json!(draw.chance(50)));
        values
    }
}

fn optional(draw: &mut Draw, per_mille: u64, value: impl FnOnce(&mut Draw) -> Value) -> Value {
    if draw.chance(per_mille) { value(draw) } else { Value::Null }
}

/// Unique: 300 combinations, then numbered.
fn organization_name(ordinal: u64, draw: &mut Draw) -> String {
    let first = FIRST[usize::try_from(ordinal % 20).unwrap_or(0)];
    let second = SECOND[usize::try_from(ordinal / 20 % 15).unwrap_or(0)];
    let form = draw.pick(&FORMS);
    match ordinal / 300 {
        0 => format!("{first} {second} {form}"),
        round => format!("{first} {second} {} {form}", round + 1),
    }
}
