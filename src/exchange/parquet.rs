//! Rows as Parquet: the types that our rows have (text, numbers, booleans, lists, messages).

use std::sync::Arc;

use arrow_array::builder::NullBufferBuilder;
use arrow_array::{
    ArrayRef, BooleanArray, Float64Array, Int64Array, ListArray, RecordBatch, StringArray, StructArray,
};
use arrow_buffer::OffsetBuffer;
use arrow_schema::{ArrowError, DataType, Field, Fields, Schema};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use serde_json::{Map, Value};

use crate::{Error, Result};

type Row = Map<String, Value>;

/// Rows in a batch.
const BATCH: usize = 8192;

/// Writes rows; the same rows give the same bytes.
///
/// # Errors
/// A column of mixed types.
pub fn write(rows: &[Row]) -> Result<Vec<u8>> {
    let failed = |e: &dyn std::fmt::Display| {
        Error::invalid("the Parquet file", e.to_string(), "rows of one type a column", "Use --format jsonl.")
    };
    let mut names: Vec<&str> = Vec::new();
    for name in rows.iter().flat_map(Row::keys) {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    let column = |name: &str, rows: &[Row]| -> Vec<Value> {
        rows.iter().map(|row| row.get(name).cloned().unwrap_or_default()).collect()
    };
    let types = names.iter().map(|name| kind(&column(name, rows)).unwrap_or(DataType::Utf8));
    let fields: Vec<Field> = names.iter().zip(types).map(|(name, of)| Field::new(*name, of, true)).collect();
    let schema = Arc::new(Schema::new(fields));
    let level = ZstdLevel::try_new(3).map_err(|e| failed(&e))?;
    let properties = WriterProperties::builder().set_compression(Compression::ZSTD(level)).build();
    let mut bytes = Vec::new();
    let mut writer =
        ArrowWriter::try_new(&mut bytes, schema.clone(), Some(properties)).map_err(|e| failed(&e))?;
    for rows in rows.chunks(BATCH) {
        let arrays =
            schema.fields().iter().map(|field| array(&column(field.name(), rows), field.data_type()));
        let arrays = arrays.collect::<Result<Vec<_>, _>>().map_err(|e| failed(&e))?;
        let batch = RecordBatch::try_new(schema.clone(), arrays).map_err(|e| failed(&e))?;
        writer.write(&batch).map_err(|e| failed(&e))?;
    }
    writer.close().map_err(|e| failed(&e))?;
    Ok(bytes)
}

/// The type of values, nulls left out; none of nulls.
fn kind(values: &[Value]) -> Option<DataType> {
    let mut given = values.iter().filter(|value| !value.is_null());
    Some(match given.clone().next()? {
        Value::Bool(_) => DataType::Boolean,
        Value::Number(_) if given.all(Value::is_i64) => DataType::Int64,
        Value::Number(_) => DataType::Float64,
        Value::Array(_) => {
            let inner: Vec<Value> = given.filter_map(Value::as_array).flatten().cloned().collect();
            let item = kind(&inner).unwrap_or(DataType::Utf8);
            DataType::List(Arc::new(Field::new("item", item, true)))
        }
        Value::Object(first) => {
            let objects: Vec<&Value> = given.collect();
            let field = |name: &String| {
                let values: Vec<Value> =
                    objects.iter().filter_map(|object| object.get(name)).cloned().collect();
                Field::new(name, kind(&values).unwrap_or(DataType::Utf8), true)
            };
            DataType::Struct(first.keys().map(field).collect())
        }
        Value::Null | Value::String(_) => DataType::Utf8,
    })
}

fn array(values: &[Value], kind: &DataType) -> Result<ArrayRef, ArrowError> {
    let wrong = |value: &Value| {
        let shown = super::texts::short(value);
        ArrowError::SchemaError(format!("{shown} in a column of {kind}"))
    };
    fn all<'a, T>(
        values: &'a [Value],
        read: impl Fn(&'a Value) -> Option<T>,
        wrong: impl Fn(&Value) -> ArrowError,
    ) -> Result<Vec<Option<T>>, ArrowError> {
        let one = |value: &'a Value| match value {
            Value::Null => Ok(None),
            value => read(value).map(Some).ok_or_else(|| wrong(value)),
        };
        values.iter().map(one).collect()
    }
    Ok(match kind {
        DataType::Boolean => Arc::new(BooleanArray::from(all(values, Value::as_bool, wrong)?)),
        DataType::Int64 => Arc::new(Int64Array::from(all(values, Value::as_i64, wrong)?)),
        DataType::Float64 => Arc::new(Float64Array::from(all(values, Value::as_f64, wrong)?)),
        DataType::List(field) => {
            let lists = all(values, Value::as_array, wrong)?;
            let offsets = OffsetBuffer::from_lengths(lists.iter().map(|list| list.map_or(0, Vec::len)));
            let inner: Vec<Value> = lists.iter().flatten().flat_map(|list| list.iter().cloned()).collect();
            let inner = array(&inner, field.data_type())?;
            Arc::new(ListArray::try_new(field.clone(), offsets, inner, nulls(values))?)
        }
        DataType::Struct(fields) => {
            let objects = all(values, Value::as_object, wrong)?;
            let column = |field: &Arc<Field>| {
                let of = |object: &Option<&Row>| object.and_then(|o| o.get(field.name()).cloned());
                let values: Vec<Value> =
                    objects.iter().map(|object| of(object).unwrap_or_default()).collect();
                array(&values, field.data_type())
            };
            let columns = fields.iter().map(column).collect::<Result<Vec<_>, _>>()?;
            Arc::new(StructArray::try_new(Fields::clone(fields), columns, nulls(values))?)
        }
        _ => Arc::new(StringArray::from(all(values, Value::as_str, wrong)?)),
    })
}

fn nulls(values: &[Value]) -> Option<arrow_buffer::NullBuffer> {
    let mut builder = NullBufferBuilder::new(values.len());
    values.iter().for_each(|value| builder.append(!value.is_null()));
    builder.finish()
}
