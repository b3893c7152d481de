use super::evaluate::{Labelled, Scores};
use super::names::lines;
use super::{Document, Part, Rule, Suggested, suggest};
use crate::derive::{Iso3, countries, types};
use crate::record::date::day_number;
use proptest::prelude::*;

mod negated;

const LABELLED: &str = include_str!("../../data/suggest/labelled.jsonl");

/// What a text of 14 October 2021, a Thursday, suggests of some kinds.
fn found(text: &str, kinds: &[&str]) -> Vec<String> {
    let document = Document {
        text,
        reported: Some(day_number(2021, 10, 14)),
        ..Document::default()
    };
    let of_kinds = suggest(document)
        .into_iter()
        .filter(|one| kinds.contains(&one.what.word()));
    of_kinds.map(|one| one.what.to_string()).collect()
}

#[test]
fn the_tables_have_their_columns_their_codes_and_one_version() {
    let tables: [(&str, &'static str, usize); 9] = [
        ("beside", include_str!("../../data/suggest/beside.tsv"), 2),
        ("nations", include_str!("../../data/suggest/nations.tsv"), 3),
        ("places", include_str!("../../data/suggest/places.tsv"), 2),
        (
            "organisations",
            include_str!("../../data/suggest/organisations.tsv"),
            2,
        ),
        ("excluded", include_str!("../../data/suggest/excluded.tsv"), 1),
        ("titles", include_str!("../../data/suggest/titles.tsv"), 2),
        ("given", include_str!("../../data/suggest/given.tsv"), 1),
        ("events", include_str!("../../data/suggest/events.tsv"), 3),
        ("words", include_str!("../../data/suggest/words.tsv"), 2),
    ];
    for (name, table, columns) in tables {
        assert!(
            table.starts_with(&format!("# version\t{}\n", super::version())),
            "{name}"
        );
        for line in lines(table) {
            assert_eq!(line.len(), columns, "{name}: {line:?}");
            let names = line
                .last()
                .unwrap()
                .split('|')
                .chain(line[columns.min(2) - 1].split('|'));
            assert!(names.clone().all(|name| name.trim() == name), "{name}: {line:?}");
            let is_of_countries = matches!(name, "nations" | "places" | "organisations");
            if is_of_countries && !line[0].is_empty() {
                let code = Iso3::from_letters(line[0]).unwrap_or_else(|| panic!("{name}: {line:?}"));
                assert!(countries().get(code).is_some(), "{name}: {line:?}");
            }
            match name {
                "beside" => assert!(super::beside::is_kind(line[0]), "{line:?}"),
                "titles" => assert!(matches!(line[0], "office" | "rank" | "several"), "{line:?}"),
                "events" => {
                    assert!(line[0] == "-" || types().cameo(line[0]).is_some(), "{line:?}");
                    assert!((1..=10).contains(&line[1].parse::<u8>().unwrap()), "{line:?}");
                }
                _ => {}
            }
        }
    }
}

/// The figures that docs/suggestions.md gives. They are of a set that was written beside the rules: other texts fare worse.
#[test]
fn suggestions_for_the_labelled_set_are_as_good_as_is_asked_for() {
    let mut scores = Scores::default();
    let mut texts = 0;
    for line in LABELLED.lines() {
        let labelled: Labelled = serde_json::from_str(line).unwrap();
        scores.add(&labelled);
        texts += 1;
    }
    assert!(texts >= 60, "{texts}");
    for (field, score, least) in [
        ("countries", scores.countries, 0.95),
        ("persons", scores.persons, 0.85),
        ("days", scores.days, 0.90),
        ("roots", scores.roots, 0.60),
    ] {
        assert!(
            score.f1() >= least && score.precision() >= score.recall(),
            "{field}: {score:?}"
        );
    }
}

#[test]
fn scores_count_what_is_right_wrong_and_missing() {
    let labelled = Labelled {
        title: String::new(),
        text: "Iran and Iraq signed a treaty in Algiers.".into(),
        reported: String::new(),
        countries: ["IRN", "IRQ", "TUR"].map(str::to_owned).into(),
        persons: Default::default(),
        days: Default::default(),
        roots: ["05".to_owned()].into(),
    };
    let mut scores = Scores::default();
    let [(field, difference), ..] = scores.add(&labelled);
    assert_eq!(
        (field, difference.wrong, difference.missing),
        ("countries", vec!["DZA".into()], vec!["TUR".into()])
    );
    let score = scores.countries;
    assert_eq!((score.right, score.wrong, score.missing), (2, 1, 1));
    assert!((score.precision() - 2.0 / 3.0).abs() < 1e-9 && (score.f1() - 2.0 / 3.0).abs() < 1e-9);
    assert_eq!((scores.roots.f1(), scores.persons.f1()), (1.0, 1.0));
}

#[test]
fn countries_are_found_by_name_nationality_and_seat_and_not_in_other_names() {
    let all = |text: &str| found(text, &["country"]);
    assert_eq!(
        all("The Iranian envoy left Moscow for North Korea."),
        ["IRN", "RUS", "PRK"]
    );
    assert_eq!(
        all("U.S. officials and the UK agreed; US troops left."),
        ["USA", "GBR", "USA"]
    );
    assert_eq!(
        all("Persia ceded Georgia; the Soviet Union and Yugoslavia were no more."),
        ["IRN", "GEO", "SUN", "YUG"]
    );
    for nothing in [
        "South American and Latin American ministers met on the Indian Ocean.",
        "He wrote to the New York Times of turkey, china and a chad.",
        "They told us of a car and a mali.",
        "Michael Jordan came.",
        "Nigeriana, Omanisch, Chadwick.",
    ] {
        assert_eq!(all(nothing), [""; 0], "{nothing}");
    }
    assert_eq!(
        found("They met at Camp David, in Kashmir and in Geneva.", &["place"]),
        ["Camp David, USA", "Kashmir", "Geneva, CHE"]
    );
}

#[test]
fn persons_are_found_by_title_and_given_name_and_later_by_a_part() {
    let all = |text: &str| found(text, &["person"]);
    assert_eq!(
        all("Lt. Gen. Faiz Hameed saw Foreign Minister Hossein Amir-Abdollahian. Hameed left."),
        [
            "Faiz Hameed",
            "Hossein Amir-Abdollahian, Foreign Minister",
            "Faiz Hameed"
        ]
    );
    assert_eq!(
        all(
            "President of France Emmanuel Macron and Crown Prince Mohammed bin Salman met; Macron's aide and Salman agreed."
        ),
        [
            "Emmanuel Macron, President of France",
            "Mohammed bin Salman, Crown Prince",
            "Emmanuel Macron, President of France",
            "Mohammed bin Salman, Crown Prince"
        ]
    );
    assert_eq!(
        all("Sergei Lavrov, Russia's foreign minister, met Wang Yi."),
        ["Sergei Lavrov, Russia's foreign minister", "Wang Yi"]
    );
    assert_eq!(
        all("Chinese President Xi Jinping spoke. Xi left."),
        ["Xi Jinping, Chinese President"; 2]
    );
    assert_eq!(
        all("King Abdullah II came, and Abdullah spoke."),
        ["Abdullah II, King"; 2]
    );
    for nobody in [
        "The Prime Minister’s Office and the General Staff met at General Headquarters.",
        "President of the court, the general said, on Wednesday.",
        "The Foreign Minister of Iran, and John.",
    ] {
        assert_eq!(all(nobody), [""; 0], "{nobody}");
    }
    let titled = suggest(Document {
        title: "Macron in Kyiv",
        text: "President Emmanuel Macron arrived.",
        reported: None,
    });
    let in_title = titled
        .iter()
        .find(|one| one.part == Part::Title && one.rule == Rule::NamedBefore);
    assert!(
        matches!(&in_title.unwrap().what, Suggested::Person { name, .. } if &**name == "Emmanuel Macron")
    );
}

/// Each sentence with the persons that it suggests.
fn check_persons(table: &[(&str, &[&str])]) {
    for (text, expected) in table {
        assert_eq!(found(text, &["person"]), *expected, "{text}");
    }
}

#[test]
fn a_last_name_of_two_persons_is_nobodys_and_neither_has_the_others_office() {
    check_persons(&[
        (
            "Prime Minister Nawaz Sharif met Gen. Shehbaz Sharif. Sharif said no. Mr. Sharif left.",
            &["Nawaz Sharif, Prime Minister", "Shehbaz Sharif", "Sharif"],
        ),
        (
            "Gen. Javed Bajwa left. Army chief Qamar Javed Bajwa came. Bajwa spoke.",
            &["Qamar Javed Bajwa, Army chief"; 3],
        ),
        (
            "Gen. Qamar Bajwa left. Army chief Qamar Javed Bajwa came. Bajwa spoke.",
            &["Qamar Bajwa", "Qamar Javed Bajwa, Army chief"],
        ),
        (
            "President George W. Bush spoke. George H. W. Bush and George Bush stayed at home. Bush flew back.",
            &["George W. Bush, President", "George H. W. Bush", "George Bush"],
        ),
        (
            "Mohammed Ali and Mohammed Reza Ali met. Ali left.",
            &["Mohammed Ali", "Mohammed Reza Ali"],
        ),
        (
            "President Sharif spoke. Nawaz Sharif and Shehbaz Sharif agreed.",
            &["Sharif, President", "Nawaz Sharif", "Shehbaz Sharif"],
        ),
        (
            "King Salman met Crown Prince Mohammed bin Salman. Salman spoke.",
            &["Salman, King", "Mohammed bin Salman, Crown Prince"],
        ),
        (
            "Mr. Genghis Khan was no heir of Abdul Ghaffar Khan. Khan was a chief.",
            &["Genghis Khan", "Abdul Ghaffar Khan"],
        ),
        (
            "Genghis Khan was no heir of Khan Abdul Ghaffar Khan. Khan left on Monday, and Khan Tuesday.",
            &["Abdul Ghaffar Khan"; 3],
        ),
    ]);
}

#[test]
fn a_person_beside_an_office_is_found_between_commas() {
    check_persons(&[
        (
            "In Rawalpindi the army chief, Qamar Javed Bajwa, said so, and Bajwa left.",
            &["Qamar Javed Bajwa, army chief"; 2],
        ),
        (
            "Pakistan's foreign minister, Shah Mahmood Qureshi, left.",
            &["Shah Mahmood Qureshi, Pakistan's foreign minister"],
        ),
        (
            "The army chief, Qamar Javed Bajwa said.",
            &["Qamar Javed Bajwa, army chief"],
        ),
        (
            "They met the army chief, Gen. Qamar Javed Bajwa.",
            &["Qamar Javed Bajwa, army chief"],
        ),
        (
            "The Foreign Minister of Chile, Heraldo Muñoz, resigned.",
            &["Heraldo Muñoz, Foreign Minister of Chile"],
        ),
        (
            "The European Union's foreign policy chief, Josep Borrell, resigned.",
            &["Josep Borrell, European Union's foreign policy chief"],
        ),
        (
            "Hakan Fidan, the foreign minister of Turkey, agreed. Fidan left.",
            &["Hakan Fidan, foreign minister of Turkey"; 2],
        ),
        (
            "Shah Mahmood Qureshi, the foreign minister of Pakistan, agreed.",
            &["Shah Mahmood Qureshi, foreign minister of Pakistan"],
        ),
        (
            "Foreign Minister Shah Mahmood Qureshi agreed.",
            &["Shah Mahmood Qureshi, Foreign Minister"],
        ),
        (
            "He met the information minister, Maryam Aurangzeb, and others.",
            &["Maryam Aurangzeb"],
        ),
        ("He spoke of the president, New York Times, and of others.", &[]),
        ("As the minister left, Sky News, a broadcaster, said so.", &[]),
        ("He saw the president, Human Rights Watch said.", &[]),
        ("Xx Yy, who met the president, left.", &[]),
    ]);
}

#[test]
fn an_office_ends_with_its_sentence_and_holds_no_verb() {
    check_persons(&[
        (
            "Mr. Smith is a spokesman of the Pentagon. Michael Jordan declined to comment.",
            &["Smith", "Michael Jordan"],
        ),
        (
            "He met Mr. Smith, president of the club. Angela Merkel left.",
            &["Smith, president of the club", "Angela Merkel"],
        ),
        ("He met the president. Angela Merkel left.", &["Angela Merkel"]),
        (
            "Kim Jung-sook, is the first wife of a president, they say.",
            &["Kim Jung-sook"],
        ),
        (
            "James Biddle, Turkish Minister Reis Effendi and others came.",
            &["James Biddle", "Reis Effendi, Turkish Minister"],
        ),
        (
            "George Canning, the foreign secretary and the British minister.",
            &["George Canning"],
        ),
        ("Sergei Lavrov, who met the president, left.", &["Sergei Lavrov"]),
        (
            "Former president Álvaro Uribe left.",
            &["Álvaro Uribe, Former president"],
        ),
        (
            "Former U.S. President Jimmy Carter left.",
            &["Jimmy Carter, Former U.S. President"],
        ),
        (
            "They met former Iranian President Mohammad Khatami.",
            &["Mohammad Khatami, former Iranian President"],
        ),
    ]);
}

#[test]
fn titles_and_months_are_no_names_and_particles_join_them() {
    check_persons(&[
        ("President Reagan May 16 left.", &["Reagan, President"]),
        (
            "Prime Minister Theresa May left. In May the Prime Minister came, and May spoke.",
            &["Theresa May, Prime Minister"; 2],
        ),
        (
            "Sir Robert Gordon was Envoy Extraordinary and Minister Plenipotentiary, then Minister Resident.",
            &["Robert Gordon"],
        ),
        (
            "Then Musaad bin Mohammed al-Aiban spoke.",
            &["Musaad bin Mohammed al-Aiban"],
        ),
        (
            "Defence ministers Khawaja Asifi and Sergei Shoigu met.",
            &["Khawaja Asifi", "Sergei Shoigu"],
        ),
        ("The foreign ministers met, and leaders said no.", &[]),
    ]);
}

#[test]
fn days_are_those_that_are_written_and_those_that_the_report_gives() {
    let all = |text: &str| found(text, &["day"]);
    assert_eq!(
        all("On 13 October 2021, October 12, 2021, 2021-10-11, Oct. 10, the 9th of October and in May 1998."),
        [
            "2021-10-13",
            "2021-10-12",
            "2021-10-11",
            "2021-10-10",
            "2021-10-09",
            "1998-05"
        ]
    );
    assert_eq!(
        all("On Wednesday, Thursday's talks, last Thursday, yesterday, today, last month."),
        [
            "2021-10-13",
            "2021-10-14",
            "2021-10-07",
            "2021-10-13",
            "2021-10-14",
            "2021-09"
        ]
    );
    assert_eq!(
        all("They will meet on Monday and on Thursday."),
        ["2021-10-18", "2021-10-21"]
    );
    assert_eq!(all("On 28 December they left."), ["2021-12-28"]);
    assert_eq!(all("The 31 of June, 300 soldiers, 1998 and may 5."), [""; 0]);
    let without = suggest(Document {
        text: "On Wednesday, and on 3 May 2020.",
        ..Document::default()
    });
    let days = without.iter().filter(|one| one.what.word() == "day");
    assert_eq!(
        days.map(|one| one.what.to_string()).collect::<Vec<_>>(),
        ["2020-05-03"]
    );
}

/// Each sentence with what it suggests of a kind, as of a day.
fn check_days(reported: (i64, u8, u8), table: &[(&str, &[&str])]) {
    for (text, expected) in table {
        let document = Document {
            text,
            reported: Some(day_number(reported.0, reported.1, reported.2)),
            ..Document::default()
        };
        let days = suggest(document)
            .into_iter()
            .filter(|one| one.what.word() == "day");
        assert_eq!(
            days.map(|one| one.what.to_string()).collect::<Vec<_>>(),
            *expected,
            "{text}"
        );
    }
}

#[test]
fn a_weekday_is_to_come_only_where_the_sentence_says_so_and_nothing_where_it_is_unsure() {
    check_days(
        (2021, 10, 14),
        &[
            (
                "The match was cancelled due to rain on Wednesday.",
                &["2021-10-13"],
            ),
            ("Pakistan set a record on Wednesday.", &["2021-10-13"]),
            (
                "He would not comment after the meeting on Wednesday.",
                &["2021-10-13"],
            ),
            ("On Friday, the minister will travel to Doha.", &["2021-10-15"]),
            (
                "On Wednesday, the minister said that Iran will attend.",
                &["2021-10-13"],
            ),
            (
                "Iran will attend, the minister said on Wednesday.",
                &["2021-10-13"],
            ),
            (
                "The minister said that he will attend on Monday.",
                &["2021-10-18"],
            ),
            ("He is set to leave on Monday.", &["2021-10-18"]),
            ("A vote is set for Monday.", &["2021-10-18"]),
            ("The envoy is due to arrive on Monday.", &["2021-10-18"]),
            ("The envoy is due in Doha on Monday.", &["2021-10-18"]),
            ("The report is due on Monday.", &["2021-10-18"]),
            ("The delay is due to rain on Monday.", &[]),
            ("He said he would meet them on Monday.", &[]),
            ("Those seized on Monday will be tried.", &[]),
            ("It will be the first visit since talks collapsed on Monday.", &[]),
            ("Iran rejected the plans on Monday.", &["2021-10-11"]),
            ("Prices were higher than expected on Monday.", &["2021-10-11"]),
            ("They agreed to meet on Monday.", &[]),
            ("The talks resume on Saturday.", &[]),
            ("They will meet later on Thursday.", &["2021-10-14"]),
            ("They must answer by Friday.", &[]),
            ("They met on Friday the 13th.", &[]),
            (
                "Talks will be held on Monday, he said on Friday.",
                &["2021-10-18", "2021-10-08"],
            ),
            ("The deal, signed on Tuesday, will take effect.", &["2021-10-12"]),
            ("It took place a week ago Wednesday.", &[]),
        ],
    );
    check_days(
        (2017, 1, 24),
        &[
            (
                "May will be the first foreign leader to meet President Donald Trump when she visits Washington on Friday.",
                &["2017-01-27"],
            ),
            ("She is to visit Ankara on Saturday.", &["2017-01-28"]),
            ("The visit is planned for Saturday.", &["2017-01-28"]),
            (
                "She will then fly to Turkey for talks with President Recep Tayyip Erdogan on Saturday.",
                &["2017-01-28"],
            ),
            ("They meet this Saturday.", &["2017-01-28"]),
            ("They met this Monday.", &[]),
            ("They meet next Monday.", &["2017-01-30"]),
            ("They meet next Friday.", &[]),
            ("They spoke the day before yesterday.", &["2017-01-22"]),
            ("They arrive the day after tomorrow.", &["2017-01-26"]),
        ],
    );
}

#[test]
fn a_day_and_its_month_stand_together_and_months_are_written_as_usual() {
    check_days(
        (2021, 10, 14),
        &[
            ("The bill passed by 12 votes to 3. May said she agreed.", &[]),
            ("Marc 12 and Octo 3.", &[]),
            (
                "On Mar. 12, Sept 3 and Jun. 5.",
                &["2022-03-12", "2021-09-03", "2021-06-05"],
            ),
            ("On 13 October. 2020 was another year.", &["2021-10-13"]),
            ("On 6 and 7 January 2020 they met.", &["2020-01-06", "2020-01-07"]),
            (
                "Between 3 and 5 December 2019 they met.",
                &["2019-12-03", "2019-12-05"],
            ),
            ("From June 4-14, 1989, they met.", &["1989-06-04", "1989-06-14"]),
            ("From June 4 to 14 in Paris.", &["2021-06-04", "2021-06-14"]),
            ("4–5 June 1989", &["1989-06-04", "1989-06-05"]),
            ("On June 4 and 5 soldiers died.", &["2021-06-04"]),
        ],
    );
}

#[test]
fn no_day_is_suggested_that_edtf_cannot_write() {
    let table: &[(&str, &[&str])] = &[("Last month, next month, last month.", &["9999-11"])];
    check_days((9999, 12, 31), table);
    check_days(
        (0, 1, 1),
        &[("They met next month, last month and yesterday.", &["0000-02"])],
    );
    for reported in [i32::MIN, i32::MAX] {
        let text = "Today, tomorrow, yesterday, the day after tomorrow, on Monday, next month and on 3 May.";
        let found = suggest(Document {
            text,
            reported: Some(reported),
            ..Document::default()
        });
        assert!(found.iter().all(|one| one.what.word() != "day"), "{found:?}");
    }
}

#[test]
fn statements_have_their_speaker_where_the_sentence_names_one() {
    let all = |text: &str| found(text, &["statement"]);
    assert_eq!(
        all("President Joe Biden said: “We will not yield to this.”"),
        ["Joe Biden"]
    );
    assert_eq!(
        all("\"We will not yield to this,\" Joe Biden told reporters."),
        ["Joe Biden"]
    );
    assert_eq!(all("“We will not yield to this,” said the ministry."), [""]);
    assert_eq!(all("It was a “common” enemy."), [""; 0], "a word is no statement");
    assert_eq!(all("“We will not yield"), [""; 0], "half a quotation is none");
}

#[test]
fn a_sentence_suggests_one_kind_of_event_at_most_and_a_quotation_none() {
    let all = |text: &str| found(text, &["event"]);
    assert_eq!(
        all("Iran said on Monday that it recalled its ambassador. Iraq condemned that."),
        ["161", "111"]
    );
    assert_eq!(
        all("The minister said that all was well."),
        ["010"],
        "alone it counts"
    );
    assert_eq!(all("The minister said: “They attacked and bombed us.”"), ["010"]);
    assert_eq!(
        all("Paris suspended all military aid to Bamako."),
        ["162"],
        "with a few words between"
    );
    assert_eq!(
        all("The signature of the commander is illegible."),
        [""; 0],
        "whole words alone"
    );
}

#[test]
fn a_name_of_a_place_means_what_the_words_beside_it_say() {
    for (text, expected) in [
        (
            "Chad Smith, Jordan Henderson, Kenya Moore, Israel Katz, Paris Hilton and Georgia Meloni came.",
            &[][..],
        ),
        (
            "The Jordan Foreign Ministry said so.",
            &["Jordan Foreign Ministry", "JOR"],
        ),
        ("They met in Jordan Tuesday, and Chad agreed.", &["JOR", "TCD"]),
        ("Jordan Rejects Talks.", &["JOR"]),
        ("He lives in Paris, Texas, and she in Athens, Georgia.", &[]),
        ("They met in Tbilisi, Georgia.", &["Tbilisi, GEO", "GEO", "GEO"]),
        (
            "The Governor of Georgia and Georgia Senator Xx met in Atlanta.",
            &["Xx"],
        ),
        ("Armenia, Georgia and Azerbaijan agreed.", &["ARM", "GEO", "AZE"]),
        ("Roast Turkey was served.", &[]),
        ("They met in Northern Ireland.", &["Northern Ireland, GBR", "GBR"]),
        (
            "The Gulf of Guinea, Inner Mongolia, the Congo River, the Panama Canal, German measles and a French horn.",
            &[],
        ),
        ("The Geneva Accords and the Treaty of Paris.", &[]),
        ("The Geneva talks went on.", &["Geneva, CHE", "CHE"]),
        (
            "President Washington spoke. They accused Washington of ingratitude.",
            &["Washington", "Washington"],
        ),
        (
            "The German Foreign Office said no.",
            &["German Foreign Office", "DEU"],
        ),
        ("The Indian Congress agreed.", &["Indian Congress", "IND"]),
        (
            "Iran's Supreme National Security Council and Turkey's National Security Council met.",
            &[
                "Iran's Supreme National Security Council",
                "IRN",
                "Turkey's National Security Council",
                "TUR",
            ],
        ),
        (
            "The UN Security Council and the Security Council met.",
            &[
                "United Nations Security Council",
                "United Nations Security Council",
            ],
        ),
    ] {
        let mut found = found(text, &["country", "place", "organisation", "person"]);
        for one in &mut found {
            *one = one
                .trim_end_matches(", President")
                .replace("Georgia Governor", "Governor");
        }
        assert_eq!(found, expected, "{text}");
    }
}

#[test]
fn organisations_are_those_of_the_table_and_those_that_look_like_one() {
    let all = |text: &str| found(text, &["organisation"]);
    assert_eq!(
        all("The UN, the Iranian Foreign Ministry and the Ministry of Foreign Affairs told NATO."),
        [
            "United Nations",
            "Iranian Foreign Ministry",
            "Ministry of Foreign Affairs",
            "North Atlantic Treaty Organization"
        ]
    );
    assert_eq!(
        all("The Council said. A Party of friends. The Soviet Union fell."),
        [""; 0]
    );
}

proptest! {
    #[test]
    fn any_text_is_read_and_what_is_found_lies_in_it(
        title in "\\PC{0,40}",
        words in prop::collection::vec(prop_oneof![
            "\\PC{0,12}",
            Just("Gen. ".to_owned()), Just("President ".to_owned()), Just("Iran’s ".to_owned()), Just("Xi Jinping ".to_owned()),
            Just("“".to_owned()), Just("” said ".to_owned()), Just(" on Wednesday. ".to_owned()), Just("May 31 ".to_owned()),
            Just("Ministry of ".to_owned()), Just("\u{a0}\n".to_owned()), Just("suspended ".to_owned()), Just("al-Ñ. ".to_owned()),
        ], 0..40),
        reported in prop::option::of(-700_000..700_000_i32),
    ) {
        let text = words.concat();
        let document = Document { title: &title, text: &text, reported };
        let all = suggest(document);
        for one in &all {
            let whole = if one.part == Part::Title { &title } else { &text };
            prop_assert!(whole.get(one.range.clone()).is_some_and(|slice| !slice.is_empty()), "{one:?} in {whole:?}");
        }
        prop_assert_eq!(suggest(document), all);
    }
}
