//! Checkpoints and proofs, checked by a client that has nothing but the public key.

use crate::harness::*;
use chancery::client::IntegrityError;
use chancery::merkle::proof::verify_inclusion;
use chancery::merkle::{Checkpoint, ProofError, VerifierKey, empty_root};
use chancery::record::Hash;
use chancery::record::codec::decode_payload;
use chancery::rpc::proto;
use tonic::Code;

async fn filled(server: &Server, records: usize) -> VerifierKey {
    for n in 0..records {
        server.put(event(&format!("k{n}"))).await;
    }
    server.client.verifier_key().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn verifiable_every_record_has_a_receipt_that_needs_nothing_but_the_key() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    let key = filled(&server, 9).await;
    let mut receipts = Vec::new();
    for position in 0..9 {
        receipts.push(
            server
                .client
                .receipt(position, true, &key)
                .await
                .unwrap()
                .to_text(),
        );
    }
    server.stop().await;
    for (position, text) in receipts.iter().enumerate() {
        let receipt = chancery::merkle::receipt::Receipt::of_text(text).unwrap();
        let checkpoint = receipt.verify(&key).unwrap();
        assert!(checkpoint.size > position as u64);
        assert_eq!(receipt.leaf().unwrap().key, format!("k{position}"));
        let content = decode_payload(&receipt.exact.payload).unwrap().content.unwrap();
        assert!(!content.title.is_empty(), "{content:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_covers_what_was_acknowledged_before_it_was_asked_for() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    let key = filled(&server, 3).await;
    let first = server.client.checkpoint(&key).await.unwrap();
    assert_eq!(first.checkpoint.size, 3);
    server.put(event("one more")).await;
    let second = server
        .client
        .checkpoint_since(&first.checkpoint, &key)
        .await
        .unwrap();
    assert_eq!(second.checkpoint.size, 4);
    let mut integrity = server.client.integrity();
    let asked = proto::GetCheckpointRequest { min_size: Some(2) };
    let answer = integrity.get_checkpoint(asked).await.unwrap().into_inner();
    assert_eq!(answer.checkpoint.unwrap().note, second.note, "the newest will do");
    let beyond = proto::GetCheckpointRequest { min_size: Some(5) };
    refused(
        integrity.get_checkpoint(beyond).await,
        Code::OutOfRange,
        "BEYOND_TAIL",
    );
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forked_or_shorter_log_cannot_be_proved_to_begin_with_the_earlier_one() {
    let (one, other) = (folder(), folder());
    let server = Server::start(one.path()).await;
    let key = filled(&server, 5).await;
    let earlier = server.client.checkpoint(&key).await.unwrap().checkpoint;
    let root: Hash = earlier.root.map(|byte| byte ^ 1);
    for forged in [
        Checkpoint {
            root,
            ..earlier.clone()
        },
        Checkpoint {
            size: 4,
            ..earlier.clone()
        },
        Checkpoint {
            size: 6,
            ..earlier.clone()
        },
    ] {
        let proved = server.client.checkpoint_since(&forged, &key).await;
        assert!(
            matches!(proved, Err(IntegrityError::Consistency(_))),
            "{proved:?}"
        );
    }
    server.stop().await;
    // Another archive under another key cannot even sign.
    let server = Server::start(other.path()).await;
    filled(&server, 6).await;
    let proved = server.client.checkpoint_since(&earlier, &key).await;
    assert!(matches!(proved, Err(IntegrityError::Checkpoint(_))), "{proved:?}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn proofs_are_given_for_a_size_that_the_client_has() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    let key = filled(&server, 7).await;
    let held = server.client.checkpoint(&key).await.unwrap().checkpoint;
    server.put(event("later")).await;
    let mut integrity = server.client.integrity();
    let asked = proto::ProveInclusionRequest {
        position: 4,
        size: Some(held.size),
        exact: false,
    };
    let answer = integrity.prove_inclusion(asked).await.unwrap().into_inner();
    assert!(answer.checkpoint.is_none() && answer.exact.is_none());
    let hash = |bytes: &bytes::Bytes| Hash::try_from(bytes.as_ref()).unwrap();
    let path: Vec<Hash> = answer.path.iter().map(hash).collect();
    verify_inclusion(&hash(&answer.leaf_hash), 4, held.size, &path, &held.root).unwrap();
    let other = verify_inclusion(&hash(&answer.leaf_hash), 5, held.size, &path, &held.root);
    assert!(matches!(
        other,
        Err(ProofError::Root { .. } | ProofError::Length { .. })
    ));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_root_of_every_earlier_size_is_proved_under_the_newest_checkpoint() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    let key = server.client.verifier_key().await.unwrap();
    let mut roots = vec![empty_root()];
    for n in 0..9 {
        server.put(event(&format!("k{n}"))).await;
        roots.push(server.client.checkpoint(&key).await.unwrap().checkpoint.root);
    }
    for (size, expected) in roots.iter().enumerate() {
        let (root, signed) = server.client.root_at(size as u64, &key).await.unwrap();
        assert_eq!((&root, signed.checkpoint.size), (expected, 9));
    }
    let beyond = server.client.root_at(10, &key).await;
    assert!(matches!(beyond, Err(IntegrityError::Status(_))), "{beyond:?}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_requests_are_answered_with_the_field_and_the_remedy() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    filled(&server, 3).await;
    let mut integrity = server.client.integrity();
    let inclusion = |position, size| proto::ProveInclusionRequest {
        position,
        size,
        exact: false,
    };
    let consistency = |first, second| proto::ProveConsistencyRequest { first, second };
    refused(
        integrity.prove_inclusion(inclusion(2, Some(2))).await,
        Code::InvalidArgument,
        "INVALID_FIELD",
    );
    refused(
        integrity.prove_consistency(consistency(2, Some(1))).await,
        Code::InvalidArgument,
        "INVALID_FIELD",
    );
    for (position, size) in [(3, None), (u64::MAX, None), (0, Some(4)), (0, Some(u64::MAX))] {
        let answer = integrity.prove_inclusion(inclusion(position, size)).await;
        refused(answer, Code::OutOfRange, "BEYOND_TAIL");
    }
    for (first, second) in [(4, None), (u64::MAX, None), (0, Some(4)), (1, Some(u64::MAX))] {
        let answer = integrity.prove_consistency(consistency(first, second)).await;
        refused(answer, Code::OutOfRange, "BEYOND_TAIL");
    }
    server.stop().await;
}
