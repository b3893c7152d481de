use super::*;
use crate::record::date::DaySpan;
use proptest::prelude::*;

/// What a document has: its dyads and, where it has one, its day.
type Made = (Vec<u8>, Option<i32>);

fn made() -> impl Strategy<Value = Made> {
    (prop::collection::vec(0..5_u8, 0..3), prop::option::of(0..200_i32))
}

fn dyad() -> Grouped {
    Grouped::named("dyad").unwrap()
}

fn loose(documents: &[Made]) -> Loose {
    let mut loose = Loose::new(Position::START);
    for (number, (dyads, day)) in (0..).zip(documents) {
        let mut document = Document::default();
        let mut dyads = dyads.clone();
        dyads.sort_unstable();
        dyads.dedup();
        for dyad_of in dyads {
            document.add_term(dyad().term() as u8, &[b'a' + dyad_of]);
        }
        day.iter()
            .for_each(|day| document.add_days(Dates::Occurred, &DaySpan::day(*day)));
        loose.add(number, &document);
    }
    loose
}

proptest! {
    #[test]
    fn halves_that_are_joined_are_the_whole(
        first in prop::collection::vec(made(), 0..30),
        second in prop::collection::vec(made(), 0..30),
        dimensions in prop::sample::select(vec![&[0][..], &[1], &[0, 1], &[1, 0], &[2, 1], &[0, 1, 2]]),
    ) {
        let all = [
            Dimension::Time(Dates::Occurred, Bucket::Month),
            Dimension::Field(dyad()),
            Dimension::Time(Dates::Occurred, Bucket::Day),
        ];
        let asked = Asked {
            by: dimensions.iter().map(|at| all[*at]).collect(),
            measure: None,
            basis: Basis::Stated,
        };
        let cancelled = AtomicBool::new(false);
        let counted = |parts: &[&[Made]]| {
            let mut counting = Counting::new(&asked, &cancelled);
            for part in parts {
                let count = u32::try_from(part.len()).unwrap();
                counting.take(&loose(part).view(), &Marks::first(count)).unwrap();
            }
            counting
        };
        let entries = (first.len() + second.len()) as u64;
        let whole = counted(&[&first, &second]).finish(entries).unwrap();
        let joined = counted(&[&first]).joined(counted(&[&second])).unwrap();
        prop_assert_eq!(joined.finish(entries).unwrap(), whole);
    }
}
