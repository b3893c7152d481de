//! Rows as a Parquet file, written from its first byte to its last without going back.
//!
//! A Parquet file is groups of rows, column by column, and at its end the footer, without which nobody can read any of
//! it. So a group is gathered in memory, within bounds, and a file whose writing was broken off never looks whole.

use super::{Cell, Column, Holds, double};
use crate::cli::failure::Failure;
use crate::cli::shown::Shown;
use ::parquet::basic::{Compression, LogicalType, Repetition, TimeUnit, Type as Physical};
use ::parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int32Type, Int64Type};
use ::parquet::errors::{ParquetError, Result};
use ::parquet::file::properties::WriterProperties;
use ::parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use ::parquet::schema::types::{Type, TypePtr};
use std::io::{self, Write};
use std::sync::Arc;

/// The most rows of a group.
const GROUP_ROWS: usize = 65_536;
/// The bytes of values after which a group is closed, though it has fewer rows.
const GROUP_BYTES: usize = 64 << 20;

/// A Parquet file that is being written.
pub struct File<W: Write + Send> {
    writer: SerializedFileWriter<W>,
    columns: Vec<Gathered>,
    rows: usize,
    bytes: usize,
}

/// What a column has of the group that is being gathered.
struct Gathered {
    column: &'static Column,
    /// For each row 1 where it has a value, else 0.
    present: Vec<i16>,
    values: Values,
}

/// The values of a column, without the rows that have none.
enum Values {
    Text(Vec<ByteArray>),
    Integer(Vec<i64>),
    Number(Vec<f64>),
    Date(Vec<i32>),
    Time(Vec<i64>),
}

impl<W: Write + Send> File<W> {
    /// Begins a file of these columns.
    ///
    /// # Errors
    /// As the writer.
    pub fn new(out: W, columns: &[&'static Column]) -> std::result::Result<Self, Failure> {
        let properties = WriterProperties::builder()
            .set_created_by(concat!("chancery ", env!("CARGO_PKG_VERSION")).to_owned())
            .set_compression(Compression::SNAPPY)
            .build();
        let begun = schema(columns)
            .and_then(|schema| SerializedFileWriter::new(out, schema, Arc::new(properties)))
            .map_err(failed)?;
        Ok(Self {
            writer: begun,
            columns: columns.iter().map(|column| Gathered::new(column)).collect(),
            rows: 0,
            bytes: 0,
        })
    }

    /// Adds a row.
    ///
    /// # Errors
    /// As the writer.
    pub fn push(&mut self, row: &Shown<'_>) -> std::result::Result<(), Failure> {
        for gathered in &mut self.columns {
            self.bytes += gathered.push(gathered.column.cell(row));
        }
        self.rows += 1;
        if self.rows == GROUP_ROWS || self.bytes >= GROUP_BYTES {
            self.close_group().map_err(failed)?;
        }
        Ok(())
    }

    /// Writes what is left and the footer: now it is a file.
    ///
    /// # Errors
    /// As the writer.
    pub fn finish(mut self) -> std::result::Result<(), Failure> {
        let done = self.close_group().and_then(|()| self.writer.finish());
        done.map(drop).map_err(failed)
    }

    fn close_group(&mut self) -> Result<()> {
        if self.rows == 0 {
            return Ok(());
        }
        let mut group = self.writer.next_row_group()?;
        for gathered in &mut self.columns {
            let mut writer = group
                .next_column()?
                .ok_or_else(|| ParquetError::General("a column more than the schema has".to_owned()))?;
            gathered.write(&mut writer)?;
            writer.close()?;
        }
        group.close()?;
        (self.rows, self.bytes) = (0, 0);
        Ok(())
    }
}

impl Gathered {
    fn new(column: &'static Column) -> Self {
        let values = match column.holds {
            Holds::Text(_) => Values::Text(Vec::new()),
            Holds::Integer(_) => Values::Integer(Vec::new()),
            Holds::Number(_) => Values::Number(Vec::new()),
            Holds::Date(_) => Values::Date(Vec::new()),
            Holds::Time(_) => Values::Time(Vec::new()),
        };
        Self {
            column,
            present: Vec::new(),
            values,
        }
    }

    /// Takes the value of a row; how many bytes it takes here.
    fn push(&mut self, cell: Option<Cell>) -> usize {
        let mut bytes = size_of::<i16>() + size_of::<u64>();
        let taken = match (&mut self.values, cell) {
            (Values::Text(values), Some(Cell::Text(text))) => {
                bytes += text.len() + size_of::<ByteArray>();
                values.push(text.into_bytes().into());
                true
            }
            (Values::Integer(values), Some(Cell::Integer(number))) => {
                take(values, i64::try_from(number).ok())
            }
            (Values::Number(values), Some(Cell::Number(stated))) => take(values, double(&stated)),
            (Values::Date(values), Some(Cell::Date(day))) => take(values, Some(day)),
            (Values::Time(values), Some(Cell::Time(moment))) => take(values, Some(moment.nanos())),
            (_, absent) => {
                debug_assert_eq!(absent, None, "a column holds values of its own type");
                false
            }
        };
        self.present.push(taken.into());
        bytes
    }

    /// Writes the column and begins anew.
    fn write(&mut self, writer: &mut SerializedColumnWriter<'_>) -> Result<()> {
        let present = Some(self.present.as_slice());
        match &mut self.values {
            Values::Text(values) => {
                writer
                    .typed::<ByteArrayType>()
                    .write_batch(values, present, None)?;
                values.clear();
            }
            Values::Integer(values) | Values::Time(values) => {
                writer.typed::<Int64Type>().write_batch(values, present, None)?;
                values.clear();
            }
            Values::Number(values) => {
                writer.typed::<DoubleType>().write_batch(values, present, None)?;
                values.clear();
            }
            Values::Date(values) => {
                writer.typed::<Int32Type>().write_batch(values, present, None)?;
                values.clear();
            }
        }
        self.present.clear();
        Ok(())
    }
}

fn take<T>(values: &mut Vec<T>, value: Option<T>) -> bool {
    let taken = value.is_some();
    values.extend(value);
    taken
}

/// The schema: every column may be null, as every reader expects.
fn schema(columns: &[&Column]) -> Result<TypePtr> {
    let typed = |column: &&Column| {
        let (physical, logical) = match column.holds {
            Holds::Text(_) => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
            Holds::Integer(_) => (Physical::INT64, None),
            Holds::Number(_) => (Physical::DOUBLE, None),
            Holds::Date(_) => (Physical::INT32, Some(LogicalType::Date)),
            Holds::Time(_) => (
                Physical::INT64,
                Some(LogicalType::timestamp(true, TimeUnit::NANOS)),
            ),
        };
        Type::primitive_type_builder(column.name, physical)
            .with_repetition(Repetition::OPTIONAL)
            .with_logical_type(logical)
            .build()
            .map(Arc::new)
    };
    let fields = columns.iter().map(typed).collect::<Result<Vec<_>>>()?;
    let schema = Type::group_type_builder("row").with_fields(fields).build()?;
    Ok(Arc::new(schema))
}

/// A failure leaves a file that nobody can read, and says so; here that is one also where a reader is gone.
fn failed(error: ParquetError) -> Failure {
    let cause = match &error {
        ParquetError::External(cause) => match cause.downcast_ref::<io::Error>() {
            Some(cause) if cause.kind() == io::ErrorKind::BrokenPipe => {
                "whoever was to take it has stopped reading".to_owned()
            }
            _ => cause.to_string(),
        },
        other => other.to_string(),
    };
    Failure::failed(format!(
        "the Parquet file could not be written to its end: {cause}; remove what there is of it and search again"
    ))
}

#[cfg(test)]
mod tests;
