//! Setting one value of a record by its path: `amend --set participants[1].name=...`.

use super::error::{JsonError, JsonProblem, nearest};
use super::{ENVELOPE, SHORT_DATES, read, short};
use crate::record::codec::shape::{Field, FieldType, Message, Shape};
use crate::record::validate::shown;
use serde_json::{Map, Value, json};

/// Sets the value at a path of a JSON record, or removes it where the text is empty.
///
/// A path is made of names and indices: `title`, `participants[1].name`, `participants[0].countries[0]`. An index
/// equal to the length of its list appends. Lists of names and values go by name: `measures.goldstein`. `occurred`,
/// `reported` and `published` set the date of that role. Objects and lists take their short form or JSON.
///
/// # Errors
/// Names that do not exist, with the nearest that does; indices beyond the list; words and numbers that are none.
pub fn set_path(record: &mut Value, path: &str, text: &str) -> Result<(), JsonError> {
    let Value::Object(object) = record else {
        return Err(unsettable(path, "the record is not an object"));
    };
    let steps = steps(path);
    let Some(first) = steps.first() else {
        return Err(unsettable(
            path,
            "the path is empty; write it as title or dates[0].edtf",
        ));
    };
    if SHORT_DATES.contains(&first.name) && steps.len() == 1 && first.index.is_none() {
        return set_date(object, first.name, text);
    }
    let setter = Setter { path, text };
    let statement = message("Statement").filter(|statement| statement.field_named(first.name).is_some());
    match statement.or(message("Content")) {
        Some(part) if part.field_named(first.name).is_some() => setter.set(part, object, &steps),
        _ => Err(not_content(path, first.name)),
    }
}

fn message(name: &str) -> Option<&'static Message> {
    Shape::get().message_named(name)
}

fn unsettable(path: &str, why: impl Into<String>) -> JsonError {
    JsonError::new(path, JsonProblem::Unsettable(why.into()))
}

fn not_content(path: &str, name: &str) -> JsonError {
    if ENVELOPE.iter().any(|member| member.name == name) {
        return unsettable(
            path,
            format!("`{name}` is not part of what a record states; only content can be amended"),
        );
    }
    let fields = ["Content", "Statement"]
        .into_iter()
        .filter_map(message)
        .flat_map(Message::names);
    let near = nearest(name, fields.chain(SHORT_DATES.iter().copied()));
    JsonError::new(path, JsonProblem::Unknown(near.map(str::to_owned)))
}

/// One name of a path, with its index.
struct Step<'a> {
    name: &'a str,
    index: Option<usize>,
    /// The path from here on, for names that may hold dots themselves.
    rest: &'a str,
}

/// The steps of a path. What looks like no index stays part of its name, and is refused as a name.
fn steps(path: &str) -> Vec<Step<'_>> {
    let mut steps = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        let (one, after) = rest.split_once('.').unwrap_or((rest, ""));
        let index = one.strip_suffix(']').and_then(|one| one.split_once('['));
        let index = index.and_then(|(name, index)| Some((name, index.parse().ok()?)));
        let (name, index) = index.map_or((one, None), |(name, index)| (name, Some(index)));
        steps.push(Step { name, index, rest });
        rest = after;
    }
    steps
}

fn set_date(object: &mut Map<String, Value>, role: &str, edtf: &str) -> Result<(), JsonError> {
    // A line from an editor may still have the short form; it is then the same date.
    object.remove(role);
    let dates = list(object, "dates", role)?;
    let place = dates
        .iter()
        .position(|date| date.get("role").and_then(Value::as_str) == Some(role));
    match place {
        Some(at) if edtf.is_empty() => drop(dates.remove(at)),
        Some(at) => dates[at]["edtf"] = edtf.into(),
        None if edtf.is_empty() => {}
        None => dates.push(json!({ "role": role, "edtf": edtf })),
    }
    drop_if_empty(object, "dates");
    Ok(())
}

/// The list of a field, made where there is none.
fn list<'a>(
    object: &'a mut Map<String, Value>,
    name: &str,
    path: &str,
) -> Result<&'a mut Vec<Value>, JsonError> {
    let value = object.entry(name.to_owned()).or_insert(Value::Null);
    if value.is_null() {
        *value = json!([]);
    }
    if let Value::Object(pairs) = value {
        *value = short::pairs(pairs).into();
    }
    value
        .as_array_mut()
        .ok_or_else(|| unsettable(path, format!("`{name}` is not a list")))
}

fn drop_if_empty(object: &mut Map<String, Value>, name: &str) {
    if object
        .get(name)
        .and_then(Value::as_array)
        .is_some_and(Vec::is_empty)
    {
        object.shift_remove(name);
    }
}

/// What is to be set, and the path to name in errors.
struct Setter<'a> {
    path: &'a str,
    text: &'a str,
}

impl Setter<'_> {
    fn set(
        &self,
        message: &Message,
        object: &mut Map<String, Value>,
        steps: &[Step],
    ) -> Result<(), JsonError> {
        let Some((step, rest)) = steps.split_first() else {
            return Err(self.refuse("the path ends too early"));
        };
        let Some(field) = message.field_named(step.name) else {
            let near = nearest(step.name, message.names()).map(str::to_owned);
            return Err(JsonError::new(self.path, JsonProblem::Unknown(near)));
        };
        if field.repeated {
            self.set_in_list(field, step.index, object, rest)?;
            drop_if_empty(object, &field.name);
            return Ok(());
        }
        if step.index.is_some() {
            return Err(self.refuse(format!(
                "`{}` is one value, not a list; leave the index out",
                field.name
            )));
        }
        if !rest.is_empty() {
            let value = object.entry(field.name.clone()).or_insert(Value::Null);
            self.descend(field, value, rest)?;
            if value.as_object().is_some_and(Map::is_empty) {
                object.shift_remove(&field.name);
            }
            return Ok(());
        }
        if self.text.is_empty() {
            object.shift_remove(&field.name);
        } else {
            object.insert(field.name.clone(), self.value(field)?);
        }
        Ok(())
    }

    fn set_in_list(
        &self,
        field: &Field,
        index: Option<usize>,
        object: &mut Map<String, Value>,
        rest: &[Step],
    ) -> Result<(), JsonError> {
        let elements = list(object, &field.name, self.path)?;
        match (index, rest.first()) {
            (None, None) => self.set_list(field, elements),
            (None, Some(step)) if self.is_pair(field) => self.set_pair(elements, step.rest),
            (None, Some(_)) if elements.len() == 1 => self.descend(field, &mut elements[0], rest),
            (None, Some(_)) => Err(self.refuse(format!(
                "there are {} of `{}`; say which, as {}[0]",
                elements.len(),
                field.name,
                field.name
            ))),
            (Some(at), _) if at > elements.len() => Err(self.refuse(format!(
                "`{}` has {} elements; {} appends one",
                field.name,
                elements.len(),
                elements.len()
            ))),
            (Some(at), _) if at == elements.len() && self.text.is_empty() => Ok(()),
            (Some(at), None) if self.text.is_empty() => {
                elements.remove(at);
                Ok(())
            }
            (Some(at), next) => {
                if at == elements.len() {
                    elements.push(Value::Null);
                }
                match next {
                    None => self.value(field).map(|value| elements[at] = value),
                    Some(_) => self.descend(field, &mut elements[at], rest),
                }
            }
        }
    }

    /// Sets a whole list: JSON, or one element.
    fn set_list(&self, field: &Field, elements: &mut Vec<Value>) -> Result<(), JsonError> {
        elements.clear();
        if self.text.starts_with('[') {
            match self.json()? {
                Value::Array(given) => elements.extend(given),
                other => elements.push(other),
            }
        } else if !self.text.is_empty() {
            elements.push(self.value(field)?);
        }
        Ok(())
    }

    fn is_pair(&self, field: &Field) -> bool {
        message_of(field).is_some_and(|message| short::is_pair(&message.name))
    }

    /// Sets the value that goes by a name: `measures.goldstein`.
    fn set_pair(&self, elements: &mut Vec<Value>, name: &str) -> Result<(), JsonError> {
        let place = elements
            .iter()
            .position(|pair| pair.get("name").and_then(Value::as_str) == Some(name));
        match place {
            Some(at) if self.text.is_empty() => drop(elements.remove(at)),
            Some(at) => elements[at]["value"] = self.text.into(),
            None if self.text.is_empty() => {}
            None => elements.push(json!({ "name": name, "value": self.text })),
        }
        Ok(())
    }

    fn descend(&self, field: &Field, value: &mut Value, rest: &[Step]) -> Result<(), JsonError> {
        let Some(message) = message_of(field) else {
            return Err(self.refuse(format!("`{}` is one value without parts", field.name)));
        };
        if value.is_null() {
            *value = json!({});
        }
        if let Value::String(text) = value {
            let long =
                short::expand(&message.name, text).map_err(|problem| JsonError::new(self.path, problem))?;
            *value = Value::Object(long);
        }
        match value {
            Value::Object(object) => self.set(message, object, rest),
            _ => Err(self.refuse(format!("`{}` is not an object", field.name))),
        }
    }

    /// The text as a value of the field.
    fn value(&self, field: &Field) -> Result<Value, JsonError> {
        match field.ty {
            FieldType::Text | FieldType::Bytes => Ok(self.text.into()),
            FieldType::Number => {
                let number: Result<u64, _> = self.text.parse();
                number
                    .map(Value::from)
                    .map_err(|_| self.refuse(format!("`{}` is not a whole number from 0", shown(self.text))))
            }
            FieldType::Word(id) => {
                let words = Shape::get().enumeration(id);
                let allowed = || {
                    words
                        .said()
                        .map(|word| word.word.as_str())
                        .collect::<Vec<_>>()
                        .join(", ")
                };
                let refused = || JsonProblem::Word {
                    word: shown(self.text),
                    allowed: allowed(),
                };
                let known = words
                    .number(self.text)
                    .ok_or_else(|| JsonError::new(self.path, refused()));
                known.map(|_| self.text.into())
            }
            FieldType::Message(_) if self.text.starts_with('{') => self.json(),
            FieldType::Message(id) => {
                let long = short::expand(&Shape::get().message(id).name, self.text);
                long.map(Value::Object)
                    .map_err(|problem| JsonError::new(self.path, problem))
            }
        }
    }

    fn json(&self) -> Result<Value, JsonError> {
        read(self.text).map_err(|error| JsonError::new(self.path, error.problem))
    }

    fn refuse(&self, why: impl Into<String>) -> JsonError {
        unsettable(self.path, why)
    }
}

fn message_of(field: &Field) -> Option<&'static Message> {
    match field.ty {
        FieldType::Message(id) => Some(Shape::get().message(id)),
        _ => None,
    }
}
