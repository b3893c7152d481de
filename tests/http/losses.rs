//! An archive that has lost records it signed for: what it still serves, and what it says of the rest.

use crate::harness::Server;
use tempfile::TempDir;

/// An archive of 300 records, signed for, of which the disk has lost the second hundred.
async fn without_its_middle() -> TempDir {
    let server = Server::start().await;
    for name in ["first", "second", "third"] {
        server.append(name, 100).await;
    }
    server.signed().await;
    let folder = server.stop().await;
    std::fs::remove_dir_all(folder.path().join("sled")).unwrap();
    let path = folder.path().join("journal/00000000.segment");
    let mut bytes = std::fs::read(&path).unwrap();
    let words = b"second 50";
    let at = bytes.windows(words.len()).position(|text| text == words);
    bytes[at.unwrap()] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    folder
}

/// An archive of 300 records, signed for, whose journal was put back from a backup that has 200.
async fn without_its_end() -> TempDir {
    let server = Server::start().await;
    server.append("first", 200).await;
    server.signed().await;
    let folder = server.stop().await;
    let (journal, backup) = (folder.path().join("journal"), folder.path().join("backup"));
    std::fs::create_dir(&backup).unwrap();
    for item in std::fs::read_dir(&journal).unwrap() {
        let item = item.unwrap();
        std::fs::copy(item.path(), backup.join(item.file_name())).unwrap();
    }
    let server = Server::on(folder).await;
    server.append("second", 100).await;
    server.signed().await;
    let folder = server.stop().await;
    for name in ["sled", "journal", "chunks"] {
        let _ = std::fs::remove_dir_all(folder.path().join(name));
    }
    std::fs::rename(backup, journal).unwrap();
    folder
}

/// Every answer below the front page, by path, of whoever follows all links.
async fn followed(server: &Server) -> Vec<(String, u16)> {
    let mut answers = Vec::new();
    let mut waiting = vec!["/".to_owned()];
    while let Some(path) = waiting.pop() {
        let answer = server.get(&path).await;
        answers.push((path.clone(), answer.status));
        if path.ends_with('/') {
            let page = answer.text();
            let links = page.split("<a href=\"").skip(1);
            waiting.extend(links.filter_map(|rest| Some(format!("{path}{}", rest.split('"').next()?))));
        }
    }
    answers
}

/// None of the answers is a failure of the port, for each of which the daemon's log would have a line: whoever follows the
/// links of such an archive again and again would fill the disk with them.
#[tokio::test(flavor = "multi_thread")]
async fn files_that_hold_lost_records_are_gone_and_that_is_no_failure_of_the_port() {
    for (damaged, gone, there) in [
        (without_its_middle().await, "000", "001.p/44"),
        (without_its_end().await, "001.p/44", "key"),
    ] {
        let server = Server::on(damaged).await;
        let answers = followed(&server).await;
        assert!(
            answers.iter().all(|(_, status)| matches!(status, 200 | 410)),
            "{answers:?}"
        );
        for kind in ["/tile/0", "/tile/entries", "/payload"] {
            assert!(
                answers.contains(&(format!("{kind}/{gone}"), 410)),
                "{kind}: {answers:?}"
            );
        }
        let is_there = |(path, status): &(String, u16)| path.ends_with(there) && *status == 200;
        assert!(answers.iter().any(is_there), "{answers:?}");
        let answer = server.get(&format!("/payload/{gone}")).await.text();
        assert!(
            answer.contains("is lost here") && answer.contains("another copy"),
            "{answer}"
        );
        server.stop().await;
    }
}
