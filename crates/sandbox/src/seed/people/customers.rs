//! Customers, among them those without an address, with somebody else's address, and those who were deleted.

use super::User;
use crate::seed::Company;
use crate::seed::draw::{Domain, Draw};
use crate::seed::ids::{ORGANIZATIONS, OrganizationId};
use crate::seed::text::Language;
use crate::seed::traps::Trap;

impl Company {
    /// A customer; a few of them write most of the tickets.
    pub(crate) fn busy_customer(&self, draw: &mut Draw) -> u64 {
        let bound = draw.below(self.size().end_users) + 1;
        self.size().agents + draw.below(bound)
    }

    /// A customer who was deleted (`gone`: for good); the drawn one itself in an account without.
    pub(crate) fn past_customer(&self, gone: bool, draw: &mut Draw) -> u64 {
        let start = draw.below(self.size().end_users);
        let trap = if gone { Trap::GoneUser } else { Trap::DeletedUser };
        let places = (0..=start).rev().chain(start..self.size().end_users);
        let found =
            places.into_iter().find(|&place| self.trap(trap, place) && self.is_deleted_customer(place));
        self.size().agents + found.unwrap_or(start)
    }

    pub(super) fn customer(&self, customer: u64) -> User {
        let ordinal = self.size().agents + customer;
        let draw = &mut Draw::new(self.seed(), Domain::User, ordinal);
        let (language, name, _) = customer_name(draw);
        let deleted = self.is_deleted_customer(customer);
        let gone = deleted && self.trap(Trap::GoneUser, customer);
        let email = if gone { None } else { self.customer_email(customer) };
        let name = if gone {
            "Permanently Deleted User".to_owned()
        } else if self.trap(Trap::LongName, customer) {
            format!("{name} {}", "von und zu ".repeat(26).trim_end())
        } else {
            match &email {
                Some(email) if self.trap(Trap::NameIsEmail, customer) => email.clone(),
                _ => name,
            }
        };
        let base = self.bare_user(ordinal, name, language, draw);
        User {
            active: !deleted,
            suspended: self.trap(Trap::SuspendedUser, customer),
            verified: email.is_some() && draw.chance(700),
            email,
            phone: base.phone.filter(|_| !gone),
            organization_id: self
                .customer_organization(customer)
                .map(|o| OrganizationId(ORGANIZATIONS.id(o))),
            permanently_deleted: gone,
            ..base
        }
    }

    pub(super) fn is_deleted_customer(&self, customer: u64) -> bool {
        // Both halves of a shared address stay alive, else the trap would go off unseen.
        let in_shared_pair =
            self.trap(Trap::SharedEmail, customer) || self.trap(Trap::SharedEmail, customer + 1);
        !in_shared_pair && (self.trap(Trap::DeletedUser, customer) || self.trap(Trap::GoneUser, customer))
    }

    fn customer_email(&self, customer: u64) -> Option<String> {
        if self.trap(Trap::SharedEmail, customer)
            && let Some(before) = customer.checked_sub(1)
        {
            return Some(self.own_email(before).to_uppercase());
        }
        let keeps = self.trap(Trap::SharedEmail, customer + 1);
        if !keeps && self.trap(Trap::NoEmail, customer) {
            return None;
        }
        let email = self.own_email(customer);
        if keeps {
            Some(email)
        } else if self.trap(Trap::InvalidEmail, customer) {
            Some(if customer.is_multiple_of(2) { format!("{email}.") } else { email.replace('@', " @") })
        } else if self.trap(Trap::UpperCaseEmail, customer) {
            Some(email.to_uppercase())
        } else {
            Some(email)
        }
    }

    fn own_email(&self, customer: u64) -> String {
        let draw = &mut Draw::new(self.seed(), Domain::User, self.size().agents + customer);
        let (_, _, ascii) = customer_name(draw);
        let company = self.customer_organization(customer).and_then(|o| self.organization_domain(o));
        let domain = company
            .unwrap_or_else(|| draw.pick(&["freemail.example", "post.example", "web.example"]).to_owned());
        format!("{ascii}{customer}@{domain}")
    }
}

/// The first draws of a customer: language, name, address.
fn customer_name(draw: &mut Draw) -> (Language, String, String) {
    let language = Language::drawn(draw);
    let (name, ascii) = language.name(draw);
    (language, name, ascii)
}
