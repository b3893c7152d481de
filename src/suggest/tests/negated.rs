//! What is said not to have happened, or only perhaps.

use super::found;

#[test]
fn what_did_not_happen_suggests_no_event() {
    for (text, expected) in [
        ("No agreement was signed.", &[][..]),
        ("Iran did not sign the treaty.", &[]),
        ("Iraq has not recognised Israel.", &[]),
        ("Russia denied that it attacked Ukraine.", &[]),
        ("Russia hasn't attacked Ukraine.", &[]),
        ("The minister has resigned in protest.", &[]),
        ("The minister resigned.", &["083"]),
        ("With no comment, Iran signed the treaty.", &["057"]),
        (
            "The minister denied reports that Egypt had recalled its ambassador.",
            &[],
        ),
        (
            "The Foreign Ministry rejected claims that French troops attacked Bamako.",
            &["120"],
        ),
        ("Japan threatened to expel three Russian diplomats.", &["130"]),
        ("Germany postponed the signing of a treaty with Poland.", &[]),
        ("Serbia may sign the agreement with Kosovo.", &[]),
        ("If Iran attacked Israel, Jordan would mediate.", &[]),
        ("Germany signed the treaty in May.", &["057"]),
        ("Police arrested him, police said.", &["173"]),
    ] {
        assert_eq!(found(text, &["event"]), expected, "{text}");
    }
}
