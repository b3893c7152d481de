//! Nobody waits for ever: an append that finds the commit lock taken is committed once the lock is free.

use crate::harness::*;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// An append leaves its batch to whoever holds the lock. Who holds it only to look at the clock once forgot it there,
/// and a client that was alone waited for its answer until somebody else appended.
#[test]
fn a_lone_append_is_answered_while_others_look_at_the_clock_and_the_status() {
    let opened = Opened::new();
    let log = opened.log();
    let done = AtomicBool::new(false);
    let ask = |look: fn(&chancery::log::Log)| {
        while !done.load(Ordering::Relaxed) {
            look(log);
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(|| {
            ask(|log| {
                let _ = log.now();
            })
        });
        scope.spawn(|| ask(|log| drop(log.status())));
        let answered = runtime().block_on(async {
            for n in 0..200 {
                let append = log.append(batch(vec![create(&n.to_string(), "title")]));
                if tokio::time::timeout(Duration::from_secs(20), append)
                    .await
                    .is_err()
                {
                    return Err(n);
                }
            }
            Ok(())
        });
        done.store(true, Ordering::Relaxed);
        assert_eq!(answered, Ok(()), "this append was never answered");
    });
    assert_eq!(log.tail().get(), 200);
}
