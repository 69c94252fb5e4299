//! People, organizations and teams.

use model::command::IfAbsent;

use super::*;

#[test]
fn a_customer_keeps_everything_it_has() {
    let source = User {
        name: " Jo \n Doe ".to_owned(),
        phones: vec![" +49 301 ".to_owned(), "+49 301".to_owned(), "none".to_owned()],
        organizations: vec![SourceId::from(401), SourceId::from(402)],
        teams: vec![SourceId::from(301)],
        tags: vec!["vip".to_owned()],
        locale: Some("en_US".to_owned()),
        time_zone: Some("europe/berlin".to_owned()),
        designation: Some(" CTO ".to_owned()),
        signature: Some("Jo".to_owned()),
        notes: vec![" ".to_owned(), "likes tea".to_owned()],
        twitter: vec!["jo".to_owned()],
        ..user(
            Role::Customer,
            &["JO@X.example.", "second@x.example", "jo@x.example", "broken@", "a b@x.example"],
        )
    };
    let (command, notes) = loaded_user(source, &plan(""));
    assert_eq!(command.full_name, "Jo Doe");
    assert_eq!(command.emails, ["jo@x.example", "second@x.example"]);
    assert_eq!(command.if_absent, IfAbsent::Create);
    assert_eq!(command.phones, ["+49 301"]);
    assert!(command.enabled);
    let organization = command.organization.unwrap();
    assert_eq!(
        (organization.key, organization.otherwise),
        (RecordKey::new(Kind::Organization, "401"), Otherwise::Omit)
    );
    assert!(command.teams.is_empty(), "customers have no teams");
    assert_eq!(command.locale.as_deref(), Some("en-us"));
    assert_eq!(command.time_zone.as_deref(), Some("Europe/Berlin"));
    assert_eq!(command.designation.as_deref(), Some("CTO"));
    assert_eq!(command.signature, None, "customers have no signature");
    assert_eq!(command.notes, ["likes tea"]);
    assert_eq!(
        notes,
        "2 of 5 e-mail addresses left out: not usable; 1 further organizations left out: one is kept; \
         1 Twitter names left out"
    );
}

#[test]
fn nobody_is_without_a_name() {
    let plan = plan("");
    let named = |source: User| loaded_user(source, &plan).0.full_name;
    let nameless = |emails: &[&str]| User { name: "\u{200b} ".to_owned(), ..user(Role::Customer, emails) };
    assert_eq!(named(nameless(&["Jo.Doe@x.example"])), "jo.doe");
    assert_eq!(named(User { phones: vec!["+49 1".to_owned()], ..nameless(&[]) }), "+49 1");
    assert_eq!(named(nameless(&["@"])), "User 5001");
}

#[test]
fn inactive_people_are_disabled_or_left_out() {
    let gone = |role| User { standing: Standing::Suspended, ..user(role, &["jo@x.example"]) };
    assert!(!loaded_user(gone(Role::Customer), &plan("")).0.enabled);
    let without = plan("options: { inactive_users: false }");
    let skipped = translate(Record::User(gone(Role::Customer)), &without);
    assert!(matches!(skipped, Translation::Skip { reason: Reason::NotWanted, .. }), "{skipped:?}");
    assert!(!loaded_user(gone(Role::Agent), &without).0.enabled, "staff follow `agents`");
}

#[test]
fn staff_follow_the_agents_of_the_plan() {
    let identity = |more: &str, emails: &[&str]| {
        let (command, _) = loaded_user(user(Role::Agent, emails), &plan(more));
        (command.emails, command.if_absent)
    };
    let of =
        |emails: &[&str], if_absent| (emails.iter().map(|e| (*e).to_owned()).collect::<Vec<_>>(), if_absent);
    let own = ["jo@x.example", "jd@x.example"];
    assert_eq!(identity("", &own), of(&own, IfAbsent::UseDefaultAgent));
    assert_eq!(identity("agents: { missing: create }", &own), of(&own, IfAbsent::Create));
    assert_eq!(identity("agents: { missing: create }", &[]), of(&[], IfAbsent::UseDefaultAgent));
    assert_eq!(identity("agents: { match: none }", &own), of(&[], IfAbsent::UseDefaultAgent));
    let mapped = "agents: { match: none, map: { JD@x.example: new@y.example } }";
    assert_eq!(identity(mapped, &own), of(&["new@y.example"], IfAbsent::UseDefaultAgent));
    let by_id = "agents: { missing: create, map: { 5001: id@y.example, jo@x.example: mail@y.example } }";
    assert_eq!(identity(by_id, &own), of(&["id@y.example"], IfAbsent::Create));

    let source = User {
        teams: vec![SourceId::from(301), SourceId::from(301), SourceId::from(302)],
        signature: Some("-- Jo".to_owned()),
        time_zone: Some("Eastern Time (US & Canada)".to_owned()),
        ..user(Role::Collaborator, &own)
    };
    let (command, notes) = loaded_user(source, &plan(""));
    assert_eq!(command.role, Role::Collaborator);
    assert_eq!(command.teams.len(), 2);
    assert_eq!(command.signature.as_deref(), Some("-- Jo"));
    assert_eq!(command.time_zone, None);
    assert_eq!(notes, "the time zone is left out: not an IANA name");
}

#[test]
fn the_stand_in_is_named_by_the_plan() {
    let source = User { id: SourceId::placeholder(), name: String::new(), ..user(Role::Customer, &[]) };
    let (command, _) = loaded_user(source, &plan("options: { placeholder_name: Gone }"));
    assert_eq!((command.full_name.as_str(), command.role, command.emails.len()), ("Gone", Role::Customer, 0));
}

#[test]
fn organizations_have_a_name_and_usable_domains() {
    let source = Organization {
        domains: ["X.example.", "@x.example", "y.example", "a,b.example", "no domain", ""]
            .map(str::to_owned)
            .to_vec(),
        tags: vec!["a,b".to_owned()],
        shared: true,
        notes: vec![String::new(), "since 1999".to_owned()],
        ..organization(" Acme\tInc ")
    };
    let (command, notes) = loaded_organization(source, &plan(""));
    assert_eq!(command.name, "Acme Inc");
    assert_eq!(command.domains, ["x.example", "y.example"]);
    assert_eq!(command.tags, ["a_b"]);
    assert!(command.shared);
    assert_eq!(command.notes, ["since 1999"]);
    assert_eq!(notes, "3 of 6 domains left out: not usable");
    let nameless = Organization { domains: vec!["x.example".to_owned()], ..organization("") };
    assert_eq!(loaded_organization(nameless, &plan("")).0.name, "x.example");
    assert_eq!(loaded_organization(organization(" "), &plan("")).0.name, "Organization 401");
}

#[test]
fn several_groups_may_become_one_team() {
    let title = |more: &str, id: u64, name: &str, deleted: bool| {
        let team = Team { id: SourceId::from(id), name: name.to_owned(), deleted };
        match loaded(Record::Team(team), &plan(more)).0 {
            LoadCommand::Team(command) => command.title,
            other => panic!("{other:?}"),
        }
    };
    let map = "teams: { map: { EMEA Support: Support, us support: Support, '303': ' Sales ' } }";
    assert_eq!(title(map, 301, "EMEA Support", false), "Support");
    assert_eq!(title(map, 302, "US  Support", true), "Support");
    assert_eq!(title(map, 303, "Whatever", false), "Sales");
    assert_eq!(title(map, 304, " Other  team ", false), "Other team");
    assert_eq!(title(map, 305, "", false), "Team 305");
    let default = "teams: { map: { EMEA Support: Support }, missing: default, default: General }";
    assert_eq!(title(default, 304, "Other", false), "General");
    assert_eq!(title(default, 301, "EMEA Support", false), "Support");
}
