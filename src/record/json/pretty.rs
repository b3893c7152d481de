//! JSON for an editor: one member a line, one element of a list of objects a line.

use serde_json::Value;

/// Prints an object with one member a line, and lists of objects with one element a line, so that a change to one
/// participant is a change to one line. Anything else is printed on one line.
pub fn pretty(value: &Value) -> String {
    let Value::Object(object) = value else {
        return inline(value);
    };
    let members: Vec<String> = object
        .iter()
        .map(|(name, value)| format!("  {}: {}", Value::from(name.as_str()), member(value)))
        .collect();
    format!("{{\n{}\n}}\n", members.join(",\n"))
}

fn member(value: &Value) -> String {
    match value {
        Value::Array(elements) if elements.iter().any(Value::is_object) => {
            let lines: Vec<String> = elements
                .iter()
                .map(|element| format!("    {}", inline(element)))
                .collect();
            format!("[\n{}\n  ]", lines.join(",\n"))
        }
        other => inline(other),
    }
}

/// On one line, with a space after each comma and colon.
fn inline(value: &Value) -> String {
    match value {
        Value::Array(elements) => format!("[{}]", elements.iter().map(inline).collect::<Vec<_>>().join(", ")),
        Value::Object(object) => {
            let member = |(name, value): (&String, &Value)| {
                format!("{}: {}", Value::from(name.as_str()), inline(value))
            };
            format!("{{{}}}", object.iter().map(member).collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}
