//! Attachments: by hash, through redirects, stale, refused, too large, and pages that are no files.

use super::*;

#[tokio::test]
async fn private_files_are_read_by_hash_and_credentials_stay_at_home() {
    let switches = Switches { private_attachments: true, ..Switches::default() };
    let company = Company::new(3, Size::sample());
    let served = served(desk::Config { company, switches, ..desk::Config::default() }).await;
    let source = served.open(token());
    let mut files = 0;
    for listed in everything(&source, Kind::Case).await.values() {
        let Some(Record::Case(case)) = record(&source, listed).await else { continue };
        for file in case.posts.iter().flat_map(|post| &post.attachments) {
            let Content::AtSource(url) = &file.content else { continue };
            let id = sandbox::seed::AttachmentId(file.id.as_str().parse().unwrap());
            assert_eq!(
                sha256(read(&source, url).await),
                company.attachment_sha256(id).unwrap(),
                "{}",
                file.name
            );
            files += 1;
        }
    }
    assert!(files > 50, "only {files} files");
    assert_eq!(served.leaks(), 0);
}

async fn read(source: &dyn Source, url: &str) -> Vec<u8> {
    let Download::Found(mut transfer) = source.download(url).await.unwrap() else {
        panic!("{url} is missing")
    };
    let mut bytes = Vec::new();
    while let Some(part) = transfer.body.next().await {
        bytes.extend_from_slice(&part.unwrap());
    }
    bytes
}

fn sha256(bytes: Vec<u8>) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

/// The address of some file.
async fn some_address(source: &dyn Source) -> String {
    for listed in everything(source, Kind::Case).await.values() {
        let Some(Record::Case(case)) = record(source, listed).await else { continue };
        for file in case.posts.into_iter().flat_map(|post| post.attachments) {
            if let (Content::AtSource(url), 1..) = (file.content, file.size) {
                return url;
            }
        }
    }
    panic!("there is no file");
}

#[tokio::test]
async fn a_stale_address_is_replaced_by_a_fresh_one() {
    let served = sample_account().await;
    let source = served.open(token());
    let url = some_address(&source).await;
    let url = url.as_str();
    let fresh = read(&source, url).await;
    served.account.set_switches(Switches { attachment_generation: 1, ..served.account.switches() });
    assert_eq!(read(&source, url).await, fresh);
    // Without the id in the fragment there is nothing to replace it by.
    let bare = url.split('#').next().unwrap();
    assert!(
        matches!(source.download(bare).await.unwrap(), Download::Missing(absence) if absence.word() == "not_found")
    );
}

#[tokio::test]
async fn a_refused_file_is_missing_only_if_its_description_says_why() {
    let (source, base) = stub::zendesk(|uri| {
        let described = |more: serde_json::Value| {
            let mut file = json!({"id": 7, "content_url": "/attachments/token/refused/?name=a.exe"});
            file.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            Some(json_answer(&json!({ "attachment": file })))
        };
        match uri.path() {
            "/attachments/token/refused/" => Some((StatusCode::FORBIDDEN, "<h1>no</h1>").into_response()),
            "/api/v2/attachments/7" => described(json!({"malware_scan_result": "malware_found"})),
            "/api/v2/attachments/8" => described(json!({"deleted": true})),
            "/api/v2/attachments/9" => described(json!({})),
            _ => None,
        }
    })
    .await;
    for (id, word) in [(7, "malware"), (8, "deleted")] {
        let answer =
            source.download(&format!("{base}/attachments/token/refused/?name=a.exe#{id}")).await.unwrap();
        assert!(matches!(answer, Download::Missing(absence) if absence.word() == word), "{answer:?}");
    }
    let failure =
        source.download(&format!("{base}/attachments/token/refused/?name=a.exe#9")).await.unwrap_err();
    assert_eq!(failure.class(), FailureClass::Halt, "rights are missing, not files: {failure}");
}

#[tokio::test]
async fn only_bytes_of_the_file_count_as_the_file() {
    let (source, base) = stub::zendesk(|uri| match uri.path() {
        "/attachments/token/login/" => {
            Some((StatusCode::FOUND, [(header::LOCATION, "/access/unauthenticated?x=1")]).into_response())
        }
        "/attachments/token/page/" => Some(page_answer("<h1>Sorry</h1>")),
        "/attachments/token/large/" => Some(vec![0_u8; 1001].into_response()),
        "/attachments/token/fits/" => Some(vec![0_u8; 1000].into_response()),
        "/attachments/token/circle/" => {
            Some((StatusCode::FOUND, [(header::LOCATION, "/attachments/token/circle/")]).into_response())
        }
        "/attachments/token/inward/" => {
            Some((StatusCode::FOUND, [(header::LOCATION, "http://169.254.169.254/latest")]).into_response())
        }
        _ => None,
    })
    .await;
    let at = |token: &str| format!("{base}/attachments/token/{token}/?name=invoice.pdf#7");
    let login = source.download(&at("login")).await.unwrap_err();
    assert_eq!(login.class(), FailureClass::Halt, "a login page is a matter of credentials: {login}");
    let page = source.download(&at("page")).await.unwrap_err();
    assert_eq!(page.class(), FailureClass::Ambiguous, "{page}");
    let page =
        source.download(&format!("{base}/attachments/token/page/?name=newsletter.html#7")).await.unwrap();
    assert!(matches!(page, Download::Found(_)), "the file is a page itself");
    assert!(
        matches!(source.download(&at("large")).await.unwrap(), Download::Missing(absence) if absence.word() == "too_large")
    );
    assert_eq!(read(&source, &at("fits")).await.len(), 1000);
    assert_eq!(source.download(&at("circle")).await.unwrap_err().class(), FailureClass::Ambiguous);
    assert_eq!(source.download(&at("inward")).await.unwrap_err().class(), FailureClass::Rejected);
    assert!(
        matches!(source.download(&at("unknown")).await.unwrap(), Download::Missing(absence) if absence.word() == "not_found")
    );
}
