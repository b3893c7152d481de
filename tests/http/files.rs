//! What the port serves, and what it does not.

use crate::harness::{Server, get};
use chancery::merkle::Checkpoint;
use chancery::merkle::tile::{entries, payloads};
use chancery::record::{Leaf, commitment, leaf_hash};

#[tokio::test(flavor = "multi_thread")]
async fn checkpoint_key_tiles_leaves_and_payloads_fit_together() {
    let (server, key) = Server::with(600).await;
    let checkpoint = Checkpoint::open(&server.get("/checkpoint").await.text(), &key).unwrap();
    assert_eq!(checkpoint.size, 600);
    assert_eq!(server.get("/key").await.text(), format!("{key}\n"));
    for (index, width) in [("000", 256), ("001", 256), ("002.p/88", 88)] {
        let tile = server.get(&format!("/tile/0/{index}")).await.body;
        assert_eq!(tile.len(), width * 32);
        let bundle = server.get(&format!("/tile/entries/{index}")).await.body;
        let content = server.get(&format!("/payload/{index}")).await.body;
        let leaves: Vec<_> = entries(&bundle).collect::<Result<_, _>>().unwrap();
        let salted: Vec<_> = payloads(&content).collect::<Result<_, _>>().unwrap();
        assert_eq!((leaves.len(), salted.len()), (width, width));
        for ((hash, leaf), salted) in tile.chunks(32).zip(leaves).zip(salted) {
            assert_eq!(hash, leaf_hash(leaf));
            let (salt, payload) = salted.unwrap();
            assert_eq!(Leaf::decode(leaf).unwrap().commitment, commitment(salt, payload));
        }
    }
    assert_eq!(server.get("/tile/1/000.p/2").await.body.len(), 64);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_never_changes_may_be_kept_and_what_can_be_erased_may_not() {
    let (server, _) = Server::with(300).await;
    for (path, kept) in [
        ("/tile/0/000", "public, max-age=31536000, immutable"),
        ("/tile/0/001.p/44", "public, max-age=31536000, immutable"),
        ("/tile/entries/000", "public, max-age=31536000, immutable"),
        ("/payload/000", "no-store"),
        ("/checkpoint", "no-cache"),
        ("/", "no-cache"),
        ("/tile/0/", "no-cache"),
        ("/tile/0/002", "no-store"),
    ] {
        let answer = server.get(path).await;
        assert_eq!(answer.headers["cache-control"], kept, "{path}");
        assert_eq!(answer.headers["x-content-type-options"], "nosniff", "{path}");
    }
    assert_eq!(
        server.get("/tile/0/000").await.headers["content-type"],
        "application/octet-stream"
    );
    assert_eq!(
        server.get("/checkpoint").await.headers["content-type"],
        "text/plain; charset=utf-8"
    );
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_is_not_signed_for_is_shown_and_no_path_leads_elsewhere() {
    let (server, _) = Server::with(300).await;
    for path in [
        "/tile/0/001",
        "/tile/0/001.p/45",
        "/tile/entries/001.p/255",
        "/payload/001",
        "/tile/1/000",
        "/tile/2/000.p/1",
        "/tile/2/",
        "/tile/0/x001/",
        "/tile/0/x000/000",
        "/tile/7/x999/x999/x999/x999/x999/999",
        "/tile/7/x018/x446/x744/x073/x709/x551/615",
        "/tile/0",
        "/tile/",
        "/state/journal.1",
        "/../state/journal.1",
        "/tile/0/../../state/journal.1",
        "/tile/0/%2e%2e/000",
        "//",
        "/<script>",
    ] {
        let answer = server.get(path).await;
        // What is no path at all is refused before it is looked for.
        assert!(matches!(answer.status, 400 | 404), "{path}: {answer:?}");
    }
    // What is appended shows once it is signed for.
    server.append("second", 1).await;
    server.signed().await;
    assert_eq!(server.get("/tile/0/001.p/45").await.status, 200);
    assert_eq!(
        server.get("/tile/0/001.p/44").await.status,
        200,
        "an earlier checkpoint's stays"
    );
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_whose_own_name_leads_here_reads_nothing() {
    let (server, _) = Server::with(1).await;
    let address = server.address;
    let status = move |host: &'static str| {
        let asked = tokio::task::spawn_blocking(move || get(address, "/checkpoint", host).status);
        async { asked.await.unwrap() }
    };
    assert_eq!(status("rebound.example.org").await, 421);
    assert_eq!(status("127.0.0.1:4711").await, 200);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_archive_has_a_checkpoint_and_no_files() {
    let (server, key) = Server::with(0).await;
    let checkpoint = Checkpoint::open(&server.get("/checkpoint").await.text(), &key).unwrap();
    assert_eq!(checkpoint.size, 0);
    let front = server.get("/").await.text();
    assert!(
        front.contains("checkpoint") && !front.contains("tile/"),
        "{front}"
    );
    server.stop().await;
}
