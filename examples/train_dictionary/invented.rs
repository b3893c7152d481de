//! Invented rows in the forms that others write: countries and codes are real, nothing that they say happened.

use std::fmt::Write;

pub const ICEWS_HEAD: &str = "Event ID\tEvent Date\tSource Name\tSource Sectors\tSource Country\tEvent Text\tCAMEO Code\t\
    Intensity\tTarget Name\tTarget Sectors\tTarget Country\tStory ID\tSentence Number\tPublisher\tCity\tDistrict\t\
    Province\tCountry\tLatitude\tLongitude\n";

/// Code, words and intensity, as the CAMEO codebook has them.
const ACTS: [(&str, &str, &str); 36] = [
    ("010", "Make statement", "0"),
    ("012", "Make pessimistic comment", "-0.4"),
    ("013", "Make optimistic comment", "0.4"),
    ("014", "Consider policy option", "0"),
    ("020", "Make an appeal or request", "3"),
    ("030", "Express intent to cooperate", "4"),
    ("036", "Express intent to meet or negotiate", "4"),
    ("040", "Consult", "1"),
    ("041", "Discuss by telephone", "1"),
    ("042", "Make a visit", "1.9"),
    ("043", "Host a visit", "2.8"),
    ("044", "Meet at a 'third' location", "2.5"),
    ("045", "Mediate", "5"),
    ("046", "Engage in negotiation", "7"),
    ("050", "Engage in diplomatic cooperation", "3.5"),
    ("051", "Praise or endorse", "3.4"),
    ("057", "Sign formal agreement", "8"),
    ("060", "Engage in material cooperation", "6"),
    ("061", "Cooperate economically", "6.4"),
    ("062", "Cooperate militarily", "7.4"),
    ("070", "Provide aid", "7"),
    ("073", "Provide humanitarian aid", "7.4"),
    ("080", "Yield", "5"),
    ("090", "Investigate", "-2"),
    ("100", "Demand", "-5"),
    ("110", "Disapprove", "-2"),
    ("111", "Criticize or denounce", "-2"),
    ("112", "Accuse", "-2"),
    ("120", "Reject", "-4"),
    ("130", "Threaten", "-4"),
    ("141", "Demonstrate or rally", "-6.5"),
    ("160", "Reduce relations", "-4"),
    ("163", "Impose embargo, boycott, or sanctions", "-8"),
    ("173", "Arrest, detain, or charge with legal action", "-5"),
    ("180", "Use unconventional violence", "-9"),
    ("190", "Use conventional military force", "-10"),
];

/// Who acts, and in which sectors ICEWS puts them; the code is GDELT's.
const ROLES: [(&str, &str, &str); 20] = [
    ("Foreign Affairs", "Executive,Foreign Ministry,Government", "GOV"),
    ("Ministry", "Government", "GOV"),
    ("Government", "Government", "GOV"),
    (
        "Head of Government",
        "Executive,Executive Office,Government",
        "GOV",
    ),
    ("Government Official", "Government", "GOV"),
    ("Citizen", "General Population / Civilian / Social,Social", "CVL"),
    ("Police", "Government,Police", "COP"),
    ("Military", "Government,Military", "MIL"),
    ("Military Personnel", "Military,Government", "MIL"),
    ("High Ranking Military Personnel", "Military,Government", "MIL"),
    (
        "Defense / Security Ministry",
        "Executive,Defense / Security Ministry,Government",
        "GOV",
    ),
    (
        "Finance / Economy / Commerce / Trade Ministry",
        "Executive,Finance / Economy / Commerce / Trade Ministry,Government",
        "GOV",
    ),
    ("Media Personnel", "News,Media", "MED"),
    ("Business", "Business,Social", "BUS"),
    (
        "Legislature (Govt)",
        "Legislative / Parliamentary,Government",
        "LEG",
    ),
    (
        "Member of Parliament",
        "Legislative / Parliamentary,Government",
        "LEG",
    ),
    ("Student", "Education,Social", "EDU"),
    (
        "Protester",
        "Protestors / Popular Opposition / Mobs,Dissident",
        "OPP",
    ),
    ("Court Judge", "Judicial,Government", "JUD"),
    ("Envoy", "Diplomatic,Foreign Ministry,Government", "GOV"),
];

/// City, province, FIPS country and its place on the map.
const PLACES: [(&str, &str, &str, &str, &str); 24] = [
    ("Geneva", "Geneve", "SZ", "46.2", "6.16667"),
    ("Vienna", "Wien", "AU", "48.2", "16.3667"),
    ("Moscow", "Moskva", "RS", "55.7522", "37.6156"),
    ("Beijing", "Beijing", "CH", "39.9289", "116.388"),
    ("Washington", "District of Columbia", "US", "38.8951", "-77.0364"),
    ("Tehran", "Ostan-e Tehran", "IR", "35.75", "51.5148"),
    ("Ankara", "Ankara", "TU", "39.9272", "32.8644"),
    (
        "New Delhi",
        "National Capital Territory of Delhi",
        "IN",
        "28.6",
        "77.2",
    ),
    (
        "Islamabad",
        "Islamabad Capital Territory",
        "PK",
        "33.7",
        "73.1667",
    ),
    ("Baghdad", "Baghdad", "IZ", "33.3386", "44.3939"),
    ("Kabul", "Kabul", "AF", "34.5167", "69.1833"),
    ("Cairo", "Al Qahirah", "EG", "30.05", "31.25"),
    ("Jerusalem", "Yerushalayim", "IS", "31.7667", "35.2333"),
    ("Damascus", "Dimashq", "SY", "33.5", "36.3"),
    ("Seoul", "Seoul-t'ukpyolsi", "KS", "37.5664", "127"),
    ("Tokyo", "Tokyo", "JA", "35.685", "139.751"),
    ("London", "London", "UK", "51.5", "-0.116667"),
    ("Paris", "Ile-de-France", "FR", "48.8667", "2.33333"),
    ("Berlin", "Berlin", "GM", "52.5167", "13.4"),
    ("Brussels", "Bruxelles-Capitale", "BE", "50.8333", "4.33333"),
    ("Nairobi", "Nairobi", "KE", "-1.28333", "36.8167"),
    (
        "Abuja",
        "Abuja Federal Capital Territory",
        "NI",
        "9.17583",
        "7.18083",
    ),
    ("Caracas", "Distrito Federal", "VE", "10.5", "-66.9167"),
    ("Manila", "Manila", "RP", "14.6042", "120.982"),
];

const PUBLISHERS: [&str; 10] = [
    "Agence France-Presse",
    "Xinhua News Agency",
    "Associated Press Newswires",
    "Reuters News",
    "BBC Monitoring",
    "Interfax News Agency",
    "Press Trust of India",
    "All Africa",
    "Anadolu Agency",
    "EFE News Service",
];
const SITES: [&str; 10] = [
    "https://www.reuters.com/article/",
    "https://www.bbc.co.uk/news/world-",
    "https://www.aljazeera.com/news/",
    "https://www.dailymail.co.uk/news/article-",
    "https://www.yahoo.com/news/",
    "http://www.xinhuanet.com/english/",
    "https://allafrica.com/stories/",
    "https://www.thehindu.com/news/international/",
    "https://www.jpost.com/Middle-East/",
    "https://www.washingtonpost.com/world/",
];
const WORDS: [&str; 28] = [
    "president",
    "minister",
    "talks",
    "trade",
    "border",
    "security",
    "peace",
    "deal",
    "visit",
    "sanctions",
    "election",
    "court",
    "police",
    "protest",
    "military",
    "attack",
    "agreement",
    "summit",
    "leaders",
    "government",
    "news",
    "calls",
    "foreign",
    "over",
    "says",
    "after",
    "with",
    "new",
];

/// Makes the same rows in each run.
pub struct Inventor {
    state: u64,
    /// Alpha-3 code and name.
    countries: Vec<(String, String)>,
    rows: u64,
}

impl Inventor {
    /// With the countries of the project's own table.
    pub fn new() -> Result<Self, Box<dyn std::error::Error>> {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/data/countries/icews.tsv");
        let table = std::fs::read_to_string(path)?;
        let lines = table.lines().filter(|line| !line.starts_with('#'));
        let pair = |line: &str| {
            line.split_once('\t')
                .map(|(name, code)| (code.to_owned(), name.to_owned()))
        };
        let countries: Vec<_> = lines
            .filter_map(pair)
            .filter(|(code, _)| code.len() == 3)
            .collect();
        if countries.is_empty() {
            return Err(format!("`{path}` names no country").into());
        }
        Ok(Self {
            state: 0x9e37_79b9_7f4a_7c15,
            countries,
            rows: 0,
        })
    }

    fn below(&mut self, bound: usize) -> usize {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        (self.state >> 11) as usize % bound
    }

    fn one<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())].clone()
    }

    fn country(&mut self) -> (String, String) {
        // Some countries are in the news far more often than others.
        let few = self.below(3) > 0;
        let bound = if few {
            24.min(self.countries.len())
        } else {
            self.countries.len()
        };
        let at = self.below(bound) * 7 % self.countries.len();
        self.countries[at].clone()
    }

    fn day(&mut self) -> (usize, usize, usize) {
        (1995 + self.below(29), 1 + self.below(12), 1 + self.below(28))
    }

    pub fn icews(&mut self) -> String {
        self.rows += 1;
        let (year, month, day) = self.day();
        let ((_, source), (_, target)) = (self.country(), self.country());
        let ((role, sectors, _), (other, other_sectors, _)) = (self.one(&ROLES), self.one(&ROLES));
        let (code, words, intensity) = self.one(&ACTS);
        let (city, province, _, latitude, longitude) = self.one(&PLACES);
        let publisher = self.one(&PUBLISHERS);
        let (story, sentence) = (40_000_000 + self.below(9_999_999), 1 + self.below(6));
        let district = if self.below(4) == 0 { city } else { "NA" };
        format!(
            "{}\t{year}-{month:02}-{day:02}\t{role} ({source})\t{sectors}\t{source}\t{words}\t{code}\t{intensity}\t\
             {other} ({target})\t{other_sectors}\t{target}\t{story}\t{sentence}\t{publisher}\t{city}\t{district}\t\
             {province}\t{source}\t{latitude}\t{longitude}\n",
            20_000_000 + self.rows * 7
        )
    }

    pub fn gdelt(&mut self) -> String {
        self.rows += 1;
        let (year, month, day) = self.day();
        let date = format!("{year}{month:02}{day:02}");
        let mut row = format!(
            "{}\t{date}\t{year}{month:02}\t{year}\t{year}.{:04}\t",
            880_000_000 + self.rows * 3,
            self.below(10_000)
        );
        for _ in 0..2 {
            self.gdelt_actor(&mut row);
        }
        let (code, _, goldstein) = self.one(&ACTS);
        let quad = match &code[..2] {
            "01" | "02" | "03" | "04" | "05" => 1,
            "06" | "07" | "08" => 2,
            "09" | "10" | "11" | "12" | "13" => 3,
            _ => 4,
        };
        let (mentions, tone) = (1 + self.below(20), self.below(1_000_000_000));
        let root = self.below(2);
        let _ = write!(
            row,
            "{root}\t{code}\t{code}\t{}\t{quad}\t{goldstein}\t{mentions}\t1\t{mentions}\t-{}.{tone:09}\t",
            &code[..2],
            self.below(9)
        );
        let place = self.gdelt_place();
        let _ = write!(
            row,
            "{place}\t{place}\t{place}\t{date}{:02}3000\t",
            self.below(24)
        );
        row.push_str(self.one(&SITES));
        for _ in 0..4 + self.below(5) {
            row.push_str(self.one(&WORDS));
            row.push('-');
        }
        let _ = writeln!(row, "{}", self.below(10_000_000));
        row
    }

    fn gdelt_actor(&mut self, row: &mut String) {
        let (code, name) = self.country();
        let (role, _, sector) = self.one(&ROLES);
        match self.below(3) {
            0 => row.push_str(&"\t".repeat(10)),
            1 => {
                let _ = write!(row, "{code}\t{}\t{code}\t\t\t\t\t\t\t\t", name.to_uppercase());
            }
            _ => {
                let role = role.to_uppercase();
                let _ = write!(row, "{code}{sector}\t{role}\t{code}\t\t\t\t\t{sector}\t\t\t");
            }
        }
    }

    fn gdelt_place(&mut self) -> String {
        let (city, province, fips, latitude, longitude) = self.one(&PLACES);
        let (_, country) = self.country();
        match self.below(3) {
            0 => format!("1\t{country}\t{fips}\t{fips}\t\t{latitude}\t{longitude}\t{fips}"),
            _ => format!(
                "4\t{city}, {province}, {country}\t{fips}\t{fips}{:02}\t{}\t{latitude}\t{longitude}\t-{}",
                self.below(60),
                self.below(60_000),
                100_000 + self.below(3_000_000)
            ),
        }
    }

    /// An event as a client of its own would send it.
    pub fn event(&mut self) -> String {
        self.rows += 1;
        let (year, month, day) = self.day();
        let ((source, one), (target, two)) = (self.country(), self.country());
        let (role, _, sector) = self.one(&ROLES);
        let (code, words, goldstein) = self.one(&ACTS);
        let (city, ..) = self.one(&PLACES);
        let (first, second) = (self.one(&WORDS), self.one(&WORDS));
        let side = |side: &str, code: &str, name: &str| {
            format!(
                r#"{{"side":"{side}","name":"{role} of {name}","countries":["{code}"],"sectors":["cameo:{sector}"]}}"#
            )
        };
        format!(
            concat!(
                r#"{{"series":"wire","key":"{}","kind":"event","title":"{}: {} of {} and {} over {} {}","#,
                r#""dates":[{{"role":"occurred","edtf":"{}-{:02}-{:02}"}}],"participants":[{},{}],"#,
                r#""types":["cameo:{}"],"places":[{{"role":"action","name":"{}"}}],"measures":{{"goldstein":{}}}}}"#,
                "\n"
            ),
            self.rows,
            words,
            role,
            one,
            two,
            first,
            second,
            year,
            month,
            day,
            side("source", &source, &one),
            side("target", &target, &two),
            code,
            city,
            goldstein
        )
    }
}
