//! Conversations long, changing and vanishing while they are read.

use super::*;

#[tokio::test]
async fn a_thread_of_five_thousand_comments_is_read_whole() {
    let company = Company::new(3, Size::tickets(20)).with_giant_thread().with_attachments(0);
    let served = served(desk::Config { company, ..desk::Config::default() }).await;
    let source = served.open(token());
    let giant = company.ticket(company.size().tickets / 2).unwrap();
    let listed = served.listed(&source, giant.id).await;
    let Some(Record::Case(case)) = record(&source, &listed).await else { panic!("no case") };
    assert_eq!(case.posts.len(), 5_000);
    assert_eq!(case.expected_posts, Some(5_000));
}

#[tokio::test]
async fn a_rate_limit_within_a_long_thread_does_not_start_it_anew() {
    let served = sample_account().await;
    let company = served.company();
    let long = (0..company.size().tickets)
        .find(|&i| company.comment_count(i) > 110 && company.status_of(i) != Status::Deleted);
    let long = company.ticket(long.unwrap()).unwrap();
    let source = served.open(token());
    let listed = served.listed(&source, long.id).await;
    let rule = Rule {
        method: None,
        path: format!("/api/v2/tickets/{}/comments", long.id),
        when: When::Nth(2),
        times: Some(1),
        fault: Fault::RateLimit { retry_after: 1 },
    };
    served.server.set_faults(Schedule { seed: 0, rules: vec![rule] });
    let Some(Record::Case(case)) = record(&source, &listed).await else { panic!("no case") };
    assert_eq!(case.posts.len() as u64, long.comment_count);
}

#[tokio::test]
async fn a_comment_written_after_the_listing_comes_with_the_ticket_it_belongs_to() {
    let served = sample_account().await;
    let source = served.open(token());
    let ticket = served.living();
    let listed = served.listed(&source, ticket).await;
    let new = NewComment { body: "one more".to_owned(), ..NewComment::default() };
    served.account.add_comment(ticket, &new).unwrap();
    let changes = json!({"status": "solved"}).as_object().unwrap().clone();
    served.account.change_ticket(ticket, changes).unwrap();

    let Some(Record::Case(case)) = record(&source, &listed).await else { panic!("no case") };
    let count = served.account.comment_count(&served.account.ticket(ticket).unwrap());
    assert_eq!(case.posts.len() as u64, count);
    assert!(case.posts.last().unwrap().body.as_str().contains("one more"));
    assert_eq!(case.status.as_deref(), Some("solved"), "new comments with an old status");
}

#[tokio::test]
async fn changes_and_deletions_come_with_the_next_listing() {
    let served = sample_account().await;
    let source = served.open(token());
    let shard = source.shards(Kind::Case).await.unwrap().remove(0);
    let (before, _, mark) = walk(&source, &shard, None).await;
    let ticket = served.living();
    served.account.change_ticket(ticket, serde_json::Map::new()).unwrap();
    let company = served.company();
    let victim = (0..company.size().tickets)
        .map(|i| company.ticket(i).unwrap())
        .find(|t| t.status == Status::Closed)
        .unwrap();
    assert!(served.account.delete_ticket(victim.id, false));

    let (news, ..) = walk(&source, &shard, Some(mark.clone())).await;
    assert!(news.iter().all(|listed| before.contains(listed)), "the last minute is not exported yet");
    served.account.advance(61);
    let (news, _, later) = walk(&source, &shard, Some(mark.clone())).await;
    assert_ne!(later, mark);
    let of = |list: &[Listed], id: TicketId| {
        list.iter().rfind(|listed| listed.key.id == SourceId::from(id.0)).cloned().unwrap()
    };
    assert_ne!(of(&news, ticket).version, of(&before, ticket).version, "a touch by the system went unseen");
    let deleted = of(&news, victim.id);
    assert!(deleted.facts.deleted);
    assert_eq!(source.complete(deleted).await.unwrap(), Completed::Gone);
    // Deleted between listing and reading.
    assert_eq!(source.complete(of(&before, victim.id)).await.unwrap(), Completed::Gone);
}

#[tokio::test]
async fn repeated_and_idle_pages_do_not_confuse_the_listing() {
    for null_cursor_when_idle in [true, false] {
        let switches = Switches { repeat_every: 1, null_cursor_when_idle, ..Switches::default() };
        let company = Company::new(5, Size::sample());
        let served = served(desk::Config { company, switches, ..desk::Config::default() }).await;
        battery::listings_show_everything_and_end(&served).await;
        battery::a_quiet_account_lists_nothing_new(&served).await;
    }
}
