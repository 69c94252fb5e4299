//! OAuth: one refresher, single-use refresh tokens, what a person must do.

use super::*;

fn oauth(keeper: Arc<dyn TokenKeeper>, first: &str) -> Auth {
    let client = OauthClient::default();
    Auth::OAuth(OAuth {
        client_id: client.client_id,
        client_secret: Some(client.client_secret.into()),
        grant: Grant::RefreshToken { first: first.to_owned().into() },
        keeper,
    })
}

/// Counts and can be told to be slow, so that many wait for one refresh.
#[derive(Default)]
struct Watched {
    inner: InProcessKeeper,
    stored: AtomicU64,
}

#[async_trait::async_trait]
impl TokenKeeper for Watched {
    async fn lock(&self) -> Result<RefreshGuard, Error> {
        self.inner.lock().await
    }
    async fn load(&self) -> Result<Option<Tokens>, Error> {
        self.inner.load().await
    }
    async fn store(&self, tokens: &Tokens) -> Result<(), Error> {
        self.stored.fetch_add(1, Ordering::SeqCst);
        self.inner.store(tokens).await
    }
}

#[tokio::test]
async fn one_of_many_refreshes_and_a_spent_token_is_never_used_again() {
    let served = sample_account().await;
    let keeper = Arc::new(Watched::default());
    let first = OauthClient::default().refresh_token;
    // Two processes with one keeper, eight calls at once each.
    let processes = [
        served.open(oauth(Arc::<Watched>::clone(&keeper), &first)),
        served.open(oauth(Arc::<Watched>::clone(&keeper), &first)),
    ];
    for life in 1..=3 {
        let calls = processes.iter().flat_map(|source| (0..8).map(move |_| source.estimate(Kind::User)));
        for answer in futures::future::join_all(calls).await {
            answer.unwrap();
        }
        assert_eq!(keeper.stored.load(Ordering::SeqCst), life, "more than one refresh per token life");
        served.account.advance(3_600);
    }
    // A process that starts later takes the kept tokens, not the spent first one.
    let late = served.open(oauth(Arc::<Watched>::clone(&keeper), &first));
    late.check().await.unwrap();
    assert_eq!(served.writes(), 0, "asking for tokens is no write");
}

#[tokio::test]
async fn a_spent_authorization_halts_until_a_person_authorises_again() {
    let served = sample_account().await;
    let source = served.open(oauth(Arc::new(InProcessKeeper::default()), "spent"));
    for failure in [source.check().await.unwrap_err(), source.estimate(Kind::User).await.unwrap_err()] {
        assert_eq!(failure.class(), FailureClass::Halt);
        assert!(failure.to_string().contains("authorise the migration again"), "{failure}");
    }
    // The keeper's pair is spent, the plan's token is new.
    let keeper = InProcessKeeper::default();
    let spent = Tokens { access: "old".to_owned().into(), refresh: Some("spent".to_owned().into()) };
    keeper.store(&spent).await.unwrap();
    let renewed = served.open(oauth(Arc::new(keeper), &OauthClient::default().refresh_token));
    renewed.check().await.unwrap();
}

#[tokio::test]
async fn client_credentials_open_the_account_and_a_wrong_scope_is_a_matter_of_rights() {
    let served = sample_account().await;
    let with_scope = |scope: &str| {
        let client = OauthClient::default();
        served.open(Auth::OAuth(OAuth {
            client_id: client.client_id,
            client_secret: Some(client.client_secret.into()),
            grant: Grant::ClientCredentials { scope: scope.to_owned() },
            keeper: Arc::new(InProcessKeeper::default()),
        }))
    };
    with_scope("read").check().await.unwrap();
    let failure = with_scope("everything").check().await.unwrap_err();
    assert_eq!(failure.class(), FailureClass::Halt);
    assert!(failure.to_string().contains("scope"), "{failure}");
}
