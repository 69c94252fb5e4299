//! Staff: the owner, agents, light agents, and those who are agents no more.

use super::{OWNER_EMAIL, Role, User};
use crate::seed::draw::{Domain, Draw};
use crate::seed::ids::{GROUPS, GroupId};
use crate::seed::text::Language;
use crate::seed::{Company, at};

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum StaffState {
    Current,
    Suspended,
    Deleted,
    /// No agent any more: an end user today, but still assignee, author and follower of old tickets.
    Former,
}

pub(super) fn staff_state(staff: u64) -> StaffState {
    match staff % 11 {
        4 => StaffState::Suspended,
        5 => StaffState::Deleted,
        6 => StaffState::Former,
        _ => StaffState::Current,
    }
}

impl Company {
    /// True if the staff member at a place is an agent today.
    pub(crate) fn is_current_staff(&self, staff: u64) -> bool {
        staff < self.size().agents && staff_state(staff) == StaffState::Current
    }

    /// An agent of today.
    pub(crate) fn current_agent(&self, draw: &mut Draw) -> u64 {
        // Staff place 0 is always current, so the search ends.
        let start = draw.below(self.size().agents);
        (0..=start).rev().find(|&staff| staff_state(staff) == StaffState::Current).unwrap_or(0)
    }

    /// The nearest staff place at or below the drawn one that is deleted (or former); none in a tiny account.
    pub(crate) fn past_agent(&self, former: bool, draw: &mut Draw) -> Option<u64> {
        let wanted = if former { StaffState::Former } else { StaffState::Deleted };
        let start = draw.below(self.size().agents);
        let places = (0..=start).rev().chain(start..self.size().agents);
        places.into_iter().find(|&staff| staff_state(staff) == wanted)
    }

    pub(super) fn staff(&self, staff: u64) -> User {
        let draw = &mut Draw::new(self.seed(), Domain::User, staff);
        let language = if staff == 0 { Language::En } else { Language::drawn(draw) };
        let (name, ascii) = language.name(draw);
        let state = staff_state(staff);
        let role = match state {
            StaffState::Former => Role::EndUser,
            _ if staff < 2 => Role::Admin,
            _ => Role::Agent,
        };
        let light = role == Role::Agent && staff % 5 == 3;
        let created = self.user_timeline().created(staff);
        let memberships = self.group_memberships(staff);
        let email = if staff == 0 { OWNER_EMAIL.to_owned() } else { format!("{ascii}{staff}@acme.example") };
        User {
            role,
            role_type: match role {
                Role::Admin => Some(4),
                Role::Agent => Some(u8::from(light)),
                Role::EndUser => None,
            },
            email: Some(email),
            active: state != StaffState::Deleted,
            suspended: state == StaffState::Suspended,
            verified: true,
            organization_id: None,
            default_group_id: memberships.first().map(|m| m.group_id),
            alias: draw.chance(300).then(|| name.split(' ').next().unwrap_or(&name).to_owned()),
            signature: draw.chance(500).then(|| format!("{name}\nAcme Customer Care")),
            only_private_comments: light,
            last_login_at: Some(at(created + 86_400)),
            ..self.bare_user(staff, name, language, draw)
        }
    }

    /// The group that an agent works in first.
    pub(crate) fn agent_group(&self, staff: u64) -> GroupId {
        GroupId(GROUPS.id(staff % self.size().groups))
    }
}
