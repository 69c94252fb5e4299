//! Answers that contradict themselves.

use super::*;

fn ticket_of(comment_count: u64) -> Listed {
    let raw = json!({"id": 1, "status": "open", "created_at": "2023-02-01T09:15:00Z",
        "updated_at": "2023-02-01T09:15:00Z", "comment_count": comment_count});
    let key = model::RecordKey::new(Kind::Case, "1");
    Listed { key, version: 0, facts: model::listing::Facts::default(), raw }
}

#[tokio::test]
async fn a_conversation_that_stays_incomplete_is_an_error_and_read_a_bounded_number_of_times() {
    let reads = Arc::new(AtomicU64::new(0));
    let seen = Arc::clone(&reads);
    let (source, _) = stub::zendesk(move |uri| match uri.path() {
        "/api/v2/tickets/1" => Some(json_answer(&json!({"ticket": ticket_of(3).raw}))),
        "/api/v2/tickets/1/comments/count" => Some(json_answer(&json!({"count": {"value": 3}}))),
        "/api/v2/tickets/1/comments" => {
            seen.fetch_add(1, Ordering::SeqCst);
            let comment = json!({"id": 5, "created_at": "2023-02-01T09:15:00Z", "public": true, "body": "x"});
            Some(json_answer(&json!({"comments": [comment, comment], "meta": {"has_more": false}})))
        }
        _ => None,
    })
    .await;
    let failure = source.complete(ticket_of(3)).await.unwrap_err();
    assert!(matches!(failure, Error::Incomplete { expected: 3, found: 1, .. }), "{failure}");
    assert_eq!(failure.class(), FailureClass::Ambiguous);
    assert_eq!(reads.load(Ordering::SeqCst), 3);
    // The side-load may be wrong for ever; the count of the moment is what decides.
    let Completed::Record(_) = source.complete(ticket_of(1)).await.unwrap() else { panic!("no record") };
}

#[tokio::test]
async fn a_list_that_promises_more_without_saying_where_is_not_read_for_ever() {
    let (source, _) = stub::zendesk(|uri| match uri.path() {
        "/api/v2/groups" => {
            Some(json_answer(&json!({"groups": [], "meta": {"has_more": true, "after_cursor": null}})))
        }
        "/api/v2/incremental/tickets/cursor" => {
            Some(json_answer(&json!({"tickets": [], "after_cursor": null, "end_of_stream": false})))
        }
        _ => None,
    })
    .await;
    for kind in [Kind::Team, Kind::Case] {
        let shard = source.shards(kind).await.unwrap().remove(0);
        let failure = source.list(&shard, None).await.unwrap_err();
        assert!(matches!(failure, Error::UnreadableAnswer { .. }), "{kind}: {failure}");
    }
}
